"""A run is resumed with the weights that it began with, or with a flag that says otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guidance.runs.artifacts.progress_video import ProgressVideo
from guidance.tasks.shared import running
from tests.runs.damage import DOT, guide, killed_run


def test_changed_weights_are_refused_unless_a_flag_allows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ProgressVideo, "write", lambda *_: iter(()))
    record, models = running.environment, {"mini": {"file": "x", "sha256": "a"}}

    def with_models(*arguments: Any) -> dict[str, Any]:
        return record(*arguments) | {"models": dict(models)}

    monkeypatch.setattr(running, "environment", with_models)
    folder = killed_run(tmp_path)
    models["mini"] = {"file": "x", "sha256": "b"}
    before = (folder / "metrics.jsonl").read_bytes()
    code, told = guide(capsys, "run", DOT, "--resume", folder)
    assert (code, told.count("\n")) == (2, 1)
    assert "the weights of mini are not those that the run began with" in told
    assert "add --allow-changed-weights" in told
    assert (folder / "metrics.jsonl").read_bytes() == before
    code, told = guide(capsys, "run", DOT, "--resume", folder, "--allow-changed-weights")
    assert code == 0
    said = json.loads((folder / "environment.json").read_text())
    assert said["models"]["mini"]["sha256"] == "b"  # recorded anew


def test_a_judge_that_is_not_there_any_more_counts_as_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record, models = running.environment, {"mini": {"sha256": "a"}, "judge-1": {"sha256": "c"}}
    monkeypatch.setattr(
        running, "environment", lambda *given: record(*given) | {"models": dict(models)}
    )
    folder = killed_run(tmp_path)
    models["judge-2"] = models.pop("judge-1")
    code, told = guide(capsys, "run", DOT, "--resume", folder)
    assert code == 2 and "the weights of judge-1 are not those" in told
