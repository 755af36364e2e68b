"""Scores as lines of text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from guidance.evaluate.scoring import SampleScore, diversity, summarize
from guidance.evaluate.shape import Shape

SCHEMA_VERSION = 1


def sample_line(score: SampleScore) -> str:
    """The scores of one sample as a line of text."""
    after = ", ".join(f"{name} {value:.3f}" for name, value in score.after.items())
    line = (
        f"{score.name}: {score.prompt!r}, seed {score.seed}: "
        f"similarity {score.score.similarity:.3f}, rank {score.score.rank} of "
        f"{score.score.out_of}, gap {score.gap:.3f} (similarity after {after})"
    )
    if score.textureless is not None:
        line += f", textureless {score.textureless.similarity:.3f}, rank {score.textureless.rank}"
    if score.shape is not None:
        line += f", {_shape_text(score.shape)}"
    if score.janus is not None:
        line += f", {_janus_text(score.janus.back, score.janus.front)}"
    return line


def last_lines(scores: Sequence[SampleScore], judge: str) -> list[str]:
    """Lines with the diversity of each prompt that has several samples, and the summary."""
    lines = [f"diversity of {prompt!r}: {value:.3f}" for prompt, value in diversity(scores).items()]
    total = summarize(scores)
    last = (
        f"R-Precision {total.r_precision:.3f}, mean similarity {total.similarity:.3f}, "
        f"mean gap {total.gap:.3f}"
    )
    if total.textureless_r_precision is not None:
        last += f", textureless R-Precision {total.textureless_r_precision:.3f}"
    if total.self_intersections is not None:
        last += f", mean self-intersections {total.self_intersections:.2%}"
    if total.janus_back is not None and total.janus_front is not None:
        last += f", {_janus_text(total.janus_back, total.janus_front)}"
    return [*lines, f"{last}; {_count(total.samples)} judged by {judge}"]


def as_json(scores: Sequence[SampleScore], judge: str) -> str:
    """All scores in JSON, as written by `guide eval --json`."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "judge": judge,
        "samples": [sample_mapping(score) for score in scores],
        "diversity": diversity(scores),
        "summary": asdict(summarize(scores)),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sample_mapping(score: SampleScore) -> dict[str, Any]:
    """One sample's scores as plain values."""
    return {
        "name": score.name,
        "prompt": score.prompt,
        "seed": score.seed,
        **asdict(score.score),
        "after": score.after,
        "gap": score.gap,
        "textureless": None if score.textureless is None else asdict(score.textureless),
        "shape": None if score.shape is None else asdict(score.shape),
        "janus": None if score.janus is None else asdict(score.janus),
    }


def _shape_text(shape: Shape) -> str:
    text = f"self-intersections {shape.self_intersections:.2%}"
    if shape.self_intersections_at_rest is not None:
        text += f" ({shape.self_intersections_at_rest:.2%} at rest"
        text += f", {shape.new_self_intersections:.2%} new)"
    text += f", edge length variation {shape.edge_spread:.2f}"
    if shape.area_distortion is not None:
        text += f", area distortion {shape.area_distortion:.2f}"
    return text


def _janus_text(back: float, front: float) -> str:
    return f"front recognized in {back:.0%} of back views ({front:.0%} of front views)"


def _count(samples: int) -> str:
    return f"{samples} sample{'s' if samples > 1 else ''}"
