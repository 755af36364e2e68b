"""Copies of the best results."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from guidance.errors import InputError
from guidance.evaluate.scoring import SampleScore
from guidance.runs.atomic import os_errors
from guidance.runs.folder import CONFIG, DONE, ENVIRONMENT, METRICS, folder_around, slug
from guidance.runs.links import check_links

#: Files of a run that are not results.
RECORDS = (DONE, ENVIRONMENT, METRICS, "checkpoint.safetensors", "checkpoint.json")


def copy_samples(scores: Sequence[SampleScore], folder: Path) -> Iterator[Path]:
    """Copies the files of samples into new folders, numbered from the best; yields the folders.

    Raises:
        InputError: the folder exists, or a sample's folder holds links.
    """
    with os_errors(folder):
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise InputError(f"{folder}: exists; name a new folder") from None
        for number, score in enumerate(scores, 1):
            source = None if score.sample is None else score.sample.folder
            if source is None:
                continue
            check_links(source)
            target = folder / f"{number:03d}-{slug(score.prompt)}-seed-{score.seed}"
            target.mkdir()
            for path in sorted(source.iterdir()):
                hidden = path.name.startswith(".") or path.name in RECORDS
                if path.is_file() and not hidden:
                    shutil.copyfile(path, target / path.name)
            around = folder_around(source / CONFIG)
            if around is not None:  # so that `guide rerun` repeats the run
                shutil.copyfile(around / CONFIG, target / CONFIG)
            yield target
