"""The interface of what finds the nearest vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Nearest:
    """Vectors in the order of their scores, the best first."""

    rows: np.ndarray  # int64 [k], the numbers of the vectors in the index
    scores: np.ndarray  # float32 [k], the inner products with the query


@runtime_checkable
class Index(Protocol):
    """Finds the stored vectors with the greatest inner products with a query."""

    def search(self, query: np.ndarray, count: int) -> Nearest:
        """The best vectors for a query.

        Args:
            query: float32 [d], of any length.
            count: how many; fewer are returned if there are fewer.
        """
        ...
