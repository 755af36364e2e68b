"""`gd.Sweep`: the words of a sweep file as arguments, and results that show themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import guidance as gd
from guidance.errors import InputError
from guidance.sweeps import ready
from guidance.sweeps.shown import TrialResult
from tests.sweeps.in_process import DOT, InProcess


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Runs are done in this process."""
    found = InProcess()
    monkeypatch.setattr(ready.Running, "backend", lambda self, folder: found)
    return found


def test_a_sweep_in_python(tmp_path: Path, backend: InProcess) -> None:
    """Results are in the order of the axes, each with the files of its own sample."""
    options = {"steps": 3, "output": tmp_path}
    axes = {"prompt": ["a", "<b>bb"], "size": (8, 16), "seed": range(2)}
    sweep = gd.Sweep(DOT, options, grid=axes, pack=4)
    assert len(sweep) == 8
    results = sweep.run()
    assert isinstance(results, gd.SweepResults)
    assert len(results) == len(list(results)) == 8 and not results.failed
    assert len(backend.begun) == 2  # prompts and seeds are packed
    for trial in results:
        assert (trial.values["prompt"], trial.values["seed"]) == (trial.prompt, trial.seed)
        done = json.loads((trial.run / "DONE.json").read_text())
        (own,) = [
            each for each in done["samples"]
            if (each["prompt"], each["seed"]) == (trial.prompt, trial.seed)
        ]  # fmt: skip
        assert [path.relative_to(trial.run).as_posix() for path in trial.files] == own["files"]
        assert f"size: {trial.values['size']}\n" in (trial.run / "config.yaml").read_text()
        assert (trial.folder / "image.png").is_file()
    html = results._repr_html_()
    assert html.count("<img") == 8 and "&lt;b&gt;bb" in html and "<b>bb" not in html
    assert "seed 1, size 16" in html
    assert results.leaderboard is None


def test_a_sweep_is_read_again_and_failures_are_listed(tmp_path: Path, backend: InProcess) -> None:
    options = {"prompt": "a", "steps": 30, "output": str(tmp_path)}
    sweep = gd.Sweep(DOT, options, grid={"broken_after": [10**9, 3]})
    results = sweep.run()
    ((values, error),) = results.failed
    assert (values, len(results)) == ({"broken_after": 3}, 1) and "non-finite" in error
    again = gd.Sweep.resume(results.folder, task=DOT)
    assert again == results and len(backend.begun) == 3
    with pytest.raises(InputError, match="is a sweep of"):
        gd.Sweep.resume(results.folder)


def test_the_best_seed_of_each_combination() -> None:
    def trial(cell: str, seed: int, score: float | None) -> TrialResult:
        return TrialResult({}, cell, seed, Path("."), (), score, cell)

    trials = [trial("a", 0, 0.1), trial("a", 1, 0.2), trial("b", 0, 0.4), trial("c", 0, None)]
    best = gd.SweepResults(Path("."), tuple(trials)).best
    assert [(each.prompt, each.seed) for each in best] == [("b", 0), ("a", 1)]


def test_mistakes_in_python() -> None:
    for words, said in (
        ({"gird": {"seed": [1]}}, "unknown key 'gird'"),
        ({"grid": {"seed": [1]}, "best_of": 4}, "seed has values twice"),
        ({"grid": {"seed": {1, 2}}}, "grid.seed: expected text, a number or a list"),
    ):
        with pytest.raises(InputError, match=said):
            gd.Sweep("text2image", **words)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="text2imge"):
        gd.Sweep("text2imge", grid={"seed": [1]}).run()
