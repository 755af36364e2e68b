"""The configurations of StyleGAN networks: `config.json` beside the weights.

Every size of a network is given here, and nothing else: two networks with the same configuration
differ in their weights only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from guidance.errors import InputError
from guidance.models.foreign.configuration import Configuration

Width = Annotated[int, Field(ge=1, le=8192)]


class StyleGANConfig(Configuration):
    """What all StyleGAN networks have."""

    z_dim: Width = 512
    w_dim: Width = 512
    c_dim: Annotated[int, Field(ge=0, le=100_000)] = 0  # numbers of a label; 0: not conditional
    embedding: Width | None = None  # numbers of an embedded label; None: w_dim
    mapping_widths: Annotated[tuple[Width, ...], Field(max_length=32, strict=False)] = (512,) * 7
    mapping_learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    image_channels: Annotated[int, Field(ge=1, le=16)] = 3
    clamp: Annotated[float, Field(gt=0, le=1e6)] | None = None


class StyleGAN2Config(StyleGANConfig):
    """StyleGAN2; the meaning of the keys is that of the arguments of `StyleGAN2Synthesis`.

    `StyleGAN2Config(channels=(128, 128, 128, 64, 32), w_dim=128)` is a network of 64 pixels.
    """

    model_type: Literal["stylegan2"] = "stylegan2"
    channels: Annotated[tuple[Width, ...], Field(min_length=1, max_length=10, strict=False)]
    skips: bool = True
    use_noise: bool = True
    taps: Annotated[
        tuple[Annotated[float, Field(ge=-1e3, le=1e3)], ...],
        Field(min_length=2, max_length=16, strict=False),
    ] = (1.0, 3.0, 3.0, 1.0)

    @property
    def resolution(self) -> int:
        """The side of images."""
        return int(4 * 2 ** (len(self.channels) - 1))


KINDS = {"stylegan2": StyleGAN2Config}


def read_config(stored: Any, path: Path) -> StyleGAN2Config:
    """Checks the content of a `config.json`.

    Raises:
        InputError: another kind of model, or a key or value that is not supported.
    """
    kind = stored.get("model_type") if isinstance(stored, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{path}: expected model_type {' or '.join(KINDS)}, got {kind!a:.60}")
    return KINDS[kind](**KINDS[kind].check(stored, path))
