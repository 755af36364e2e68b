"""The folder of a sweep: its description, its trials line by line, and a journal of its runs.

sweep.yaml       the task, its options, the axes and what is chosen in the end
trials.jsonl     a line for each trial: id, values of the axes, folder and sample of its run
runs/            ordinary run folders; a trial is done when its run has DONE.json
journal.jsonl    what happened to each run, with seconds; only read for estimates
splits.jsonl     trials that moved to runs of their own, until trials.jsonl is written again
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from guidance.config.files import read_record
from guidance.config.marks import marked_text, whole_version
from guidance.errors import InputError
from guidance.runs.atomic import move_into, os_errors, sync_folder, write_text
from guidance.runs.folder import CONFIG, DONE, check_writable, contained, only_writer, slug
from guidance.runs.json_records import read_record as read_json
from guidance.runs.json_records import write_record
from guidance.runs.origin import origin_code, same_origin
from guidance.sweeps.trials import Resolver, Trial

SWEEP, TRIALS, SPLITS, JOURNAL = "sweep.yaml", "trials.jsonl", "splits.jsonl", "journal.jsonl"
ORIGIN = "origin.json"
SCHEMA_VERSION = 1
LONGEST_LINE = 2**20


@dataclass
class SweepFolder:
    """A sweep on disk."""

    path: Path
    header: Mapping[str, Any]  # the content of sweep.yaml
    splits: dict[str, tuple[str, int | None]] = field(default_factory=dict)

    @classmethod
    def create(
        cls, output: Path, title: str, header: Mapping[str, Any], packs: Iterable[list[Trial]]
    ) -> SweepFolder:
        """Writes `output/sweeps/<time>-<title>`, which appears when all its trials are written.

        Raises:
            InputError: a trial is wrong, or the folder cannot be written.
            OutOfResources: the disk is full.
        """
        check_writable(output)
        parent = output.expanduser() / "sweeps"
        base = parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(title)}"
        with os_errors(base):
            parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
            try:
                aside.chmod(0o755)
                _write_lines(aside / TRIALS, (t.line() for pack in packs for t in pack))
                text = yaml.safe_dump(dict(header), sort_keys=False, allow_unicode=True, width=100)
                write_text(aside / SWEEP, marked_text(text))
                folder = _named(aside, base)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            write_record(folder / ORIGIN, {"origin": origin_code(folder, SWEEP)})
        return cls(folder, header)

    @classmethod
    def open(cls, path: Path) -> SweepFolder:
        """The sweep of a folder.

        Raises:
            InputError: it is not the folder of a sweep, or is damaged.
        """
        path = path.expanduser()
        if not (path / SWEEP).is_file() or not (path / TRIALS).is_file():
            raise InputError(f"{path}: is not the folder of a sweep; it has no {SWEEP}")
        header = read_record(path / SWEEP)
        whole_version(header.get("schema_version"), SCHEMA_VERSION, str(path / SWEEP))
        folder = cls(path, header)
        for line in _lines(path / SPLITS, cut=True):
            folder.splits[str(line["id"])] = (str(line["folder"]), line.get("sample"))
        return folder

    @property
    def is_own(self) -> bool:
        """Whether this user wrote the sweep here; otherwise it cannot choose files and devices."""
        path = self.path / ORIGIN
        if not path.is_file():
            return False
        said = read_json(path, "start the sweep again").get("origin")
        return same_origin(said, origin_code(self.path, SWEEP))

    def only_driver(self) -> AbstractContextManager[None]:
        """Holds the lock of the sweep. Raises InputError if another process works on it."""
        return only_writer(self.path)

    def trials(self, resolver: Resolver) -> Iterator[Trial]:
        """All trials, read line by line and resolved again.

        Raises:
            InputError: a line is damaged, or its configuration is not that of its hash.
        """
        for number, line in enumerate(_lines(self.path / TRIALS), 1):
            try:
                values, said = dict(line["values"]), str(line["id"])
                place, sample = str(line["folder"]), line.get("sample")
            except (KeyError, TypeError, ValueError):
                raise InputError(_damaged(self.path / TRIALS, number)) from None
            place, sample = self.splits.get(said, (place, sample))
            contained(self.path, self.path / place)
            trial = resolver.trial(values, number).at(place, sample)
            if trial.id != said:
                raise InputError(
                    f"{self.path / TRIALS}: line {number}: the configuration of the trial is not "
                    "the one that the sweep began with; start a new sweep"
                )
            yield trial

    def packs(self, resolver: Resolver) -> Iterator[list[Trial]]:
        """The trials of each run."""
        for _, pack in groupby(self.trials(resolver), key=lambda trial: trial.folder):
            yield list(pack)

    def is_done(self, folder: str) -> bool:
        """Whether a run has finished."""
        return (self.path / folder / DONE).is_file()

    def has_begun(self, folder: str) -> bool:
        """Whether a run has a folder."""
        return (self.path / folder / CONFIG).is_file()

    def move(self, trials: Iterable[Trial]) -> None:
        """Records that trials have runs of their own."""
        with os_errors(self.path), (self.path / SPLITS).open("ab") as file:
            for trial in trials:
                self.splits[trial.id] = (trial.folder, trial.sample)
                line = {"id": trial.id, "folder": trial.folder, "sample": trial.sample}
                file.write(_encoded(line))
            file.flush()
            os.fsync(file.fileno())

    def merge_splits(self) -> None:
        """Writes trials.jsonl again with the runs to which trials moved."""
        if not self.splits:
            return

        def moved() -> Iterator[dict[str, Any]]:
            for line in _lines(self.path / TRIALS):
                place, sample = self.splits.get(
                    str(line["id"]), (line["folder"], line.get("sample"))
                )
                line["folder"] = place
                line.pop("sample", None)
                yield line if sample is None else {**line, "sample": sample}

        _write_lines(self.path / TRIALS, moved())
        (self.path / SPLITS).unlink(missing_ok=True)

    def note(self, event: Mapping[str, Any]) -> None:
        """Appends a line to the journal."""
        with os_errors(self.path), (self.path / JOURNAL).open("ab") as file:
            file.write(_encoded(event))

    def journal(self) -> Iterator[dict[str, Any]]:
        """The lines of the journal; a line that was cut off ends it."""
        return _lines(self.path / JOURNAL, cut=True)


def sweeps_in(output: Path) -> list[Path]:
    """The folders of all sweeps in a folder of outputs, the newest first."""
    found = (output.expanduser() / "sweeps").glob(f"*/{SWEEP}")
    return sorted((path.parent for path in found), reverse=True)


def _named(aside: Path, base: Path) -> Path:
    for number in range(1, 10_000):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            aside.rename(folder)  # never replaces a folder that is not empty
        except OSError:
            if folder.exists():
                continue
            raise
        sync_folder(folder.parent)
        return folder
    raise InputError(f"{base}: 10,000 folders of this name exist; choose another --output")


def _encoded(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    ) + (b"\n")


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Writes a file of lines beside its final name and moves it there."""
    aside = path.with_name(f".{path.name}.tmp")
    with os_errors(path), aside.open("wb") as file:
        file.writelines(map(_encoded, lines))
    move_into(aside, path)


def _lines(path: Path, *, cut: bool = False) -> Iterator[dict[str, Any]]:
    """The lines of a file that may be missing.

    Args:
        cut: the last line may be incomplete, and is then left out.

    Raises:
        InputError: a line is damaged.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE):
            number += 1
            try:
                line = json.loads(raw)
                if not raw.endswith(b"\n") or not isinstance(line, dict):
                    raise ValueError("cut off")
            except (ValueError, RecursionError):
                if cut:
                    return
                raise InputError(_damaged(path, number)) from None
            yield line


def _damaged(path: Path, number: int) -> str:
    return f"{path}: line {number} is damaged; restore the file, or start the sweep again"
