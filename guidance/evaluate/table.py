"""Scores as lines of text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from guidance.evaluate.questions import Answers
from guidance.evaluate.rows import (
    LEGEND,
    MESH_LEGEND,
    VLM_LEGEND,
    intervals,
    mean_lines,
    text_table,
)
from guidance.evaluate.scoring import SampleScore, diversity, summarize
from guidance.evaluate.shape import Shape
from guidance.evaluate.votes import Vote, agreement, vote_name
from guidance.runs.record import finite

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


def table_lines(
    best: Sequence[SampleScore], scores: Sequence[SampleScore], judge: str
) -> list[str]:
    """The table of the best samples, and the means over all."""
    lines = [*text_table(best), "", *mean_lines(scores), "", LEGEND]
    if any(score.vlm is not None for score in scores):
        lines.append(VLM_LEGEND)
    if any(score.shape is not None for score in scores):
        lines.append(MESH_LEGEND)
    among = scores[0].score.out_of
    return [*lines, f"{_count(len(scores))} judged by {judge}, ranked among {among} texts"]


def vote_lines(votes: Sequence[Vote], scores: Sequence[SampleScore]) -> list[str]:
    """How far the judge agrees with people."""
    by_name = {vote_name(s.sample.folder): s.score.similarity for s in scores
               if s.sample is not None and s.sample.folder is not None}  # fmt: skip
    found = agreement(votes, by_name)
    lines = ["", f"votes of people             {found.votes}"]
    if found.ignored:
        lines.append(f"votes on other results      {found.ignored}, left out")
    for name, each in (
        ("same choice as the judge", found.agreement),
        ("Kendall's tau of pairs", found.kendall),
        ("Spearman's rho of results", found.spearman),
    ):
        lines.append(f"{name:<26}  {'too few votes' if each is None else each}")
    return lines


def as_json(scores: Sequence[SampleScore], judge: str, others: str | None = None) -> str:
    """All scores in JSON, as written by `guide eval --json`.

    Args:
        others: the name of the list of texts that prompts were ranked among.
    """
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "judge": judge,
        "ranked_among": others,
        "intervals": finite({name: asdict(each) for name, each in intervals(scores).items()}),
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
        "atoms": None if score.answers is None else _answers(score.answers),
        **({} if score.vlm is None else {"vlm": asdict(score.vlm)}),
        "seconds": None if score.sample is None else score.sample.seconds,
        "flops": score.flops,
    }


def _answers(answers: Answers) -> dict[str, Any]:
    each = [asdict(answer) for answer in answers.each]
    return {"mean": answers.mean, "geometric_mean": answers.geometric, "answers": each}


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
