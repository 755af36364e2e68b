"""Scores of finished samples: similarity, rank, robustness, diversity and mesh quality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.encoders.vlm.model import Answers as VlmAnswers
from guidance.evaluate.janus import Janus, janus
from guidance.evaluate.judge import PromptRanking, Score
from guidance.evaluate.perturbations import PERTURBATIONS
from guidance.evaluate.questions import Answers, answer
from guidance.evaluate.shape import Shape
from guidance.evaluate.vqa import VlmScore, vlm_score


@dataclass(frozen=True)
class SampleImages:
    """The images of one sample for the judge, sRGB in [0, 1]: one image, or views of a mesh."""

    images: Float[Tensor, "v 3 h w"]
    textureless: Float[Tensor, "v 3 h w"] | None = None  # the mesh in plain grey
    shape: Shape | None = None  # quality of the mesh
    azimuth_deg: Float[Tensor, "v"] | None = None  # of views evenly spaced around a mesh


@dataclass(frozen=True)
class Sample:
    """One finished sample. Its images are read or rendered on demand and not kept."""

    name: str  # its folder, for tables
    prompt: str  # plain text
    seed: int
    load: Callable[[], SampleImages]
    folder: Path | None = None  # of its files
    seconds: float | None = None  # its share of the seconds of its run
    config: Mapping[str, Any] = field(default_factory=dict)  # of its run

    @property
    def flops(self) -> float | None:
        """The operations of its encoders; see `guidance.evaluate.cost`."""
        from guidance.evaluate.cost import encoder_flops

        return encoder_flops(self.config)


@dataclass(frozen=True)
class SampleScore:
    """The scores of one finished sample."""

    name: str
    prompt: str
    seed: int
    score: Score
    after: dict[str, float]  # similarity after each of `PERTURBATIONS`
    textureless: Score | None  # of the mesh in plain grey
    vector: Float[Tensor, "d"]  # normalized mean of the judge's vectors of the views
    shape: Shape | None = None  # of meshes
    janus: Janus | None = None  # of meshes
    answers: Answers | None = None  # about the atoms of the prompt, if they were asked for
    vlm: VlmScore | None = None  # by a vision-language model, if one was given
    sample: Sample | None = None

    @property
    def flops(self) -> float | None:
        """The operations of the encoders of its run."""
        return None if self.sample is None else self.sample.flops

    @property
    def gap(self) -> float:
        """The drop of the similarity under the worst perturbation; negative if it rises.

        A large gap shows that the score comes from adversarial detail.
        """
        return self.score.similarity - min(self.after.values())


@dataclass(frozen=True)
class Summary:
    """Means over samples; None where no sample has the value."""

    samples: int
    r_precision: float  # share of the samples whose prompt has rank 1
    similarity: float
    gap: float
    diversity: float | None  # mean over prompts that have several samples
    textureless_r_precision: float | None
    textureless_similarity: float | None
    self_intersections: float | None = None
    janus_back: float | None = None  # see `guidance.evaluate.janus`
    janus_front: float | None = None


def score_samples(
    judge: Encoder,
    samples: Sequence[Sample],
    others: Iterable[str] = (),
    *,
    atoms: bool = False,
    vlm: VlmAnswers | None = None,
) -> Iterator[SampleScore]:
    """Scores samples one after another.

    Args:
        judge: a model that no loss uses; see `guidance.evaluate.families.load_judge_for`.
        samples: finished samples; each prompt is ranked among the prompts of all of them.
        others: additional texts for the ranking.
        atoms: asks about the atoms of each prompt; see `guidance.evaluate.questions`.
        vlm: a vision-language model; see `guidance.evaluate.vqa`.
    """
    ranking = PromptRanking(judge, [*(sample.prompt for sample in samples), *others])
    for sample in samples:
        loaded = sample.load()
        vectors = ranking.embed(loaded.images)
        after = {
            name: ranking.score(ranking.embed(perturb(loaded.images)), sample.prompt)
            for name, perturb in PERTURBATIONS.items()
        }
        textureless = None
        if loaded.textureless is not None:
            textureless = ranking.score(ranking.embed(loaded.textureless), sample.prompt)
        sides = None
        if loaded.azimuth_deg is not None:
            sides = janus(judge, vectors, loaded.azimuth_deg, sample.prompt)
        yield SampleScore(
            sample.name,
            sample.prompt,
            sample.seed,
            ranking.score(vectors, sample.prompt),
            {name: score.similarity for name, score in after.items()},
            textureless,
            F.normalize(vectors.mean(0), dim=-1).cpu(),
            loaded.shape,
            sides,
            answer(judge, vectors, sample.prompt) if atoms else None,
            None if vlm is None else vlm_score(vlm, loaded.images, sample.prompt),
            sample,
        )


def diversity(scores: Iterable[SampleScore]) -> dict[str, float]:
    """Diversity of the samples of each prompt: 1 - mean cosine of all pairs, in [0, 2].

    Prompts with a single sample are omitted.
    """
    by_prompt: dict[str, list[Tensor]] = {}
    for score in scores:
        by_prompt.setdefault(score.prompt, []).append(score.vector)
    found = {}
    for prompt, vectors in by_prompt.items():
        n = len(vectors)
        if n > 1:
            cosines = torch.stack(vectors) @ torch.stack(vectors).T
            found[prompt] = 1 - float((cosines.sum() - cosines.trace()) / (n * (n - 1)))
    return found


def summarize(scores: Sequence[SampleScore]) -> Summary:
    """The means over one or more samples."""
    textureless = [score.textureless for score in scores if score.textureless is not None]
    shapes = [score.shape.self_intersections for score in scores if score.shape is not None]
    sides = [score.janus for score in scores if score.janus is not None]
    diversities = diversity(scores)
    return Summary(
        samples=len(scores),
        r_precision=fmean(score.score.retrieved for score in scores),
        similarity=fmean(score.score.similarity for score in scores),
        gap=fmean(score.gap for score in scores),
        diversity=_mean(diversities.values()),
        textureless_r_precision=_mean(score.retrieved for score in textureless),
        textureless_similarity=_mean(score.similarity for score in textureless),
        self_intersections=_mean(shapes),
        janus_back=_mean(each.back for each in sides),
        janus_front=_mean(each.front for each in sides),
    )


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return fmean(found) if found else None
