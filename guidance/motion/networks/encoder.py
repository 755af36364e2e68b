"""An encoder of motions and texts to a common space: a very small TMR.

Source: Petrovich et al., "TMR" (arXiv 2305.00976), for a contrastive space of motions and texts.
Deviations: convolutions instead of transformers, a bag of words instead of DistilBERT, no decoder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from guidance.models.foreign.places import PACKAGED
from guidance.motion.motion import Motion
from guidance.motion.networks.joint_features import (
    FEATURES,
    FPS,
    LONGEST,
    joint_features,
    read_joints,
)
from guidance.motion.networks.phrases import Bags

FOLDER: Final = PACKAGED / "mini_tmr"
WIDTH, SPACE, TEXT = 112, 64, 96
DILATIONS = (1, 2, 3, 4)
#: Seconds from the start of one part of a long motion to that of the next.
STRIDE_SECONDS = 2.0


class Block(nn.Module):
    """A residual block: a convolution over time of each channel, and a layer over channels."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.time = nn.Conv1d(
            width, width, 5, padding=2 * dilation, dilation=dilation, groups=width
        )
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width)
        )

    def forward(self, x: Float[Tensor, "b t c"], mask: Float[Tensor, "b t 1"]) -> Tensor:
        mixed = self.time((x * mask).transpose(1, 2)).transpose(1, 2)
        result: Tensor = x + self.layers(self.norm(mixed))
        return result


class MotionTextEncoder(nn.Module):
    """Unit vectors of motions and texts.

    Args:
        weights: the vocabulary of texts, see `guidance.motion.networks.phrases.vocabulary`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, weights: dict[str, float]) -> None:
        super().__init__()
        self.bags = Bags(weights)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        # Two frames are one token, which halves the cost.
        self.stem = nn.Linear(2 * FEATURES, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, dilation) for dilation in DILATIONS)
        self.motion = nn.Sequential(nn.LayerNorm(3 * WIDTH), nn.Linear(3 * WIDTH, SPACE))
        self.words = nn.Linear(len(weights), TEXT, bias=False)
        self.text = nn.Sequential(nn.GELU(), nn.LayerNorm(TEXT), nn.Linear(TEXT, SPACE))
        self.skip = nn.Linear(TEXT, SPACE, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def encode_joints(
        self, joints: Float[Tensor, "b t 22 3"], lengths: Int[Tensor, "b"]
    ) -> Float[Tensor, "b d"]:
        """Unit vectors of positions at `FPS`; frames from `lengths` on are ignored."""
        joints = held(joints, lengths)
        x = (joint_features(joints) - self.mean) / self.scale
        x = x.clamp(-5, 5)
        if x.shape[1] % 2:
            x = torch.cat([x, x[:, -1:]], 1)
        x = self.stem(x.reshape(len(x), -1, 2 * FEATURES))
        at = torch.arange(x.shape[1], device=x.device)
        mask = (at < (lengths[:, None] + 1) // 2).to(x)[..., None]
        for block in self.blocks:
            x = block(x, mask)
        count = mask.sum(1)
        mean = (x * mask).sum(1) / count
        spread = (((x - mean[:, None]) ** 2 * mask).sum(1) / count + 1e-6).sqrt()
        most = (x + (mask - 1) * 1e4).amax(1)
        return F.normalize(self.motion(torch.cat([mean, spread, most], 1)), dim=1)

    def encode_bags(self, bags: Float[Tensor, "b v"]) -> Float[Tensor, "b d"]:
        """Unit vectors of texts that `self.bags` has read."""
        words = self.words(bags) * 4
        return F.normalize(self.text(words) + self.skip(words), dim=1)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "b d"]:
        """Unit vectors of texts."""
        return self.encode_bags(self.bags(texts).to(self.mean.device))

    @torch.no_grad()
    def encode_motion(self, motion: Motion) -> Float[Tensor, "d"]:
        """The unit vector of a motion; a long one is the mean of its overlapping parts."""
        joints = read_joints(motion).to(self.mean.device)
        stride = round(STRIDE_SECONDS * FPS)
        starts = range(0, max(1, len(joints) - LONGEST + stride), stride)
        parts = [joints[start : start + LONGEST] for start in starts]
        lengths = torch.tensor([len(part) for part in parts], device=joints.device)
        padded = torch.stack([_padded(part, LONGEST) for part in parts])
        return F.normalize(self.encode_joints(padded, lengths).mean(0), dim=0)


def held(joints: Float[Tensor, "b t 22 3"], lengths: Int[Tensor, "b"]) -> Float[Tensor, "b t 22 3"]:
    """Positions that stay at the last frame after the end."""
    at = torch.arange(joints.shape[1], device=joints.device)
    index = torch.minimum(at[None], (lengths - 1)[:, None])
    return joints.gather(1, index[..., None, None].expand(-1, -1, *joints.shape[2:]))


def _padded(part: Float[Tensor, "t 22 3"], count: int) -> Float[Tensor, "m 22 3"]:
    return torch.cat([part, part[-1:].expand(count - len(part), -1, -1)])


@cache
def load_encoder(folder: Path = FOLDER) -> MotionTextEncoder:
    """The embedded encoder, or one that `recipes.mini_tmr` wrote; frozen, on the CPU."""
    from safetensors.torch import load_file

    card = json.loads((folder / "guidance.json").read_text(encoding="utf-8"))
    network = MotionTextEncoder(card["vocabulary"])
    stored = load_file(folder / "model.safetensors")
    network.load_state_dict({name: tensor.float() for name, tensor in stored.items()})
    return network.eval().requires_grad_(False)
