"""BVH, NPZ and GLB files of motions."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.motion.files.bvh import read_bvh, write_bvh
from guidance.motion.files.glb import read_glb_animations
from guidance.motion.files.npz import SOMA, read_npz, write_npz
from guidance.motion.files.read import read_motions
from guidance.motion.rotations import from_euler, rotation_vectors
from tests.motion.rigs import glb, random_motion


@pytest.mark.parametrize("t_pose", [False, True])
def test_a_bvh_is_read_back(tmp_path: Path, t_pose: bool) -> None:
    motion = random_motion(7)
    path = tmp_path / "a.bvh"
    path.write_text(write_bvh(motion, t_pose=t_pose))
    found = read_motions(path)[0]
    joints = found.joints()[1:] if t_pose else found.joints()
    torch.testing.assert_close(joints, motion.joints(), atol=1e-4, rtol=0)
    if t_pose:
        torch.testing.assert_close(found.joints()[0], canonical().rest, atol=1e-4, rtol=0)


BVH = """HIERARCHY
ROOT a
{{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition {order}
  JOINT b c
  {{
    OFFSET 0 10 0
    CHANNELS 3 {order}
    End Site
    {{
      OFFSET 0 1 0
    }}
  }}
}}
MOTION
Frames: 2
Frame Time: 0.0333333
1 2 3 10 20 30 40 50 60
1 2 3 10 20 30 40 50 60
"""


@pytest.mark.parametrize("order", ["XYZ", "ZXY", "YZX"])
def test_channels_are_applied_in_their_order(order: str) -> None:
    text = BVH.format(order=" ".join(f"{axis}rotation" for axis in order))
    found = read_bvh(text.encode(), "test")
    first = from_euler(order, np.array([10.0, 20, 30]))
    np.testing.assert_allclose(found.rotations[0, 0], first, atol=1e-9)
    np.testing.assert_allclose(found.positions[0, 1], [1, 2, 3] + first @ [0, 10, 0], atol=1e-9)
    second = first @ from_euler(order, np.array([40.0, 50, 60]))
    np.testing.assert_allclose(found.rotations[0, 1], second, atol=1e-9)
    assert found.rig.names == ("a", "b c")


def test_another_rate_is_resampled() -> None:
    text = BVH.format(order="Xrotation Yrotation Zrotation").replace("0.0333333", "0.5")
    text = text[: text.rindex("1 2 3")] + "2 2 3 10 20 30 40 50 60\n"
    found = read_bvh(text.encode(), "test")
    assert len(found.positions) == 16
    np.testing.assert_allclose(found.positions[:, 0, 0], 1 + np.arange(16) / 15, atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HIERARCHY", "H"), ("MOTION", "M"), ("Frames: 2", "Frames: 999999999999"),
        ("Frames: 2", "Frames: x"), ("0.0333333", "nan"), ("0.0333333", "0"),
        ("OFFSET 0 10 0", "OFFSET 0 ten 0"), ("}", ""), ("1 2 3", "1 nan 3"), ("1 2 3", "1 x 3"),
        ("CHANNELS 3", "CHANNELS 99999999"), ("Xposition", "Wposition"), ("JOINT", "JONT"),
    ],
)  # fmt: skip
def test_a_damaged_bvh_is_one_line(old: str, new: str) -> None:
    text = BVH.format(order="Xrotation Yrotation Zrotation").replace(old, new)
    with pytest.raises(InputError) as error:
        read_bvh(text.encode(), "a.bvh")
    assert re.fullmatch(r"a\.bvh: .*", str(error.value))


def test_our_npz_is_read_back() -> None:
    motion = random_motion(7)
    found = read_npz(write_npz(motion), "test")
    torch.testing.assert_close(found.joints(), motion.joints(), atol=1e-5, rtol=0)


def _npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def test_amass_has_z_up_and_its_own_rate() -> None:
    """The same motion, lying as AMASS stores it, with 52 joints and 60 frames per second."""
    motion = random_motion(9, amount=0.2)
    to_z = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    rotations = motion.rotations.double().numpy()
    rotations[:, 0] = to_z @ rotations[:, 0]
    poses = np.zeros((9, 52, 3))
    poses[:, :22] = rotation_vectors(rotations)
    trans = motion.root.double().numpy() @ to_z.T - [0, -0.22, 0.03]
    found = read_npz(_npz(poses=poses.reshape(9, -1), trans=trans, mocap_framerate=60.0), "test")
    assert found.num_frames == 5
    torch.testing.assert_close(found.joints(), motion.joints()[::2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("joints", [77, 30, 22])
def test_kimodo(joints: int) -> None:
    motion = random_motion()
    world, places = canonical().pose(motion.rotations, motion.root)
    rotations = torch.eye(3).repeat(motion.num_frames, joints, 1, 1)
    positions = torch.zeros(motion.num_frames, joints, 3)
    rotations[:, list(SOMA[joints])], positions[:, list(SOMA[joints])] = world, 1.2 * places
    found = read_npz(
        _npz(global_rot_mats=rotations.numpy(), posed_joints=positions.numpy()), "test"
    )
    torch.testing.assert_close(found.joints(), motion.joints(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 damaged",
        _npz(poses=np.zeros((3, 60)), trans=np.zeros((3, 3))),
        _npz(poses=np.full((3, 66), np.nan), trans=np.zeros((3, 3))),
        _npz(poses=np.zeros((3, 66)), trans=np.zeros((4, 3))),
        _npz(poses=np.zeros((3, 66)), trans=np.zeros((3, 3)), fps=0.0),
        _npz(poses=np.array([{}], dtype=object)),
        _npz(other=np.zeros(3)),
        _npz(global_rot_mats=np.zeros((2, 5, 3, 3)), posed_joints=np.zeros((2, 5, 3))),
    ],
)
def test_a_wrong_npz_is_one_line(content: bytes) -> None:
    with pytest.raises(InputError) as error:
        read_npz(content, "a.npz")
    assert str(error.value).startswith("a.npz: ") and "\n" not in str(error.value)


def test_interpolations_of_glb() -> None:
    """A cubic spline with the tangents of a parabola is that parabola."""
    half = np.sqrt(0.5)
    times = [0.0, 1.0]
    cubic = [[0, 0, 0], [0, 0, 0], [0, 0, 0], [2, 0, 0], [1, 0, 0], [0, 0, 0]]  # x = t^2
    nodes = [{"name": "a", "children": [1]}, {"name": "b"}, {"name": "c"}]
    tracks = [
        {"node": 0, "path": "translation", "times": times, "values": cubic,
         "interpolation": "CUBICSPLINE"},
        {"node": 1, "path": "rotation", "times": times,
         "values": [[0, 0, 0, 1], [0, 0, half, half]]},
        {"node": 2, "path": "translation", "times": times, "values": [[0, 0, 0], [1, 0, 0]],
         "interpolation": "STEP"},
    ]  # fmt: skip
    found = read_glb_animations(glb(nodes, tracks), "test")[0]
    t = np.arange(31) / 30
    np.testing.assert_allclose(found.positions[:, 0, 0], t**2, atol=1e-6)
    np.testing.assert_allclose(
        np.degrees(rotation_vectors(found.rotations[:, 1])[:, 2]), 90 * t, atol=1e-4
    )
    np.testing.assert_allclose(found.positions[:, 2, 0], t == 1)


def test_a_glb_of_a_person(tmp_path: Path) -> None:
    skeleton = canonical()
    motion = random_motion(4)
    offsets = skeleton.offsets().tolist()
    nodes: list[dict[str, object]] = [
        {"name": name, "translation": offset,
         "children": [c for c, p in enumerate(skeleton.parents) if p == joint]}
        for joint, (name, offset) in enumerate(zip(NAMES, offsets, strict=True))
    ]  # fmt: skip
    from guidance.motion.rotations import quaternions

    values = quaternions(motion.rotations.double().numpy())
    times = np.arange(4) / 30
    tracks = [{"node": j, "path": "rotation", "times": times, "values": values[:, j]}
              for j in range(22)]  # fmt: skip
    tracks.append({"node": 0, "path": "translation", "times": times, "values": motion.root})
    for node in nodes:
        if not node["children"]:
            del node["children"]
    path = tmp_path / "person"  # the content decides
    path.write_bytes(glb(nodes, tracks))
    found = read_motions(path)[0]
    torch.testing.assert_close(found.joints(), motion.joints(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("nodes", "more"),
    [
        ([{"children": [1]}, {"children": [0]}], {}),
        ([{"children": [7]}], {}),
        ([{"rotation": "x"}], {}),
        ([{}], {"animations": [{"samplers": [], "channels": [{"sampler": 3, "target": {
            "node": 0, "path": "rotation"}}]}]}),
        ([{}], {"animations": []}),
        ([{}], {"accessors": [{"componentType": 5126, "count": 10**9, "type": "SCALAR"}] * 2}),
    ],
)  # fmt: skip
def test_a_damaged_glb_is_one_line(nodes: list[dict[str, object]], more: dict[str, object]) -> None:
    track = {"node": 0, "path": "translation", "times": [0.0, 1], "values": [[0.0, 0, 0]] * 2}
    with pytest.raises(InputError) as error:
        read_glb_animations(glb(nodes, [track], **more), "a.glb")
    assert str(error.value).startswith("a.glb: ") and "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bvh"
    path.write_text("no motion")
    with pytest.raises(InputError, match="neither BVH, GLB nor NPZ"):
        read_motions(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_motions(tmp_path / "none.bvh")
    with pytest.raises(InputError, match="folder"):
        read_motions(tmp_path)
