"""Outfits of avatars: where details are, shapes of hats and skirts, and the weights of skirts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from guidance.body.body import Body
from guidance.body.load import load_body
from guidance.generators.mesh.avatar import Avatar, tiny_body
from guidance.generators.mesh.param.body_marks import MARKS
from guidance.generators.mesh.param.body_parts import PARTS
from guidance.generators.mesh.param.body_shapes import SHAPES, worn
from guidance.generators.mesh.param.figure import Figure
from guidance.generators.mesh.param.outfit import Outfit, shaped, skinned
from guidance.generators.mesh.param.poses import Poses, neutral
from guidance.motion.motion import Motion
from guidance.tasks.avatar.costume import costumes, garments

RED = (0.8, 0.1, 0.1)


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("cc0")


def test_tables_name_what_exists() -> None:
    for outfit in costumes().values():
        assert set(outfit.shapes) <= set(SHAPES)
        assert {place for place, _ in outfit.paint} <= {*PARTS, *MARKS}
    for garment in garments().values():
        assert set(garment.shapes) <= set(SHAPES)
        assert {mark for mark, _ in garment.marks} <= set(MARKS)


def test_each_detail_covers_some_of_the_body_and_not_most_of_it(body: Body) -> None:
    figure = Figure.of(body)
    corners = body.faces.long()
    middle = torch.full((len(corners), 3), 1 / 3)
    faces = figure.sampled(torch.arange(len(corners)), middle, corners)
    for name, mark in MARKS.items():
        assert 2 <= int(mark(faces).sum()) < 0.5 * len(corners), name


def test_places_and_shapes_follow_the_size_of_a_body(body: Body) -> None:
    large = replace(body, template=2 * body.template, rest=2 * body.rest)
    small, own = Figure.of(body), Figure.of(large)
    assert torch.allclose(small.place, body.template, atol=1e-3)  # its own coordinates
    assert torch.allclose(own.place, small.place, atol=1e-4)
    outfit = (Outfit(shapes=("coat", "helmet")),)
    assert torch.allclose(shaped(large, outfit), 2 * shaped(body, outfit), atol=1e-3)


def test_a_helmet_is_an_ellipsoid(body: Body) -> None:
    figure = Figure.of(body)
    place = figure.place + worn(figure, ("helmet",))
    head = (figure.share("head neck") > 0.999) & (figure.y > 1.6)
    away = (place[head] - torch.tensor([0.0, 1.7, 0.045])) / torch.tensor([0.15, 0.165, 0.155])
    assert int(head.sum()) > 1000
    assert torch.allclose(away.norm(dim=1), torch.ones(len(away)), atol=1e-3)
    assert bool((worn(figure, ("helmet",))[figure.y < 1.5] == 0).all())


def test_a_skirt_closes_the_gap_between_the_legs(body: Body) -> None:
    figure = Figure.of(body)
    place = figure.place + worn(figure, ("dress",))
    row = (figure.y - 0.7).abs() < 0.03  # of the thighs, which are 5 cm apart there
    assert figure.x[row].abs().min() > 0.02
    assert place[row, 0].abs().min() < 0.01
    wide, deep = 0.17 + 0.3 * (1.04 - figure.y[row]), 0.125 + 0.27 * (1.04 - figure.y[row])
    radius = torch.hypot(place[row, 0] / wide, (place[row, 2] - 0.005) / deep)
    assert radius.max() < 1.03  # nothing is outside of the ellipse, and most is on it
    assert (radius > 0.95).float().mean() > 0.6
    assert bool((figure.x.sign() == place[:, 0].sign())[row].all())


def test_both_legs_move_a_skirt(body: Body) -> None:
    assert skinned(body, (Outfit(shapes=("helmet",)),)) is None
    weights = skinned(body, (Outfit(shapes=("dress",)), Outfit()))
    assert weights is not None
    assert torch.equal(weights[1], body.weights)
    assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:2]), atol=1e-5)
    assert int((weights[0] > 0).sum(1).max()) <= 4
    figure = Figure.of(body)
    row = (figure.y - 0.7).abs() < 0.03
    left, right = (body.names.index(f"{side}_hip") for side in ("left", "right"))
    assert body.template[:, 0][body.weights[:, left] > 0.9].min() > 0  # the left side is x > 0
    shares = weights[0, row][:, [left, right]]
    outer = figure.x[row] > 0.16
    assert shares[outer, 0].min() > 0.85 and shares[outer, 1].max() < 0.15
    near = figure.x[row].abs() < 0.05
    assert shares[near].min() > 0.25
    top = figure.y > 1.1
    assert torch.equal(weights[0, top], body.weights[top])


def test_the_file_moves_as_the_images_show(tmp_path: Path) -> None:
    rotations, root = neutral()
    turn = torch.tensor([[1.0, 0, 0], [0, 0.5, -0.8660254], [0, 0.8660254, 0.5]])
    rotations = rotations.repeat(2, 1, 1, 1)
    rotations[1:, 1] = turn  # of the left hip
    motion = Motion(rotations, root.repeat(2, 1))
    flat = replace(tiny_body(), shape_basis=None, joint_basis=None)
    options = Avatar.Options(texels=32, reach=0, offsets_from=0)
    outfit = Outfit((("hips", RED), ("thighs", RED)), ("gown", "cone_hat"))
    avatar = Avatar(flat, [0], [motion], options, outfits=[outfit])
    assert avatar._buffers["weights"] is not None
    avatar.export(tmp_path, 0)
    again = load_body(tmp_path / "avatar.glb")
    poses = Poses.of([motion])
    shown = avatar.posed(Avatar.tiny_views(1))[0, 0]
    loaded = again.posed(poses.rotations[0, 0], again.placed(poses.root[:1, 0])[0])
    # The file may order vertices otherwise, and splits them at the seams of the map.
    assert torch.cdist(shown, loaded).amin(1).max() < 2e-3
    bent = again.posed(poses.rotations[0, 2], again.placed(poses.root[:1, 2])[0])
    own = avatar._placed.posed(
        poses.rotations[:1, 2], avatar._placed.placed(poses.root[:1, 2]), None,
        avatar._offsets(), avatar._buffers["weights"],
    )[0]  # fmt: skip
    assert torch.cdist(own, bent).amin(1).max() < 2e-3
    assert not torch.allclose(own, shown, atol=0.05)
