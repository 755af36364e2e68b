"""How well a model names what it never saw."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recipes import augment
from recipes import model as towers
from recipes.captions import Vocabulary
from recipes.corpus import Corpus


@torch.no_grad()
def held_out_retrieval(
    model: nn.Module, vocabulary: Vocabulary, config: dict[str, Any], corpus: Corpus
) -> tuple[float, float]:
    """R@1 and R@5 of drawings in a style unseen for their concept, among all names."""
    names: Tensor = encode_names(model, vocabulary, corpus.names)
    pictures = torch.from_numpy(corpus.held_out.pictures).permute(0, 3, 1, 2)
    size = config["model_cfg"]["vision_cfg"]["image_size"]
    images = towers.encode_image(model, augment.centred(pictures, size), config)
    true = torch.tensor([corpus.names.index(c[0]) for c in corpus.held_out.captions])
    ranks = (images @ names.T).argsort(1, descending=True)[:, :5] == true[:, None]
    return ranks[:, 0].float().mean().item(), ranks.any(1).float().mean().item()


def encode_names(model: nn.Module, vocabulary: Vocabulary, names: list[str]) -> Tensor:
    """Unit vectors of names, the mean of two plain templates."""

    def encode(texts: list[str]) -> Tensor:
        return towers.encode_text(model, vocabulary.tokenize(texts, towers.CONTEXT))

    both = encode(names) + encode([f"a picture of a {name}" for name in names])
    return torch.nn.functional.normalize(both, dim=-1)
