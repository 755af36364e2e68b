"""The table of `guide eval`: a row for each sample, sorted, with means and intervals below."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from guidance.evaluate.bootstrap import Interval, mean_interval
from guidance.evaluate.scoring import SampleScore, diversity

Value = float | int | str | None


@dataclass(frozen=True)
class Column:
    """One column: how it is called, what it shows of a score, and how."""

    name: str
    of: Callable[[SampleScore], Value]
    form: str = "{:.3f}"
    in_mean: bool = True  # whether its mean is shown


def _optional(of: Callable[[Any], Value], part: str) -> Callable[[SampleScore], Value]:
    """A value of a part of a score that some samples do not have."""

    def value(score: SampleScore) -> Value:
        found = getattr(score, part)
        return None if found is None else of(found)

    return value


#: The columns in their order; those without any value are not shown.
COLUMNS = (
    Column("similarity", lambda s: s.score.similarity),
    Column("rank", lambda s: s.score.rank, "{:d}", in_mean=False),
    Column("R-precision", lambda s: float(s.score.retrieved), "{:.0f}"),
    Column("atoms", _optional(lambda a: a.mean, "answers")),
    Column("all atoms", _optional(lambda a: a.geometric, "answers")),
    Column("blur", lambda s: s.after.get("blur")),
    Column("jpeg", lambda s: s.after.get("jpeg")),
    Column("shift", lambda s: s.after.get("shift")),
    Column("gap", lambda s: s.gap),
    Column("VQA", _optional(lambda v: v.vqa, "vlm")),
    Column("VQA atoms", _optional(lambda v: v.atoms, "vlm")),
    Column("grey", _optional(lambda t: t.similarity, "textureless")),
    Column("grey rank", _optional(lambda t: t.rank, "textureless"), "{:d}", in_mean=False),
    Column("back", _optional(lambda j: j.back, "janus"), "{:.2f}"),
    Column("front", _optional(lambda j: j.front, "janus"), "{:.2f}"),
    Column("self-int.", _optional(lambda s: s.self_intersections, "shape"), "{:.2%}"),
    Column("edges", _optional(lambda s: s.edge_spread, "shape"), "{:.2f}"),
    Column("area", _optional(lambda s: s.area_distortion, "shape"), "{:.2f}"),
    Column("seconds", _optional(lambda s: s.seconds, "sample"), "{:.1f}"),
    Column("GFLOPs", lambda s: None if s.flops is None else s.flops / 1e9, "{:.1f}"),
)
PROMPT_LENGTH = 32
#: What the columns mean, for the lines below the table.
LEGEND = (
    "similarity: cosine of image and prompt. rank: of the prompt among texts. atoms, all atoms: "
    "arithmetic and geometric mean of the probabilities of the prompt's objects, colors, counts, "
    "attributes and relations. gap: fall of the similarity after the worst of blur, JPEG, shift."
)
VLM_LEGEND = (
    "VQA: probability that the vision-language model answers that the image shows the prompt. VQA "
    "atoms: geometric mean of its answers about the prompt's objects, colors, counts and so on."
)
MESH_LEGEND = (
    "grey: the mesh without colors. back, front: share of the views from the back, and from the "
    "front, that look like a front. self-int.: self-intersecting faces. edges: variation of edge "
    "lengths. area: distortion of areas."
)


def sorted_scores(scores: Sequence[SampleScore]) -> list[SampleScore]:
    """The best first: by similarity."""
    return sorted(scores, key=lambda score: -score.score.similarity)


def shown_columns(scores: Sequence[SampleScore]) -> list[Column]:
    """The columns that have a value."""
    return [column for column in COLUMNS if any(column.of(s) is not None for s in scores)]


def intervals(scores: Sequence[SampleScore]) -> dict[str, Interval]:
    """The means of the columns with their intervals, by name; prompts are drawn."""
    found: dict[str, Interval] = {}
    for column in shown_columns(scores):
        pairs = [(column.of(s), s.prompt) for s in scores]
        known = [(float(v), p) for v, p in pairs if isinstance(v, int | float)]
        interval = mean_interval([v for v, _ in known], [p for _, p in known])
        if column.in_mean and interval is not None:
            found[column.name] = interval
    spread = diversity(scores)
    interval = mean_interval(list(spread.values()), list(spread))
    if interval is not None:
        found["diversity"] = interval
    return found


def text_table(scores: Sequence[SampleScore]) -> list[str]:
    """The rows as aligned text, with the names of the folders last."""
    columns = shown_columns(scores)
    rows = [["", "prompt", "seed", *(column.name for column in columns), "folder"]]
    for number, score in enumerate(scores, 1):
        cells = [_cell(column, score) for column in columns]
        prompt = score.prompt if len(score.prompt) <= PROMPT_LENGTH else score.prompt[:31] + "…"
        rows.append([str(number), prompt, str(score.seed), *cells, score.name])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = {1, len(widths) - 1}
    return [
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _cell(column: Column, score: SampleScore) -> str:
    value = column.of(score)
    return "-" if value is None else column.form.format(value)


def mean_lines(scores: Sequence[SampleScore]) -> list[str]:
    """The means with their intervals, one line each."""
    found = intervals(scores)
    width = max(map(len, found))
    lines = []
    for name, each in found.items():
        lines.append(f"{name:<{width}}  {each}")
    return lines


def as_csv(scores: Sequence[SampleScore]) -> str:
    """All rows as comma-separated values with full precision; all columns, empty where unknown."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["prompt", "seed", *(column.name for column in COLUMNS), "folder"])
    for score in scores:
        values = [column.of(score) for column in COLUMNS]
        writer.writerow([_plain(score.prompt), score.seed, *values, _plain(score.name)])
    return file.getvalue()


def _plain(text: str) -> str:
    """A text that no spreadsheet program runs as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
