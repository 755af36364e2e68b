"""Naming held-out drawings: the figure that training reports and evaluation publishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import augment
from recipes import model as towers
from recipes.corpus import Corpus
from recipes.data.pool import Pool

EncodeText = Callable[[list[str]], Tensor]  # texts -> unit [b, d]


@torch.no_grad()
def retrieval(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], corpus: Corpus
) -> tuple[float, float]:
    """R@1 and R@5 of drawings in a style unseen for their concept, among all names."""
    right = ranked(model, whole(corpus.held_out, config), encode_text, config, corpus)
    return right[:, 0].float().mean().item(), right.any(1).float().mean().item()


def whole(pool: Pool, config: dict[str, Any]) -> Tensor:
    """A pool's pictures on white, `[b, 3, size, size]` at the model's size."""
    pictures = torch.from_numpy(pool.pictures).permute(0, 3, 1, 2)
    return augment.centred(pictures, config["model_cfg"]["vision_cfg"]["image_size"])


def ranked(
    model: nn.Module,
    images: Tensor,
    encode_text: EncodeText,
    config: dict[str, Any],
    corpus: Corpus,
) -> Tensor:
    """Whether each of a picture's five best names is its own, `bool [b, 5]`."""
    names = name_vectors(encode_text, corpus.names)
    encoded = towers.encode_image(model, images, config)
    best = (encoded @ names.T).argsort(1, descending=True)[:, :5]
    return best == held_out_numbers(corpus)[:, None]


def held_out_numbers(corpus: Corpus) -> Tensor:
    """Which of all names each held-out drawing has, `int64 [b]`."""
    return torch.tensor([corpus.names.index(c[0]) for c in corpus.held_out.captions])


def name_vectors(encode_text: EncodeText, names: list[str]) -> Tensor:
    """Unit vectors of names, the mean of two plain templates."""
    both = encode_text(names) + encode_text([f"a picture of a {name}" for name in names])
    return F.normalize(both, dim=-1)
