"""Scores of the modes of text2mesh, and whether their shapes match without texture."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch
from cases import MODES

from guidance.encoders.base import Encoder
from guidance.evaluate.judge import judge_scores
from guidance.evaluate.scoring import SampleScore
from guidance.evaluate.views import textureless_images
from guidance.prompts import plain_text
from guidance.tasks.base import Task

#: Modes that change the shape.
SHAPING = ("deform", "generate")


def before(task: Task, judge: Encoder) -> list[float]:
    """The judge's similarity of each sample's mesh before its first step, in plain grey."""
    generator: Any = task.build().generator
    meshes = [generator.mesh(i) for i in range(generator.num_samples)]
    views = torch.stack([textureless_images(mesh) for mesh in meshes])
    texts = [plain_text(prompt) for prompt in task.sample_prompts]
    return [score.similarity for score in judge_scores(judge, views, texts)]


def by_mode(
    scores: Sequence[SampleScore], modes: Sequence[str], bare: Sequence[float | None]
) -> dict[str, dict[str, float]]:
    """Means over the samples of each mode.

    Args:
        modes: of each sample.
        bare: the result of `before` for each sample of a mode of `SHAPING`, None for others.
    """
    found = {}
    for mode in MODES:
        own = [
            (score, start)
            for score, of, start in zip(scores, modes, bare, strict=True)
            if of == mode
        ]
        if own:
            found[mode] = _figures(mode, [score for score, _ in own], [start for _, start in own])
    return found


def _figures(
    mode: str, scores: Sequence[SampleScore], bare: Sequence[float | None]
) -> dict[str, float]:
    figures: dict[str, float] = {
        "samples": len(scores),
        "r_precision": fmean(score.score.retrieved for score in scores),
        "similarity": fmean(score.score.similarity for score in scores),
    }
    if mode in SHAPING:
        plain = [score.textureless.similarity for score in scores if score.textureless is not None]
        start = [value for value in bare if value is not None]
        figures |= {
            "textureless_before": fmean(start),
            "textureless_after": fmean(plain),
            "textureless_rose": fmean(a > b for a, b in zip(plain, start, strict=True)),
        }
    if mode == "deform":
        shapes = [score.shape for score in scores if score.shape is not None]
        crossing = [shape.self_intersections for shape in shapes]
        rest = [shape.self_intersections_at_rest or 0.0 for shape in shapes]
        figures |= {
            "self_intersections": fmean(crossing),
            "self_intersections_worst": max(crossing),
            "self_intersections_at_rest": fmean(rest),
        }
    return figures


def mode_line(mode: str, figures: dict[str, float]) -> str:
    """The figures of one mode as a line of text."""
    line = f"{mode}: {figures['samples']} samples, R-Precision {figures['r_precision']:.3f}"
    if "textureless_rose" in figures:
        line += (
            f"; textureless {figures['textureless_before']:.3f} before and "
            f"{figures['textureless_after']:.3f} after, "
            f"risen for {figures['textureless_rose']:.0%}"
        )
    if "self_intersections" in figures:
        line += (
            f"; self-intersections {figures['self_intersections']:.2%}, at worst "
            f"{figures['self_intersections_worst']:.2%}, at rest "
            f"{figures['self_intersections_at_rest']:.2%}"
        )
    return line
