"""Which attributes a portrait shows, read by a small classifier.

The classifier knows the portraits of the embedded StyleGAN2 and nothing else. It shares no code
and no weights with the mini CLIP, so that it can judge edits that were made with the mini CLIP.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.models.foreign.places import PACKAGED

SIDE: Final = 64  # pixels of the images that the network reads
FOLDER = PACKAGED / "mini_attributes"
WIDTHS = (24, 48, 96, 96)


class AttributeClassifier(nn.Module):
    """A convolutional network with one classification for each attribute."""

    def __init__(self, values: dict[str, tuple[str, ...]]) -> None:
        """Random initial weights.

        Args:
            values: the attributes, and the values of each.
        """
        super().__init__()
        self.values = values
        layers: list[nn.Module] = []
        width = 3
        for width_out in WIDTHS:
            layers += [
                nn.Conv2d(width, width_out, 3, 2, 1, bias=False),
                nn.BatchNorm2d(width_out),
                nn.SiLU(),
            ]
            width = width_out
        side = SIDE // 2 ** len(WIDTHS)
        layers += [nn.Flatten(), nn.Linear(width * side * side, 128), nn.SiLU(), nn.Dropout(0.1)]
        self.features = nn.Sequential(*layers)
        self.answers = nn.Linear(128, sum(map(len, values.values())))

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> dict[str, Float[Tensor, "n v"]]:
        """The logits of the values of each attribute.

        Args:
            images: images in [0, 1] of any size.
        """
        if images.shape[-2:] != (SIDE, SIDE):
            images = F.interpolate(
                images, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
            )
        logits = self.answers(self.features(images * 2 - 1))
        parts = logits.split([len(values) for values in self.values.values()], dim=1)
        return dict(zip(self.values, parts, strict=True))

    @torch.no_grad()
    def probabilities(self, images: Float[Tensor, "n 3 h w"]) -> dict[str, Float[Tensor, "n v"]]:
        """The probability of each value, in the order of `values`."""
        return {name: logits.softmax(1) for name, logits in self(images).items()}

    def names(self, images: Float[Tensor, "n 3 h w"]) -> list[dict[str, str]]:
        """The most probable value of every attribute, for each image."""
        found = {name: p.argmax(1).tolist() for name, p in self.probabilities(images).items()}
        return [
            {name: self.values[name][chosen[index]] for name, chosen in found.items()}
            for index in range(len(images))
        ]


@cache
def load_attributes() -> AttributeClassifier:
    """The embedded classifier, frozen, on the CPU."""
    from safetensors.torch import load_file

    card = json.loads((FOLDER / "guidance.json").read_text(encoding="utf-8"))
    network = AttributeClassifier({name: tuple(each) for name, each in card["attributes"].items()})
    stored = load_file(FOLDER / "model.safetensors")
    network.load_state_dict({name: _widened(tensor) for name, tensor in stored.items()})
    return network.eval().requires_grad_(False)


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
