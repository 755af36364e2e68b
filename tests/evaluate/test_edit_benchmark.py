"""The benchmark of edits: its list, its masks, what it counts, and that it runs through."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

from guidance.evaluate.judge import ARTICLES
from tests.diffusion import tiny

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def edits(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "edit", raising=False)
    return importlib.import_module("edit")


def test_the_list_is_of_things_that_are_benchmarked_anyway(edits: ModuleType) -> None:
    cases = edits.read_cases(BENCHMARKS / "edits.txt")
    known = set((BENCHMARKS / "prompts.txt").read_text().split())
    assert len(cases) == len({case.source for case in cases}) == 20
    assert [sum(case.masked and case.shape == s for case in cases) for s in ("box", "disc")] == [
        5,
        5,
    ]
    for text in (text for case in cases for text in (case.source, case.target)):
        assert text.startswith(ARTICLES)
        assert set(text.split()) - {"a", "an"} <= known
    assert all(case.source != case.target for case in cases)


@pytest.mark.parametrize("line", ["a cat", "a cat |", "a cat | a dog | a fox"])
def test_lines_that_are_no_edits_are_told(edits: ModuleType, line: str, tmp_path: Path) -> None:
    (tmp_path / "edits.txt").write_text(f"a fox | a cat\n{line}\n")
    with pytest.raises(SystemExit, match=r"edits\.txt: line 2: expected source | target"):
        edits.read_cases(tmp_path / "edits.txt")


@pytest.mark.parametrize(("shape", "share"), [("box", 0.75**2), ("disc", np.pi * 0.85**2 / 4)])
def test_masks_are_centred_shapes(edits: ModuleType, shape: str, share: float) -> None:
    mask = edits.mask_of(shape, 64)
    assert mask.mean() == pytest.approx(share, abs=0.02)
    assert (mask == mask[::-1]).all() and (mask == mask.T).all()
    assert mask[32, 32] and not mask[0, 0]


def test_a_case_turned_where_it_was_the_source_before(edits: ModuleType) -> None:
    def found(before: tuple[float, float], after: tuple[float, float], mask: str | None) -> object:
        return edits.Found("a", "b", mask, before, after, 0.0 if mask else 3.0, 6.0)

    source, target = (0.4, 0.1), (0.1, 0.2)
    cases = [
        found(source, target, "box"),
        found(source, source, None),
        found(target, target, None),
        found(target, source, "disc"),
    ]
    total = edits.summary(cases)
    assert total["target_wins_before"] == total["target_wins_after"] == total["turned"] == 0.5
    assert total["margin_before"] == pytest.approx(-0.1)
    assert total["moved_outside_of_masks"] == 0 and total["moved_outside_without_masks"] == 3


@pytest.mark.slow
def test_it_runs_through(
    edits: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tiny, "LENGTH", 96)
    tiny.save("StableDiffusionPipeline", tmp_path / "denoiser")
    (tmp_path / "edits.txt").write_text("a cat | a dog\na red heart | a green heart\na | b\n")
    words = ["edit.py", "--denoiser", f"local-dir:{tmp_path / 'denoiser'}", "--set", "steps=2"]
    words += ["--set", "loss=pds", "--sampler-steps", "2", "--edits", str(tmp_path / "edits.txt")]
    for name, file in (("output", "runs"), ("out", "edit.json"), ("sheet", "sheet.png")):
        words += [f"--{name}", str(tmp_path / file)]
    monkeypatch.setattr(sys, "argv", words)
    edits.main()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    content = json.loads((tmp_path / "edit.json").read_text())
    assert last["value"] == round(content["summary"]["target_wins_after"], 4)
    assert content["judge"] == "mini-judge" and content["set"] == {"steps": 2, "loss": "pds"}
    assert [one["mask"] for one in content["edits"]] == [None, "box", None]
    outside = [one["outside"] for one in content["edits"]]
    assert outside[1] == 0 < min(outside[0], outside[2])
    assert len(list((tmp_path / "runs" / "sources").iterdir())) == 3
    width, height = Image.open(tmp_path / "sheet.png").size
    assert width > height
