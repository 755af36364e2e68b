"""Where the seconds of a run go."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from guidance import phases
from guidance.config.kinds import TASKS, find
from guidance.phases import measured_phases, phase, seconds_by_phase


def test_a_phase_does_not_count_what_is_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 3.0, 3.5, 10.0, 10.0])
    monkeypatch.setattr(phases, "_process", [])
    with measured_phases(lambda: next(now)) as found, phase("outer"):  # from 0
        with phase("inner"):  # from 1 to 3
            pass
        with phase("inner"):  # from 3.5 to 10
            pass
    assert found.seconds == {"outer": 1.5, "inner": 8.5}


def test_a_phase_ends_when_it_fails() -> None:
    with measured_phases() as found:
        with pytest.raises(ValueError, match="no"), phase("a"), phase("b"):
            raise ValueError("no")
        with phase("c"):
            pass
    assert list(found.seconds) == ["a", "b", "c"] and found._open == []


def test_without_measurement_nothing_is_kept() -> None:
    with phase("a"):
        assert seconds_by_phase() is None


def test_a_run_tells_where_its_seconds_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"prompt": "a heart", "size": 64, "steps": 3, "output": tmp_path}
    start = time.perf_counter()
    result = find(TASKS, "text2image")(**given, profile=True).run()
    took = time.perf_counter() - start
    said = json.loads((result.folder / "DONE.json").read_text())["profile"]
    parts = {name: seconds for name, seconds in said.items() if name != "total"}
    assert {"building", "models", "generator", "losses", "judge", "ProgressVideo"} <= set(parts)
    assert said["total"] == pytest.approx(sum(parts.values()), abs=0.02)
    assert 0.5 * took < said["total"] - said.get("start", 0) <= took
    assert "seconds: " in capsys.readouterr().err
    plain = find(TASKS, "text2image")(**given).run()
    assert "profile" not in json.loads((plain.folder / "DONE.json").read_text())
