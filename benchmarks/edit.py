"""How often an edit changes one object into another, by the held-out judge.

    python benchmarks/edit.py [--denoiser mini-diffusion] [--preset normal] [--sheet edits.png]
    python benchmarks/edit.py --set loss=pds --set guidance_scale=15

The lines of `edits.txt` are "source | target". The denoiser samples an image of each source, and
the task `edit` changes it; every second case has a mask, alternately a centered box and disc.
A case counts if the embedded judge, which no loss uses, rates the image more similar to the target
than to the source after the edit. Also reported: the same before the edit; the share that changed
of the cases that matched the source before; and the mean change of pixels outside the mask (zero
with a mask; without one, it is measured outside the same shapes and shows how far an edit spreads).
Sources, masks and run folders stay in `--output`.
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

import numpy as np
import torch
import yaml
from jaxtyping import Bool, UInt8
from measure import machine, report
from PIL import Image

from guidance.commands.memory import keep_freed_memory
from guidance.config.commandline import task_of
from guidance.diffusion import load_denoiser
from guidance.diffusion.sampling import sample
from guidance.encoders.base import Encoder
from guidance.evaluate.families import load_judge_for
from guidance.evaluate.finished import read_texts
from guidance.evaluate.judge import judge_scores
from guidance.media.contact_sheet import contact_sheet
from guidance.media.pixels import to_uint8
from guidance.models.judges import MINI_JUDGE
from guidance.tasks.edit import Edit

BAR = 0.80
HERE = Path(__file__).parent
#: Side of the box and diameter of the disc, as shares of the side of the image.
BOX, DISC = 0.75, 0.85
COLUMNS = 10

Pixels = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Case:
    """One line of the list, and the shape of its mask."""

    source: str
    target: str
    shape: str  # "box" or "disc"
    masked: bool


@dataclass(frozen=True)
class Found:
    """The result of a case."""

    source: str
    target: str
    mask: str | None
    before: tuple[float, float]  # similarity to the source and to the target
    after: tuple[float, float]
    outside: float  # mean absolute difference outside the shape, in 1/255
    inside: float


def read_cases(path: Path) -> list[Case]:
    """The lines of a list; every second one has a mask, alternately a box and a disc."""
    cases = []
    for number, line in enumerate(read_texts(path)):
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 2 or not all(parts):
            raise SystemExit(f"{path}: line {number + 1}: expected source | target, got {line!r}")
        shape = ("box", "disc")[number // 2 % 2]
        cases.append(Case(parts[0], parts[1], shape, masked=number % 2 == 1))
    return cases


def mask_of(shape: str, size: int) -> Bool[np.ndarray, "h w"]:
    """True inside a centered box or disc."""
    line = np.abs((np.arange(size) + 0.5) / size - 0.5) * 2
    x, y = np.meshgrid(line, line)
    return np.hypot(x, y) < DISC if shape == "disc" else np.maximum(x, y) < BOX


def draw_sources(cases: Sequence[Case], options: argparse.Namespace) -> list[Path]:
    """Samples images of the sources and writes them to files."""
    denoiser = load_denoiser(options.denoiser, "cuda" if torch.cuda.is_available() else "cpu")
    seeds = range(options.seed, options.seed + len(cases))
    images = sample(denoiser, [case.source for case in cases], seeds, steps=options.sampler_steps)
    paths = [options.output / "sources" / f"{number:03d}.png" for number in range(len(cases))]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for path, image in zip(paths, images.cpu(), strict=True):
        Image.fromarray(to_uint8(image)).save(path)
    return paths


def edit(case: Case, path: Path, options: argparse.Namespace) -> tuple[Pixels, Pixels]:
    """Runs the task on one case; returns the image before and after."""
    before = np.asarray(Image.open(path))
    mask = None
    if case.masked:
        mask = options.output / "masks" / f"{case.shape}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 * mask_of(case.shape, len(before)).astype(np.uint8)).save(mask)
    values = {
        "prompt": [case.target],
        "source": case.source,
        "image": path,
        "mask": mask,
        "denoiser": options.denoiser,
        "preset": options.preset,
        "output": options.output,
        "size": len(before),
        "judge": False,
        **options.set,
    }
    result = task_of(Edit, "edit", [], values)[0].run()
    return before, np.asarray(Image.open(result.samples[0].folder / "image.png"))


def similarities(judge: Encoder, pixels: Pixels, case: Case) -> tuple[float, float]:
    """The similarity of an image to the source and to the target."""
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    both = judge_scores(judge, image.expand(2, 1, -1, -1, -1), [case.source, case.target])
    return both[0].similarity, both[1].similarity


def compare(judge: Encoder, case: Case, before: Pixels, after: Pixels) -> Found:
    """The judge's similarities of one case, and the change of its pixels."""
    change = np.abs(after.astype(float) - before).mean(2)
    inside = mask_of(case.shape, len(before))
    return Found(
        case.source,
        case.target,
        case.shape if case.masked else None,
        similarities(judge, before, case),
        similarities(judge, after, case),
        float(change[~inside].mean()),
        float(change[inside].mean()),
    )


def draw_sheet(pairs: Sequence[tuple[Pixels, Pixels]], found: Sequence[Found]) -> bytes:
    """A contact sheet: rows of images before the edit, each above the row after it."""
    tiles: list[Pixels] = []
    captions: list[str] = []
    blank = np.full_like(pairs[0][0], 255)
    for start in range(0, len(found), COLUMNS):
        row = slice(start, start + COLUMNS)
        absent = min(COLUMNS, len(found)) - len(found[row])
        for which in (0, 1):
            tiles += [pair[which] for pair in pairs[row]] + [blank] * absent
            captions += [_caption(one, which) for one in found[row]] + [""] * absent
    return contact_sheet(tiles, captions, COLUMNS)


def _is_target(similarity: tuple[float, float]) -> bool:
    return similarity[1] > similarity[0]


def _caption(one: Found, which: int) -> str:
    if which == 0:
        return one.source
    outcome = "target" if _is_target(one.after) else "source"
    return f"{one.target}: {outcome}" + (f", {one.mask}" if one.mask else "")


def summary(found: Sequence[Found]) -> dict[str, float]:
    """Shares and means over all cases."""
    masked = [one.outside for one in found if one.mask]
    free = [one.outside for one in found if not one.mask]
    turned = [_is_target(one.after) for one in found if not _is_target(one.before)]
    return {
        "target_wins_before": fmean(_is_target(one.before) for one in found),
        "target_wins_after": fmean(_is_target(one.after) for one in found),
        "turned": fmean(turned) if turned else 0.0,
        "margin_before": fmean(one.before[1] - one.before[0] for one in found),
        "margin_after": fmean(one.after[1] - one.after[0] for one in found),
        "moved_inside": fmean(one.inside for one in found),
        "moved_outside_of_masks": fmean(masked) if masked else 0.0,
        "moved_outside_without_masks": fmean(free) if free else 0.0,
    }


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=Path, default=HERE / "edits.txt")
    parser.add_argument("--denoiser", default="mini-diffusion")
    parser.add_argument("--preset", choices=("draft", "normal", "best"), default="normal")
    of_task = "any other option of the task, e.g. steps=60; may be repeated"
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=of_task)
    parser.add_argument("--seed", type=int, default=0, help="of the first source")
    parser.add_argument("--sampler-steps", type=int, default=25, help="of the sources")
    parser.add_argument("--output", type=Path, default=Path("outputs/edit_benchmark"))
    parser.add_argument("--out", type=Path, default=HERE / "results" / "edit.json")
    parser.add_argument("--sheet", type=Path, help="default: OUTPUT/sheet.png")
    options = parser.parse_args()
    options.set = {
        name: yaml.safe_load(value)
        for name, _, value in (pair.partition("=") for pair in options.set)
    }
    if "size" in options.set:
        parser.error("--set size: images are compared in the size of the denoiser")
    options.sheet = options.sheet or options.output / "sheet.png"
    return options


def main() -> None:
    options = parse()
    keep_freed_memory()
    cases, started = read_cases(options.edits), time.perf_counter()
    judge = load_judge_for((), MINI_JUDGE)
    found: list[Found] = []
    pairs = []
    for case, path in zip(cases, draw_sources(cases, options), strict=True):
        pairs.append(edit(case, path, options))
        found.append(compare(judge, case, *pairs[-1]))
        print(json.dumps(asdict(found[-1])), flush=True)
    total = summary(found)
    content: dict[str, Any] = {
        **{name: vars(options)[name] for name in ("denoiser", "preset", "set", "seed")},
        "sampler_steps": options.sampler_steps,
        "seconds": round(time.perf_counter() - started, 1),
        "machine": machine(),
        "judge": judge.name,
        "summary": total,
        "edits": [asdict(one) for one in found],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=2) + "\n")
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    options.sheet.write_bytes(draw_sheet(pairs, found))
    print(f"see {options.out} and {options.sheet}")
    wins = total.pop("target_wins_after")
    more = {name: round(share, 4) for name, share in total.items()}
    given = [options.preset, *(f"{name} {value}" for name, value in options.set.items())]
    name = f"Edits that the judge recognizes, {len(found)} cases, {', '.join(given)}"
    report(name, wins, "share", BAR, lower_is_better=False, more=more)


if __name__ == "__main__":
    main()
