"""The held-out judge: scores of images for prompts by a model that no loss uses.

An optimized image always scores well with the encoder that it was optimized against, so that score
is no evidence. The score of an independently trained model of another family is. Nothing here may
be used as a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.towers.tokens import TextTooLong, fitting_start
from guidance.errors import InputError

#: Batch size of the judge.
BATCH = 64
ARTICLES = ("a ", "an ", "the ")


@runtime_checkable
class HasFamily(Protocol):
    """A model with a name and a family: an encoder, or a description of one."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...


@dataclass(frozen=True)
class Score:
    """The judge's score of one sample."""

    similarity: float  # cosine of images and prompt, mean over the views
    rank: int  # rank of the sample's prompt among all prompts, 1 is best
    out_of: int  # the number of prompts

    @property
    def retrieved(self) -> bool:
        """Whether the prompt has rank 1; the mean over samples is R-Precision."""
        return self.rank == 1


def check_judge(judge: HasFamily, loss_encoders: Iterable[HasFamily]) -> None:
    """Checks that a judge is independent of the losses.

    Raises:
        InputError: a loss uses a model of the judge's family.
    """
    for encoder in loss_encoders:
        if encoder.family == judge.family:
            raise InputError(
                f"judge {judge.name!r} is of the family {judge.family!r}, which a loss uses "
                f"({encoder.name!r}); choose a judge of another family, e.g. mini-judge"
            )


class PromptRanking:
    """Ranks prompts among a list of texts, which are encoded once.

    Texts that differ only in case or a leading article ("an apple", "Apple") count as one, so that
    a prompt does not compete with itself.

    Args:
        judge: a model that no loss uses; see `check_judge`.
        texts: plain texts, which include every prompt that is scored.
    """

    def __init__(self, judge: Encoder, texts: Iterable[str]) -> None:
        self.judge = judge
        self.texts = list(dict.fromkeys(texts))
        self._normalized = [normalize_text(text) for text in self.texts]
        self._indices = {text: index for index, text in enumerate(self.texts)}
        self._vectors = embed_texts(judge, self.texts)

    def __len__(self) -> int:
        return len(set(self._normalized))

    def embed(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The judge's unit vectors of images in [0, 1]."""
        return embed_images(self.judge, images.to(self._vectors.device))

    def score(self, views: Float[Tensor, "v d"], prompt: str) -> Score:
        """Similarity and rank of one sample's prompt, from the mean over its views."""
        cosines = (views @ self._vectors.T).mean(0)
        own = cosines[self._indices[prompt]]
        better = {self._normalized[i] for i in (cosines > own).nonzero().flatten().tolist()}
        return Score(float(own), len(better - {normalize_text(prompt)}) + 1, len(self))


@torch.no_grad()
def judge_scores(
    judge: Encoder,
    images: Float[Tensor, "n v 3 h w"],
    prompts: Sequence[str],
    others: Sequence[str] = (),
) -> list[Score]:
    """The score of each sample's images for its prompt, ranked among all prompts.

    Args:
        judge: a model that no loss uses; see `check_judge`.
        images: sRGB in [0, 1]; the similarity is the mean over the views of a sample.
        prompts: plain text, one for each sample.
        others: additional texts for the ranking; see `PromptRanking`.

    Raises:
        InputError: the numbers of prompts and samples differ.

    Source: R-Precision as in Dream Fields (arXiv 2112.01455), with a held-out judge instead of the
    CLIP model used there.
    """
    if len(prompts) != images.shape[0]:
        raise InputError(
            f"judge: expected one prompt for each of {images.shape[0]} samples, got {len(prompts)}"
        )
    ranking = PromptRanking(judge, [*prompts, *others])
    found = embed_images(judge, images.flatten(0, 1)).reshape(*images.shape[:2], -1)
    return [ranking.score(views, prompt) for views, prompt in zip(found, prompts, strict=True)]


@torch.no_grad()
def embed_images(judge: Encoder, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
    """Unit vectors of images, in batches."""
    starts = range(0, len(images), BATCH)
    return torch.cat([judge.encode_image(images[start : start + BATCH]) for start in starts])


def embed_texts(judge: Encoder, texts: Sequence[str]) -> Float[Tensor, "b d"]:
    """Unit vectors of texts, each averaged over the judge's templates; see `legible`."""
    filled = [
        template.replace("{}", legible(judge, text))
        for text in texts
        for template in judge.templates
    ]
    vectors = judge.encode_text(filled)
    return F.normalize(vectors.reshape(len(texts), len(judge.templates), -1).mean(1), dim=-1)


def legible(judge: Encoder, text: str) -> str:
    """A text, or as many words from its start as the judge accepts.

    The losses may read longer texts than the judge. It then compares with what it can read, since
    the run itself can go on.
    """

    def fits(start: str) -> bool:
        try:
            judge.encode_text([template.replace("{}", start) for template in judge.templates])
        except TextTooLong:
            return False
        return True

    return fitting_start(text, fits)


def normalize_text(text: str) -> str:
    """A text in lower case, without extra spaces and a leading article."""
    plain = " ".join(text.casefold().split())
    return next((plain.removeprefix(a) for a in ARTICLES if plain.startswith(a)), plain)
