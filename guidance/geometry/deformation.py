"""The displacement of each vertex by a run, stored so that its strength can be changed later."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.errors import InputError
from guidance.geometry.io.formats import MAX_BYTES, MAX_FACES, MAX_VERTICES
from guidance.geometry.io.glb import unpack_given
from guidance.geometry.io.glb_write import pack_given
from guidance.meshes import Mesh

#: The name of the file in a run folder.
NAME = "deformation.npz"
#: The range of strengths; beyond it, shapes turn inside out.
LEAST, MOST = -2.0, 3.0
#: The arrays of the file: data type, and whether the rows are vertices or faces.
ARRAYS = {
    "vertices": (np.float64, "vertices"),
    "displacements": (np.float64, "vertices"),
    "colors": (np.float32, "vertices"),
    "faces": (np.int32, "faces"),
}
#: Further arrays, and their columns: UV coordinates, and the materials of a GLB as bytes. The
#: colors above are those that are shown; the own ones are those beside the maps.
MORE = {
    "own_colors": (np.float32, "vertices", 3),
    "uv": (np.float32, "uv", 2),
    "face_uv": (np.int32, "faces", 3),
    "face_material": (np.int32, "faces", 1),
    "materials": (np.uint8, "bytes", 1),
}
LIMITS = {
    "vertices": MAX_VERTICES,
    "faces": MAX_FACES,
    "uv": 3 * MAX_FACES,
    "bytes": MAX_BYTES,
}


@dataclass(frozen=True)
class Deformation:
    """A mesh before the run, with colors, and the displacement of each vertex, in its units.

    Vertices are a linear function of the Jacobians (`guidance.geometry.poisson`), so scaling J - I
    before the solve is the same as scaling the displacement after it.
    """

    mesh: Mesh
    displacements: Float[Tensor, "p 3"]
    shown: Float[Tensor, "p 3"] | None = None  # the colors of images; by default the mesh's own

    @property
    def shown_colors(self) -> Float[Tensor, "p 3"]:
        """The colors of vertices in images, which stand for base color maps."""
        colors = self.mesh.colors if self.shown is None else self.shown
        assert colors is not None
        return colors

    def at(self, strength: float) -> Mesh:
        """The mesh at a strength: 0 is the original shape, 1 the result of the run.

        Raises:
            InputError: the strength is not a number from -2 to 3.
        """
        if not LEAST <= strength <= MOST:  # False for NaN
            raise InputError(
                f"strength: expected a number from {LEAST:g} to {MOST:g}, got {strength:g}"
            )
        moved = self.mesh.vertices + strength * self.displacements
        # Vertices that do not move stay bit-identical; adding 0 would turn -0 into 0.
        vertices = torch.where(self.displacements == 0, self.mesh.vertices, moved)
        return replace(self.mesh, vertices=vertices)

    def save(self, path: Path) -> Path:
        """Writes an .npz of the arrays in `ARRAYS`."""
        mesh = self.mesh
        tensors: dict[str, Tensor | None] = {
            "vertices": mesh.vertices,
            "displacements": self.displacements,
            "colors": self.shown_colors,
            "faces": mesh.faces,
            "uv": mesh.uv,
            "face_uv": mesh.face_uv,
        }
        if mesh.given is not None and mesh.face_material is not None:
            packed = np.frombuffer(pack_given(mesh.given), np.uint8).copy()
            tensors["materials"] = torch.from_numpy(packed)[:, None]
            tensors["face_material"] = mesh.face_material[:, None]
            tensors["own_colors"] = mesh.colors
        kinds = {name: kind for name, (kind, *_) in (ARRAYS | MORE).items()}
        arrays = {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy(), kinds[name])
            for name, tensor in tensors.items()
            if tensor is not None
        }
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return path

    @classmethod
    def load(cls, path: Path) -> Deformation:
        """Reads a file that `save` wrote, without unpickling; sizes are checked before reading.

        Raises:
            InputError: the file is missing, too large, damaged, or not a deformation.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such file; use the {NAME} of a run")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path}: has more than {MAX_BYTES / 2**20:.0f} MiB and is not a deformation; "
                "repeat the run"
            )
        try:
            arrays = _read(path)
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            SyntaxError,
            NotImplementedError,
            RuntimeError,
            struct.error,
            zlib.error,
            zipfile.BadZipFile,
        ) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"{path}: is damaged ({reason:.80}); repeat the run") from None
        materials = arrays.pop("materials", None)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        mesh = Mesh(tensors["vertices"], tensors["faces"].long(), tensors["colors"])
        if "uv" in tensors:
            mesh = replace(mesh, uv=tensors["uv"], face_uv=tensors["face_uv"].long())
        if materials is not None:
            mesh = replace(
                mesh,
                colors=tensors.get("own_colors"),
                given=unpack_given(materials.tobytes(), str(path)),
                face_material=tensors["face_material"][:, 0].long(),
            )
        return cls(mesh, tensors["displacements"], tensors["colors"])


def _read(path: Path) -> dict[str, Any]:
    """The arrays of the file. Raises ValueError, or an error of zipfile or numpy, if damaged."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        names = {name.removesuffix(".npy") for name in entries}
        together = [{"uv", "face_uv"}, {"materials", "face_material"}]
        if (
            not set(ARRAYS) <= names <= {*ARRAYS, *MORE}
            or len(archive.infolist()) != len(names)
            or any(0 < len(names & pair) < 2 for pair in together)
            or ({"materials", "own_colors"} & names and "uv" not in names)
        ):
            raise ValueError(f"unexpected entries {', '.join(sorted(entries)[:6])}")
        if sum(entry.file_size for entry in entries.values()) > MAX_BYTES:
            raise ValueError("arrays too large")
        found = {}
        for name in sorted(names):
            # At most one byte more than declared is unpacked; the end triggers the checksum test.
            with archive.open(entries[f"{name}.npy"]) as file:
                content = file.read(entries[f"{name}.npy"].file_size + 1)
            found[name] = _array(content, name)
    rows = {"vertices": len(found["vertices"]), "faces": len(found["faces"])}
    for name, array in found.items():
        of = (ARRAYS | MORE)[name][1]
        if len(array) != rows.get(of, len(array)):
            raise ValueError(f"{rows[of]} {of}, but {len(array)} {name}")
        if not np.isfinite(array).all():
            raise ValueError(f"NaN or infinite {name}")
    if found["faces"].min() < 0 or found["faces"].max() >= rows["vertices"]:
        raise ValueError("faces refer to missing vertices")
    if "uv" in found and (found["face_uv"].min() < 0 or found["face_uv"].max() >= len(found["uv"])):
        raise ValueError("faces refer to missing UV coordinates")
    return found


def _array(content: bytes, name: str) -> Any:
    """One array. The header is checked first, since numpy allocates the size that it declares."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"unknown format version of {name}")
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
    expected, of, width = MORE.get(name) or (*ARRAYS[name], 3)
    # numpy writes an array of one column as if by columns and by rows.
    if kind != expected or (by_columns and width > 1) or len(shape) != 2 or shape[1] != width:
        raise ValueError(f"{name} are {kind} {list(shape)}")
    rows = shape[0]
    if not 0 < rows <= LIMITS[of] or len(content) - file.tell() != width * rows * kind.itemsize:
        raise ValueError(f"{name} declare {rows} rows")
    return np.load(io.BytesIO(content), allow_pickle=False)
