"""Finished runs, read from their folders to be scored."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from guidance.config.carried import LOCAL
from guidance.config.files import read_record, strip_header
from guidance.errors import InputError
from guidance.evaluate.scoring import Sample, SampleImages
from guidance.files import refuse_special_file
from guidance.geometry.deformation import NAME as DEFORMATION
from guidance.media.read_image import load_image
from guidance.prompts import plain_text
from guidance.runs.folder import CONFIG, DONE, ENVIRONMENT, existing_folder, sample_folder
from guidance.runs.json_records import read_record as read_json_record
from guidance.runs.origin import is_own
from guidance.runs.results import check_files, done_record
from guidance.runs.summary import summarize_run

IMAGE, MESH = "image.png", "mesh.glb"
#: Limit of the files that are read: DONE.json has a few kilobytes, a list of texts not much more.
MAX_BYTES = 2**24


@dataclass(frozen=True)
class FinishedRun:
    """A run folder with DONE.json."""

    folder: Path
    losses: tuple[str, ...]  # names of the models of its losses
    families: Mapping[str, str]  # of some of them, by name
    samples: tuple[Sample, ...]


def read_run(folder: Path) -> FinishedRun:
    """The samples of a finished run; their images are read when they are scored.

    Raises:
        InputError: the folder is not a finished run, is damaged, or lacks an image or mesh.
    """
    folder = existing_folder(folder)
    done = folder / DONE
    if not done.is_file():
        raise InputError(f"{folder}: is not finished; resume it: guide run --resume {folder}")
    try:
        content = done_record(folder)
        entries = [(str(entry["prompt"]), int(entry["seed"])) for entry in content["samples"]]
        judge = content["judge"]
        if not entries:
            raise ValueError("no samples")
    except InputError:
        raise
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{done}: is damaged; run it again: guide rerun {folder / CONFIG}"
        ) from None
    places = [sample_folder(folder, index, len(entries)) for index in range(len(entries))]
    read = [place / name for place in places for name in (MESH, IMAGE, DEFORMATION)]
    check_files(folder, content, read)
    losses, families = _losses(folder, judge)
    config = read_record(folder / CONFIG)
    took = summarize_run(folder).seconds
    seconds = None if took is None else took / len(entries)
    samples = [
        replace(_sample(place, prompt, seed), folder=place, seconds=seconds, config=config)
        for place, (prompt, seed) in zip(places, entries, strict=True)
    ]
    return FinishedRun(folder, losses, families, tuple(samples))


def _losses(folder: Path, judge: str | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """The models in the configuration and in the record of a run, and the recorded families."""
    config = folder / CONFIG
    _, _, fields = strip_header(read_record(config), str(config))
    models, families = list(_models_in(fields)), dict[str, str]()
    record = folder / ENVIRONMENT
    if record.is_file():
        advice = f"it is unknown which judge may score the run; run it again: guide rerun {config}"
        content = read_json_record(record, advice)
        try:
            models += [name for name in dict(content["models"]) if name != judge]
            families = {str(k): str(v) for k, v in dict(content.get("families", {})).items()}
        except (ValueError, TypeError, KeyError):
            raise InputError(f"{record}: is damaged; {advice}") from None
    if families:  # an encoder in a Python file is recorded by its `name`
        models = [name for name in models if not name.endswith(".py")] + list(families)
    for name in models:
        if name.startswith(LOCAL) and name not in families and not is_own(folder):
            raise InputError(
                f"{config}: names {name!r:.80}, but a configuration that comes from elsewhere "
                f"cannot choose files, and {ENVIRONMENT} does not say its family; run it again: "
                f"guide rerun {config} --encoder {shlex.quote(name)}"
            )
    if not models:
        raise InputError(f"{config}: names no model, so no judge can be chosen for the run")
    return tuple(dict.fromkeys(models)), families


def _models_in(value: Any) -> Iterator[str]:
    """The values of `encoder` and `denoiser` anywhere in a configuration."""
    if isinstance(value, list):
        for item in value:
            yield from _models_in(item)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in ("encoder", "denoiser"):
                for each in item if isinstance(item, list) else [item]:
                    # An encoder with options is written as a mapping.
                    name = each.get("kind") if isinstance(each, Mapping) else each
                    if isinstance(name, str):
                        yield name
            yield from _models_in(item)


def _sample(place: Path, prompt: str, seed: int) -> Sample:
    for name, show in ((MESH, _show_mesh), (IMAGE, _show_image)):
        if (place / name).is_file():
            return Sample(str(place), plain_text(prompt), seed, partial(show, place / name))
    raise InputError(f"{place}: has neither {IMAGE} nor {MESH}")


def _show_mesh(path: Path) -> SampleImages:
    from guidance.evaluate.views import mesh_images

    deformation = path.with_name(DEFORMATION)
    return mesh_images(path, deformation if deformation.is_file() else None)


def _show_image(path: Path) -> SampleImages:
    return SampleImages(load_image(path, "image")[None])


def read_texts(path: Path) -> list[str]:
    """The lines of a text file, without empty ones.

    Raises:
        InputError: the file does not exist, is too large, is not UTF-8, or is empty.
    """
    refuse_special_file(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a text file with one text per line")
    try:
        texts = [line.strip() for line in _read_text(path).splitlines()]
    except ValueError as error:
        raise InputError(f"{path}: is not a text file in UTF-8 ({error})") from None
    texts = [text for text in texts if text]
    if not texts:
        raise InputError(f"{path}: is empty; write one text per line")
    return texts


def _read_text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("too large")
    try:
        return path.read_text(encoding="utf-8")
    except PermissionError:
        raise ValueError("permission denied") from None
