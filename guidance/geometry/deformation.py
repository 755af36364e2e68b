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


@dataclass(frozen=True)
class Deformation:
    """A mesh before the run, with colors, and the displacement of each vertex, in its units.

    Vertices are a linear function of the Jacobians (`guidance.geometry.poisson`), so scaling J - I
    before the solve is the same as scaling the displacement after it.
    """

    mesh: Mesh
    displacements: Float[Tensor, "p 3"]

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
        assert self.mesh.colors is not None
        tensors = {
            "vertices": self.mesh.vertices,
            "displacements": self.displacements,
            "colors": self.mesh.colors,
            "faces": self.mesh.faces,
        }
        arrays = {
            name: np.ascontiguousarray(tensor.detach().cpu().numpy(), ARRAYS[name][0])
            for name, tensor in tensors.items()
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
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        mesh = Mesh(tensors["vertices"], tensors["faces"].long(), tensors["colors"])
        return cls(mesh, tensors["displacements"])


def _read(path: Path) -> dict[str, Any]:
    """The arrays of the file. Raises ValueError, or an error of zipfile or numpy, if damaged."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if set(entries) != {f"{name}.npy" for name in ARRAYS} or len(archive.infolist()) != 4:
            raise ValueError(f"unexpected entries {', '.join(sorted(entries)[:6])}")
        if sum(entry.file_size for entry in entries.values()) > MAX_BYTES:
            raise ValueError("arrays too large")
        found = {}
        for name in ARRAYS:
            # At most one byte more than declared is unpacked; the end triggers the checksum test.
            with archive.open(entries[f"{name}.npy"]) as file:
                content = file.read(entries[f"{name}.npy"].file_size + 1)
            found[name] = _array(content, name)
    rows = {"vertices": len(found["vertices"]), "faces": len(found["faces"])}
    for name, (_, of) in ARRAYS.items():
        if len(found[name]) != rows[of]:
            raise ValueError(f"{rows[of]} {of}, but {len(found[name])} {name}")
        if not np.isfinite(found[name]).all():
            raise ValueError(f"NaN or infinite {name}")
    if found["faces"].min() < 0 or found["faces"].max() >= rows["vertices"]:
        raise ValueError("faces refer to missing vertices")
    return found


def _array(content: bytes, name: str) -> Any:
    """One array. The header is checked first, since numpy allocates the size that it declares."""
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"unknown format version of {name}")
    shape, by_columns, kind = np.lib.format.read_array_header_1_0(file)
    expected, of = ARRAYS[name]
    limit = {"vertices": MAX_VERTICES, "faces": MAX_FACES}[of]
    if kind != expected or by_columns or len(shape) != 2 or shape[1] != 3:
        raise ValueError(f"{name} are {kind} {list(shape)}")
    rows = shape[0]
    if not 0 < rows <= limit or len(content) - file.tell() != 3 * rows * kind.itemsize:
        raise ValueError(f"{name} declare {rows} rows")
    return np.load(io.BytesIO(content), allow_pickle=False)
