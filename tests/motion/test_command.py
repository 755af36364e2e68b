"""`guide motion`."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidance.commands.motion import run
from guidance.errors import InputError
from guidance.motion.bank import load_bank
from guidance.motion.files.bvh import write_bvh
from guidance.motion.files.read import read_motions
from tests.motion.rigs import random_motion

YAML = """
nods_hard: {label: nods hard, say: a b | c d, keys: {0: {}, 0.5: {nod: 40}, 1: {nod: 0}}}
"""


def test_a_folder_becomes_a_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that cannot be read are left out, with a note."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "Big_Leap01.bvh").write_text(write_bvh(random_motion(20)))
    (folder / "bad.bvh").write_text("HIERARCHY garbage")
    (folder / "bad.npz").write_bytes(b"PK\x03\x04")
    (folder / "bad.yaml").write_text("a: [")
    (folder / "own.yaml").write_text(YAML)
    labels = tmp_path / "labels.csv"
    labels.write_text("Big_Leap01.bvh,leaps up,a giant leap\n")
    run(["import", str(folder), "--labels", str(labels), "--output", str(tmp_path / "bank")])
    found = capsys.readouterr()
    assert found.err.count("left out") == 3 and "2 motions" in found.err
    bank = load_bank(tmp_path / "bank")
    assert bank.labels["big_leap01"].phrases == ("leaps up", "a giant leap")
    assert bank.labels["nods_hard"].phrases == ("nods hard", "a b", "c d")
    run(["find", "giant leap", "--bank", str(tmp_path / "bank"), "--count", "1"])
    assert capsys.readouterr().out.startswith("big_leap01")
    run(["list", "--bank", str(tmp_path / "bank")])
    assert "2 motions" in capsys.readouterr().out


def test_show_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["show", "nod", "--output", str(tmp_path)])
    paths = [Path(line) for line in capsys.readouterr().out.split()]
    assert [path.suffix for path in paths] == [".png", ".mp4"]
    assert all(path.stat().st_size > 1000 for path in paths)
    run(["export", "nods twice", str(tmp_path / "a.bvh")])
    assert read_motions(tmp_path / "a.bvh")[0].seconds > 1


@pytest.mark.parametrize(
    "words",
    [["fly"], ["find"], ["find", "a", "b"], ["import", "nowhere"], ["export", "nod", "a.fbx"],
     ["export", "nod", "a.npz", "--t-pose"], ["list", "--bank", "nowhere"]],
    ids=" ".join,
)  # fmt: skip
def test_mistakes_are_one_line(words: list[str]) -> None:
    with pytest.raises(InputError):
        run(words)
