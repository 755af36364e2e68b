"""The nearest vectors: compared with products in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from guidance.errors import InputError
from guidance.search import shards
from guidance.search import store as stores
from guidance.search.backends import exact
from guidance.search.backends.exact import Exact
from guidance.search.hits import search
from guidance.search.index import Index, Nearest
from guidance.search.items import Embedded
from guidance.search.store import Store
from tests.search.stand_ins import DIMENSION, image, store, unit, video


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An index of 400 images in shards of 64, some of which were removed."""
    monkeypatch.setattr(shards, "MAX_VECTORS", 64)
    monkeypatch.setattr(stores, "MAX_VECTORS", 64)
    return store(tmp_path / "index", 400).changed(remove=set(range(3, 400, 7)))


def expected(made: Store, query: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers and scores of the best vectors, by products in float64."""
    rows = np.concatenate([shard.rows for shard in made.shards])
    vectors = np.concatenate([shard.vectors for shard in made.shards]).astype(np.float64)
    scores = vectors @ query.astype(np.float64)
    order = np.argsort(-scores, kind="stable")[:count]
    return rows[order], scores[order]


def check(made: Store, index: Index, count: int = 20) -> None:
    query = 3 * unit(1, 77)[0].astype(np.float32)
    found = index.search(query, count)
    rows, scores = expected(made, query, count)
    assert found.rows.tolist() == rows.tolist()
    assert np.abs(found.scores - scores).max() < 1e-4


@pytest.mark.parametrize("light", [True, False])
def test_exact(many: Store, light: bool) -> None:
    check(many, Exact(many, light=light))
    every = Exact(many, light=light).search(unit(1, 5)[0].astype(np.float32), 10_000)
    assert len(every.rows) == len(many)
    assert (np.diff(every.scores) <= 0).all()


def test_exact_where_half_precision_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly equal vectors: more are computed again until the order is certain."""
    monkeypatch.setattr(exact, "SPARE", 2)
    base = unit(1, 1)[0].astype(np.float64)
    rows = base + 3e-4 * np.random.default_rng(0).standard_normal((500, DIMENSION))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    files = [Embedded(image(n).item, rows[n - 1][None], image(n).spans) for n in range(1, 501)]
    made = store(tmp_path / "index").changed(files)
    check(made, Exact(made), 10)


def test_an_empty_index(tmp_path: Path) -> None:
    made = store(tmp_path / "index")
    assert len(Exact(made).search(np.ones(DIMENSION, np.float32), 3).rows) == 0


def test_nan_in_an_index_is_reported(tmp_path: Path) -> None:
    bad = Embedded(image(1).item, np.full((1, DIMENSION), np.nan, np.float16), image(1).spans)
    made = store(tmp_path / "index").changed([bad, image(2)])
    with pytest.raises(InputError, match="contains NaN"):
        Exact(made).search(np.ones(DIMENSION, np.float32), 2)


def test_a_graph_follows_the_index(many: Store, tmp_path: Path) -> None:
    pytest.importorskip("usearch", reason="an extra: pip install usearch")
    from guidance.search.backends.usearch import Graph

    check(many, Graph(many, tmp_path / "cache"))
    less = many.changed([image(500)], remove={1, 2, 4, 5, 6, 8})
    graph = Graph(less, tmp_path / "cache")
    check(less, graph)
    assert graph.path.parent == tmp_path / "cache"
    assert not list(less.folder.glob("*.usearch"))  # none that somebody else may have made


def test_qdrant_in_memory(many: Store) -> None:
    pytest.importorskip("qdrant_client", reason="an extra: pip install qdrant-client")
    from guidance.search.backends.qdrant import Qdrant

    index = Qdrant(many)
    check(many, index)
    index.store = many.changed([image(500)], remove={1, 2, 4, 5, 6, 8})
    index._bring_up_to_date()
    check(index.store, index)
    with pytest.raises(InputError, match="expected http"):
        Qdrant(many, "file:///etc/passwd")
    with pytest.raises(InputError, match=r"server http://127.0.0.1:9 failed"):
        Qdrant(many, "http://127.0.0.1:9")


class _Given:
    """An index that answers with the scores it was given."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = np.array(scores, np.float32)

    def search(self, query: np.ndarray, count: int) -> Nearest:
        order = np.argsort(-self.scores, kind="stable")[:count]
        return Nearest(order.astype(np.int64), self.scores[order])


def test_neighboring_scenes_are_one_segment(tmp_path: Path) -> None:
    files = [image(1), video(2, unit(6)), video(3, unit(2)), image(4)]
    made = store(tmp_path / "index").changed(files)
    #              image  six scenes of a video                two of another   image
    given = _Given([0.30, 0.10, 0.48, 0.50, 0.46, 0.20, 0.49, 0.47, 0.10, 0.40])
    hits = search(made, given, unit(1)[0].astype(np.float32), 4)
    found = [(hit.item.id, hit.start, hit.stop, hit.best) for hit in hits]
    assert found == [(2, 1, 4, 2), (2, 5, 6, 5), (3, 0, 1, 0), (4, 0, 0, 0)]
    assert [round(hit.score, 2) for hit in hits] == [0.5, 0.49, 0.47, 0.4]
    assert len(search(made, given, unit(1)[0].astype(np.float32), 50)) == 8
