"""Run folders that lead elsewhere: nothing outside of them is read, emptied or deleted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from guidance.errors import InputError
from guidance.runs import links
from guidance.runs.folder import existing_folder
from tests.runs.damage import DOT, fingerprint, finished_run, guide, killed_run

FILES = (
    "config.yaml", "metrics.jsonl", "environment.json", "checkpoint.json", "DONE.json", ".lock",
    "checkpoint.safetensors", ".checkpoint.safetensors.next", ".image.png.x.tmp", "image.png",
    "samples/000/image.png", "preview/0000001.png", "deformation.npz",
)  # fmt: skip
FOLDERS = ("preview", "samples", "samples/000", ".export-x", "frames", "anything")
COMMANDS = ("resume", "rerun", "eval", "tune")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return killed_run(tmp_path_factory.mktemp("killed"))


def words(command: str, folder: Path) -> list[object]:
    return {
        "resume": ["run", DOT, "--resume", folder],
        "rerun": ["rerun", folder / "config.yaml"],
        "eval": ["eval", folder],
        "tune": ["tune", folder, "--strength", "0.5"],
    }[command]


def with_link(run: Path, tmp_path: Path, name: str, *, hard: bool = False) -> tuple[Path, Path]:
    """A copy of a run in which `name` leads to a folder with the same content outside."""
    folder, outside = tmp_path / "run", tmp_path / "outside"
    shutil.copytree(run, folder)
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    target = outside / "target"
    if name in FILES:
        target.write_bytes(place.read_bytes() if place.exists() else b"precious")
        place.unlink(missing_ok=True)
    else:
        target.mkdir()
        for index in range(3):
            (target / f"{index:07d}.png").write_text("precious")
        shutil.rmtree(place, ignore_errors=True)
    if hard:
        os.link(target, place)
    else:
        place.symlink_to(target)
    return folder, outside


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_links_out_of_a_run_are_refused_by_every_command(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder, outside = with_link(run, tmp_path, name)
    before = fingerprint(outside), fingerprint(folder)
    for command in COMMANDS:
        code, told = guide(capsys, *words(command, folder))
        assert (code, told.count("\n")) == (2, 1)
        assert name in told and "leads out of the folder" in told
    assert (fingerprint(outside), fingerprint(folder)) == before


@pytest.mark.parametrize("name", ["metrics.jsonl", ".lock", "DONE.json", "samples/000/image.png"])
def test_hard_links_are_refused_too(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder, outside = with_link(run, tmp_path, name, hard=True)
    before = fingerprint(outside)
    for command in COMMANDS:
        code, told = guide(capsys, *words(command, folder))
        assert code == 2 and "leads out of the folder" in told
    assert fingerprint(outside) == before


def test_what_does_not_lead_out(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    os.link(folder / "metrics.jsonl", folder / "same.jsonl")  # both names lie in the folder
    assert existing_folder(folder) == folder
    (tmp_path / "latest").symlink_to(folder)  # the user's own name for a run
    assert existing_folder(tmp_path / "latest") == tmp_path / "latest"


def test_links_within_pipes_and_broken_links(tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    for name, make, message in (
        ("preview2", lambda p: p.symlink_to(folder / "preview"), "is a link within the folder"),
        ("loop", lambda p: p.symlink_to(p), "is a link"),
        ("gone", lambda p: p.symlink_to("/nowhere/at/all"), "leads out of the folder"),
        ("relative", lambda p: p.symlink_to("../../x"), "leads out of the folder"),
        ("pipe", os.mkfifo, "is not a plain file"),
    ):
        make(folder / name)
        with pytest.raises(InputError, match=message):
            existing_folder(folder)
        (folder / name).unlink()
    existing_folder(folder)


def test_huge_folders_are_no_runs(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST_ENTRIES", 3)
    with pytest.raises(InputError, match="has more than 3 files"):
        existing_folder(run)


def test_rerun_of_an_image_in_such_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished_run(tmp_path, monkeypatch)
    (folder / "samples").symlink_to(tmp_path)
    code, told = guide(capsys, "rerun", folder / "image.png")
    assert code == 2 and "leads out of the folder" in told
