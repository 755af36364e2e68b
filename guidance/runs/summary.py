"""What is known about a run folder without its images: for lists, reports and comparisons.

Folders may come from elsewhere and may be damaged. A summary is always returned: damage is one of
its states, with the reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from guidance.config.files import read_record as read_yaml_record
from guidance.errors import InputError, OutOfResources
from guidance.runs.folder import CONFIG, DONE, ENVIRONMENT, contained, existing_folder
from guidance.runs.json_records import read_record

Status = Literal["done", "unfinished", "damaged"]
#: A folder of runs is searched this deep, and for this many runs.
MAX_DEPTH, MAX_RUNS = 4, 10_000
#: The most characters of a text from a run folder that are shown.
MAX_TEXT = 2000
STAMP = re.compile(r"(\d{8}-\d{6})(?=-|$)")


@dataclass(frozen=True)
class SampleSummary:
    """One sample of a run."""

    prompt: str
    seed: int
    before: float | None = None  # the judge's similarity at the start
    after: float | None = None  # and at the end
    files: tuple[Path, ...] = ()  # inside the run folder
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunSummary:
    """One run folder, as far as it can be read."""

    folder: Path
    status: Status
    problem: str = ""  # why it is damaged
    task: str = ""
    when: str = ""  # local time at which the run began, e.g. "2026-11-30 17:22"
    seconds: float | None = None  # of the whole run
    judge: str | None = None
    steps: int | None = None
    notes: tuple[str, ...] = ()
    samples: tuple[SampleSummary, ...] = ()
    files: tuple[Path, ...] = ()  # of all samples
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)  # of files, by their names

    @property
    def score(self) -> float | None:
        """The mean of the judge's similarities at the end."""
        found = [each.after for each in self.samples if each.after is not None]
        return sum(found) / len(found) if found else None


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Run folders: the given ones, and those inside of given folders, sorted by name.

    Links are not followed.

    Raises:
        InputError: a path does not exist, or there is no run in it.
    """
    found: dict[Path, None] = {}
    for path in (path.expanduser() for path in paths):
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; expected the folder of a run, or of runs")
        inside = list(_runs_in(path, MAX_DEPTH))
        if not inside:
            raise InputError(f"{path}: has no {CONFIG}, and no folder with one; {_instead(path)}")
        found.update(dict.fromkeys(inside))
        if len(found) > MAX_RUNS:
            raise InputError(f"{path}: has more than {MAX_RUNS:,} runs; name a folder with fewer")
    return list(found)


def _instead(folder: Path) -> str:
    """What to name in place of a folder without runs."""
    sweeps = sorted(folder.glob("sweeps/*/sweep.yaml"))
    return f"name one of its sweeps, e.g. {sweeps[-1].parent}" if sweeps else "it holds no runs"


def _runs_in(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / CONFIG).is_file():
        yield folder
        return
    if depth == 0:
        return
    try:
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    for path in inside:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _runs_in(path, depth - 1)


def summarize_run(folder: Path) -> RunSummary:
    """The summary of one run folder; never raises because of what the folder contains."""
    try:
        existing_folder(folder)
        config = read_yaml_record(folder / CONFIG)
        environment = _environment(folder)
    except (InputError, OutOfResources, OSError) as error:
        return RunSummary(folder, "damaged", shown(str(error)), when=_when(folder))
    common: dict[str, Any] = {
        "task": shown(config.get("task", "")),
        "when": _when(folder),
        "config": config,
        "environment": environment,
    }
    if not (folder / DONE).is_file():
        samples = tuple(SampleSummary(prompt, 0) for prompt in _prompts(config))
        return RunSummary(folder, "unfinished", samples=samples, **common)
    try:
        done = read_record(folder / DONE, f"run it again: guide rerun {folder / CONFIG}")
        return RunSummary(folder, "done", **(common | _done(folder, done)))
    except InputError as error:
        return RunSummary(folder, "damaged", shown(str(error)), **common)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, OverflowError):
        problem = f"{folder / DONE}: is damaged; run it again: guide rerun {folder / CONFIG}"
        return RunSummary(folder, "damaged", shown(problem), **common)


def _done(folder: Path, done: Mapping[str, Any]) -> dict[str, Any]:
    """The values of DONE.json, each checked."""
    samples = tuple(
        SampleSummary(
            shown(entry["prompt"]),
            int(entry["seed"]),
            _similarity(entry.get("judge_before")),
            _similarity(entry.get("judge_after")),
            tuple(_inside(folder, name) for name in entry.get("files", ())),
            dict(entry.get("facts", {})),
        )
        for entry in done["samples"]
    )
    if not samples:
        raise ValueError("no samples")
    return {
        "task": shown(done.get("task", "")),
        "seconds": _seconds(folder, done),
        "judge": None if done.get("judge") is None else shown(done["judge"]),
        "steps": None if done.get("steps") is None else int(done["steps"]),
        "notes": tuple(shown(note) for note in done.get("notes", ())),
        "samples": samples,
        "files": tuple(_inside(folder, name) for name in done.get("files", ())),
        "hashes": {str(k): str(v) for k, v in dict(done.get("hashes", {})).items()},
    }


def _inside(folder: Path, name: Any) -> Path:
    """A file of a run by its name in DONE.json, which must lie in the folder."""
    return folder / contained(folder, folder / str(name)).relative_to(folder.resolve())


def _environment(folder: Path) -> Mapping[str, Any]:
    path = folder / ENVIRONMENT
    return read_record(path, "restore it, or run it again") if path.is_file() else {}


def _similarity(scores: Any) -> float | None:
    return number(scores.get("similarity")) if isinstance(scores, Mapping) else None


def number(value: Any) -> float | None:
    """A finite number from a record, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None


def shown(value: Any) -> str:
    """A text from a run folder, without control characters, of bounded length."""
    text = "".join(c if c.isprintable() or c == " " else " " for c in str(value)[: MAX_TEXT + 1])
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _prompts(config: Mapping[str, Any]) -> list[str]:
    prompts = config.get("prompt") or [""]
    return [shown(each) for each in (prompts if isinstance(prompts, list) else [prompts])][:1024]


def _when(folder: Path) -> str:
    """The start of a run by the name of its folder, or the time of its configuration."""
    stamp = STAMP.match(folder.resolve().name)
    if stamp is not None:
        try:
            return f"{datetime.strptime(stamp[1], '%Y%m%d-%H%M%S'):%Y-%m-%d %H:%M}"
        except ValueError:
            pass
    try:
        seconds = (folder / CONFIG).stat().st_mtime
        return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"
    except (OSError, ValueError, OverflowError):
        return ""


def _seconds(folder: Path, done: Mapping[str, Any]) -> float | None:
    """The seconds of the whole run; None if it was resumed.

    DONE.json of older versions has none: then the time between the first and the last file, unless
    the folder is a copy.
    """
    if "seconds" in done:
        said = done["seconds"]
        return None if said is None else number(said["whole"])
    took = (folder / DONE).stat().st_mtime - (folder / CONFIG).stat().st_mtime
    return took if took > 0.05 else None
