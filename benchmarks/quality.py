"""R-Precision of a task over a committed list of prompts, by the held-out judge.

    python benchmarks/quality.py --task text2image [--prompts FILE] [--seeds 3] [--preset normal]
    python benchmarks/quality.py --task text2mesh  [--meshes FOLDER] [--at-once 8]
    python benchmarks/quality.py --loss sds --set generator=latent

Runs the task in batches over `prompts.txt` (one prompt per line) or `pairs.txt` (mesh, prompt and
mode, separated by tabs), then scores the results with the held-out judge, which no loss uses.
R-Precision is the share of the samples whose prompt has rank 1 among all prompts of the list. Also
reported: R-Precision among all concepts of the judge, the gap under blur, JPEG and a shift by one
pixel, the similarity before and after, and the diversity over seeds.

For text2mesh also: R-Precision by mode; for deformed and generated meshes, whether the shape in
plain grey matches better than before the first step; for deformed meshes, self-intersections. The
meshes spot, suzanne and teapot are not included in the project: `--meshes` names a folder with
spot.obj ...; without it, their pairs are skipped. `--set mode=deform` applies to all pairs.

Run folders stay in `--output`. After a benchmark that was stopped, `--go-on` reuses the finished
runs of the same configuration.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from by_mode import SHAPING, before, by_mode, mode_line
from cases import LISTS, MODES, Case, batches, here, read_cases, with_files
from measure import machine, report

from guidance.commands.memory import keep_freed_memory
from guidance.config.commandline import task_of
from guidance.config.files import as_mapping, read_config
from guidance.config.kinds import TASKS, find
from guidance.evaluate.families import load_judge_for
from guidance.evaluate.finished import read_run
from guidance.evaluate.judge import PromptRanking
from guidance.evaluate.scoring import Sample, SampleScore, diversity, score_samples, summarize
from guidance.evaluate.table import sample_line, sample_mapping
from guidance.media.contact_sheet import contact_sheet
from guidance.media.pixels import to_uint8
from guidance.models.catalogue import find_model
from guidance.runs.folder import CONFIG, DONE
from guidance.runs.plan import RunResult
from guidance.runs.results import read_done
from guidance.tasks.base import Task

BARS = {"text2image": 0.80, "text2mesh": 0.70}
COLUMNS = 10
CONCEPTS = "the names on the judge's card, its alternatives, and the list"


@dataclass(frozen=True)
class Made:
    """One sample of a case, with the similarities in the record of its run."""

    sample: Sample
    before: float
    after: float
    mode: str | None = None  # of text2mesh
    bare: float | None = None  # similarity of the grey mesh before, for modes of `SHAPING`


def make(cases: Sequence[Case], options: argparse.Namespace) -> tuple[list[Made], set[str]]:
    """Runs the task; returns all samples, and the names of the models of the losses."""
    made: list[Made] = []
    losses: set[str] = set()
    fields = {"samples": options.seeds, "preset": options.preset, "output": options.output}
    fields |= options.set
    for batch in batches(cases, max(1, options.at_once // options.seeds)):
        start = time.perf_counter()
        values, mode = batch[0].fields() | fields, batch[0].mode
        values["prompt"] = [case.prompt for case in batch]
        task, _ = task_of(find(TASKS, options.task), options.task, [], values)
        result = (finished_before(task) if options.go_on else None) or task.run()
        run = read_run(result.folder)
        losses.update(run.losses)
        bare: list[Any] = [None] * len(run.samples)
        if mode in SHAPING:
            bare = before(task, load_judge_for(run.losses))
        for sample, recorded, grey in zip(run.samples, result.samples, bare, strict=True):
            first, last = recorded.judge_before or {}, recorded.judge_after or {}
            made.append(Made(sample, first["similarity"], last["similarity"], mode, grey))
        seconds = time.perf_counter() - start
        print(f"{len(made)} of {len(cases) * options.seeds} samples, {seconds:.0f} s", flush=True)
    return made, losses


def finished_before(task: Task) -> RunResult | None:
    """The latest finished run of the same configuration, if there is one."""
    for folder in sorted((task.output / task.task_name()).glob("*"), reverse=True):
        if (folder / DONE).is_file() and read_config(folder / CONFIG) == as_mapping(task):
            return read_done(folder, task.sample_prompts, task.sample_seeds)
    return None


def names_of(judge: str) -> list[str]:
    """All concepts that an embedded judge was trained on; empty for other judges."""
    model = find_model(judge)
    if model is None or model.folder is None:
        return []
    card = json.loads((model.folder / "guidance.json").read_text())
    return list(card["training"]["names"])


def found_among(ranking: PromptRanking, scores: Sequence[SampleScore]) -> float:
    """Share of the samples whose prompt has rank 1 in another ranking."""
    return fmean(ranking.score(score.vector[None], score.prompt).retrieved for score in scores)


def without_place(mapping: dict[str, Any]) -> dict[str, Any]:
    """The scores of a sample without its name, which is a path on this machine."""
    return {key: value for key, value in mapping.items() if key != "name"}


def draw_contact_sheet(made: Sequence[Made], scores: Sequence[SampleScore], seeds: int) -> bytes:
    """The first seed of each prompt, with its rank."""
    chosen = list(zip(made, scores, strict=True))[::seeds]
    tiles = [to_uint8(one.sample.load().images[0]) for one, _ in chosen]
    captions = [
        f"{score.prompt}{f' ({one.mode})' if one.mode else ''}: "
        + ("found" if score.score.retrieved else f"rank {score.score.rank}")
        for one, score in chosen
    ]
    return contact_sheet(tiles, captions, COLUMNS)


def measure(
    cases: Sequence[Case], listed: Sequence[Case], options: argparse.Namespace
) -> dict[str, Any]:
    """Runs and scores the cases, writes the contact sheet, and returns the content of the JSON.

    Args:
        listed: the whole list, among which prompts are ranked.
    """
    started = time.perf_counter()
    made, losses = make(cases, options)
    seconds = time.perf_counter() - started
    judge = load_judge_for(losses)
    prompts = [case.prompt for case in listed]
    scores = []
    for score in score_samples(judge, [one.sample for one in made], prompts):
        print(sample_line(score), flush=True)
        scores.append(score)
    everything = PromptRanking(judge, [*prompts, *judge.alternatives, *names_of(judge.name)])
    options.contact.parent.mkdir(parents=True, exist_ok=True)
    options.contact.write_bytes(draw_contact_sheet(made, scores, options.seeds))
    found = {
        "task": options.task,
        "preset": options.preset,
        "set": options.set,
        "seeds": options.seeds,
        "prompts": len(cases),
        "left_out": [
            case.prompt for case in listed if case.prompt not in {c.prompt for c in cases}
        ],
        "seconds": round(seconds, 1),
        "went_on": options.go_on,
        "machine": machine(),
        "judge": judge.name,
        "losses": sorted(losses),
        "summary": asdict(summarize(scores)),
        "all_concepts": {
            "texts": len(everything),
            "from": CONCEPTS,
            "r_precision": found_among(everything, scores),
        },
        "similarity_before": fmean(one.before for one in made),
        "similarity_after": fmean(one.after for one in made),
        "diversity": diversity(scores),
        "samples": [without_place(sample_mapping(score)) for score in scores],
    }
    if options.task == "text2mesh":
        modes, bare = [one.mode or MODES[0] for one in made], [one.bare for one in made]
        found["by_mode"] = by_mode(scores, modes, bare)
        for sample, mode, grey in zip(found["samples"], modes, bare, strict=True):
            sample |= {"mode": mode, "textureless_before": grey}
    return found


def parse() -> argparse.Namespace:
    """The options, with the defaults that depend on the task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=BARS, default="text2image")
    parser.add_argument("--prompts", type=Path, help="default: the committed list of the task")
    parser.add_argument("--meshes", type=Path, help="folder of spot.obj, suzanne.obj, teapot.obj")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", choices=("draft", "normal", "best"), default="normal")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other option of the task, e.g. steps=60; may be repeated",
    )
    parser.add_argument("--loss", help="the same as --set loss=...")
    parser.add_argument("--at-once", type=int, default=20, help="samples in one run")
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="use finished runs in OUTPUT; only if code and weights are the same",
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/quality"))
    parser.add_argument("--out", type=Path, help="default: OUTPUT/TASK.json")
    parser.add_argument("--contact", type=Path, help="default: OUTPUT/TASK.png")
    options = parser.parse_args()
    options.set = {
        name: yaml.safe_load(value)
        for name, _, value in (pair.partition("=") for pair in options.set)
    }
    options.prompts = options.prompts or Path(__file__).with_name(LISTS[options.task])
    options.out = options.out or options.output / f"{options.task}.json"
    options.contact = options.contact or options.output / f"{options.task}.png"
    if options.loss is not None:
        options.set["loss"] = options.loss
    return options


def main() -> None:
    options = parse()
    keep_freed_memory()
    listed = read_cases(options.prompts, options.task)
    if "mode" in options.set:
        listed = [case.with_mode(options.set["mode"]) for case in listed]
    cases = here(listed, options.meshes)
    if len(cases) < len(listed):
        print(f"{len(listed) - len(cases)} of {len(listed)} pairs skipped; see --meshes")
    cases = with_files(cases, options.output / "meshes", options.meshes)
    found = measure(cases, listed, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    total = found["summary"]
    for mode, figures in found.get("by_mode", {}).items():
        print(mode_line(mode, figures))
    print(
        f"among all {found['all_concepts']['texts']} concepts "
        f"{found['all_concepts']['r_precision']:.3f}; similarity {found['similarity_before']:.3f} "
        f"before and {found['similarity_after']:.3f} after; mean gap {total['gap']:.3f}; "
        f"see {options.out} and {options.contact}"
    )
    name = ", ".join(
        [
            f"R-Precision, {options.task}, {len(cases)} prompts x {options.seeds} seeds",
            options.preset,
            *(f"{field} {value}" for field, value in options.set.items()),
        ]
    )
    report(name, total["r_precision"], "share", BARS[options.task], lower_is_better=False)


if __name__ == "__main__":
    main()
