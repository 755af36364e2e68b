"""Records of runs are checked when they are read: no damage is silent, and remains are cleaned."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from guidance.config.marks import marked_values
from guidance.errors import InputError
from guidance.evaluate.finished import read_run
from guidance.runs.artifacts.progress_video import ProgressVideo
from tests.runs.damage import DOT, finished_run, guide, killed_run
from tests.runs.dot import Dot


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return killed_run(tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return finished_run(tmp_path_factory.mktemp("finished"), patch)


def damages(content: bytes, count: int, seed: int) -> list[bytes]:
    """Truncations and flipped bits of a content."""
    draw, found = random.Random(seed), []
    for index in range(count):
        place = draw.randrange(len(content))
        flipped = bytes([content[place] ^ (1 << draw.randrange(8))])
        found.append(content[:place] + (b"" if index % 3 == 0 else flipped + content[place + 1 :]))
    return found


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl", "environment.json"])
def test_damaged_records_of_an_interrupted_run_are_noticed(
    killed: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = killed / name
    whole = path.read_bytes()
    # metrics.jsonl goes on after the checkpoint of step 5; these lines are written again.
    end = json.loads((killed / "checkpoint.json").read_text())["metrics_bytes"]
    try:
        for damaged in damages(whole[:end] if name == "metrics.jsonl" else whole, 25, 1):
            path.write_bytes(damaged)
            code, told = guide(capsys, "run", DOT, "--resume", killed)
            assert (code, told.count("\n")) == (2, 1), (told, damaged)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "name", ["config.yaml", "metrics.jsonl", "DONE.json", "environment.json", "image.png"]
)
def test_damaged_files_of_a_finished_run_are_noticed(
    finished: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = finished / name
    whole = path.read_bytes()
    try:
        for damaged in [*damages(whole, 12, 2), b""]:
            path.write_bytes(damaged)
            with pytest.raises(InputError):
                read_run(finished)  # for eval
            commands = [["run", DOT, "--resume", finished]]
            if name == "config.yaml":
                commands.append(["rerun", path])
            for words in commands:
                code, told = guide(capsys, *words)
                assert (code, told.count("\n")) == (2, 1), (told, words)
    finally:
        path.write_bytes(whole)


def test_a_changed_digit_is_named(killed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = killed / "metrics.jsonl"
    whole = path.read_bytes()
    place = whole.index(b'"loss":0.') + len(b'"loss":0.')
    digit = b"1" if whole[place : place + 1] != b"1" else b"2"
    path.write_bytes(whole[:place] + digit + whole[place + 1 :])
    code, told = guide(capsys, "run", DOT, "--resume", killed)
    path.write_bytes(whole)
    assert code == 2 and "metrics.jsonl: was changed since the checkpoint" in told


@pytest.mark.parametrize("version", [True, 1.0, "1", 0, -1, None, [1], 99, 10**400])
def test_schema_versions_are_whole_numbers(
    tmp_path: Path, finished: Path, killed: Path, version: object,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """In records whose marks are right, as an attacker would write them."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    done = json.loads((folder / "DONE.json").read_text())
    done.pop("sha256")
    changed = marked_values(done | {"schema_version": version})
    (folder / "DONE.json").write_text(json.dumps(changed))
    code, told = guide(capsys, "run", DOT, "--resume", folder)
    assert code == 2 and told.count("\n") == 1
    assert "schema_version" in told or "is damaged" in told
    (folder / "DONE.json").unlink()
    text = (
        (folder / "config.yaml")
        .read_text()
        .replace("schema_version: 3", f"schema_version: {version!r}")
    )
    (folder / "config.yaml").write_text(text)
    assert guide(capsys, "rerun", folder / "config.yaml")[0] == 2


def test_runs_of_earlier_versions_still_load(
    tmp_path: Path, killed: Path, finished: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Version 2 of config.yaml and version 1 of the other records had no marks."""
    from guidance.runs import checkpoint

    folder = tmp_path / "killed"
    shutil.copytree(killed, folder)
    config = (folder / "config.yaml").read_text().replace("schema_version: 3", "schema_version: 2")
    (folder / "config.yaml").write_text(config.rpartition("# sha256")[0])
    said = json.loads((folder / "checkpoint.json").read_text())
    for key in ("self_sha256", "metrics_bytes", "metrics_sha256"):
        said.pop(key)
    said |= {"schema_version": 1, "config_sha256": checkpoint.file_digest(folder / "config.yaml")}
    (folder / "checkpoint.json").write_text(checkpoint._as_text(checkpoint.Description(**said)))
    environment = json.loads((folder / "environment.json").read_text())
    for key in ("sha256", "schema_version", "origin"):
        environment.pop(key)
    (folder / "environment.json").write_text(json.dumps(environment))
    monkeypatch.setattr(ProgressVideo, "write", lambda *_: iter(()))
    code, told = guide(capsys, "run", DOT, "--resume", folder)
    assert code == 0 and "was begun by an earlier version" in told
    done = json.loads((folder / "DONE.json").read_text())
    for key in ("sha256", "hashes"):
        done.pop(key)
    (folder / "DONE.json").write_text(json.dumps(done | {"schema_version": 1}))
    assert guide(capsys, "run", DOT, "--resume", folder)[0] == 0


@pytest.mark.parametrize("name", ["../../outside.png", "/etc/passwd", "a/../../b"])
def test_names_of_files_do_not_lead_out(
    tmp_path: Path, finished: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    done = json.loads((folder / "DONE.json").read_text())
    done.pop("sha256")
    for changed in (done | {"files": [name]}, done | {"hashes": {name: "0" * 64}}):
        (folder / "DONE.json").write_text(json.dumps(marked_values(changed)))
        code, told = guide(capsys, "run", DOT, "--resume", folder)
        assert code == 2 and "leads out of" in told


def test_remains_of_killed_runs_are_removed(tmp_path: Path, killed: Path) -> None:
    folder = tmp_path / "dot" / "run"
    shutil.copytree(killed, folder)
    old = time.time() - 3600
    for name, inside in (
        (".new-dead", "config.yaml"),
        (".new-mine", "novel.txt"),
        (".new-now", ""),
    ):
        (folder.parent / name).mkdir()
        if inside:
            (folder.parent / name / inside).write_text("x")
        if name != ".new-now":
            os.utime(folder.parent / name, (old, old))
    (folder / ".export-dead").mkdir()
    (folder / ".image.png.abc.tmp").write_text("half")
    task = Dot(prompt="a", output=Path("elsewhere"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressVideo, "write", lambda *_: iter(()))
        task.run(folder=folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".new-mine", ".new-now", "run"]
    assert not list(folder.glob(".export-*")) and not list(folder.glob(".*.tmp"))
