"""Steps on a GPU that is simulated on the CPU: where the host waits, and what the loop does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What a process of its own has found, since the simulation stays in its process."""
    words = [sys.executable, "-m", "tests.on_simulated_gpu"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_operations_that_wait_are_counted_and_no_others(found: dict[str, Any]) -> None:
    counts = found["operations"]
    assert len(counts) > 20
    wrong = {name: n for name, n in counts.items() if n != (not name.startswith("-"))}
    assert not wrong


def test_an_image_step_never_waits_and_a_mesh_step_once(found: dict[str, Any]) -> None:
    assert len(found["counts"]) == 3
    for name, row in found["counts"].items():
        most = 0 if name == "text2image" else 1
        assert row["waits_per_step"] == most <= row["bar"], (name, row["where"])
        assert row["operations_per_step"] > 500  # the steps did run there


def test_values_are_read_once_in_several_steps(found: dict[str, Any]) -> None:
    together = found["loops"]["together"]
    for row in found["counts"].values():
        assert row["waits_between_steps"] <= 2 / together


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("case", ["few", "rollback"])
def test_late_readings_change_no_number(found: dict[str, Any], case: str, optimizer: str) -> None:
    """Skipped steps are skipped on the device; the rollback here follows a step that 8 divides."""
    host, device = (found["loops"][f"{case} {optimizer} {name}"][0] for name in ("cpu", "gpu"))
    assert host[1] == (3 if case == "few" else 10)
    assert host == device


def test_events_are_complete_and_in_order(found: dict[str, Any]) -> None:
    """The listener needs step 13; validations follow steps 20 and 40."""
    loops = found["loops"]
    on_cpu, on_device = (loops[f"few adam {name}"][1] for name in ("cpu", "gpu"))
    assert [event[:2] for event in on_cpu] == [event[:2] for event in on_device]
    assert [step for step, skipped, _ in on_device if skipped] == [4, 5, 12]
    assert all(is_latest for _, _, is_latest in on_cpu)
    latest = [step for step, _, is_latest in on_device if is_latest]
    assert latest == [8, 13, 16, 20, 24, 32, 40]


def test_a_late_reading_still_finds_that_a_run_diverges(found: dict[str, Any]) -> None:
    """All steps from 5 on are not finite: a rollback after step 16, and the end after step 32."""
    told, seen = found["loops"]["diverged adam gpu"]
    assert told.startswith("step 31: the loss of target stayed non-finite for 16 steps after a")
    assert [step for step, _, _ in seen] == list(range(1, 32))
    told, seen = found["loops"]["diverged adam cpu"]
    assert told.startswith("step 24: the loss of target stayed non-finite for 10 steps after a")
    assert [step for step, _, _ in seen] == list(range(1, 25))


def test_resuming_between_readings_is_bit_identical(found: dict[str, Any]) -> None:
    assert found["loops"]["whole"] == found["loops"]["resumed"]
