"""The held-out judge: how well images fit words, asked of a model that no loss has seen.

Nothing here may be used as a loss. An optimized image always pleases the encoder that it was
optimized against; that says nothing. A model of another family, trained apart, was not bargained
with: when its score rises, the image shows the thing.
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
from guidance.errors import InputError

#: Images given to the judge at once.
BATCH = 64
ARTICLES = ("a ", "an ", "the ")


@runtime_checkable
class OfFamily(Protocol):
    """A model by its name and family: an encoder, or what is known of one that is not loaded."""

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...


@dataclass(frozen=True)
class Score:
    """What the judge says about one sample."""

    similarity: float  # cosine of images and prompt, mean over the views
    rank: int  # place of the prompt among the listed ones, 1 is best
    out_of: int  # how many prompts are on the list

    @property
    def retrieved(self) -> bool:
        """Whether the judge finds the prompt first; the mean over samples is R-Precision."""
        return self.rank == 1


def check_judge(judge: OfFamily, loss_encoders: Iterable[OfFamily]) -> None:
    """Refuses a judge that the losses have bargained with.

    Raises:
        InputError: the judge's family is that of an encoder used as a loss.
    """
    for encoder in loss_encoders:
        if encoder.family == judge.family:
            raise InputError(
                f"judge {judge.name!r} is of the family {judge.family!r}, which is used as a loss "
                f"({encoder.name!r}); choose a judge of another family, e.g. mini-judge"
            )


class Listing:
    """The texts that a prompt is ranked among, encoded once.

    Texts that differ by case or by a leading article alone ("an apple", "Apple") are one entry,
    so a prompt never competes with itself.

    Args:
        judge: a model that no loss used; see `check_judge`.
        texts: plain texts; every prompt that is asked for must be among them.
    """

    def __init__(self, judge: Encoder, texts: Iterable[str]) -> None:
        self.judge = judge
        self.texts = list(dict.fromkeys(texts))
        self._entries = [entry(text) for text in self.texts]
        self._places = {text: place for place, text in enumerate(self.texts)}
        self._vectors = text_vectors(judge, self.texts)

    def __len__(self) -> int:
        return len(set(self._entries))

    def vectors_of(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """The judge's unit vectors of images in [0, 1]."""
        return picture_vectors(self.judge, pictures.to(self._vectors.device))

    def score(self, views: Float[Tensor, "v d"], prompt: str) -> Score:
        """Similarity and rank of one sample's prompt; all views count alike."""
        cosines = (views @ self._vectors.T).mean(0)
        own = cosines[self._places[prompt]]
        better = {self._entries[place] for place in (cosines > own).nonzero().flatten().tolist()}
        return Score(float(own), len(better - {entry(prompt)}) + 1, len(self))


@torch.no_grad()
def judge_scores(
    judge: Encoder,
    pictures: Float[Tensor, "n v 3 h w"],
    prompts: Sequence[str],
    others: Sequence[str] = (),
) -> list[Score]:
    """Scores of each sample's images for its prompt, and the prompt's rank among all of them.

    Args:
        judge: a model that no loss used; see `check_judge`.
        images: sRGB in [0, 1]; all views of a sample count alike.
        prompts: plain text, one a sample.
        others: further texts that the prompt is ranked among; see `Listing` for what counts once.

    Raises:
        InputError: as many prompts as samples were not given.

    Source: R-Precision as in Dream Fields (arXiv 2112.01455), with our own judge in place of CLIP.
    """
    if len(prompts) != pictures.shape[0]:
        raise InputError(f"judge: {len(prompts)} prompts for {pictures.shape[0]} samples")
    listing = Listing(judge, [*prompts, *others])
    found = picture_vectors(judge, pictures.flatten(0, 1))
    found = found.reshape(*pictures.shape[:2], -1)
    return [listing.score(views, prompt) for views, prompt in zip(found, prompts, strict=True)]


@torch.no_grad()
def picture_vectors(judge: Encoder, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
    """Unit vectors of any number of images, so many at once that memory stays bounded."""
    starts = range(0, len(pictures), BATCH)
    return torch.cat([judge.encode_image(pictures[start : start + BATCH]) for start in starts])


def text_vectors(judge: Encoder, texts: Sequence[str]) -> Float[Tensor, "b d"]:
    """Unit vectors of texts, each averaged over the judge's templates."""
    filled = [template.replace("{}", text) for text in texts for template in judge.templates]
    vectors = judge.encode_text(filled)
    return F.normalize(vectors.reshape(len(texts), len(judge.templates), -1).mean(1), dim=-1)


def entry(text: str) -> str:
    """A text without what makes no difference to its meaning: case, space, a leading article."""
    plain = " ".join(text.casefold().split())
    return next((plain.removeprefix(a) for a in ARTICLES if plain.startswith(a)), plain)
