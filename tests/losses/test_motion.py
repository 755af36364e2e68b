"""Losses of motions: known values, gradients, padding, and independent samples."""

from __future__ import annotations

import importlib
import math
import pkgutil
from dataclasses import replace

import pytest
import torch

import guidance.losses
from guidance.body.joint_names import NAMES
from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.losses.foot_skate import FootSkate
from guidance.losses.ground import Ground
from guidance.losses.joint_acceleration import JointAcceleration
from guidance.losses.joint_position import JointPosition
from guidance.losses.look_at import LookAt
from guidance.losses.loop_closure import LoopClosure
from guidance.losses.mirror_symmetry import MirrorSymmetry
from guidance.losses.motion.base import MotionLoss
from guidance.losses.motion.targets import PointTarget, Polyline, Solid, Span
from guidance.losses.obstacle import Obstacle
from guidance.losses.root_path import RootPath, nearest
from guidance.losses.start_distance import StartDistance
from guidance.motion.output import MotionOutput
from guidance.outputs import Rendering
from guidance.types import StepContext

FRAMES = (8, 6)


def kinds() -> list[type[MotionLoss]]:
    found = set()
    for info in pkgutil.iter_modules(guidance.losses.__path__, "guidance.losses."):
        for kind in vars(importlib.import_module(info.name)).values():
            if isinstance(kind, type) and issubclass(kind, MotionLoss) and kind is not MotionLoss:
                found.add(kind)
    return sorted(found, key=lambda kind: kind.__name__)


ALL = pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)


def output(seed: int = 0, amount: float = 0.5) -> MotionOutput:
    """Two random motions in float64, the second padded."""
    generator = torch.Generator().manual_seed(seed)
    vectors = amount * torch.randn(2, 8, 22, 3, generator=generator, dtype=torch.float64)
    root = torch.tensor([0.0, 0.8, 0.0], dtype=torch.float64)
    root = root + 0.1 * torch.randn(2, 8, 3, generator=generator, dtype=torch.float64)
    return made(vectors, root)


def made(vectors: torch.Tensor, root: torch.Tensor) -> MotionOutput:
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(*x.shape, 3, 3)
    rotations = torch.linalg.matrix_exp(skew)
    return MotionOutput.of(rotations, root, FRAMES, skeleton=canonical())


def prepared(kind: type[MotionLoss]) -> MotionLoss:
    loss = kind.tiny()
    loss.prepare(output(1).detach())
    if isinstance(loss, FootSkate):
        loss.contacts = torch.ones_like(loss.contacts)
    return loss


def value(loss: MotionLoss, motions: MotionOutput) -> torch.Tensor:
    return loss(motions, StepContext((0, 1)))


def test_all_are_found() -> None:
    assert len(kinds()) == 13


@ALL
def test_gradients_are_those_of_the_value(kind: type[MotionLoss]) -> None:
    loss, first = prepared(kind), output().leaf()

    def of(rotations: torch.Tensor, world: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        return value(loss, replace(first, rotations=rotations, world=world, joints=joints))

    leaves = first.leaves()
    assert of(*leaves).requires_grad and of(*leaves).shape == (2,)
    assert torch.autograd.gradcheck(of, leaves, fast_mode=True, eps=1e-6, atol=1e-4)


@ALL
def test_a_sample_touches_no_other_and_padding_counts_for_nothing(kind: type[MotionLoss]) -> None:
    loss, motions = prepared(kind), output()
    changed = {
        name: torch.cat([getattr(motions, name)[:1], getattr(output(5), name)[1:]])
        for name in ("rotations", "world", "joints")
    }
    ours, other = value(loss, motions), value(loss, replace(motions, **changed))
    assert ours[0] == other[0] and ours[1] != other[1]
    padding = {name: getattr(motions, name).clone() for name in changed}
    for tensor in padding.values():
        tensor[1, FRAMES[1] :] += 0.7
    assert torch.equal(value(loss, replace(motions, **padding)), ours)


@ALL
def test_images_are_refused(kind: type[MotionLoss]) -> None:
    with pytest.raises(InputError, match="expected an output of motions"):
        kind.tiny().prepare(Rendering(torch.zeros(1, 1, 3, 4, 4)))


def standing(frames: int = 8) -> MotionOutput:
    """Two people in the T-pose."""
    root = canonical().rest[0].double().expand(2, frames, 3)
    return made(torch.zeros(2, frames, 22, 3, dtype=torch.float64), root)


def test_known_values() -> None:
    still = standing()
    rest = canonical().rest
    wrist = NAMES.index("right_wrist")
    x, y, z = (float(v) for v in rest[wrist])
    target = (PointTarget(wrist, (x + 0.3, y, z - 0.4), Span(1, 3)),)
    assert value(JointPosition([target, ()]), still).tolist() == pytest.approx([0.25, 0.0])
    head = rest[NAMES.index("head")].tolist()
    aside = (PointTarget(15, (head[0] + 1, head[1], head[2] + 1), Span(0, 7)),)
    expected = 1 - math.cos(math.pi / 4)
    assert value(LookAt([aside, ()]), still).tolist() == pytest.approx([expected, 0.0])
    assert value(MirrorSymmetry(), still).abs().max() < 1e-12
    assert value(LoopClosure(), still).abs().max() < 1e-12
    # The right hand ends 10 cm beyond the wrist, and is 8 cm thick: 3 cm of it are in the sphere.
    sphere = Solid((x - 0.6, y, z), (0.45, 0.45, 0.45), True)
    assert value(Obstacle([sphere]), still).tolist() == pytest.approx([9e-4, 9e-4], rel=1e-3)
    box = Solid((x - 0.65, y, z), (0.5, 0.5, 0.5), False)
    assert value(Obstacle([box]), still).tolist() == pytest.approx([9e-4, 9e-4], rel=1e-3)


def test_moving_values() -> None:
    still = standing()
    for loss in (StartDistance(), JointAcceleration(), FootSkate(), Ground()):
        loss.prepare(still)
        assert value(loss, still).abs().max() < 1e-9
    time = torch.arange(8.0).double() / 30
    moved = torch.zeros(2, 8, 22, 3).double()
    moved[..., 0] = 0.5 * time[:, None]  # half a meter per second
    sliding = replace(still, joints=still.joints + moved)
    skate, start, jerk = FootSkate(), StartDistance(), JointAcceleration()
    for loss in (skate, start, jerk):
        loss.prepare(still)
    # Two feet, each with an ankle and a toe joint.
    assert value(skate, sliding).tolist() == pytest.approx([1.0, 1.0])
    assert value(jerk, sliding).abs().max() < 1e-9
    assert float(value(start, sliding)[0]) == pytest.approx(float((0.25 * time.square()).mean()))
    lower = replace(still, joints=still.joints - torch.tensor([0, 0.1, 0]))
    # Both toe joints, which touch the ground; the ankles are higher.
    rest = float(canonical().rest[7, 1] - canonical().rest[10, 1])
    expected = 2 * 0.1**2 + 2 * max(0.0, 0.1 - rest) ** 2
    assert float(value(Ground(), lower)[0]) == pytest.approx(expected, rel=1e-4)


def test_the_nearest_point_of_a_path() -> None:
    path = Polyline(torch.tensor([[0.0, 0], [0, 2], [2, 2]]))
    places = torch.tensor([[0.5, 1.0], [1.0, 3.0], [3.0, 2.0]])
    assert nearest(places, path).tolist() == [[0, 1], [1, 2], [2, 2]]
    still = standing()
    far = Polyline(torch.tensor([[0.2, -1.0], [0.2, 1.0]]))
    assert value(RootPath([far, None]), still).tolist() == pytest.approx([0.04, 0.0])
