"""Avatars: what moves, what stays, and what of a user's rig is in the files."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from guidance.body.body import Body
from guidance.body.export.glb import write_body_glb
from guidance.body.load import load_body
from guidance.generators.mesh.avatar import MAX_BETA, MAX_CHANGE, Avatar, tiny_body
from guidance.generators.mesh.param.body_parts import PARTS, bits, part_map
from guidance.generators.mesh.param.body_texels import Surface
from guidance.generators.mesh.param.outfit import Outfit
from guidance.generators.mesh.param.posed_cameras import PosedCameras
from guidance.generators.mesh.param.poses import Poses, distinct, neutral
from guidance.motion.motion import Motion

OPTIONS = Avatar.Options(texels=32, reach=0.02, offsets_from=0)


def mask(*parts: str) -> torch.Tensor:
    """One sample, of which these parts may change."""
    return torch.tensor([[part in parts for part in PARTS]])


def perturbed(avatar: Avatar) -> Avatar:
    with torch.no_grad():
        for parameter in avatar.parameters():
            parameter.add_(0.5)
        avatar.project()
    return avatar


def waving() -> Motion:
    """A motion whose right arm goes up."""
    rotations, root = neutral()
    rotations = rotations.repeat(3, 1, 1, 1)
    rotations[1:, 17] = torch.eye(3)
    return Motion(rotations, root.repeat(3, 1))


def test_shape_and_offsets_are_bounded() -> None:
    first = torch.tensor([[0.0, 1.5]])
    avatar = Avatar(tiny_body(), [0], (), OPTIONS, betas=first)
    with torch.no_grad():
        avatar.betas.fill_(9.0)
        avatar.offsets.normal_()
        avatar.project()
    assert torch.equal(avatar.betas, torch.tensor([[MAX_CHANGE, MAX_BETA]]))
    assert torch.allclose(avatar.offsets.norm(dim=-1), torch.tensor(0.02))


def test_parts_that_may_not_change_stay_to_the_bit() -> None:
    avatar = perturbed(Avatar(tiny_body(), [0], (), OPTIONS, change=mask("chest", "belly")))
    base = avatar.texels.get_buffer("base")
    size = avatar.map_size
    assert size == base.shape[-1]  # the larger of both: the map of the body
    parts = F.one_hot(part_map(avatar.body, 32), len(PARTS)).float().movedim(-1, 0)
    share = F.interpolate(parts[None], (size, size), mode="bilinear")[0]
    changes = share[[PARTS.index("chest"), PARTS.index("belly")]].sum(0) > 0
    texture = avatar.texture(0)
    assert torch.equal(texture[:, ~changes], base[:, ~changes])
    assert (texture[:, changes] - base[:, changes]).abs().mean() > 0.05
    offsets = avatar.moved()[0]
    legs = avatar.body.weights[:, avatar.body.canonical[4]] > 0.9  # of the left knee
    assert bool((offsets[legs] == 0).all()) and bool((offsets != 0).any())


def test_the_map_starts_with_the_named_colors_and_is_symmetric() -> None:
    red = Outfit((("chest", (0.8, 0.1, 0.1)),))
    avatar = Avatar(tiny_body(), [0], (), OPTIONS, outfits=[red])
    parts = part_map(avatar.body, 32)
    inside = avatar.texels()[0][:, parts == PARTS.index("chest")]
    # The random start and the borders of the part are all that differs.
    assert torch.allclose(inside.median(1).values, torch.tensor(red.colors["chest"]), atol=0.03)
    surface = Surface.of(avatar.body, 32, symmetric=True)
    with torch.no_grad():
        avatar.texels.levels[0].normal_()
    values = avatar.texels._grids(32)[0].flatten(1)
    # An index of an index: the mirror image of a mirror image is the texel, or a neighbor of it.
    mirrored = values[:, surface.mirror]
    exact = surface.mirror[surface.mirror] == torch.arange(32 * 32)
    assert exact.float().mean() > 0.3
    assert torch.equal(mirrored[:, exact], values[:, exact])


def test_cameras_choose_the_pose_and_the_visible_parts() -> None:
    avatar = Avatar(tiny_body(), [0], [waving()], OPTIONS)
    plain = Avatar.tiny_views(1)
    views = vars(plain)
    same = PosedCameras(**views, pose=torch.tensor([[0, 0]]))
    assert torch.equal(avatar(plain).image, avatar(same).image)
    raised = avatar(PosedCameras(**views, pose=torch.tensor([[0, 2]])))
    assert torch.equal(raised.image[:, 0], avatar(plain).image[:, 0])
    assert not torch.equal(raised.image[:, 1], avatar(plain).image[:, 1])
    shown = torch.full((1, 2), bits(["chest"]))
    chest = avatar(PosedCameras(**views, pose=torch.tensor([[0, 0]]), shown=shown))
    assert 0 < chest.alpha.sum() < 0.5 * avatar(plain).alpha.sum()


def test_chosen_poses_differ() -> None:
    poses = Poses.of([waving()])
    first, second = poses.chosen(0, 2)
    moved = poses.rotations[0, first, 17] - poses.rotations[0, second, 17]
    assert moved.abs().max() > 0.1
    assert set(poses.chosen(0, 2, skip=(first, second))).isdisjoint({first, second})


def test_repeated_poses_are_skinned_once() -> None:
    pose = torch.tensor([[7, 2, 7, 7], [3, 1, 2, 3]])
    own, place = distinct(pose)
    assert own.tolist() == [[2, 7, 2], [1, 2, 3]]
    assert torch.equal(own.gather(1, place), pose)


def described(path: Path) -> dict[str, Any]:
    """The JSON of a GLB."""
    content = path.read_bytes()
    return json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """A user's file: the body in a GLB, whose map is its occlusion map too."""
    content = write_body_glb(replace(tiny_body(), shape_basis=None, joint_basis=None))
    length = struct.unpack_from("<I", content, 12)[0]
    found = json.loads(content[20 : 20 + length])
    found["materials"][0]["occlusionTexture"] = {"index": 0}
    text = json.dumps(found).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    total = 20 + len(text) + len(rest)
    path = tmp_path / "user.glb"
    path.write_bytes(struct.pack("<4sIII4s", b"glTF", 2, total, len(text), b"JSON") + text + rest)
    return path


def test_the_rig_and_the_maps_of_a_user_stay(rig: Path, tmp_path: Path) -> None:
    avatar = perturbed(Avatar(load_body(rig), [0], [waving()], OPTIONS))
    files = avatar.export(tmp_path, 0)
    assert [path.name for path in files] == ["texture.png", "avatar.glb", "avatar.vrm"]
    before, after = described(rig), described(files[1])
    names = [sorted(node["name"] for node in each["nodes"]) for each in (before, after)]
    assert names[0] == names[1]
    assert "occlusionTexture" in after["materials"][0]
    assert len(after["images"]) == 2  # the new base color, and the map that was kept
    assert len(after["animations"]) == 1
    again: Body = load_body(files[1])
    uv = load_body(rig).uv
    assert torch.allclose(again.uv.sort(0).values, uv.sort(0).values, atol=1e-6)
    assert torch.allclose(again.base_color, avatar.texture(0), atol=1 / 255)
