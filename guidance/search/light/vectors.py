"""The vectors of queries of plain text, without torch; see `guidance.search.query_vectors`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from guidance.encoders.files.card import read_card
from guidance.encoders.files.source import find_source
from guidance.losses.text.arguments import subtracted
from guidance.models.clip_tokens import VOCABULARY, can_tokenize, tokenize
from guidance.prompts import Phrase
from guidance.search.backends.exact import FEW
from guidance.search.identity import check_same, identity
from guidance.search.light.tower import TextTower
from guidance.search.queries import Query
from guidance.search.store import Store


def light_vectors(store: Store, queries: Sequence[Query]) -> list[np.ndarray] | None:
    """The vector of each query, float32 [d]; None if torch is needed.

    That is the case for images and regional prompts, other characters than ASCII, large indices,
    and text towers other than CLIP's.

    Raises:
        InputError: the encoder has other weights than those of the index.
        MissingWeights: the encoder is not on this machine.
    """
    phrases = [(*q.prompt.phrases, *subtracted(q.negatives)) for q in queries]
    plain = all(p.image is None and can_tokenize(p.text) for row in phrases for p in row)
    large = len(store) * store.manifest.dimension > FEW
    if not plain or large or any(query.regions for query in queries):
        return None
    stored = store.manifest.encoder
    source = find_source(stored.name)
    text = source.config["text_cfg"]
    if "dual" in source.config or "imagebind" in source.config:
        return None
    if text.get("vocab_size", VOCABULARY) != VOCABULARY:
        return None
    if not TextTower.can_be(source.config, source.checkpoint):
        return None
    check_same(identity(stored.name), stored, store.folder)
    tower, card = TextTower(source.checkpoint, source.config), read_card(source.folder)
    wordings = [query.templates or card.templates or ("{}",) for query in queries]
    tokens: dict[str, list[int]] = {}
    for text in _texts(phrases, wordings):
        found = tokenize(text) if can_tokenize(text) else None
        if found is None or len(found) > tower.length:
            return None  # torch's path reads it, or says what is too long
        tokens[text] = found
    encoded = dict(zip(tokens, tower.encode(list(tokens.values())), strict=True))
    vectors = []
    for row, templates in zip(phrases, wordings, strict=True):
        total = np.zeros(store.manifest.dimension, np.float32)
        for phrase in row:
            mean = np.mean([encoded[each] for each in _texts([[phrase]], [templates])], axis=0)
            total += np.float32(phrase.weight.values[0]) * mean / np.linalg.norm(mean)
        vectors.append(total)
    return vectors


def _texts(rows: Sequence[Sequence[Phrase]], wordings: Sequence[Sequence[str]]) -> list[str]:
    """Each phrase in each wording of its query."""
    return [
        template.replace("{}", phrase.text)
        for row, templates in zip(rows, wordings, strict=True)
        for phrase in row
        for template in templates
    ]
