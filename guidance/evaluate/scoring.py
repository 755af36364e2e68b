"""Scores of finished samples: fit, rank, how much of the fit is robust, diversity, and shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.evaluate.disturb import DISTURBANCES
from guidance.evaluate.janus import Janus, janus
from guidance.evaluate.judge import Listing, Score
from guidance.evaluate.shape import Shape


@dataclass(frozen=True)
class Shown:
    """What the judge sees of one sample, sRGB in [0, 1]: one image, or views of a mesh."""

    pictures: Float[Tensor, "v 3 h w"]
    textureless: Float[Tensor, "v 3 h w"] | None = None  # the mesh in plain grey
    shape: Shape | None = None  # how good the mesh's triangles are
    azimuth_deg: Float[Tensor, "v"] | None = None  # of views evenly all around a mesh


@dataclass(frozen=True)
class Sample:
    """One finished sample. Its images are made when they are asked for, and then forgotten."""

    name: str  # where it lies, for tables
    prompt: str  # plain text
    seed: int
    show: Callable[[], Shown]


@dataclass(frozen=True)
class SampleScore:
    """What the judge says about one finished sample."""

    name: str
    prompt: str
    seed: int
    score: Score
    after: dict[str, float]  # similarity after each of `DISTURBANCES`
    textureless: Score | None  # of the grey mesh: what the shape alone says
    vector: Float[Tensor, "d"]  # the judge's unit vector, mean over the views
    shape: Shape | None = None  # of meshes
    janus: Janus | None = None  # of meshes

    @property
    def gap(self) -> float:
        """How far the similarity falls under the worst disturbance; negative where it rises.

        A large gap shows that the score was gained by detail that nobody sees.
        """
        return self.score.similarity - min(self.after.values())


@dataclass(frozen=True)
class Summary:
    """Means over samples; None where there was nothing to take the mean of."""

    samples: int
    r_precision: float  # share of samples whose prompt the judge finds first
    similarity: float
    gap: float
    diversity: float | None  # mean over prompts that have several samples
    textureless_r_precision: float | None
    textureless_similarity: float | None
    self_intersections: float | None = None
    janus_back: float | None = None  # see `guidance.evaluate.janus`
    janus_front: float | None = None


def score_samples(
    judge: Encoder, samples: Sequence[Sample], others: Iterable[str] = ()
) -> Iterator[SampleScore]:
    """Scores one sample after another.

    Args:
        judge: a model that no loss used; see `guidance.evaluate.families.judge_of`.
        samples: each prompt is ranked among the prompts of all of them.
        others: further texts to rank among.
    """
    listing = Listing(judge, [*(sample.prompt for sample in samples), *others])
    for sample in samples:
        shown = sample.show()
        vectors = listing.vectors_of(shown.pictures)
        after = {
            name: listing.score(listing.vectors_of(disturb(shown.pictures)), sample.prompt)
            for name, disturb in DISTURBANCES.items()
        }
        plain = None
        if shown.textureless is not None:
            plain = listing.score(listing.vectors_of(shown.textureless), sample.prompt)
        fronts = None
        if shown.azimuth_deg is not None:
            fronts = janus(judge, vectors, shown.azimuth_deg, sample.prompt)
        yield SampleScore(
            sample.name,
            sample.prompt,
            sample.seed,
            listing.score(vectors, sample.prompt),
            {name: score.similarity for name, score in after.items()},
            plain,
            F.normalize(vectors.mean(0), dim=-1).cpu(),
            shown.shape,
            fronts,
        )


def diversity(scores: Iterable[SampleScore]) -> dict[str, float]:
    """How different the samples of each prompt are: 1 - mean cosine of all pairs, in [0, 2].

    Prompts with a single sample are left out.
    """
    of_prompt: dict[str, list[Tensor]] = {}
    for score in scores:
        of_prompt.setdefault(score.prompt, []).append(score.vector)
    found = {}
    for prompt, vectors in of_prompt.items():
        n = len(vectors)
        if n > 1:
            cosines = torch.stack(vectors) @ torch.stack(vectors).T
            found[prompt] = 1 - float((cosines.sum() - cosines.trace()) / (n * (n - 1)))
    return found


def summarize(scores: Sequence[SampleScore]) -> Summary:
    """The means over at least one sample."""
    plain = [score.textureless for score in scores if score.textureless is not None]
    shapes = [score.shape.self_intersections for score in scores if score.shape is not None]
    fronts = [score.janus for score in scores if score.janus is not None]
    spread = diversity(scores)
    return Summary(
        samples=len(scores),
        r_precision=fmean(score.score.retrieved for score in scores),
        similarity=fmean(score.score.similarity for score in scores),
        gap=fmean(score.gap for score in scores),
        diversity=fmean(spread.values()) if spread else None,
        textureless_r_precision=fmean(score.retrieved for score in plain) if plain else None,
        textureless_similarity=fmean(score.similarity for score in plain) if plain else None,
        self_intersections=fmean(shapes) if shapes else None,
        janus_back=fmean(one.back for one in fronts) if fronts else None,
        janus_front=fmean(one.front for one in fronts) if fronts else None,
    )
