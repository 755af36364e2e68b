"""A small version of each scenario of `benchmarks.reliability`, in one process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the scenarios need Linux's /proc"),
]
ROOT = Path(__file__).parents[1]
COUNTS = {
    "kill": 4,
    "signals": 4,
    "disk_full": 3,
    "damage": 14,
    "fuzz": 8,
    "hostile": 10,
    "bombs": 6,
    "missing_weights": 1,
    "not_a_number": 10,
    "out_of_memory": 4,
    "soak": 60,
}


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the scenarios report, by their names."""
    out = tmp_path_factory.mktemp("reliability") / "counts.json"
    words = [f"{name}={count}" for name, count in COUNTS.items()]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reliability", *words, "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.is_file(), done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    assert done.returncode in (0, 1), done.stderr
    return found


def test_every_scenario_has_a_small_version() -> None:
    listed = ROOT.joinpath("benchmarks", "reliability").glob("[!_]*.py")
    assert {path.stem for path in listed} == set(COUNTS)


@pytest.mark.parametrize("name", list(COUNTS))
def test_a_scenario_holds(name: str, counted: dict[str, Any]) -> None:
    found = counted[name]
    assert found["tried"] >= 1
    assert found.get("faults", []) == []
