"""The benchmark of methods: each gets the steps that the same number of evaluations allows."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

from tests.diffusion import tiny

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_it_runs_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    variants = importlib.import_module("variants")
    monkeypatch.setattr(tiny, "LENGTH", 96)
    tiny.save("StableDiffusionPipeline", tmp_path / "denoiser")
    words = ["variants.py", "--denoiser", f"local-dir:{tmp_path / 'denoiser'}", "--prompts", "2"]
    words += ["--evaluations", "13", "--methods", "sds", "csd", "ism", "--set", "optimizer=adam"]
    words += ["--out", str(tmp_path / "variants.json"), "--sheet", str(tmp_path / "sheet.png")]
    monkeypatch.setattr(sys, "argv", words)
    variants.main()
    content = json.loads((tmp_path / "variants.json").read_text())
    rows = {row["method"]: row for row in content["rows"]}
    asked = {name: (row["steps"], row["evaluations"]) for name, row in rows.items()}
    assert asked == {
        "its own samples": (6, 12),
        "sds": (6, 12),
        "csd": (6, 12),
        "ism": (2, 10),
    }
    for row in content["rows"]:
        assert 0 <= row["r_precision"] <= 1 and 0 < row["saturation"] < 1
        assert row["diversity"] > 0
    assert (tmp_path / "sheet.png").is_file()
