"""Search by a qdrant server, for more vectors than one machine holds.

The collection of an index is brought up to date before it is searched: its vectors have the same
numbers as in the shards. Without a server, qdrant's own code holds the vectors in memory; nothing
is stored, because its files are pickles.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.search.index import Nearest
from guidance.search.store import Store
from guidance.streams import say

#: Vectors in one request.
BATCH = 1000
#: Where the key of a server is read from; a command line is visible to others.
KEY = "QDRANT_API_KEY"


class Qdrant:
    """Searches a collection of a server; see `guidance.search.index.Index`.

    Args:
        store: an open index.
        server: an address such as http://localhost:6333; None holds the vectors in memory.

    Raises:
        InputError: qdrant-client is not installed, or the server does not answer.
    """

    def __init__(self, store: Store, server: str | None = None) -> None:
        try:
            from qdrant_client import QdrantClient
        except ImportError:
            raise InputError(
                'search: --backend qdrant needs a library; run: pip install "qdrant-client>=1.12"'
            ) from None
        self.store, self.server = store, server
        self.collection = f"guidance-{store.manifest.key}"
        if server is None:
            say(f"guide: no --server: {len(store)} vectors are held in memory for this command")
            self._client: Any = QdrantClient(":memory:")
        else:
            if not server.startswith(("http://", "https://")):
                raise InputError(f"search: --server {server:.100}: expected http://HOST:PORT")
            self._client = QdrantClient(
                url=server, api_key=os.environ.get(KEY), timeout=30, check_compatibility=False
            )
        self._asked(self._bring_up_to_date)

    def search(self, query: np.ndarray, count: int) -> Nearest:
        """See `Index.search`."""
        norm = float(np.linalg.norm(query))
        if not len(self.store) or norm == 0:
            return Nearest(np.empty(0, np.int64), np.empty(0, np.float32))
        unit = (query / norm).astype(np.float32)
        answer = self._asked(
            lambda: self._client.query_points(self.collection, query=unit.tolist(), limit=count)
        )
        rows = np.array([point.id for point in answer.points], np.int64)
        scores = np.array([point.score for point in answer.points], np.float32)
        return Nearest(rows, norm * scores)

    def _bring_up_to_date(self) -> None:
        from qdrant_client import models

        if not self._client.collection_exists(self.collection):
            self._client.create_collection(
                self.collection,
                models.VectorParams(
                    size=self.store.manifest.dimension,
                    distance=models.Distance.DOT,
                    datatype=models.Datatype.FLOAT16,
                ),
            )
        there = np.array(list(self._rows()), np.int64)
        shards = self.store.shards
        every = np.concatenate([np.empty(0, np.int64), *(shard.rows for shard in shards)])
        gone = np.setdiff1d(there, every)
        for start in range(0, len(gone), BATCH):
            part = gone[start : start + BATCH].tolist()
            self._client.delete(self.collection, models.PointIdsList(points=part))
        for shard in shards:
            new = np.flatnonzero(~np.isin(shard.rows, there))
            for start in range(0, len(new), BATCH):
                part = new[start : start + BATCH]
                vectors = shard.vectors[part].astype(np.float32).tolist()
                batch = models.Batch(ids=shard.rows[part].tolist(), vectors=vectors)
                self._client.upsert(self.collection, batch, wait=True)

    def _rows(self) -> Iterator[int]:
        """The numbers of the vectors that the collection has."""
        offset: Any = None
        while True:
            points, offset = self._client.scroll(
                self.collection, limit=BATCH, offset=offset, with_payload=False, with_vectors=False
            )
            yield from (int(point.id) for point in points)
            if offset is None:
                return

    def _asked(self, work: Any) -> Any:
        """The result of work with the server. Raises InputError if it fails."""
        from qdrant_client.http.exceptions import ApiException

        try:
            return work()
        except (ApiException, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"search: the server {self.server} failed: {reason}") from None
