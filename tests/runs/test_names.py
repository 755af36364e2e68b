"""Names of run folders in every script, names that are not UTF-8, and a terminal that closes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from guidance.media.metadata import extract
from guidance.runs.folder import slug
from guidance.runs.signals import Signals
from tests.runs.dot import Dot


def test_names_that_are_not_utf8_are_kept_as_escapes(tmp_path: Path) -> None:
    prompt = "image:caf\udce9.png"
    result = Dot(prompt=prompt, steps=2, output=tmp_path / "k\udce9").run()
    assert result.folder.name.endswith("-caf")
    assert yaml.safe_load((result.folder / "config.yaml").read_text())["prompt"] == [prompt]
    assert json.loads((result.folder / "DONE.json").read_text())["samples"][0]["prompt"] == prompt
    for name in ("image.png", "progress.mp4"):
        assert extract(result.folder / name)["prompt"] == [prompt]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ein Käse, bitte!", "ein-kase-bitte"),
        ("Красное яблоко", "красное-яблоко"),
        ("木桌上的红苹果。", "木桌上的红苹果"),
        ("나무 탁자 위", "나무-탁자-위"),
        ("تفاحة حمراء", "تفاحة-حمراء"),
        ("लाल सेब", "लाल-सेब"),
        ("İstanbul ½", "istanbul-12"),
        ("🍎 pie", "red-apple-pie"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\u202eb\x00\x1b[31m\udce9", "a-b-31m"),
        ("\u0301\u0301", "run"),
        ("", "run"),
        ("猫" * 99, "猫" * 40),
    ],
)
def test_names_of_folders_are_readable_in_every_script(text: str, name: str) -> None:
    assert slug(text) == name
    assert len(name.encode()) <= 160


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no terminals that close")
def test_a_closed_terminal_is_the_first_signal_and_never_the_second() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.requested
        os.kill(os.getpid(), signal.SIGHUP)
    code = "from guidance.runs.signals import HANGUP, NUMBERS; assert HANGUP not in NUMBERS"
    subprocess.run(["nohup", sys.executable, "-c", code], check=True, capture_output=True)
