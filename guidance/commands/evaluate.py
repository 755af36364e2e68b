"""Finished runs, read back from their folders for scoring: `guide eval`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image

from guidance.config.files import read_config, strip_header
from guidance.errors import InputError
from guidance.evaluate.families import judge_of
from guidance.evaluate.scoring import Sample, SampleScore, Shown, score_samples
from guidance.evaluate.table import as_json, last_lines, sample_line
from guidance.geometry.deformation import NAME as DEFORMATION
from guidance.media.images import MAX_PIXELS
from guidance.prompts import plain_text
from guidance.runs.atomic import write_text
from guidance.runs.folder import CONFIG, DONE, ENVIRONMENT, existing_folder, sample_folder

PICTURE, MESH = "image.png", "mesh.glb"
#: DONE.json is a few kilobytes, a list of texts not much more.
MAX_BYTES = 2**24
HELP = """\
guide eval RUN... [--against FILE] [--judge NAME] [--json FILE]

Scores finished runs by a judge that none of their losses has asked. For each sample: the cosine of
its image (or of 8 views of its mesh) and its prompt; the rank of the prompt among those of all
RUNs; how far the similarity falls after blur, JPEG or a shift by one pixel (a large gap shows
gaming); for meshes also the score of the shape in plain grey, the share of faces that others run
through, how uneven the edges are and, of those that a run moved (modes deform and stylize), how
unevenly the areas changed; and whether
the front is on the back, too (Janus): on how many views from the back, and from the front, the
judge prefers "front view of ..." to "back view of ...". Where both shares are alike, the mesh has
no sides, or the judge does not know such words.

  --against FILE   further texts to rank each prompt among, one a line
  --judge NAME     the model that judges; by default the most trusted one on this machine
  --json FILE      writes all scores there as well
"""


@dataclass(frozen=True)
class FinishedRun:
    """A run folder with DONE.json."""

    folder: Path
    losses: tuple[str, ...]  # names of the encoders that the run was optimized against
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Order:
    """What `guide eval` is asked for."""

    runs: tuple[Path, ...]
    against: Path | None = None
    judge: str | None = None
    json: Path | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"eval: {message}; `guide eval --help` explains")


def parse(words: Sequence[str]) -> Order:
    """Reads the words behind `guide eval`.

    Raises:
        InputError: no run, or an unknown flag.
    """
    parser = _Parser(prog="guide eval", add_help=False, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--judge")
    parser.add_argument("--json", type=Path)
    found = parser.parse_intermixed_args(list(words))
    return Order(tuple(found.runs), found.against, found.judge, found.json)


def evaluate(order: Order) -> Iterator[str]:
    """Scores runs, and yields what there is to say, line by line.

    Raises:
        InputError: a run that is none, is not finished, lacks its image or is damaged; or no
            judge that its losses have not asked.
        MissingWeights: the judge's weights are not here.
    """
    runs = [read_run(folder) for folder in dict.fromkeys(order.runs)]
    others = read_texts(order.against) if order.against else []
    judge = judge_of([name for run in runs for name in run.losses], order.judge)
    scores: list[SampleScore] = []
    for score in score_samples(judge, [s for run in runs for s in run.samples], others):
        scores.append(score)
        yield sample_line(score)
    if order.json is not None:
        write_text(order.json, as_json(scores, judge.name))
    yield from last_lines(scores, judge.name)


def read_run(folder: Path) -> FinishedRun:
    """A finished run's samples, their images still on the disk.

    Raises:
        InputError: no such run, not finished, damaged, or a sample without image and mesh.
    """
    folder = existing_folder(folder)
    done = folder / DONE
    if not done.is_file():
        raise InputError(f"{folder}: is not finished; go on with: guide run --resume {folder}")
    try:
        content = _read_json(done)
        said = [(str(entry["prompt"]), int(entry["seed"])) for entry in content["samples"]]
        judge = content["judge"]
        if not said:
            raise ValueError("no samples")
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InputError(
            f"{done}: is damaged; run it again: guide rerun {folder / CONFIG}"
        ) from None
    samples = [
        _sample(sample_folder(folder, index, len(said)), prompt, seed)
        for index, (prompt, seed) in enumerate(said)
    ]
    return FinishedRun(folder, _losses(folder, judge), tuple(samples))


def _losses(folder: Path, judge: str | None) -> tuple[str, ...]:
    """Those of the configuration, and those that a task of one's own named by itself."""
    config = folder / CONFIG
    _, fields = strip_header(read_config(config), str(config))
    encoders = fields.get("encoder")
    encoders = [encoders] if isinstance(encoders, str) else encoders
    if not isinstance(encoders, list) or not all(isinstance(name, str) for name in encoders):
        raise InputError(f"{config}: names no encoder, so it is unknown who may judge the run")
    record = folder / ENVIRONMENT
    if record.is_file():
        try:
            encoders += [name for name in dict(_read_json(record)["models"]) if name != judge]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise InputError(
                f"{record}: is damaged, so it is unknown who may judge the run; run it again: "
                f"guide rerun {config}"
            ) from None
    return tuple(dict.fromkeys(encoders))


def _sample(place: Path, prompt: str, seed: int) -> Sample:
    for name, show in ((MESH, _show_mesh), (PICTURE, _show_picture)):
        if (place / name).is_file():
            return Sample(str(place), plain_text(prompt), seed, partial(show, place / name))
    raise InputError(f"{place}: has neither {PICTURE} nor {MESH}, so there is nothing to judge")


def _show_mesh(path: Path) -> Shown:
    from guidance.evaluate.views import show_mesh

    deformation = path.with_name(DEFORMATION)
    return show_mesh(path, deformation if deformation.is_file() else None)


def _show_picture(path: Path) -> Shown:
    """A PNG, over white where it is transparent."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            levels = np.array(image.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: is no readable PNG ({error})") from None
    pixels = torch.from_numpy(levels).permute(2, 0, 1).float() / 255
    return Shown((pixels[:3] * pixels[3:] + 1 - pixels[3:])[None])


def read_texts(path: Path) -> list[str]:
    """The lines of a file of texts; empty ones do not count.

    Raises:
        InputError: no such file, too large, no text, or nothing in it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a list of texts, one a line")
    try:
        texts = [line.strip() for line in _read_text(path).splitlines()]
    except ValueError as error:
        raise InputError(f"{path}: is no list of texts in UTF-8 ({error})") from None
    texts = [text for text in texts if text]
    if not texts:
        raise InputError(f"{path}: is empty; give a list of texts, one a line")
    return texts


def _read_json(path: Path) -> Any:
    return json.loads(_read_text(path))


def _read_text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("too large")
    try:
        return path.read_text(encoding="utf-8")
    except PermissionError:
        raise ValueError("may not be read") from None
