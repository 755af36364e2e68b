"""The held-out judge: how well pictures fit words, asked of a model that no loss has seen.

Nothing here may be used as a loss. An optimized picture always pleases the encoder that it was
optimized against; that says nothing. A model of another family, trained apart, was not bargained
with: when its score rises, the picture shows the thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError

#: Pictures given to the judge at once.
BATCH = 64


@dataclass(frozen=True)
class Score:
    """What the judge says about one sample."""

    similarity: float  # cosine of pictures and prompt, mean over the views
    rank: int  # place of the prompt among the listed ones, 1 is best
    out_of: int  # how many prompts are on the list

    @property
    def retrieved(self) -> bool:
        """Whether the judge finds the prompt first; the mean over samples is R-Precision."""
        return self.rank == 1


def check_judge(judge: Encoder, loss_encoders: Iterable[Encoder]) -> None:
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


@torch.no_grad()
def judge_scores(
    judge: Encoder,
    pictures: Float[Tensor, "n v 3 h w"],
    prompts: Sequence[str],
    others: Sequence[str] = (),
) -> list[Score]:
    """Scores of each sample's pictures for its prompt, and the prompt's rank among all of them.

    Args:
        judge: a model that no loss used; see `check_judge`.
        pictures: sRGB in [0, 1]; all views of a sample count alike.
        prompts: plain text, one a sample.
        others: further texts that the prompt is ranked among. Texts that occur twice count once,
            so a prompt never competes with itself.

    Raises:
        InputError: as many prompts as samples were not given.

    Source: R-Precision as in Dream Fields (arXiv 2112.01455), with our own judge in place of CLIP.
    """
    if len(prompts) != pictures.shape[0]:
        raise InputError(f"judge: {len(prompts)} prompts for {pictures.shape[0]} samples")
    texts = list(dict.fromkeys([*prompts, *others]))
    views = pictures.flatten(0, 1)
    found = torch.cat(
        [judge.encode_image(views[start : start + BATCH]) for start in range(0, len(views), BATCH)]
    )
    cosines = found @ text_vectors(judge, texts).T
    cosines = cosines.reshape(*pictures.shape[:2], len(texts)).mean(1)
    scores = []
    for prompt, row in zip(prompts, cosines, strict=True):
        own = row[texts.index(prompt)]
        scores.append(Score(float(own), int((row > own).sum()) + 1, len(texts)))
    return scores


def text_vectors(judge: Encoder, texts: Sequence[str]) -> Float[Tensor, "b d"]:
    """Unit vectors of texts, each averaged over the judge's templates."""
    filled = [template.replace("{}", text) for text in texts for template in judge.templates]
    vectors = judge.encode_text(filled)
    return F.normalize(vectors.reshape(len(texts), len(judge.templates), -1).mean(1), dim=-1)
