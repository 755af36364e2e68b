"""Bodies of the SMPL family from the user's own files: SMPL, SMPL-H and SMPL-X.

Source: Loper et al., SMPL: A Skinned Multi-Person Linear Model (2015); Romero et al., Embodied
Hands (2017); Pavlakos et al., Expressive Body Capture (arXiv 1904.05866). The files have licenses
of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from guidance.body.body import Body
from guidance.body.files.arrays import read_arrays
from guidance.body.joint_names import NAMES
from guidance.errors import InputError

Array = Any
REQUIRED = {
    "v_template",
    "shapedirs",
    "J_regressor",
    "weights",
    "kintree_table",
    "f",
}
KEYS = frozenset(REQUIRED | {"posedirs", "vt", "ft"})
FINGERS = tuple(
    f"{side}_{finger}{part}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for part in (1, 2, 3)
)
#: Joints after the 22 canonical ones, by the number of joints.
MODELS = {
    24: ("SMPL", ("left_hand", "right_hand")),
    52: ("SMPL-H", FINGERS),
    55: ("SMPL-X", ("jaw", "left_eye", "right_eye", *FINGERS)),
}
#: Shape components that are used: those with the largest variance come first.
MAX_COMPONENTS = 16
MAX_VERTICES = 50_000


def read_smpl(path: Path) -> Body:
    """A body of the SMPL family from a `.npz` or `.pkl` file; nothing in it is executed.

    Raises:
        InputError: the file is damaged, too large, or has other arrays.
    """
    arrays = read_arrays(path, KEYS)
    _check(arrays, path)
    template, regressor = arrays["v_template"], arrays["J_regressor"]
    basis = arrays["shapedirs"][..., :MAX_COMPONENTS].transpose(2, 0, 1)
    rest = regressor @ template
    parents = tuple(
        -1 if index == 0 else int(parent) for index, parent in enumerate(arrays["kintree_table"][0])
    )
    if any(not 0 <= parent < index for index, parent in enumerate(parents) if index):
        raise InputError(f"{path}: a joint comes before its parent; the file is damaged")
    title, further = MODELS[len(parents)]
    ground = np.array([rest[0, 0], template[:, 1].min(), rest[0, 2]])
    pose = arrays.get("posedirs")
    has_uv = "vt" in arrays and "ft" in arrays
    flipped = np.array([1.0, -1.0])
    return Body(
        name=f"{title} {path.stem}",
        template=_float(template - ground),
        faces=_whole(arrays["f"]),
        weights=_float(arrays["weights"] / arrays["weights"].sum(1, keepdims=True)),
        rest=_float(rest - ground),
        parents=parents,
        names=(*NAMES, *further),
        canonical=tuple(range(len(NAMES))),
        shape_basis=_float(basis),
        joint_basis=_float(np.einsum("jp,kpi->kji", regressor, basis)),
        pose_basis=None if pose is None else _float(pose.transpose(2, 0, 1)),
        uv=_float(arrays["vt"] * flipped + [0, 1]) if has_uv else None,
        face_uv=_whole(arrays["ft"]) if has_uv else None,
    )


def _check(arrays: dict[str, Array], path: Path) -> None:
    missing = sorted(REQUIRED - set(arrays))
    if missing:
        raise InputError(
            f"{path}: has no {', '.join(missing)}; give a model file of SMPL, SMPL-H or SMPL-X"
        )
    flat = [name for name, values in sorted(arrays.items()) if values.ndim < 2 or not values.size]
    if flat:
        raise InputError(f"{path}: {flat[0]} is no table of numbers; the file is damaged")
    table = arrays["kintree_table"]
    if table.shape[-1] not in MODELS or table.ndim != 2:
        raise InputError(
            f"{path}: has {table.shape[-1]} joints; SMPL has 24, SMPL-H 52 and SMPL-X 55"
        )
    j, p = table.shape[1], len(arrays["v_template"])
    if not 0 < p <= MAX_VERTICES:
        raise InputError(f"{path}: has {p:,} vertices; at most {MAX_VERTICES:,} are read")
    expected = {
        "v_template": (p, 3),
        "shapedirs": (p, 3, None),
        "J_regressor": (j, p),
        "weights": (p, j),
        "posedirs": (p, 3, 9 * (j - 1)),
        "f": (None, 3),
        "vt": (None, 2),
        "ft": (len(arrays["f"]), 3),
    }
    for name, shape in expected.items():
        if name in arrays and not _fits(arrays[name].shape, shape):
            raise InputError(f"{path}: {name} has the shape {arrays[name].shape}, not {shape}")
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} has NaN or infinite values")
    for name, count in (("f", p), ("ft", len(arrays.get("vt", ())))):
        if name in arrays and not 0 <= int(arrays[name].min()) <= int(arrays[name].max()) < count:
            raise InputError(f"{path}: {name} refers to vertices that do not exist")
    if (arrays["weights"].sum(1) <= 0).any():
        raise InputError(f"{path}: some vertices have no skinning weights")


def _fits(found: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(found) == len(expected) and all(
        size is None or size == each for each, size in zip(found, expected, strict=True)
    )


def _float(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _whole(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64))
