"""Files of the SMPL family."""

from __future__ import annotations

import os
import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from guidance.body.joint_names import NAMES
from guidance.body.load import load_body
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from tests.body.bodies import random_rotations, slow_posed


def arrays(joints: int = 24, points: int = 9, components: int = 20) -> dict[str, Any]:
    """Random arrays in the layout of the files."""
    random = np.random.default_rng(0)
    parents = [*canonical().parents, *([20, 21] + [22] * 60)[: joints - 22]]
    regressor = random.random((joints, points))
    weights = random.random((points, joints))
    return {
        "v_template": random.normal(size=(points, 3)),
        "shapedirs": random.normal(size=(points, 3, components)),
        "posedirs": random.normal(size=(points, 3, 9 * (joints - 1))) * 0.01,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.stack([np.array([2**32 - 1, *parents[1:]]), np.arange(joints)]),
        "f": np.array([[0, 1, 2], [2, 3, 4]], np.uint32),
    }


@pytest.mark.parametrize("joints", [24, 52, 55])
def test_an_npz_is_posed_as_smpl_is_defined(joints: int, tmp_path: Path) -> None:
    given = arrays(joints)
    np.savez(tmp_path / "model.npz", **given, extra=np.array([{"a": 1}], dtype=object))
    body = load_body(tmp_path / "model.npz")
    assert (len(body.names), body.num_components) == (joints, 16)
    assert body.names[:22] == NAMES
    double = body.to(torch.zeros(1, dtype=torch.float64))
    betas = torch.randn(1, 16, dtype=torch.float64)
    rotations, root = random_rotations(22), torch.randn(3, dtype=torch.float64)
    vertices = given["v_template"] + given["shapedirs"][..., :16] @ betas[0].numpy()
    joint_places = given["J_regressor"] @ vertices
    expected = slow_posed(
        double, rotations, root, torch.from_numpy(vertices), torch.from_numpy(joint_places)
    )
    found = double.posed(rotations, root, betas)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def _pickled(content: Any, protocol: int = 2) -> bytes:
    return pickle.dumps(content, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_chumpy_and_scipy_is_read_without_them(
    protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scipy.sparse import csc_matrix

    given = arrays()
    np.savez(tmp_path / "model.npz", **given)
    chumpy = types.ModuleType("chumpy.ch")
    kind = type("Ch", (), {"__module__": "chumpy.ch"})
    chumpy.Ch = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", chumpy)
    shape = kind()
    shape.x = given["shapedirs"]
    content = dict(given, shapedirs=shape, J_regressor=csc_matrix(given["J_regressor"]))
    (tmp_path / "model.pkl").write_bytes(_pickled(content, protocol))
    monkeypatch.undo()
    one, other = load_body(tmp_path / "model.pkl"), load_body(tmp_path / "model.npz")
    for name in ("template", "shape_basis", "joint_basis", "pose_basis", "weights", "rest"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name))


class Harmful:
    def __reduce__(self) -> Any:
        return os.system, ("touch harmed",)


def test_nothing_in_a_pickle_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.pkl").write_bytes(_pickled({"v_template": Harmful()}))
    with pytest.raises(InputError, match=r"asks for posix\.system, which is not read"):
        load_body(tmp_path / "model.pkl")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": None}, "has no weights"),
        ({"weights": np.ones((9, 23))}, r"weights has the shape \(9, 23\)"),
        ({"kintree_table": np.zeros((2, 30), int)}, "has 30 joints"),
        ({"v_template": np.full((9, 3), np.nan)}, "NaN"),
        ({"f": np.array([[0, 1, 9]])}, "vertices that do not exist"),
        ({"f": np.array([[0, 1, -1]])}, "vertices that do not exist"),
        ({"v_template": np.array(1.0)}, "v_template is no table"),
        ({"kintree_table": np.full((2, 24), 3)}, "before its parent"),
        ({"weights": np.zeros((9, 24))}, "no skinning weights"),
    ],
)
def test_other_arrays_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    given = {key: value for key, value in (arrays() | change).items() if value is not None}
    np.savez(tmp_path / "model.npz", **given)
    with pytest.raises(InputError, match=message):
        load_body(tmp_path / "model.npz")


def test_a_size_is_refused_before_it_is_allocated(tmp_path: Path) -> None:
    import zipfile

    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000, 3, 10000), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("shapedirs.npy", content)
    with pytest.raises(InputError, match="larger than"):
        load_body(tmp_path / "model.npz")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(InputError, match="damaged NPZ"):
        load_body(tmp_path / "model.npz")
    (tmp_path / "model.pkl").write_bytes(b"hello")
    with pytest.raises(InputError, match="neither an NPZ file nor a pickle"):
        load_body(tmp_path / "model.pkl")
    with pytest.raises(InputError, match="no such file"):
        load_body(tmp_path / "none.pkl")


def test_a_body_moves_to_another_type() -> None:
    body = load_body("capsule")
    double = body.to(torch.zeros(1, dtype=torch.float64))
    assert double.template.dtype == torch.float64 and double.faces.dtype == torch.int64
    assert replace(double, name="x").canonical == body.canonical
