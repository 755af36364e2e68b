"""Curves of loss and judge, read from metrics.jsonl and drawn as SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from markupsafe import Markup, escape

from guidance.errors import InputError
from guidance.media.formats import opened
from guidance.runs.record import MAX_LINE
from guidance.runs.summary import number

#: The most bytes that are read of metrics.jsonl.
MAX_BYTES = 2**26
#: The most points of a drawn curve, and the most curves of one chart.
POINTS, MOST_TERMS = 240, 8
WIDTH, HEIGHT = 340, 150
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 22

Points = list[tuple[int, float]]


@dataclass
class Curves:
    """The values of a run by step."""

    loss: Points = field(default_factory=list)  # the weighted sum of all losses
    terms: dict[str, Points] = field(default_factory=dict)  # mean over samples, by name
    judge: list[Points] = field(default_factory=list)  # of each sample
    skipped: int = 0  # steps that were not finite
    problem: str = ""  # why the rest of the file was not read


def read_curves(path: Path) -> Curves:
    """Reads metrics.jsonl up to the first damaged line."""
    curves = Curves()
    if not path.is_file():
        return curves
    try:
        with opened(path, str(path), MAX_BYTES) as file:
            while raw := file.readline(MAX_LINE):
                _add(curves, json.loads(raw))
    except InputError as error:
        curves.problem = str(error)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        curves.problem = f"{path}: has a damaged line; the curves end before it"
    return curves


def _add(curves: Curves, line: dict[str, object]) -> None:
    step = line["step"]
    if type(step) is not int or not 0 <= step < 2**40:
        raise ValueError("no step")
    curves.skipped += bool(line.get("skipped"))
    loss = number(line.get("loss"))
    if loss is not None:
        curves.loss.append((step, loss))
    terms = line.get("losses")
    if isinstance(terms, dict):
        for name, values in terms.items():
            known = [v for v in map(number, values) if v is not None]
            if known and (name in curves.terms or len(curves.terms) < MOST_TERMS):
                curves.terms.setdefault(str(name), []).append((step, fmean(known)))
    judged = line.get("judge")
    if isinstance(judged, list):
        for sample, scores in enumerate(judged[:1024]):
            while len(curves.judge) <= sample:
                curves.judge.append([])
            similarity = number(scores.get("similarity"))
            if similarity is not None:
                curves.judge[sample].append((step, similarity))


def loss_chart(curves: Curves) -> Markup:
    """The total loss over the steps, and its terms if there are several."""
    lines = [("total", curves.loss)]
    if len(curves.terms) > 1:
        lines += list(curves.terms.items())
    return chart("loss", lines)


def judge_chart(curves: Curves) -> Markup:
    """The judge's similarity of each sample over the steps."""
    several = len(curves.judge) > 1
    lines = [
        (f"sample {index}" if several else "judge", points)
        for index, points in enumerate(curves.judge[:MOST_TERMS])
    ]
    return chart("judge", lines)


def chart(title: str, lines: Sequence[tuple[str, Points]]) -> Markup:
    """Curves over steps as an SVG; empty without points. Colors are those of the style sheet."""
    shown = [(name, _thinned(points)) for name, points in lines if points]
    if not shown:
        return Markup("")
    xs = [step for _, points in shown for step, _ in points]
    ys = [value for _, points in shown for _, value in points]
    first, last, low, high = min(xs), max(xs), min(ys), max(ys)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - 0.05 * spread, high + 0.05 * spread

    def place(step: int, value: float) -> str:
        x = LEFT + (step - first) / max(1, last - first) * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return f"{x:.1f},{y:.1f}"

    parts = [_axes(first, last, low, high)]
    for index, (name, points) in enumerate(shown):
        final = f"{name}: {points[-1][1]:.4g} at step {points[-1][0]}"
        if len(points) == 1:
            x, y = place(*points[0]).split(",")
            drawn = f'<circle class="c{index % 8}" cx="{x}" cy="{y}" r="2.5">'
            parts.append(f"{drawn}<title>{escape(final)}</title></circle>")
            continue
        path = " ".join(place(*point) for point in points)
        parts.append(
            f'<polyline class="c{index % 8}" points="{path}"><title>{escape(final)}</title>'
            "</polyline>"
        )
    legend = "".join(
        f'<span class="key c{index % 8}">{escape(name)}</span>'
        for index, (name, _) in enumerate(shown)
    )
    summary = f"{title}: {shown[0][1][0][1]:.4g} to {shown[0][1][-1][1]:.4g}"
    svg = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(summary)}">{"".join(parts)}</svg>'
    )
    caption = f"<figcaption><b>{escape(title)}</b> {legend if len(shown) > 1 else ''}</figcaption>"
    return Markup(f"<figure>{caption}{svg}</figure>")  # every text in it is escaped


def _axes(first: int, last: int, low: float, high: float) -> str:
    bottom = HEIGHT - BOTTOM
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - TOP)
        value = low + share * (high - low)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        label = _label(value, high - low)
        parts.append(f'<text x="{LEFT - 6}" y="{y + 3.5}" class="end">{label}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 6}">{first}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" class="end">step {last}</text>')
    return "".join(parts)


def _label(value: float, spread: float) -> str:
    """A number with as many digits as the spread of an axis needs."""
    if not 1e-3 < spread < 1e5:
        return f"{value:.0e}"
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{value:.{digits}f}"


def _thinned(points: Points) -> Points:
    """At most `POINTS` points: means of as many steps each, and the ends as they are."""
    if len(points) <= POINTS:
        return points
    edges = [round(i * len(points) / (POINTS - 2)) for i in range(POINTS - 1)]
    means = [
        (points[(a + b) // 2][0], fmean(value for _, value in points[a:b]))
        for a, b in pairwise(edges)
        if b > a
    ]
    return [points[0], *means, points[-1]]
