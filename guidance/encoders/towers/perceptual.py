"""The frozen networks of LPIPS and the weights of their channels."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from guidance.errors import InputError
from guidance.models.catalogue import find_model
from guidance.models.digest import file_sha256
from guidance.models.torch_hub import read_tensors
from guidance.models.torchvision import import_torchvision

Maps = Callable[[Tensor], list[Tensor]]
#: Mean and standard deviation of images in [-1, 1]. Source: `ScalingLayer` of lpips.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


@dataclass(frozen=True)
class Layout:
    """A network of torchvision, and the layers that LPIPS uses."""

    model: str  # its name in the catalogue
    build: str  # torchvision's function
    ends: tuple[int, ...]  # maps are taken after so many layers, each time after a ReLU
    min_size: int  # pixels per side, so that the last maps are not empty
    sha256: str  # of the linear layers of lpips version 0.1


LAYOUTS = {
    "alex": Layout(
        "lpips-alex",
        "alexnet",
        (2, 5, 8, 10, 12),
        31,
        "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    ),
    "vgg": Layout(
        "lpips-vgg",
        "vgg16",
        (4, 9, 16, 23, 30),
        16,
        "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    ),
}


@dataclass(frozen=True)
class Perceptual:
    """Feature maps of images in [0, 1], from fine to coarse, and weights of their channels."""

    maps: Maps
    weights: tuple[Float[Tensor, "_"], ...] | None = None  # None: equal weights
    min_size: int = 1  # pixels per side


class Stages(nn.Module):
    """The layers of a network in stages, whose outputs are its feature maps.

    Args:
        features: the layers in order.
        ends: for each stage, the number of layers up to its end.
    """

    def __init__(self, features: nn.Sequential, ends: Sequence[int]) -> None:
        super().__init__()
        starts = (0, *ends[:-1])
        self.stages = nn.ModuleList(
            features[start:end] for start, end in zip(starts, ends, strict=True)
        )
        self.register_buffer("shift", torch.tensor(SHIFT).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(3, 1, 1))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The output of each stage for images in [0, 1]."""
        x = (2 * images - 1 - self.get_buffer("shift")) / self.get_buffer("scale")
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


def load_perceptual(network: str, device: torch.device) -> Perceptual:
    """A network of LPIPS, from the cache of torch's hub and the extra `lpips`.

    Args:
        network: "alex" or "vgg".
        device: where the network runs.

    Raises:
        InputError: another network; or the extra is not installed, or has another version.
        MissingWeights: the network's weights are not on this machine.
    """
    if network not in LAYOUTS:
        raise InputError(f"Lpips.network: expected {' or '.join(LAYOUTS)}, got {network!r:.40}")
    layout = LAYOUTS[network]
    known = find_model(layout.model)
    assert known is not None and known.file is not None
    # The small files first, so that their errors do not wait for 233 MB to be hashed.
    weights = _channel_weights(network, layout)
    return _built(layout, weights, partial(known.file.read, megabytes=known.megabytes), device)


def _built(
    layout: Layout,
    weights: tuple[Tensor, ...],
    read: Callable[[str], dict[str, Tensor]],
    device: torch.device,
) -> Perceptual:
    stored = read(layout.model)
    features = _skeleton(layout.build)
    expected = features.state_dict()
    found = {
        name.removeprefix("features."): tensor
        for name, tensor in stored.items()
        if name.startswith("features.")
    }
    if {n: t.shape for n, t in expected.items()} != {n: t.shape for n, t in found.items()}:
        raise InputError(f"{layout.model}: its file does not contain the layers of {layout.build}")
    features.load_state_dict(found, assign=True)
    for layer in features:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # in place, it would modify the map before it
    stages = Stages(features, layout.ends).requires_grad_(False).eval().to(device)
    return Perceptual(stages, tuple(w.to(device) for w in weights), layout.min_size)


def _skeleton(build: str) -> nn.Sequential:
    """The layers without values, and without the large classifier."""
    import_torchvision()
    from torchvision import models

    with torch.device("meta"):
        features: Any = getattr(models, build)(weights=None).features
    assert isinstance(features, nn.Sequential)
    return features


@cache
def _channel_weights(network: str, layout: Layout) -> tuple[Tensor, ...]:
    """The linear layers of version 0.1, read from the package lpips."""
    found = importlib.util.find_spec("lpips")
    if found is None or found.origin is None:
        raise InputError(
            "Lpips needs the package lpips, which is not installed; run: "
            "pip install 'guidance-by-gradient[lpips]'"
        )
    path = Path(found.origin).parent / "weights" / "v0.1" / f"{network}.pth"
    if not path.is_file() or file_sha256(path) != layout.sha256:
        raise InputError(
            f"{path}: expected the linear layers of lpips 0.1.4; reinstall it: "
            "pip install --force-reinstall --no-deps lpips==0.1.4"
        )
    stored = read_tensors(path)
    return tuple(stored[f"lin{i}.model.1.weight"].flatten() for i in range(len(layout.ends)))
