"""The answers to the prompts of `guide search query`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guidance.commands.search_request import QueryRequest
from guidance.prompts import read_templates
from guidance.search.hits import Hit, search
from guidance.search.index import Index
from guidance.search.queries import Query
from guidance.search.store import Store


@dataclass(frozen=True)
class Answer:
    """A query and its hits."""

    query: Query
    hits: Sequence[Hit]


def answers(request: QueryRequest) -> list[Answer]:
    """The hits of each prompt.

    For prompts of plain text and a small index, neither torch nor the image tower is loaded; see
    `guidance.search.light`.

    Raises:
        InputError: no index, a damaged one, or a prompt that cannot be used.
        MissingWeights: the encoder of the index is not on this machine.
    """
    templates = read_templates(request.templates)
    queries = [
        Query.of(prompt, request.negative, request.region, templates) for prompt in request.prompts
    ]
    store = Store.open(request.index)
    found = _light(request, store, queries) or _full(request, store, queries)
    return [Answer(q, _above(hits, request)) for q, hits in zip(queries, found, strict=True)]


def _light(
    request: QueryRequest, store: Store, queries: Sequence[Query]
) -> list[Sequence[Hit]] | None:
    if request.backend != "exact" or request.device != "cpu":
        return None
    from guidance.search.backends.exact import Exact
    from guidance.search.light.vectors import light_vectors

    vectors = light_vectors(store, queries)
    if vectors is None:
        return None
    return [search(store, Exact(store, light=True), vector, request.count) for vector in vectors]


def _full(request: QueryRequest, store: Store, queries: Sequence[Query]) -> list[Sequence[Hit]]:
    from guidance.models.devices import find_device
    from guidance.search.collection import Collection

    collection = Collection(request.index, find_device(request.device))
    index = _index(request, store)
    return [collection.hits(query, request.count, index) for query in queries]


def _index(request: QueryRequest, store: Store) -> Index | None:
    if request.backend == "usearch":
        from guidance.search.backends.usearch import Graph

        return Graph(store)
    if request.backend == "qdrant":
        from guidance.search.backends.qdrant import Qdrant

        return Qdrant(store, request.server)
    return None


def _above(hits: Sequence[Hit], request: QueryRequest) -> Sequence[Hit]:
    least = request.least
    return hits if least is None else [hit for hit in hits if hit.score >= least]
