"""Approximate search by a graph (HNSW) of usearch, for millions of vectors.

The graph is made from the shards and kept in the cache of this user, not in the index: a graph is
read by native code, so it must not come from somebody else. It is brought up to date when the index
has changed.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.runs.atomic import move_into, os_errors
from guidance.search.index import Nearest
from guidance.search.store import Store

#: How many neighbors are explored for a query, and connected in the graph. Source: the recall of
#: `benchmarks/search.py`.
EXPANSION_SEARCH, CONNECTIVITY = 128, 16


class Graph:
    """Searches a graph of an index; see `guidance.search.index.Index`.

    Args:
        store: an open index.
        cache: the folder for graphs; by default that of this user.

    Raises:
        InputError: usearch is not installed.
    """

    def __init__(self, store: Store, cache: Path | None = None) -> None:
        try:
            from usearch.index import Index as UsearchIndex
        except ImportError:
            raise InputError(
                'search: --backend usearch needs a library; run: pip install "usearch>=2.16"'
            ) from None
        self.store = store
        self.path = (cache or _cache()) / f"{_name(store)}.usearch"
        self._graph: Any = UsearchIndex(
            ndim=store.manifest.dimension,
            metric="ip",
            dtype="f16",
            connectivity=CONNECTIVITY,
            expansion_search=EXPANSION_SEARCH,
        )
        if self.path.is_file():
            self._graph.load(str(self.path))
        if self._bring_up_to_date():
            self._save()

    def search(self, query: np.ndarray, count: int) -> Nearest:
        """See `Index.search`; the scores are exact, but a hit may be missed."""
        norm = float(np.linalg.norm(query))
        if not len(self._graph) or norm == 0:
            return Nearest(np.empty(0, np.int64), np.empty(0, np.float32))
        unit = (query / norm).astype(np.float32)
        found = self._graph.search(unit, min(count, len(self._graph)))
        rows = np.asarray(found.keys).astype(np.int64)
        positions = self.store.positions(rows)
        scores = np.array([_product(self.store, int(at), unit) for at in positions], np.float32)
        order = np.argsort(-scores, kind="stable")
        return Nearest(rows[order], norm * scores[order])

    def _bring_up_to_date(self) -> bool:
        """Adds and removes vectors; returns whether there were any."""
        shards = self.store.shards
        every = np.concatenate([np.empty(0, np.int64), *(shard.rows for shard in shards)])
        there = np.array(self._graph.keys, np.int64)
        gone, new = np.setdiff1d(there, every), np.setdiff1d(every, there)
        if len(gone):
            self._graph.remove(gone.astype(np.uint64))
        for shard in shards:
            mine = np.flatnonzero(np.isin(shard.rows, new))
            if len(mine):
                self._graph.add(shard.rows[mine].astype(np.uint64), shard.vectors[mine])
        return bool(len(gone) or len(new))

    def _save(self) -> None:
        with os_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        self._graph.save(str(temporary))
        move_into(temporary, self.path)


def _product(store: Store, position: int, unit: np.ndarray) -> float:
    shard, at = store.place(position)
    return float(shard.vectors[at].astype(np.float32) @ unit)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "guidance" / "search"


def _name(store: Store) -> str:
    """The place and the key of an index, so that no other index has the same graph."""
    place = f"{store.folder.resolve()}\n{store.manifest.key}\n{store.manifest.dimension}"
    return sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32]
