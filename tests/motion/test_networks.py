"""Features and networks of motions, against definitions and invariances."""

from __future__ import annotations

import math

import pytest
import torch

from guidance.body.skeleton import canonical
from guidance.motion.bank import load_bank
from guidance.motion.networks.denoiser import (
    STRIDE,
    WINDOW,
    MotionDenoiser,
    mixing,
    num_frames,
    sample_motion,
)
from guidance.motion.networks.encoder import MotionTextEncoder
from guidance.motion.networks.joint_features import at_rate, joint_features
from guidance.motion.networks.phrases import LETTERS, SYNONYM, Bags, features_of, vocabulary
from guidance.motion.networks.pose_features import (
    RATE,
    about_y,
    from_six,
    pose_features,
    poses_of,
    resampled_pose,
    six,
)


@pytest.mark.parametrize("name", ["walk", "cartwheel", "spin", "sleep"])
def test_features_return_the_poses_up_to_the_place_and_the_heading(name: str) -> None:
    motion = load_bank().clips[name]
    features = pose_features(motion.rotations[None], motion.root[None], motion.fps)
    rotations, root = poses_of(features, motion.fps)
    found = canonical().pose(rotations, root)[1][0]
    wanted = motion.joints()
    # Distances between all pairs of joints and times do not depend on the place.
    a, b = (torch.cdist(x, x) for x in (y.double().flatten(0, 1)[::7] for y in (found, wanted)))
    assert (a - b).abs().max() < 2e-4
    assert (found[..., 1] - wanted[..., 1]).abs().max() < 1e-5
    assert (root[0, 0, [0, 2]] == 0).all()


@pytest.mark.parametrize("which", ["poses", "joints"])
def test_features_do_not_change_with_place_and_heading(which: str) -> None:
    motion = load_bank().clips["kick"]
    turn = about_y(torch.tensor(2.0))
    way = torch.tensor([3.0, 0, -1])
    rotations = motion.rotations.clone()
    rotations[:, 0] = turn @ rotations[:, 0]
    root = motion.root @ turn.T + way
    if which == "poses":
        one = pose_features(motion.rotations[None], motion.root[None])
        two = pose_features(rotations[None], root[None])
    else:
        joints = motion.joints()
        one = joint_features(joints[None])
        two = joint_features((joints @ turn.T + way)[None])
    assert (one - two).abs().max() < 1e-3


def test_walking_forward_is_a_velocity_along_z() -> None:
    walk = load_bank().clips["walk"]
    speed = float((walk.root[-1] - walk.root[0])[2]) / walk.seconds
    features = pose_features(walk.rotations[None], walk.root[None], walk.fps)[0]
    assert features[:, 2].mean() == pytest.approx(speed, rel=0.05)
    assert features[:, 0].abs().mean() < 0.6
    assert speed > 0.5


def test_six_numbers_are_a_rotation_of_any_length() -> None:
    rotation = load_bank().clips["dance"].rotations[5]
    assert (from_six(3 * six(rotation)) - rotation).abs().max() < 1e-5
    found = from_six(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)))
    assert (found @ found.mT - torch.eye(3)).abs().max() < 1e-5
    assert (torch.linalg.det(found) - 1).abs().max() < 1e-5


def test_poses_are_differentiable_and_agree_with_differences() -> None:
    features = torch.randn(1, 3, 136, dtype=torch.float64, requires_grad=True)

    def far(values: torch.Tensor) -> torch.Tensor:
        rotations, root = poses_of(values)
        return canonical().pose(rotations, root)[1][:, -1, 20]

    assert torch.autograd.gradcheck(far, features)


def test_resampling() -> None:
    motion = load_bank().clips["wave"]
    rotations, root = resampled_pose(motion.rotations, motion.root, torch.tensor([0.0, 7, 7.5]))
    assert (rotations[1] - motion.rotations[7]).abs().max() < 1e-5
    assert (root[2] - (motion.root[7] + motion.root[8]) / 2).abs().max() < 1e-6
    line = torch.arange(31.0)[:, None, None].expand(-1, 22, 3)
    assert torch.allclose(at_rate(line, 30.0, 15.0)[:, 0, 0], torch.arange(0.0, 31, 2), atol=1e-4)


def test_a_text_is_its_stems_synonyms_and_letters() -> None:
    found = features_of("a man is waving")
    assert found["wav"] == 1 and found["greet"] == SYNONYM and found["~<wa"] == LETTERS
    weights = vocabulary([["waves"], ["jumps", "a wave"], ["walks"]])
    assert weights["wav"] == 0.1 and weights["jump"] > weights["wav"]  # log(3 / 3) and log(3 / 2)
    assert weights["jump"] == pytest.approx(math.log(3 / 2), abs=1e-4)
    rows = Bags(weights)(["waving", "unknown zzz"])
    assert rows.norm(dim=1).tolist() == pytest.approx([1, 0])


def test_the_encoder_ignores_frames_after_the_end() -> None:
    torch.manual_seed(0)
    network = MotionTextEncoder(vocabulary([["waves"], ["jumps"]])).eval()
    joints = torch.randn(2, 60, 22, 3)
    changed = joints.clone()
    changed[0, 31:] += 5
    lengths = torch.tensor([31, 60])
    one, two = network.encode_joints(joints, lengths), network.encode_joints(changed, lengths)
    assert torch.equal(one, two)
    assert one.norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    shorter = network.encode_joints(joints[:1, :40], lengths[:1])
    assert (shorter[0] - one[0]).abs().max() < 1e-5


class Ideal(MotionDenoiser):
    """The exact denoiser of data that is one window: it always predicts `clean`."""

    def __init__(self, clean: torch.Tensor) -> None:
        super().__init__()
        self.clean = clean

    def forward(self, noisy: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.clean.expand_as(noisy)


@pytest.mark.parametrize("frames", [WINDOW, WINDOW + 3 * STRIDE])
def test_the_sampler_finds_the_only_motion(frames: int) -> None:
    clean = torch.full((WINDOW, 136), 0.3)
    found = sample_motion(Ideal(clean), torch.randn(2, frames, 136), 4)
    assert found.shape == (2, frames, 136)
    assert (found - 0.3).abs().max() < 1e-4


def test_windows_are_blended_with_weights_that_fall_to_their_ends() -> None:
    ramp = torch.arange(float(WINDOW))[:, None].expand(-1, 136)
    found = sample_motion(Ideal(ramp), torch.randn(1, WINDOW + STRIDE, 136), 2)[0, :, 0]
    assert torch.allclose(found[:STRIDE], ramp[:STRIDE, 0], atol=1e-3)
    assert torch.allclose(found[-STRIDE:], ramp[-STRIDE:, 0], atol=1e-3)
    part = (torch.arange(float(STRIDE)) + 0.5) / STRIDE
    blend = (1 - part) * ramp[STRIDE:, 0] + part * ramp[:STRIDE, 0]
    assert torch.allclose(found[STRIDE:WINDOW], blend, atol=1e-3)


def test_the_sampler_has_the_gradient_of_its_steps() -> None:
    torch.manual_seed(0)
    network = MotionDenoiser().double()
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    noise = torch.randn(1, WINDOW, 136, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(sample_motion(network, noise, 3)[0, 20, 7], noise)
    way = torch.randn_like(noise)
    with torch.no_grad():
        up, down = (sample_motion(network, noise + e * way, 3)[0, 20, 7] for e in (1e-5, -1e-5))
    assert float((up - down) / 2e-5) == pytest.approx(float((gradient * way).sum()), rel=1e-5)


def test_numbers() -> None:
    assert [num_frames(n) for n in (1, 40, 41, 60, 61)] == [40, 40, 60, 60, 80]
    assert mixing(0.0) == (1.0, 0.0) and mixing(1.0)[1] == 1.0
    assert RATE == 20.0
