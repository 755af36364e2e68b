"""Hits of a query: files in the order of their scores, and segments of videos."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.models.digest import file_sha256
from guidance.search.index import Index, Nearest
from guidance.search.items import VIDEO, Item
from guidance.search.shards import Shard
from guidance.search.store import Store

#: A neighboring scene belongs to a segment if its score is at most this much below the best one, in
#: units of the length of the query. Chosen by judgment.
MARGIN = 0.05


@dataclass(frozen=True)
class Hit:
    """An image, or a segment of a video, that a query has found."""

    score: float
    item: Item
    start: float = 0.0  # of the segment, in seconds
    stop: float = 0.0
    best: float = 0.0  # when the best scene of the segment starts

    @property
    def path(self) -> Path:
        return Path(self.item.path)

    @property
    def is_video(self) -> bool:
        return self.item.kind == VIDEO

    @property
    def is_there(self) -> bool:
        """Whether the file is at its place, with the content that was embedded.

        Files are opened only after this check: an index of somebody else could name any file.
        """
        with contextlib.suppress(OSError, InputError):
            refuse_special_file(self.path)
            if self.path.stat().st_size == self.item.size:
                return file_sha256(self.path) == self.item.sha256
        return False

    def as_json(self) -> Mapping[str, Any]:
        """The values for the output of a command."""
        values = {"score": round(self.score, 5), **self.item.as_json()}
        if self.is_video:
            seconds = {"start": self.start, "stop": self.stop, "best": self.best}
            values |= {name: round(value, 2) for name, value in seconds.items()}
        return values


def search(store: Store, index: Index, query: np.ndarray, count: int) -> list[Hit]:
    """The best images and segments for a query.

    Args:
        store: the index.
        index: what finds its nearest vectors.
        query: float32 [d]; see `guidance.search.queries`.
        count: how many hits; fewer are returned if there are fewer.
    """
    asked, total = 2 * count, len(store)
    margin = MARGIN * float(np.linalg.norm(query))
    while True:
        nearest = index.search(query, min(asked, total))
        hits = list(_segments(store, nearest, margin))
        if len(hits) >= count or len(nearest.rows) >= total or len(nearest.rows) < asked:
            return hits[:count]
        asked *= 4


def _segments(store: Store, nearest: Nearest, margin: float) -> Iterator[Hit]:
    """A hit for each image, and for each group of neighboring scenes."""
    positions = store.positions(nearest.rows)
    scores = {int(at): float(x) for at, x in zip(positions, nearest.scores, strict=True) if at >= 0}
    used: set[int] = set()
    for position, score in scores.items():
        if position in used:
            continue
        shard, at = store.place(position)
        item = shard.item(int(shard.owners[at]))
        if item.kind != VIDEO:
            yield Hit(score, item)
            continue
        offset = position - at
        first, last = _extent(shard, at, partial(_at, scores, offset), score - margin)
        used.update(range(first + offset, last + offset + 1))
        start, stop = float(shard.spans[first, 0]), float(shard.spans[last, 1])
        yield Hit(score, item, start, stop, float(shard.spans[at, 0]))


def _extent(
    shard: Shard, at: int, score_of: Callable[[int], float | None], least: float
) -> tuple[int, int]:
    """The first and the last of the scenes around one whose scores are known and large enough.

    Args:
        shard: the shard of the video.
        at: the place of a scene in it.
        score_of: the score of a scene by its place; None if it was not found.
        least: the least score.
    """

    def belongs(near: int) -> bool:
        same = 0 <= near < len(shard) and bool(shard.owners[near] == shard.owners[at])
        score = score_of(near) if same else None
        return score is not None and score >= least

    first = last = at
    while belongs(first - 1):
        first -= 1
    while belongs(last + 1):
        last += 1
    return first, last


def _at(scores: Mapping[int, float], offset: int, place: int) -> float | None:
    return scores.get(offset + place)
