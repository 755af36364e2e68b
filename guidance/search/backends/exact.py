"""Exact search: the inner products of a query with all vectors of an index.

The products are computed in half precision, which reads half the memory; the best ones are computed
again in float32. More are taken until none that was left out can be better than the last one that
is returned. One query over 1 million vectors of 512 numbers, and over 100,000 of 256: see
`benchmarks/search.py`. Half precision in numpy is 50 times slower, and float32 6 times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.search.index import Nearest
from guidance.search.store import Store

#: The largest error of a product of unit vectors in half precision. 1.2e-4 was measured over 200
#: thousand vectors of 256 and 512 numbers; rounding the query alone may give 4.9e-4.
ERROR = 1e-3
#: How many more than asked for are computed again at first.
SPARE = 256
#: Numbers of an index up to which numpy searches, so that torch is not imported: 20 ms.
FEW = 4_000_000


class Exact:
    """Searches the shards of an index, without any other file.

    Args:
        store: an open index.
        light: whether torch may be left out for a small index.
    """

    def __init__(self, store: Store, *, light: bool = False) -> None:
        self.store = store
        self._light = light and len(store) * store.manifest.dimension <= FEW

    def search(self, query: np.ndarray, count: int) -> Nearest:
        """See `Index.search`.

        Raises:
            InputError: the index contains NaN: it is damaged.
        """
        total = len(self.store)
        norm = float(np.linalg.norm(query))
        if total == 0 or norm == 0 or count < 1:
            return Nearest(np.empty(0, np.int64), np.empty(0, np.float32))
        unit = (query / norm).astype(np.float32)
        found = self._light_scores(unit) if self._light else self._half_scores(unit)
        taken = min(total, count + SPARE)
        while True:
            positions, least = _best(found, taken)
            scores = self._exact_scores(positions, unit)
            order = np.argsort(-scores, kind="stable")[:count]
            if taken == total or scores[order[-1]] > least + ERROR:
                break
            taken = min(total, 4 * taken)
        if not np.isfinite(scores[order]).all():
            raise InputError(
                f"{self.store.folder}: contains NaN; run: guide search verify {self.store.folder}"
            )
        return Nearest(self._rows(positions[order]), norm * scores[order])

    def _half_scores(self, unit: np.ndarray) -> np.ndarray:
        """Products of all vectors in half precision: float16 [v]."""
        import torch

        vector = torch.from_numpy(unit).half()
        return torch.cat([_tensor(s.vectors).mv(vector) for s in self.store.shards]).numpy()

    def _light_scores(self, unit: np.ndarray) -> np.ndarray:
        """Products of all vectors in float32, without torch: float32 [v]."""
        return np.concatenate(
            [shard.vectors.astype(np.float32) @ unit for shard in self.store.shards]
        )

    def _exact_scores(self, positions: np.ndarray, unit: np.ndarray) -> np.ndarray:
        """Products of some vectors in float32."""
        scores = np.empty(len(positions), np.float32)
        for number, mine, local in self._by_shard(positions):
            rows = self.store.shards[number].vectors[local]
            scores[mine] = (rows.astype(np.float32) if self._light else _floats(rows)) @ unit
        return scores

    def _rows(self, positions: np.ndarray) -> np.ndarray:
        rows = np.empty(len(positions), np.int64)
        for number, mine, local in self._by_shard(positions):
            rows[mine] = self.store.shards[number].rows[local]
        return rows

    def _by_shard(self, positions: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each shard's number, which of the positions are in it, and where."""
        numbers = np.searchsorted(self.store.starts, positions, "right") - 1
        for number in np.unique(numbers):
            mine = numbers == number
            yield int(number), mine, positions[mine] - self.store.starts[number]


def _best(scores: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """The positions of the greatest scores, and the least of these scores."""
    if len(scores) <= FEW // 64:
        positions = np.argpartition(-scores.astype(np.float32), count - 1)[:count]
    else:
        import torch

        positions = torch.from_numpy(scores).topk(count, sorted=False).indices.numpy()
    return positions, float(scores[positions].min())


def _floats(rows: np.ndarray) -> np.ndarray:
    """Rows in float32, which torch converts 10 times faster than numpy."""
    import torch

    return torch.from_numpy(rows).float().numpy()


def _tensor(array: np.ndarray) -> Any:
    """A view of an array that is mapped read-only; torch warns of such arrays."""
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.from_numpy(array)
