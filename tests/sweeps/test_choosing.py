"""Choosing: the best seed, successive halving, the second judge, the archive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from guidance.errors import InputError
from guidance.models.kept import _Kept, keep_loaded
from guidance.sweeps import second_judge as second_judge_file
from guidance.sweeps.archive import SIDE, cells_of, measures
from guidance.sweeps.axes import Rows, in_order
from guidance.sweeps.driver import Driver
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.halving import halve, rungs, spent
from guidance.sweeps.leaderboard import bootstrap, read_leaderboard, write_leaderboard
from guidance.sweeps.second_judge import name_of_second, second_judge
from tests.sweeps.in_process import InProcess, Silent, do, new_sweep, resolver_of

TINY = {"steps": 10, "size": 32, "crops": 1, "progress_video": False}


@pytest.fixture(autouse=True, scope="module")
def kept_models() -> Iterator[None]:
    """Models stay loaded between runs, as in a worker; the second judge draws less noise."""
    keep_loaded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(second_judge_file, "DRAWS", 1)
        yield
    _Kept.models = None


def test_rungs_cost_less_than_half() -> None:
    """8 seeds: 8 for a fifth of the steps, then 4, then 2, then 1 for the rest."""
    found = rungs(8, 100)
    assert [(rung.step, rung.keep) for rung in found] == [(20, 4), (40, 2), (60, 1)]
    assert rungs(2, 100)[0].keep == 1 and rungs(1, 100) == []
    for rung in rungs(16, 57):
        assert rung.step % 5 == 0  # where the judge looks


def test_the_second_judge_is_independent() -> None:
    """Of the losses and of the judge that chose, whatever was asked for."""
    assert name_of_second({"mini-clip"}, "mini-judge", None) == "mini-diffusion"
    assert name_of_second({"mini-diffusion"}, "mini-judge", None) == "mini"
    assert name_of_second({"mini-clip"}, "mini-judge", "mini-diffusion") == "mini-diffusion"
    with pytest.raises(InputError, match="'mini-judge' chose the results"):
        name_of_second({"mini-clip"}, "mini-judge", "mini-judge")
    with pytest.raises(InputError, match="'mini-clip' is one of a loss"):
        name_of_second({"mini-clip"}, "mini-judge", "mini-people")


def test_the_denoiser_prefers_the_prompt_of_an_image() -> None:
    judge = second_judge({"mini-clip"}, "mini-judge", "mini-diffusion")
    assert judge is not None
    y, x = torch.meshgrid(*[torch.linspace(1.4, -1.4, 64)] * 2, indexing="ij")
    heart = ((x**2 + y**2 - 1) ** 3 < x**2 * y**3).float()
    red = torch.ones(3, 64, 64)
    red[1:] -= heart
    own = judge.score(red[None], "a red heart")
    assert own > 0 and own > judge.score(red[None], "a pear")
    assert judge.score(red[None], "") == 0  # the prompt says nothing


def test_the_interval_of_a_mean() -> None:
    mean, (low, high) = bootstrap([1.0, 2.0, 3.0, 4.0, 5.0] * 20)
    assert mean == 3 and 2.6 < low < 2.8 and 3.2 < high < 3.4


def test_cells_are_equally_full_and_measures_are_the_widest_directions() -> None:
    draws = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    points = measures(draws * torch.tensor([1.0, 9.0, 0.1, 0.1, 4.0]))
    for column, axis in enumerate((1, 4)):
        pair = torch.stack([points[:, column], draws[:, axis].double()])
        assert torch.corrcoef(pair)[0, 1].abs() > 0.97
    counts = torch.bincount(cells_of(points)[:, 0], minlength=SIDE)
    assert counts.tolist() == [64 // SIDE] * SIDE


@pytest.mark.slow
def test_best_of_and_archive(tmp_path: Path) -> None:
    resolver = resolver_of(TINY, "text2image")
    groups = in_order([Rows(("prompt",), (("a red heart",), ("a pear",))),
                       Rows(("seed",), ((0,), (1,)))])  # fmt: skip
    folder = new_sweep(tmp_path, resolver, groups, 4, best_of=2, archive=True)
    do(folder, resolver, InProcess())
    said = list(write_leaderboard(folder, resolver))
    board = read_leaderboard(folder.path)
    assert (board["judge"], board["report_judge"]) == ("mini-judge", "mini-diffusion")
    (trial, *_) = folder.trials(resolver)
    done = json.loads((folder.path / trial.folder / "DONE.json").read_text())["samples"]
    for row in board["rows"]:
        own = [each for each in done if each["prompt"] == row["prompt"]]
        best = max(own, key=lambda each: each["judge_after"]["similarity"])
        assert (row["best"]["seed"], row["seeds"], row["first"]["seed"]) == (best["seed"], 2, 0)
        assert done[row["best"]["sample"]] == best
        assert -1 < row["best"]["report"] < 1
    archive = json.loads((folder.path / "archive.json").read_text())["archives"]
    assert {entry["prompt"] for entry in archive} == {"a red heart", "a pear"}
    assert all(0 < len(entry["results"]) <= 2 for entry in archive)
    assert any("by mini-diffusion" in line for line in said)


@pytest.mark.slow
def test_halving_finishes_the_best_and_stops_the_others(tmp_path: Path) -> None:
    """A rung's pause changes nothing: the winner's image is that of its run without pauses."""
    resolver = resolver_of({**TINY, "prompt": "a red heart"}, "text2image")
    seeds = Rows(("seed",), ((0,), (1,), (2,), (3,)))
    folder = new_sweep(tmp_path, resolver, [seeds], 1, best_of=4, halve=True)
    driver = Driver(folder, resolver, [], InProcess(), retries=0, show=Silent())
    outcome = halve(driver, SweepFolder.open(folder.path), resolver)
    assert (outcome.done, outcome.failed) == (1, [])
    lines = [json.loads(line) for line in (folder.path / "halving.jsonl").open()]
    first = {line["id"]: line["score"] for line in lines if line["step"] == 2}
    second = {line["id"]: line["score"] for line in lines if line["step"] == 4}
    assert set(second) == set(sorted(first, key=lambda k: -first[k])[:2])
    (winner,) = (t for t in folder.trials(resolver) if folder.is_done(t.folder))
    assert winner.id == max(second, key=lambda k: second[k])
    assert spent(folder, resolver) == (10 + 4 + 2 + 2, 40)
    alone = new_sweep(tmp_path / "alone", resolver, [Rows(("seed",), ((winner.seed,),))], 1)
    do(alone, resolver, InProcess())
    (trial,) = alone.trials(resolver)
    losses = [
        [json.loads(line) for line in (path / "metrics.jsonl").open()]
        for path in (folder.path / winner.folder, alone.path / trial.folder)
    ]
    assert losses[0] == losses[1]
