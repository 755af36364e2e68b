"""Exported bodies, evaluated by another, slow reading of glTF."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from guidance.body.capsule import capsule_body
from guidance.body.export.glb import Appearance, write_body_glb
from guidance.body.export.vrm import REQUIRED, Meta, write_vrm, write_vrma
from guidance.body.load import load_body
from guidance.errors import InputError
from tests.body.bodies import Glb, motion, renamed, split

VALIDATE = """
const v = require('gltf-validator');
const bytes = new Uint8Array(require('fs').readFileSync(process.argv[1]));
v.validateBytes(bytes).then(({ issues }) => {
  if (issues.numErrors + issues.numWarnings) throw issues;
});
"""


def test_frames_of_a_file_are_the_posed_body() -> None:
    body, clip = load_body("cc0"), motion()
    betas = torch.randn(1, body.num_components, generator=torch.Generator().manual_seed(0))
    offsets = 0.01 * torch.randn(len(body.template), 3, generator=torch.Generator().manual_seed(1))
    file = Glb(write_body_glb(body, [clip], Appearance(betas, offsets)))
    posed = body.posed(clip.rotations, body.placed(clip.root, betas), betas, offsets[None])
    for frame in range(clip.num_frames):
        expected = split(body, posed[frame]).numpy()
        np.testing.assert_allclose(file.skinned(frame), expected, atol=2e-5)
    at_rest = body.shaped(betas)[0][0] + offsets
    np.testing.assert_allclose(file.skinned(None), split(body, at_rest).numpy(), atol=2e-5)
    times = file.array(file.json["animations"][0]["samplers"][0]["input"])[:, 0]
    np.testing.assert_allclose(times, [0.0, 0.1, 0.2], atol=1e-6)


def test_the_texture_is_replaced_and_every_motion_is_an_animation() -> None:
    body = capsule_body(4)
    red = torch.zeros(3, 8, 8)
    red[0] = 1
    file = Glb(write_body_glb(body, [motion(), motion()], Appearance(base_color=red)))
    assert len(file.json["animations"]) == 2
    from guidance.geometry.io.glb import read_glb
    from guidance.geometry.io.maps import material_of

    given = read_glb(file.packed(), "x.glb").given
    assert given is not None
    material = material_of(given, "x.glb")
    assert material is not None
    torch.testing.assert_close(material.base_color, red)


def test_avatars_have_the_required_bones_and_fields() -> None:
    body = load_body("cc0")
    file = Glb(write_vrm(body, Meta("Ann", ("me",))))
    avatar = file.json["extensions"]["VRMC_vrm"]
    assert avatar["specVersion"] == "1.0"
    assert {"name", "authors", "licenseUrl"} <= set(avatar["meta"])
    bones = avatar["humanoid"]["humanBones"]
    assert set(bones) >= REQUIRED
    assert len(bones) == 53
    nodes = [bone["node"] for bone in bones.values()]
    assert len(set(nodes)) == len(nodes)
    worlds = file.worlds(None)
    at = {name: worlds[bone["node"]][:3, 3] for name, bone in bones.items()}
    assert at["leftHand"][0] > 0.5
    assert at["leftHand"][1] == pytest.approx(at["leftUpperArm"][1], abs=1e-4)
    assert at["leftToes"][2] > at["leftFoot"][2]
    assert at["leftIndexDistal"][0] > at["leftIndexProximal"][0] > at["leftHand"][0]
    assert "animations" not in file.json


def test_avatar_animations_move_the_bones_of_the_body() -> None:
    body, clip = capsule_body(4), motion()
    file = Glb(write_vrma(body, clip))
    bones = file.json["extensions"]["VRMC_vrm_animation"]["humanoid"]["humanBones"]
    assert "meshes" not in file.json and set(bones) >= REQUIRED
    expected = body.joints(clip.rotations, body.placed(clip.root))[1]
    for frame in range(clip.num_frames):
        found = np.stack([world[:3, 3] for world in file.worlds(frame)])
        np.testing.assert_allclose(found, expected[frame].numpy(), atol=1e-5)


def test_a_body_without_a_required_bone_is_no_avatar() -> None:
    body = capsule_body(4)
    object.__setattr__(body, "canonical", (*body.canonical[:15], -1, *body.canonical[16:]))
    with pytest.raises(InputError, match="VRM requires the bones head"):
        write_vrm(renamed(body, {}))


def _has_validator() -> bool:
    if shutil.which("node") is None:
        return False
    command = ["node", "-e", "require.resolve('gltf-validator')"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _has_validator(), reason="needs node with gltf-validator")
def test_khronos_finds_no_errors_and_no_warnings(tmp_path: Path) -> None:
    body = load_body("capsule")
    for name, content in {
        "a.glb": write_body_glb(body, [motion()]),
        "b.vrm": write_vrm(body),
        "c.vrma": write_vrma(body, motion()),
    }.items():
        (tmp_path / name).write_bytes(content)
        subprocess.run(["node", "-e", VALIDATE, str(tmp_path / name)], check=True)
