"""The progress bar: on terminals only, once, and not if it is turned off."""

from __future__ import annotations

import io
import re

import pytest

from guidance.loop.optimize import optimize
from tests.loop.test_optimize import NotFinite
from tests.stand_ins import Canvas, Target


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, terminal: io.StringIO, **options: bool) -> str:
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    optimize(Canvas(), NotFinite([0.1, 0.9], at={1}), steps=4, **options)  # type: ignore[arg-type]
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())


def test_a_terminal_shows_step_loss_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, Terminal())
    assert re.search(r"optimize .*4/4 loss \d\.\d{4}  skipped 1 \d:\d\d:\d\d", text), text


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, Terminal(), quiet=True) == ""


def test_files_and_pipes_get_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO()) == ""


def test_the_bar_goes_when_a_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)

    def stop(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimize(Canvas(), Target([0.1, 0.9]), steps=4, listeners=[stop])
    assert terminal.getvalue().endswith("\x1b[?25h")  # the cursor is visible again
