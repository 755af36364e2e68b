"""What a run says before its first step, and what it knows of an interrupted one."""

from __future__ import annotations

import json
from pathlib import Path

from guidance.runs.record import find_end
from tests.test_cli import guide


def test_the_models_are_named_before_they_are_loaded(tmp_path: Path, capsys) -> None:
    words = [
        "run",
        "text2image",
        "--prompt",
        "a",
        "--size",
        "16",
        "--steps",
        "1",
        "--crops",
        "1",
        "--no-judge",
        "--output",
    ]
    assert guide(*words, tmp_path) == 0
    assert capsys.readouterr().err.splitlines()[0] == "loading mini ..."


def test_a_resumed_run_knows_the_first_and_the_last_scores_of_the_judge(tmp_path: Path) -> None:
    lines = [
        {"step": 0, "best_loss": [1], "judge": "first"},
        {"step": 1, "losses": {}},
        {"step": 1, "best_loss": [1], "judge": "second"},
        {"step": 2, "losses": {}},
        {"step": 2, "best_loss": [1], "judge": "third"},
        {"step": 3, "losses": {}},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert find_end(path, 1)[1] == ["first", "second"]
    assert find_end(path, 3)[1] == ["first", "third"]
    path.write_text(json.dumps(lines[1]) + "\n")
    assert find_end(path, 1)[1] == []
