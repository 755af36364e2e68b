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
    """What there is to say about one sample."""
    after = ", ".join(f"{name} {value:.3f}" for name, value in score.after.items())
    line = (
        f"{score.name}: {score.prompt!r}, seed {score.seed}: "
        f"similarity {score.score.similarity:.3f}, rank {score.score.rank} of "
        f"{score.score.out_of}, gap {score.gap:.3f} ({after})"
    )
    if score.textureless is not None:
        plain = score.textureless
        line += f", textureless {plain.similarity:.3f}, rank {plain.rank}"
    if score.shape is not None:
        line += f", {_shape_words(score.shape)}"
    if score.janus is not None:
        line += f", front words on {score.janus.back:.0%} of its back views"
        line += f" ({score.janus.front:.0%} of its front views)"
    return line


def last_lines(scores: Sequence[SampleScore], judge: str) -> list[str]:
    """Diversity of each prompt that has several samples, and the summary."""
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
        last += f", front words on {total.janus_back:.0%} of back views"
        last += f" ({total.janus_front:.0%} of front views)"
    return [*lines, f"{last}; {_count(total.samples)} judged by {judge}"]


def as_json(scores: Sequence[SampleScore], judge: str) -> str:
    """All scores, as `guide eval --json` writes them."""
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


def _shape_words(shape: Shape) -> str:
    words = f"self-intersections {shape.self_intersections:.2%}"
    if shape.self_intersections_at_rest is not None:
        words += f" ({shape.self_intersections_at_rest:.2%} at rest"
        words += f", {shape.new_self_intersections:.2%} new)"
    words += f", edge spread {shape.edge_spread:.2f}"
    if shape.area_distortion is not None:
        words += f", area distortion {shape.area_distortion:.2f}"
    return words


def _count(samples: int) -> str:
    return f"{samples} sample{'s' if samples > 1 else ''}"
