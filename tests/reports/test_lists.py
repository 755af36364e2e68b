"""`guide list runs`, `guide diff`, results in notebooks, and loggers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import torch

from guidance.loop.events import StepEvent
from guidance.runs.plan import RunResult, SampleResult
from tests.reports.folders import make_run
from tests.test_cli import guide, refused


def test_runs_are_listed_with_their_state(tmp_path: Path, capsys) -> None:
    make_run(tmp_path / "text2image" / "20260102-030405-a-pear", ["a pear", "a plum"])
    begun = make_run(tmp_path / "text2image" / "20260102-030406-a-fig", ["a fig"])
    (begun / "DONE.json").unlink()
    damaged = make_run(tmp_path / "x" / "20260101-030405-a-kiwi", ["a kiwi"])
    (damaged / "DONE.json").write_text("{")
    assert guide("list", "runs", tmp_path) == 0
    head, first, why, second, third, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["status", "when", "task", "seed", "score", "prompt", "folder"]
    assert first.startswith("damaged     2026-01-01 03:04")
    assert "DONE.json: is damaged" in why
    assert second.split()[:6] == ["done", "2026-01-02", "03:04", "text2image", "0..1", "0.800"]
    assert third.startswith("unfinished  2026-01-02 03:04")
    assert last == "3 runs, 1 done"
    (tmp_path / "empty").mkdir()
    assert "it holds no runs" in refused(capsys, "list", "runs", tmp_path / "empty")
    sweep = tmp_path / "empty" / "sweeps" / "one"
    sweep.mkdir(parents=True)
    (sweep / "sweep.yaml").touch()
    said = refused(capsys, "list", "runs", tmp_path / "empty")
    assert f"name one of its sweeps, e.g. {sweep}" in said


def test_differences_of_two_runs(tmp_path: Path, capsys) -> None:
    loss = [{"kind": "clip", "weight": 1.0}]
    one = make_run(tmp_path / "one", ["a pear"], loss=loss, output="here")
    two = make_run(
        tmp_path / "two",
        ["a pear"],
        loss=[{"kind": "clip", "weight": 2.0}],
        output="there",
        size=64,
    )
    assert guide("diff", one, two) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "",
        "options:",
        "  loss.clip.weight: 1.0 -> 2.0",
        "  size: - -> 64",
        "",
        "the same: weights, versions, scores",
    ]
    assert "the following arguments are required: RUN" in refused(capsys, "diff", one)
    assert "holds 2 runs; name the folder of one run" in refused(capsys, "diff", tmp_path, one)


def test_a_result_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ["<b>a pear</b>"])
    sample = SampleResult(
        "<b>a pear</b>", 7, run, (run / "image.png",), 0.5, {"similarity": 0.1}, {"similarity": 0.3}
    )
    html = RunResult(run, (sample,))._repr_html_()
    assert "&lt;b&gt;a pear&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "judge 0.100 → 0.300" in html
    assert 'src="data:image/webp;base64,' in html


def test_loggers_get_the_values_of_events(tmp_path: Path, monkeypatch, capsys) -> None:
    logged = []

    class Run:
        def log(self, values: dict) -> None:
            logged.append(values)

    fake = ModuleType("wandb")
    fake.init = lambda **options: Run()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delitem(sys.modules, "guidance.runs.listeners.wandb", raising=False)
    from guidance.runs.listeners.wandb import WeightsAndBiases

    listener = WeightsAndBiases(tmp_path, "title", {})
    losses = {"clip": torch.tensor([1.0, 3.0]), "range": torch.tensor([0.5, 0.5])}
    listener(StepEvent(4, 9, losses, False, 64, dict))
    assert logged == [{"loss": 2.5, "loss/clip": 2.0, "loss/range": 0.5, "step": 4}]
    assert not listener.needs(5)
    monkeypatch.setattr("guidance.runs.listeners.check.find_spec", lambda name: None)
    line = refused(capsys, "run", "text2image", "--prompt", "x", "--log", "tensorboard")
    assert 'is not installed; pip install "guidance-by-gradient[tensorboard]"' in line
    line = refused(capsys, "run", "text2image", "--prompt", "x", "--log", "paper")
    assert "--log: expected tensorboard or wandb, got 'paper'" in line
