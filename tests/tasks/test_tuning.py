"""`guide tune`: the meshes of a deformation at a strength, and what is said to mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from guidance.commands.tune import HELP
from guidance.geometry.deformation import LEAST, MOST, Deformation
from guidance.geometry.io.files import load_mesh
from guidance.geometry.primitives import octahedron
from guidance.meshes import Mesh
from guidance.runs.folder import only_writer
from tests.test_cli import guide, refused

REST = Mesh(1000 * octahedron().vertices.double(), octahedron().faces, torch.rand(6, 3))
MOVED = 100 * torch.eye(3).double().repeat(2, 1)


def write_run(folder: Path, samples: int = 1) -> Path:
    """What of a finished run is needed."""
    folder.mkdir()
    (folder / "config.yaml").write_text("schema_version: 1\ntask: text2mesh\n")
    for index in range(samples):
        place = folder if samples == 1 else folder / "samples" / f"{index:03d}"
        place.mkdir(parents=True, exist_ok=True)
        Deformation(REST, (index + 1) * MOVED).save(place / "deformation.npz")
    return folder


def listed(folder: Path) -> Sequence[str]:
    paths = [path for path in folder.rglob("*") if path.name != ".lock"]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


@pytest.mark.parametrize("strength", ["0.5", "0", "1", "-1.25", "3"])
def test_meshes_are_written_at_the_strength(strength: str, tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path / "run")
    assert guide("tune", run, "--strength", strength) == 0
    names = [f"mesh-strength-{strength}.glb", f"mesh-strength-{strength}.obj"]
    names += [f"contact-strength-{strength}.png"]
    assert capsys.readouterr().out.split() == [str(run / name) for name in names]
    for name in names[:2]:
        made = load_mesh(run / name).mesh
        assert torch.allclose(made.vertices, (REST.vertices + float(strength) * MOVED).float())
        assert made.colors is not None and REST.colors is not None
        assert torch.allclose(made.colors, REST.colors, atol=1e-2)
    assert listed(run) == sorted(["config.yaml", "deformation.npz", *names])


def test_every_sample_is_tuned_and_the_sheets_differ(tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path / "run", samples=2)
    for strength in ("0.5", "1", "1"):  # the last one replaces the one before
        assert guide("tune", "--strength", strength, run) == 0
    for index in range(2):
        place = run / "samples" / f"{index:03d}"
        assert len(list(place.iterdir())) == 1 + 2 * 3
        made = load_mesh(place / "mesh-strength-1.obj").mesh
        assert torch.allclose(made.vertices, (REST.vertices + (index + 1) * MOVED).float())
    half, whole = (
        Image.open(run / "samples" / "000" / f"contact-strength-{s}.png").tobytes()
        for s in ("0.5", "1")
    )
    assert half != whole


def test_help(capsys) -> None:
    assert guide("tune", "--help") == 0
    assert "guide tune RUN --strength S" in capsys.readouterr().out
    assert guide("tune") == 2
    assert f"a number from {LEAST:g} to {MOST:g}" in HELP


def test_mistakes_are_answered_in_one_line_and_nothing_is_written(tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path / "run", samples=2)
    before = listed(run)

    def said(*words: object) -> str:
        return refused(capsys, "tune", *words)

    assert "nowhere: no such folder" in said(tmp_path / "nowhere", "--strength", "1")
    assert "has no config.yaml" in said(tmp_path, "--strength", "1")
    assert "required: --strength; see `guide tune --help`" in said(run)
    assert "--strength: expected a number, got 'much'" in said(run, "--strength", "much")
    assert "expected a number from -2 to 3, got 3.5" in said(run, "--strength", "3.5")
    assert "expected a number from -2 to 3, got nan" in said(run, "--strength", "nan")
    twice = said(run, "--strength", "1", "--strength=2")
    assert twice == "tune: --strength is given twice; give it once; see `guide tune --help`"
    assert "unrecognized arguments: --more" in said(run, "--strength", "1", "--more")
    with only_writer(run):
        assert "another process writes to this run" in said(run, "--strength", "1")
    (run / "samples" / "001" / "deformation.npz").write_bytes(b"PK")
    assert "001/deformation.npz: is damaged" in said(run, "--strength", "1")
    assert listed(run) == before


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("task: text2mesh", "has no deformation.npz; the run is not finished, or nothing could"),
        (
            "task: text2mesh\nmode: {kind: generate, reach: 0.5}",
            "mode generate has no deformation to scale; use a run of stylize, deform or deform_no",
        ),
        (
            "task: text2image",
            "a run of text2image has no deformation to scale; use a run of stylize, deform or def",
        ),
    ],
)
def test_runs_without_a_deformation(config: str, message: str, tmp_path: Path, capsys) -> None:
    run = write_run(tmp_path / "run")
    (run / "deformation.npz").unlink()
    (run / "config.yaml").write_text(config)
    assert message in refused(capsys, "tune", run, "--strength", "1")


def test_a_deformation_outside_the_run_is_not_read(tmp_path: Path, capsys) -> None:
    run, other = write_run(tmp_path / "run"), write_run(tmp_path / "other")
    (run / "deformation.npz").unlink()
    (run / "deformation.npz").symlink_to(other / "deformation.npz")
    assert "leads out of" in refused(capsys, "tune", run, "--strength", "1")
