"""Retrieval of names for held-out drawings, the metric of training and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import augment
from recipes import model as towers
from recipes.corpus import Corpus
from recipes.data import faces, people, portrait_pool
from recipes.data.pool import Pool

QUESTIONS = {
    "faces": faces.QUESTIONS, "portraits": faces.QUESTIONS, "people": people.QUESTIONS,
}  # fmt: skip
ANSWERS = {
    "faces": faces.answers, "portraits": portrait_pool.answers, "people": people.answers,
}  # fmt: skip
EncodeText = Callable[[list[str]], Tensor]  # texts -> unit [b, d]


@torch.no_grad()
def retrieval(
    model: nn.Module,
    encode_text: EncodeText,
    config: dict[str, Any],
    corpus: Corpus,
    drawings: Pool,
) -> tuple[float, float]:
    """R@1 and R@5 of drawings that training has not seen, among all names."""
    best = ranked(model, whole(drawings, config), encode_text, config, corpus.names)
    right = best == numbers(corpus, drawings)[:, None]
    return right[:, 0].float().mean().item(), right.any(1).float().mean().item()


def whole(pool: Pool, config: dict[str, Any]) -> Tensor:
    """A pool's images on white, `[b, 3, size, size]` at the model's size."""
    pictures = torch.from_numpy(pool.pictures).permute(0, 3, 1, 2)
    return augment.centered(pictures, config["model_cfg"]["vision_cfg"]["image_size"])


def ranked(
    model: nn.Module,
    images: Tensor,
    encode_text: EncodeText,
    config: dict[str, Any],
    names: list[str],
) -> Tensor:
    """The numbers of each image's five best names, the best first, `int64 [b, 5]`."""
    vectors = name_vectors(encode_text, names)
    encoded = towers.encode_image(model, images, config)
    return (encoded @ vectors.T).argsort(1, descending=True)[:, :5]


def numbers(corpus: Corpus, drawings: Pool) -> Tensor:
    """Which of all names each drawing has, `int64 [b]`."""
    return torch.tensor([corpus.names.index(c[0]) for c in drawings.captions])


def name_vectors(encode_text: EncodeText, names: list[str]) -> Tensor:
    """Unit vectors of names, the mean of two plain templates."""
    both = encode_text(names) + encode_text([f"an image of a {name}" for name in names])
    return F.normalize(both, dim=-1)


@torch.no_grad()
def titles_retrieval(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], unseen: Pool
) -> tuple[float, float]:
    """R@1 and R@5 of held-out drawings among their own titles."""
    titles = sorted({captions[0] for captions in unseen.captions})
    best = ranked(model, whole(unseen, config), encode_text, config, titles)
    true = torch.tensor([titles.index(captions[0]) for captions in unseen.captions])
    right = best == true[:, None]
    return right[:, 0].float().mean().item(), right.any(1).float().mean().item()


@torch.no_grad()
def attribute_accuracy(
    model: nn.Module, encode_text: EncodeText, config: dict[str, Any], unseen: Pool
) -> dict[str, float]:
    """Accuracy of the questions that images of a pool answer, on held-out ones.

    "smile" counts whether smiling is told from all other expressions.
    """
    kind = unseen.kind.split("-")[0]
    encoded = towers.encode_image(model, whole(unseen, config), config)
    answers = torch.from_numpy(ANSWERS[kind](unseen))
    found = {}
    for k, (what, (forms, words)) in enumerate(QUESTIONS[kind].items()):
        asked = answers[:, k] >= 0
        if not asked.any():
            continue
        texts = name_vectors(encode_text, [forms[0].format(word) for word in words])
        best = (encoded[asked] @ texts.T).argmax(1)
        found[what] = (best == answers[asked, k]).float().mean().item()
        if what == "mouth":
            smiling = words.index("smiling")
            told = (best == smiling) == (answers[asked, k] == smiling)
            found["smile"] = told.float().mean().item()
    return found
