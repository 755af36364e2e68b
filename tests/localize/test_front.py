"""Where a mesh's front is and which view fits the words, told by an encoder that knows colors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import primitive
from guidance.meshes import Mesh
from guidance.rendering.cameras.sampling.anchor import Anchor
from guidance.localize.front import RING, Asked, find_aim, find_anchors, find_front
from guidance.tasks.text2mesh import TextToMesh


class Onlooker(Encoder):
    """Tells red and how much of the image is covered; fronts are red, backs are not."""

    name, family, image_size = "onlooker", "onlooker", 32
    logit_scale, logit_bias = 10.0, None
    templates, alternatives = ("{}",), ()

    def encode_image(self, images: Tensor) -> Tensor:
        red = (images[:, 0] - images[:, 1]).mean((1, 2))
        covered = (images.mean(1) < 0.99).float().mean((1, 2))
        return F.normalize(torch.stack([red, covered, torch.full_like(red, 0.3)], -1), dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = {"front": (1.0, 0.0, 0.0), "back": (-1.0, 0.0, 0.0), "broad": (0.0, 1.0, 0.0)}
        known = [rows.get(text.split()[0], (0.0, 0.0, 1.0)) for text in texts]
        return torch.tensor(known)

    def free_text_tower(self) -> None:
        pass


def asked(*prompts: str) -> Asked:
    return Asked(prompts or ("a thing",), (Onlooker(),))


def red_nosed(azimuth_deg: float) -> Mesh:
    """A grey ball with a red spot where it looks to."""
    ball = primitive("sphere")
    angle = math.radians(azimuth_deg)
    nose = torch.tensor([math.sin(angle), 0.0, math.cos(angle)])
    colors = torch.full_like(ball.vertices, 0.5)
    colors[(ball.vertices - nose).norm(dim=-1) < 0.7] = torch.tensor([1.0, 0.0, 0.0])
    return Mesh(ball.vertices, ball.faces, colors)


def plate() -> Mesh:
    """A ball that is flat from side to side, so that it is broad from +x and from -x."""
    ball = primitive("sphere")
    return Mesh(ball.vertices * torch.tensor([0.2, 1.0, 1.0]), ball.faces)


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, 180.0, 250.0])
def test_the_front_is_found_where_it_is(azimuth_deg: float) -> None:
    found = find_front(red_nosed(azimuth_deg), asked())
    assert found is not None
    assert abs((found - azimuth_deg + 180) % 360 - 180) <= 360 / RING
    aim = find_aim(red_nosed(azimuth_deg), "auto", "none", asked())
    assert (aim.front_deg, aim.anchors) == (found, ())
    assert aim.notes == (f"front: found at {found:g} degrees (0 is +z, 90 is +x)",)


def test_a_ball_has_no_front_and_is_told_to_have_none() -> None:
    assert find_front(primitive("sphere"), asked()) is None
    aim = find_aim(primitive("sphere"), "auto", "none", asked())
    assert aim.front_deg == 0
    assert "no side fits front words better than the others" in aim.notes[0]


def test_two_fronts_are_none() -> None:
    first, second = red_nosed(0.0), red_nosed(180.0)
    assert first.colors is not None and second.colors is not None
    both = torch.where(second.colors[:, :1] > 0.9, second.colors, first.colors)
    assert find_front(Mesh(first.vertices, first.faces, both), asked()) is None


def test_the_anchor_is_the_best_view_of_the_grey_mesh_and_the_nearest_of_equals() -> None:
    found = find_anchors(plate(), 0.0, asked("broad", "a thing | broad:2", "narrow"))
    # From +x and from -x it is equally broad; both are as far from the front.
    assert found[0] is not None and abs(found[0].azimuth_deg) == 90
    assert found[1] is not None and abs(abs(found[1].azimuth_deg) - 90) <= 360 / RING
    assert found[2] is not None and found[2].azimuth_deg == 0
    turned = find_anchors(plate(), 60.0, asked("broad"))[0]
    assert turned is not None and turned.azimuth_deg == 30  # counted from the front
    assert find_anchors(red_nosed(40.0), 0.0, asked("front of it")) == (None,)  # it is a grey ball


def test_an_aim_tells_where_the_cameras_gather() -> None:
    aim = find_aim(plate(), 0.0, "auto", asked("broad", "broad"))
    assert len(aim.anchors) == 2 and len(aim.notes) == 1
    assert aim.notes[0].startswith("anchor of 'broad': azimuth ")
    aim = find_aim(primitive("sphere"), 0.0, "auto", asked("broad"))
    assert aim.anchors == (None,)
    assert aim.notes == ("anchor of 'broad': no view stands out, so cameras go all around",)
    assert find_aim(plate(), 90.0, -30.0, asked("x", "y")).anchors == (Anchor(-30.0),) * 2
    assert find_aim(plate(), "90", "none", asked()).front_deg == 90


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"front": "left"}, r'front: expected "auto" or degrees from -360 to 360 .* got left'),
        ({"front": 1000}, "front: expected .* got 1000"),
        ({"anchor": "best"}, r'anchor: expected "auto", "none" or degrees .* got best'),
        ({"anchor": "nan"}, "anchor: expected .* got nan"),
        ({"backgrounds": "stripes"}, "backgrounds: expected some of solid, checker"),
        ({"formats": "glb,fbx"}, "formats: 'fbx' is unknown; use glb, obj, ply, stl"),
        ({"formats": "obj"}, "formats: glb must be among them"),
        ({"textureless": 0.5, "max_displacement": 0}, "textureless: without displacements the"),
        ({"textureless": 0.5, "mode": "deform"}, "textureless: the mesh has no colors, so all"),
    ],
)
def test_what_cannot_be_is_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        TextToMesh(prompt="a heart", **{"mesh": "cone", **given}).build()


def test_a_run_aims_by_its_own_encoder(tmp_path: Path) -> None:
    """What the embedded encoder finds of a plate, a second build finds again."""
    path = str(save_mesh(plate(), tmp_path / "plate.obj"))
    task = TextToMesh(prompt="a full moon", mesh=path, anchor="auto", front="auto", device="cpu")
    plans = [task.build() for _ in range(2)]
    assert plans[0].notes == plans[1].notes
    assert [note.split(":")[0] for note in plans[0].notes] == ["front", "anchor of 'a full moon'"]
    orbits: list[Any] = [plan.views for plan in plans]
    assert orbits[0] == orbits[1] and len(orbits[0].anchors) == 1
