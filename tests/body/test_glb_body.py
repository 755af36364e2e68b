"""Skinned GLB files as bodies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from guidance.body.body import Body
from guidance.body.capsule import capsule_body
from guidance.body.export.glb import write_body_glb
from guidance.body.export.vrm import write_vrm
from guidance.body.joint_names import NAMES
from guidance.body.load import load_body, load_body_with_notes
from guidance.body.names import CONVENTIONS
from guidance.errors import InputError
from tests.body.bodies import Glb, motion, renamed, split

MIXAMO = {joint: f"mixamorig:{bone}" for joint, bone in CONVENTIONS[1].bones.items()}


def quaternion(degrees: float, axis: int) -> list[float]:
    found = [0.0, 0.0, 0.0, float(np.cos(np.radians(degrees / 2)))]
    found[axis] = float(np.sin(np.radians(degrees / 2)))
    return found


def rigged(degrees: float = 0, scale: float = 1, turn: list[float] | None = None) -> Glb:
    """The capsule body with Mixamo's names, its arms lowered, below a node with a transform."""
    file = Glb(write_body_glb(renamed(capsule_body(6), MIXAMO)))
    for node in file.json["nodes"]:
        if node["name"] in ("mixamorig:LeftArm", "mixamorig:RightArm"):
            sign = -1 if "Left" in node["name"] else 1
            node["rotation"] = quaternion(sign * degrees, 2)
    above: dict[str, Any] = {"name": "Armature", "scale": [scale] * 3, "translation": [5, 6, 7]}
    above["rotation"] = turn or [0.0, 0.0, 0.0, 1.0]
    # Parents come first in the slow reading of the tests.
    for node in file.json["nodes"]:
        if "children" in node:
            node["children"] = [child + 1 for child in node["children"]]
    file.json["skins"][0]["joints"] = [joint + 1 for joint in file.json["skins"][0]["joints"]]
    file.json["nodes"].insert(0, above | {"children": [1]})
    file.json["scenes"][0]["nodes"] = [0, len(file.json["nodes"]) - 1]
    return file


def _described(file: Glb) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """The parent and the content of each node by its name, but that of the mesh."""
    nodes = file.json["nodes"]
    above = {child: node["name"] for node in nodes for child in node.get("children", [])}
    return {
        node["name"]: (above.get(index), node)
        for index, node in enumerate(nodes)
        if "mesh" not in node
    }


def read(file: Glb, folder: Path) -> Body:
    path = folder / "person.glb"
    path.write_bytes(file.packed())
    return load_body(path)


CASES = {
    "at rest": rigged(),
    "A-pose": rigged(50),
    "arms down": rigged(90),
    "in centimeters": rigged(40, 100),
    "in other units": rigged(40, 11),
    "facing -x": rigged(40, 1, quaternion(-90, 1)),
    "z up": rigged(40, 1, quaternion(90, 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rig_is_read_in_the_t_pose(case: str, tmp_path: Path) -> None:
    body, original = read(CASES[case], tmp_path), capsule_body(6)
    scale = 1.7 / 1.774 if case == "in other units" else 1.0
    tolerance = 0.03 if case == "in other units" else 2e-4  # its height is that of the A-pose
    torch.testing.assert_close(
        body.skeleton.rest, original.skeleton.rest * scale, atol=tolerance, rtol=0
    )
    # Welding changes the order of the vertices.
    ordered = [
        points[points[:, 1].argsort(stable=True)][:, 1]
        for points in (body.template, original.template * scale)
    ]
    torch.testing.assert_close(*ordered, atol=tolerance, rtol=0)
    assert len(body.template) == len(original.template)
    assert body.base_color is not None and original.base_color is not None
    torch.testing.assert_close(body.base_color, original.base_color, atol=1 / 255, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_an_exported_rig_keeps_its_nodes_and_moves_as_the_body(case: str, tmp_path: Path) -> None:
    body, clip = read(CASES[case], tmp_path), motion()
    file = Glb(write_body_glb(body, [clip]))
    found, given = (_described(each) for each in (file, CASES[case]))
    assert list(found) == sorted(given, key=list(found).index)
    for name, (parent, node) in found.items():
        assert parent == given[name][0]
        for key, default in (
            ("rotation", [0, 0, 0, 1]),
            ("translation", [0] * 3),
            ("scale", [1] * 3),
        ):
            expected = given[name][1].get(key, default)
            np.testing.assert_allclose(node.get(key, default), expected, atol=1e-6)
    assert body.rig is not None
    back = torch.linalg.inv(body.rig.to_body).float()
    posed = body.posed(clip.rotations, body.placed(clip.root))
    for frame in range(clip.num_frames):
        expected = split(body, posed[frame] @ back[:3, :3].mT + back[:3, 3])
        size = float(expected.abs().max())
        np.testing.assert_allclose(file.skinned(frame), expected.numpy(), atol=2e-5 * size)
    # At rest, the file shows the pose in which it came.
    low, high = (values.skinned(None) for values in (file, CASES[case]))
    np.testing.assert_allclose(np.ptp(low, axis=0), np.ptp(high, axis=0), rtol=1e-3)


def test_an_avatar_of_a_rig_stands_in_the_t_pose_in_meters(tmp_path: Path) -> None:
    body = read(rigged(50, 100, quaternion(-90, 1)), tmp_path)
    file = Glb(write_vrm(body))
    np.testing.assert_allclose(file.skinned(None), split(body, body.template).numpy(), atol=1e-4)
    (tmp_path / "again.vrm").write_bytes(file.packed())
    again = load_body(tmp_path / "again.vrm")
    torch.testing.assert_close(again.skeleton.rest, body.skeleton.rest, atol=1e-4, rtol=0)


def test_a_mesh_without_skin_follows_the_bone_above_it(tmp_path: Path) -> None:
    file = rigged()
    hat = dict(file.json["meshes"][0]["primitives"][0])
    hat["attributes"] = {
        key: value
        for key, value in hat["attributes"].items()
        if key not in ("JOINTS_0", "WEIGHTS_0")
    }
    file.json["meshes"].append({"primitives": [hat]})
    head = next(n for n, node in enumerate(file.json["nodes"]) if node["name"].endswith("Head"))
    file.json["nodes"].append({"name": "hat", "mesh": 1, "translation": [0, 0.3, 0]})
    file.json["nodes"][head]["children"] = [len(file.json["nodes"]) - 1]
    (tmp_path / "hat.glb").write_bytes(file.packed())
    loaded = load_body_with_notes(tmp_path / "hat.glb")
    count = len(capsule_body(6).template)
    assert 1.9 * count < len(loaded.body.template) <= 2 * count
    follows = loaded.body.weights[:, loaded.body.canonical[NAMES.index("head")]] == 1
    assert int(follows.sum()) >= 0.9 * count
    assert "follow the bone above" in loaded.notes[0]


def test_errors_name_what_is_missing(tmp_path: Path) -> None:
    file = rigged()
    for node in file.json["nodes"]:
        if node["name"] in ("mixamorig:LeftLeg", "mixamorig:Head"):
            node["name"] = "x"
    with pytest.raises(InputError, match="found no bone for head, left_knee"):
        read(file, tmp_path)
    file = rigged()
    del file.json["nodes"][-1]["skin"]
    with pytest.raises(InputError, match="has no skin"):
        read(file, tmp_path)
    file = rigged()
    file.json["skins"][0]["joints"][0] = 999
    with pytest.raises(InputError, match="damaged"):
        read(file, tmp_path)
    file = rigged()
    hips = file.json["nodes"][1]
    leg = next(n for n, node in enumerate(file.json["nodes"]) if node["name"].endswith("LeftUpLeg"))
    hips["children"].remove(leg)
    file.json["nodes"][0]["children"].append(leg)
    with pytest.raises(InputError, match=r"left_hip, .* not below the pelvis"):
        read(file, tmp_path)
    with pytest.raises(InputError, match="no such file"):
        load_body(tmp_path / "missing.glb")
