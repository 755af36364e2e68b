"""Images of many samples in parts that fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from guidance.stylegan.networks.synthesis import Synthesis

#: Bytes that the graph of one part may take.
BUDGET = 3 * 2**30


def samples_at_once(
    synthesis: Synthesis, *, first: int = 0, max_resolution: int | None = None
) -> int:
    """How many samples fit into `BUDGET` with their graph; at least one.

    The arguments are those of `Synthesis.bytes_of_graph`.
    """
    each = synthesis.bytes_of_graph(first=first, max_resolution=max_resolution)
    return max(1, BUDGET // max(1, each))


def in_parts(
    make: Callable[[slice], Float[Tensor, "_ c h w"]], n: int, at_once: int
) -> Float[Tensor, "n c h w"]:
    """The images of n samples, of which `make` renders some.

    A single part keeps its graph; several parts are computed again in backward, one at a time.

    Args:
        make: from a slice of the samples to their images; it must draw no random numbers.
        n: the number of samples.
        at_once: how many of them fit into memory, see `samples_at_once`.
    """
    if n <= at_once:
        return make(slice(None))
    parts = [slice(start, start + at_once) for start in range(0, n, at_once)]
    if not torch.is_grad_enabled():
        return torch.cat([make(part) for part in parts])
    made = [checkpoint(make, p, use_reentrant=False, preserve_rng_state=False) for p in parts]
    return torch.cat(made)
