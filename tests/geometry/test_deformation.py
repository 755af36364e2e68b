"""The deformation file: what is read back, and invalid files."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from guidance.errors import InputError
from guidance.geometry import deformation as module
from guidance.geometry.deformation import Deformation
from guidance.geometry.primitives import octahedron, primitive
from guidance.meshes import Mesh

MESH = Mesh(octahedron().vertices.double(), octahedron().faces, torch.rand(6, 3))
MOVED = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double()


def test_strengths_are_shares_of_the_displacement() -> None:
    deformation = Deformation(MESH, MOVED)
    assert torch.equal(deformation.at(0.0).vertices, MESH.vertices)
    assert torch.equal(deformation.at(1.0).vertices, MESH.vertices + MOVED)
    assert torch.allclose(deformation.at(-0.5).vertices, MESH.vertices - 0.5 * MOVED)
    assert deformation.at(2.0).colors is MESH.colors


@pytest.mark.parametrize("strength", [3.1, -2.1, float("nan"), float("inf")])
def test_strengths_without_sense_are_refused(strength: float) -> None:
    with pytest.raises(InputError, match="strength: expected a number from -2 to 3, got"):
        Deformation(MESH, MOVED).at(strength)


def test_it_comes_back_to_the_bit(tmp_path: Path) -> None:
    given = Deformation(MESH, MOVED.T.contiguous().T)  # an order of memory that numpy would keep
    path = given.save(tmp_path / "deformation.npz")
    found = Deformation.load(path)
    assert torch.equal(found.displacements, MOVED)
    assert torch.equal(found.mesh.vertices, MESH.vertices)
    assert torch.equal(found.mesh.faces, MESH.faces)
    assert found.mesh.colors is not None and MESH.colors is not None
    assert torch.equal(found.mesh.colors, MESH.colors)
    assert path.read_bytes() == given.save(tmp_path / "again.npz").read_bytes()


def arrays() -> dict[str, Any]:
    assert MESH.colors is not None
    return {
        "vertices": MESH.vertices.numpy(),
        "displacements": MOVED.numpy(),
        "colors": MESH.colors.numpy(),
        "faces": MESH.faces.numpy().astype(np.int32),
    }


def written(path: Path, **changes: Any) -> Path:
    """The file with some arrays replaced, or left out if they are None."""
    made = {name: array for name, array in {**arrays(), **changes}.items() if array is not None}
    with path.open("wb") as file:
        np.savez(file, **made)
    return path


NAN = np.full((6, 3), np.nan)
BAD = {
    "an array less": ({"colors": None}, "unexpected entries"),
    "an array more": ({"more": NAN}, "unexpected entries"),
    "objects": ({"vertices": np.array([{}] * 6, dtype=object)}, r"vertices are object \[6\]"),
    "other numbers": ({"faces": arrays()["faces"].astype(np.int64)}, "faces are int64"),
    "another width": ({"displacements": np.zeros((6, 2))}, r"displacements are float64 \[6, 2"),
    "by columns": ({"vertices": np.asfortranarray(arrays()["vertices"])}, "vertices are"),
    "another length": ({"displacements": np.zeros((5, 3))}, "6 vertices, but 5 displacements"),
    "not finite": ({"displacements": NAN}, "NaN or infinite displacements"),
    "no faces": ({"faces": np.zeros((0, 3), np.int32)}, "faces declare 0 rows"),
    "wrong faces": ({"faces": np.full((8, 3), 6, np.int32)}, "refer to missing vertices"),
    "negative faces": (
        {"faces": np.full((8, 3), -1, np.int32)},
        "refer to missing vertices",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_do_not_fit_are_told(case: str, tmp_path: Path) -> None:
    changes, message = BAD[case]
    path = written(tmp_path / "deformation.npz", **changes)
    with pytest.raises(InputError, match=rf"deformation.npz: is damaged \(.*{message}"):
        Deformation.load(path)


def test_claims_are_checked_before_anything_is_allocated(tmp_path: Path) -> None:
    path = written(tmp_path / "deformation.npz")
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for shape in ((900_000, 3), (10**12, 3)):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": shape}
        )
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                archive.writestr(name, header.getvalue() if name == "vertices.npy" else content)
        with pytest.raises(InputError, match=f"vertices declare {shape[0]} rows"):
            Deformation.load(path)


def test_damaged_files_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Deformation(MESH, MOVED).save(tmp_path / "deformation.npz")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[100] ^= 0xFF
    for content in (b"", b"PK\x03\x04", whole[: len(whole) // 2], bytes(flipped), b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"deformation.npz: is damaged \("):
            Deformation.load(path)
    mesh = primitive("cube")
    still = Deformation(replace(mesh, colors=mesh.vertices), torch.zeros_like(mesh.vertices))
    small = len(still.save(path).read_bytes())
    monkeypatch.setattr(module, "MAX_BYTES", small)
    with pytest.raises(InputError, match="arrays too large"):
        Deformation.load(path)
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="and is not a deformation"):
        Deformation.load(path)
    with pytest.raises(InputError, match="no such file"):
        Deformation.load(tmp_path / "nothing.npz")
