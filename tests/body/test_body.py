"""Linear blend skinning against a slow definition, and the built-in bodies."""

from __future__ import annotations

import pytest
import torch

from guidance.body.body import Body
from guidance.body.joint_names import NAMES
from guidance.body.load import FOLDER, load_body
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from tests.body.bodies import random_rotations, slow_posed, small_body


def test_posed_is_the_slow_definition_in_values_and_gradients() -> None:
    body = small_body()
    samples, poses = 2, 3
    rotations = random_rotations(samples, poses, 22).requires_grad_()
    root = torch.randn(samples, poses, 3, dtype=torch.float64, requires_grad=True)
    betas = torch.randn(samples, 3, dtype=torch.float64, requires_grad=True)
    offsets = (0.1 * torch.randn(samples, 12, 3, dtype=torch.float64)).requires_grad_()
    inputs = (rotations, root, betas, offsets)
    fast = body.posed(rotations, root, betas, offsets)
    vertices, joints = body.shaped(betas)
    slow = torch.stack(
        [
            torch.stack(
                [
                    slow_posed(
                        body, rotations[n, t], root[n, t], vertices[n] + offsets[n], joints[n]
                    )
                    for t in range(poses)
                ]
            )
            for n in range(samples)
        ]
    )
    torch.testing.assert_close(fast, slow)
    direction = torch.randn_like(fast)
    for one, other in zip(
        torch.autograd.grad((fast * direction).sum(), inputs, retain_graph=True),
        torch.autograd.grad((slow * direction).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_one_shape_is_shared_and_another_number_of_samples_is_refused() -> None:
    body = small_body()
    rotations, root = random_rotations(4, 22), torch.zeros(4, 3, dtype=torch.float64)
    shared = body.posed(rotations, root, torch.ones(1, 3, dtype=torch.float64))
    each = body.posed(rotations, root, torch.ones(4, 3, dtype=torch.float64))
    torch.testing.assert_close(shared, each)
    with pytest.raises(ValueError, match="has to be the sample"):
        body.posed(rotations, root, torch.ones(3, 3, dtype=torch.float64))


def test_rotations_of_joints_that_a_body_lacks_reach_the_next_joint() -> None:
    body = small_body()  # without spine2
    rotations = torch.eye(3).double().repeat(22, 1, 1)
    rotations[NAMES.index("spine2")] = random_rotations(1)[0]
    turned, _ = body.joints(rotations, body.rest[1])
    torch.testing.assert_close(turned[body.names.index("head")], rotations[NAMES.index("spine2")])
    torch.testing.assert_close(turned[body.names.index("spine1")], torch.eye(3).double())


@pytest.mark.parametrize("name", ["capsule", "cc0"])
def test_built_in_bodies_stand_in_the_t_pose(name: str) -> None:
    body = load_body(name)
    rest = dict(zip(NAMES, body.skeleton.rest, strict=True))
    assert all(joint >= 0 for joint in body.canonical)
    assert float(body.template[:, 1].min()) == pytest.approx(0, abs=1e-3)
    for side, sign in (("left", 1), ("right", -1)):
        hand, shoulder = rest[f"{side}_wrist"], rest[f"{side}_shoulder"]
        torch.testing.assert_close(hand[1:], shoulder[1:], atol=2e-3, rtol=0)
        assert sign * float(hand[0] - shoulder[0]) > 0.4
        assert float(rest[f"{side}_foot"][2] - rest[f"{side}_ankle"][2]) > 0.05
    identity = torch.eye(3).repeat(22, 1, 1)
    torch.testing.assert_close(body.posed(identity, body.rest[body.pelvis]), body.template)
    torch.testing.assert_close(body.weights.sum(1), torch.ones(len(body.weights)))
    # On its own root, the body stands on the ground as the canonical skeleton does.
    root = body.placed(canonical().rest[0])
    assert float(root[1]) == pytest.approx(float(body.rest[body.pelvis, 1]), abs=1e-3)


def test_the_capsule_body_is_closed() -> None:
    body = load_body("capsule")
    edges = body.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    there = {(a, b) for a, b in edges.tolist()}
    assert len(there) == len(edges)
    assert all((b, a) in there for a, b in there)
    corners = body.template.double()[body.faces]
    assert float(torch.linalg.det(corners).sum()) / 6 == pytest.approx(0.094, abs=0.01)


@pytest.fixture(scope="module")
def cc0() -> Body:
    return load_body("cc0")


def test_the_embedded_body_is_small_and_four_joints_move_a_vertex(cc0: Body) -> None:
    assert (FOLDER / "body.safetensors").stat().st_size < 2.5e6
    assert (len(cc0.template), len(cc0.names), cc0.num_components) == (13_718, 53, 24)
    assert int((cc0.weights > 0).sum(1).max()) == 4


def test_controls_change_what_they_name(cc0: Body) -> None:
    taller = cc0.shaped(cc0.betas(height_cm=10)[None])[0][0]
    heavier = cc0.shaped(cc0.betas(weight_kg=20)[None])[0][0]

    def height(vertices: torch.Tensor) -> float:
        return float(vertices[:, 1].max() - vertices[:, 1].min())

    def volume(vertices: torch.Tensor) -> float:
        return float(torch.linalg.det(vertices.double()[cc0.faces]).sum()) / 6

    assert height(taller) - height(cc0.template) == pytest.approx(0.10, abs=0.01)
    assert height(heavier) == pytest.approx(height(cc0.template), abs=0.01)
    assert volume(heavier) - volume(cc0.template) == pytest.approx(20 / 1010, rel=0.15)


def test_the_suit_covers_the_embedded_body_below_the_neck(cc0: Body) -> None:
    assert cc0.uv is not None and cc0.face_uv is not None and cc0.base_color is not None
    size = cc0.base_color.shape[-1]
    texel = (cc0.uv[cc0.face_uv].mean(1) * size).long()
    colors = cc0.base_color[:, texel[:, 1], texel[:, 0]].T
    middle = cc0.template[cc0.faces].mean(1)
    neck = float(cc0.rest[cc0.canonical[NAMES.index("neck")], 1])
    wrist = float(cc0.rest[cc0.canonical[NAMES.index("left_wrist")], 0])
    covered = (middle[:, 1] < neck - 0.06) & (middle[:, 0].abs() < wrist - 0.03)
    reddish = colors[:, 0] > colors[:, 2] + 0.05  # skin; the suit and the shoes are not
    assert int(covered.sum()) > 8000
    assert int((reddish & covered).sum()) == 0
    assert int((reddish & ~covered).sum()) > 8000


def test_an_unknown_name_names_the_bodies() -> None:
    with pytest.raises(InputError, match="expected cc0, capsule"):
        load_body("nobody")
