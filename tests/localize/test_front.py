"""The front of a mesh and the view that matches a prompt, with an encoder that knows colors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.geometry.io.files import save_mesh
from guidance.geometry.primitives import primitive
from guidance.localize.front import AZIMUTHS, CameraAim, find_aim, find_anchors, find_front
from guidance.localize.localizer import Localizer
from guidance.meshes import Mesh
from guidance.prompts import Prompt
from guidance.rendering.cameras.sampling.anchor import Anchor
from guidance.tasks.text2mesh import TextToMesh


class Onlooker(Encoder):
    """Encodes how red an image is and how much of it is covered; fronts are red, backs are not."""

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


PROMPTS = (Prompt.parse("a thing"),)
LOCALIZER = Localizer((Onlooker(),))


def prompts(*texts: str) -> tuple[Prompt, ...]:
    return tuple(map(Prompt.parse, texts))


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
def test_the_front_is_found(azimuth_deg: float) -> None:
    found = find_front(red_nosed(azimuth_deg), PROMPTS, LOCALIZER.load())
    assert found is not None
    assert abs((found - azimuth_deg + 180) % 360 - 180) <= 360 / AZIMUTHS
    aim = find_aim(red_nosed(azimuth_deg), "auto", "none", PROMPTS, LOCALIZER)
    assert (aim.front_deg, aim.anchors) == (found, ())
    assert aim.notes == (f"front: found at {found:g} degrees (0 is +z, 90 is +x)",)


def test_a_ball_has_no_front() -> None:
    assert find_front(primitive("sphere"), PROMPTS, LOCALIZER.load()) is None
    aim = find_aim(primitive("sphere"), "auto", "none", PROMPTS, LOCALIZER)
    assert aim.front_deg == 0
    assert 'no side matches "front view" better than the others' in aim.notes[0]


def test_two_equal_fronts_give_none() -> None:
    first, second = red_nosed(0.0), red_nosed(180.0)
    assert first.colors is not None and second.colors is not None
    both = torch.where(second.colors[:, :1] > 0.9, second.colors, first.colors)
    assert find_front(Mesh(first.vertices, first.faces, both), PROMPTS, LOCALIZER.load()) is None


def test_the_anchor_is_the_best_view_of_the_grey_mesh_and_the_closest_of_equal_ones() -> None:
    encoders = LOCALIZER.load()
    texts = prompts("broad", "a thing | broad:2", "narrow")
    found = find_anchors(plate(), 0.0, texts, encoders)
    # It is equally broad from +x and from -x, which are equally far from the front.
    assert found[0] is not None and abs(found[0].azimuth_deg) == 90
    assert found[1] is not None and abs(abs(found[1].azimuth_deg) - 90) <= 360 / AZIMUTHS
    assert found[2] is not None and found[2].azimuth_deg == 0
    turned = find_anchors(plate(), 60.0, prompts("broad"), encoders)[0]
    assert turned is not None and turned.azimuth_deg == 30  # relative to the front
    front = prompts("front of it")
    assert find_anchors(red_nosed(40.0), 0.0, front, encoders) == (None,)  # in grey, a ball


def test_notes_say_which_anchors_were_found() -> None:
    aim = find_aim(plate(), 0.0, "auto", prompts("broad", "broad"), LOCALIZER)
    assert len(aim.anchors) == 2 and len(aim.notes) == 1
    assert aim.notes[0].startswith("anchor of 'broad': azimuth ")
    aim = find_aim(primitive("sphere"), 0.0, "auto", prompts("broad"), LOCALIZER)
    assert aim.anchors == (None,)
    told = "anchor of 'broad': no view matches better than the others; the cameras are all around"
    assert aim.notes == (told,)


def test_given_degrees_need_no_encoder() -> None:
    nothing = Localizer(("no such encoder",))
    found = find_aim(plate(), 90.0, -30.0, prompts("x", "y"), nothing)
    assert found == CameraAim(90.0, (Anchor(-30.0),) * 2)
    assert find_aim(plate(), 90.0, "none", PROMPTS, nothing) == CameraAim(90.0)


def test_the_result_is_repeatable(tmp_path: Path) -> None:
    """What the embedded encoder finds for a plate, a second build of the task finds again."""
    path = str(save_mesh(plate(), tmp_path / "plate.obj"))
    task = TextToMesh(
        prompt="a full moon",
        mesh=path,
        cameras={"kind": "orbit", "anchor": "auto", "front": "auto"},
        device="cpu",
    )
    plans = [task.build() for _ in range(2)]
    assert plans[0].notes == plans[1].notes
    assert [note.split(":")[0] for note in plans[0].notes] == ["front", "anchor of 'a full moon'"]
    orbits: list[Any] = [plan.views for plan in plans]
    assert orbits[0] == orbits[1] and len(orbits[0].anchors) == 1
