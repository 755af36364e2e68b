"""The effect of each option of the views of meshes on the judge's similarity.

    python benchmarks/views.py [--mode stylize] [--preset draft] [--every 3] [--start 0]

Optimizes every third pair of `views.txt` with one option at a time, and scores eight views all
around with the held-out judge, as `guide eval` does, in color and in plain grey. Reports the mean
difference from the same prompt and seed without the option, and its standard error. The defaults of
`text2mesh` follow from it: an option is on if it gains more than two standard errors, and again on
another third of the list (`--start 1`).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from cases import Case, batches, read_cases, with_files
from measure import machine, seconds_of

from guidance.commands.memory import keep_freed_memory
from guidance.config.commandline import task_of
from guidance.encoders import load_judge
from guidance.evaluate.judge import judge_scores
from guidance.loop.optimize import optimize
from guidance.rendering.cameras.orbit import Orbit
from guidance.tasks.text2mesh import TextToMesh

VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "fov +-10": {"fov_jitter": 10.0},
    "light wanders 0": {"light_jitter": 0.0},
    "light wanders 0.8": {"light_jitter": 0.8},
    "light -0.4": {"strength_jitter": 0.4},
    "ambient +-0.2": {"ambient_jitter": 0.2},
    "white behind": {"backgrounds": "none"},
    "plain behind": {"backgrounds": "solid"},
    "plain, checker, noise behind": {"backgrounds": "solid,checker,noise"},
    "anchor auto": {"anchor": "auto"},
    "textureless 0.25": {"textureless": 0.25},
}
#: Options that a mode lacks: textures have a light of their own, and these meshes have no colors.
LACKS = {"texture": ("ambient_jitter", "textureless"), "deform": ("textureless",)}
RESULTS = Path(__file__).parent / "results"


@torch.no_grad()
def judged(plan: Any, prompts: Sequence[str], judge: Any) -> list[tuple[float, float]]:
    """Similarity of each sample in its colors, and of its shape in plain grey."""
    cameras = Orbit(size=(224, 224)).ring(len(prompts), 8)
    grey = replace(cameras, textureless=torch.ones(len(prompts), 8, dtype=torch.bool))
    found = []
    for views in (cameras, grey):
        images = plan.generator(views).over().clamp(0, 1)
        found.append([score.similarity for score in judge_scores(judge, images, prompts)])
    return list(zip(*found, strict=True))


def scores_of(
    cases: Sequence[Case], options: argparse.Namespace, given: Mapping[str, Any]
) -> list[tuple[float, float]]:
    """The result of `judged` for each case, with the given options of the task."""
    judge = load_judge()
    scores = []
    for batch in batches(cases, options.at_once):
        prompts = [case.prompt for case in batch]
        values = {"prompt": prompts, "mesh": batch[0].mesh, "mode": options.mode}
        values |= {"preset": options.preset, **given}
        plan = task_of(TextToMesh, "text2mesh", [], values)[0].build()
        settings = replace(plan.settings, validations=2)
        optimize(plan.generator, plan.losses, settings, views=plan.views)
        scores += judged(plan, prompts, judge)
    return scores


def difference(scores: Sequence[float], before: Sequence[float]) -> tuple[float, float]:
    """The mean of the differences of pairs, and its standard error."""
    gains = [one - other for one, other in zip(scores, before, strict=True)]
    return fmean(gains), stdev(gains) / math.sqrt(len(gains))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=("stylize", "deform", "texture"), default="stylize")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--every", type=int, default=3, help="use every n-th pair of the list")
    parser.add_argument("--start", type=int, default=0, help="index of the first pair")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--only", action="append", choices=VARIANTS)
    parser.add_argument("--out", type=Path, help="default: results/views_MODE_START.json")
    options = parser.parse_args()
    keep_freed_memory()
    here = Path(__file__)
    listed = read_cases(here.with_name("views.txt"), "text2mesh")[options.start :: options.every]
    cases = with_files(listed, Path("outputs/views/meshes"))
    rows: dict[str, Any] = {}
    before: list[tuple[float, float]] = []
    for name, given in VARIANTS.items():
        if options.only and name not in options.only and given:
            continue
        if set(given) & set(LACKS.get(options.mode, ())):
            continue
        found: list[list[tuple[float, float]]] = []
        seconds = seconds_of(lambda: found.append(scores_of(cases, options, given)))  # noqa: B023
        before = before or found[0]
        row: dict[str, Any] = {"options": given, "seconds": round(seconds, 1)}
        for place, what in enumerate(("painted", "grey")):
            values = [score[place] for score in found[0]]
            gain, error = difference(values, [score[place] for score in before])
            row |= {
                what: round(fmean(values), 4),
                f"{what}_gain": round(gain, 4),
                f"{what}_error": round(error, 4),
            }
        rows[name] = row
        print(name, json.dumps(row), flush=True)
    content = {
        "name": f"similarity by variety of views, {options.mode}, {options.preset}",
        "prompts": len(cases),
        "judge": load_judge().name,
        "variants": rows,
        "machine": machine(),
    }
    out = options.out or RESULTS / f"views_{options.mode}_{options.start}.json"
    out.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
