"""From noise to poses at the rate, the place and the size of a start motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from guidance.motion.motion import Motion
from guidance.motion.networks.denoiser import (
    MotionDenoiser,
    noise_of_motion,
    num_frames,
    sample_motion,
)
from guidance.motion.networks.joint_features import heading_angle
from guidance.motion.networks.pose_features import (
    RATE,
    about_y,
    from_six,
    pose_features,
    poses_of,
    resampled_pose,
    six,
)

#: Updates that make noise reproduce a motion with few steps of the sampler, and their rate.
FIT_STEPS, FIT_RATE = 40, 0.07


class NoiseDecoder:
    """Poses that a sampler draws from noise, from the place and heading at which motions start.

    Args:
        network: the diffusion of motions.
        starts: one for each sample, with the same frames a second.
        scale: the height of the pelvis of the body at rest, divided by that of the canonical one.
        steps: of the sampler.
    """

    def __init__(
        self, network: MotionDenoiser, starts: Sequence[Motion], scale: float, steps: int
    ) -> None:
        self.network, self.starts, self.scale, self.steps = network, starts, scale, steps
        fps, longest = starts[0].fps, max(motion.num_frames for motion in starts)
        self.frames = num_frames(int(np.ceil((longest - 1) * RATE / fps)) + 1)
        self.weights = spline_weights(self.frames, np.arange(longest) * RATE / fps)
        axes = [motion.rotations[None, :, 0, [0, 2], 0] for motion in starts]
        angles = [heading_angle(axis, fps)[0, 0] for axis in axes]
        self.turn = about_y(torch.stack(angles).float())
        self.place = torch.stack([motion.root[0] for motion in starts]) * torch.tensor([1.0, 0, 1])

    def __call__(
        self, noise: Float[Tensor, "n t c"]
    ) -> tuple[Float[Tensor, "n m 22 3 3"], Float[Tensor, "n m 3"]]:
        """Rotations and positions of the pelvis, at the rate of the start motions."""
        drawn, place = poses_of(sample_motion(self.network, noise, self.steps))
        weights = self.weights.to(noise)
        turned = weights @ six(drawn).flatten(2)
        rotations = from_six(turned.reshape(*turned.shape[:2], -1, 6))
        turn = self.turn.to(noise)[:, None]
        pelvis = turn @ rotations[:, :, 0]
        root = (turn @ (weights @ place)[..., None])[..., 0] * self.scale
        return (
            torch.cat([pelvis[:, :, None], rotations[:, :, 1:]], 2),
            root + self.place.to(noise)[:, None],
        )

    def shape(self) -> tuple[int, int]:
        """Frames and features of the noise of a sample."""
        return self.frames, len(self.network.mean)

    def noise_of_starts(self) -> Float[Tensor, "n t c"]:
        """Noise from which about the start motions are drawn.

        The inversion of the sampler gives the first guess. Few steps of the sampler do not follow
        it exactly, so the noise is then fitted, with at most the norm of Gaussian noise.
        """
        features = torch.cat([self._features(motion) for motion in self.starts])
        noise = noise_of_motion(self.network, features, self.steps)
        wanted = self.network.normalized(features)
        most = noise[0].numel() ** 0.5
        mean, square = torch.zeros_like(noise), torch.zeros_like(noise)
        for count in range(1, FIT_STEPS + 1):
            gradient = self._gradient(noise, wanted)
            # Adam (arXiv 1412.6980), outside the loop of a run.
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient.square()
            size = (square / (1 - 0.999**count)).sqrt() + 1e-8
            noise = noise - FIT_RATE * mean / (1 - 0.9**count) / size
            norm = noise.flatten(1).norm(dim=1)[:, None, None]
            noise = noise * (most / norm).clamp_max(1)
        return noise

    def _gradient(
        self, noise: Float[Tensor, "n t c"], wanted: Float[Tensor, "n t c"]
    ) -> Float[Tensor, "n t c"]:
        """The gradient of the squared difference from normalized features."""
        with torch.enable_grad():
            noise = noise.detach().requires_grad_()
            drawn = self.network.normalized(sample_motion(self.network, noise, self.steps))
            (gradient,) = torch.autograd.grad((drawn - wanted).square().sum(), [noise])
        result: Tensor = gradient
        return result

    def _features(self, motion: Motion) -> Float[Tensor, "1 t c"]:
        """Features of a start motion, which stays in its last pose until the end of the windows."""
        at = torch.arange(self.frames) * (motion.fps / RATE)
        rotations, root = resampled_pose(
            motion.rotations.float(), motion.root.float(), at.clamp_max(motion.num_frames - 1)
        )
        return pose_features(rotations[None], root[None] / self.scale)


def spline_weights(frames: int, at: np.ndarray) -> Float[Tensor, "m t"]:
    """Weights of frames in cubic splines through them, at other times."""
    from scipy.interpolate import CubicSpline

    found = CubicSpline(np.arange(frames), np.eye(frames), bc_type="natural")(at)
    return torch.from_numpy(found).float()
