"""Groups of files that look the same."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

from guidance.search.items import IMAGE, Item
from guidance.search.store import Store

#: The least cosine of two images of one group. Copies of an image in another size or format have
#: more with the mini model; so have few different images.
SAME_IMAGE = 0.985
#: Rows of one block of the table of all products.
BLOCK = 1024


def duplicates(store: Store, least: float = SAME_IMAGE) -> list[list[Item]]:
    """Groups of images whose vectors are at least this similar, directly or through others.

    All pairs are compared: 100,000 images take minutes.

    Args:
        store: the index; its videos are left out.
        least: the cosine.
    """
    vectors, items = _images(store)
    parents = np.arange(len(items))
    for start in range(0, len(items), BLOCK):
        left = vectors[start : start + BLOCK].float()
        for other in range(start, len(items), BLOCK):
            products = left @ vectors[other : other + BLOCK].float().T
            for a, b in (products >= least).nonzero().tolist():
                if start + a < other + b:
                    _unite(parents, start + a, other + b)
    groups: dict[int, list[Item]] = defaultdict(list)
    for index, item in enumerate(items):
        groups[_root(parents, index)].append(item)
    return [sorted(group, key=_order) for group in groups.values() if len(group) > 1]


def _images(store: Store) -> tuple[torch.Tensor, list[Item]]:
    parts, items = [np.empty((0, store.manifest.dimension), np.float16)], []
    for shard in store.shards:
        mine = [shard.items[owner].kind == IMAGE for owner in shard.owners]
        parts.append(shard.vectors[np.flatnonzero(mine)])
        items += [shard.items[owner] for owner, yes in zip(shard.owners, mine, strict=True) if yes]
    return torch.from_numpy(np.concatenate(parts)), items


def _order(item: Item) -> tuple[int, int]:
    """The file to keep comes first: the largest one, or the oldest in the index."""
    return -item.size, item.id


def _root(parents: np.ndarray, index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = int(parents[index])
    return index


def _unite(parents: np.ndarray, one: int, other: int) -> None:
    a, b = sorted((_root(parents, one), _root(parents, other)))
    parents[b] = a
