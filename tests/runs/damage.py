"""What the tests of run folders share: commands in this process, and folders to damage."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from guidance import cli
from guidance.loop.events import Event, StepEvent
from guidance.runs.artifacts.progress_video import ProgressVideo
from tests.runs.dot import Dot

DOT = Path(__file__).parent / "dot.py"


class Killed(BaseException):
    """Ends a run at a given place, as `kill -9` ends a process."""


def killed_run(output: Path, step: int = 8, **fields: object) -> Path:
    """The folder of a run that was killed after a step."""

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == step:
            raise Killed

    with pytest.raises(Killed):
        Dot(prompt="a", output=output, **fields).run([listen])
    (folder,) = (output / "dot").iterdir()
    return folder


def finished_run(output: Path, monkeypatch: pytest.MonkeyPatch, **fields: object) -> Path:
    """The folder of a short run without its video, whose codec takes most of the time."""
    monkeypatch.setattr(ProgressVideo, "write", lambda *_: iter(()))
    return Dot(prompt="a", steps=6, output=output, **fields).run().folder


def guide(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """The exit code of a command in this process, and what it printed on stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main([str(word) for word in words])
    return int(end.value.code or 0), capsys.readouterr().err


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file in a folder, with the hash of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
