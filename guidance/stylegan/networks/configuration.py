"""The configurations of StyleGAN networks: `config.json` beside the weights.

Every size of a network is given here, and nothing else: two networks with the same configuration
differ in their weights only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

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


class StyleGAN3Config(StyleGANConfig):
    """StyleGAN3; the defaults are those of configuration T."""

    model_type: Literal["stylegan3"] = "stylegan3"
    resolution: Annotated[int, Field(ge=16, le=4096)]
    #: Of the output of each layer without the last, which has the channels of the image. The input
    #: has as many as the first layer.
    channels: Annotated[tuple[Width, ...], Field(min_length=2, max_length=64, strict=False)]
    kernel: Literal[1, 3] = 3  # of the convolutions; configuration R has 1
    radial: bool = False  # whether the filters after the activation are; configuration R
    critical_layers: Annotated[int, Field(ge=1, le=63)] = 2  # at the end, which use all frequencies
    first_cutoff: Annotated[float, Field(ge=0.5, le=1024)] = 2.0
    first_stopband: Annotated[float, Field(ge=1, le=1024)] = 2**2.1
    last_stopband: Annotated[float, Field(ge=1, le=8)] = 2**0.3  # relative to the cutoff
    margin: Annotated[int, Field(ge=0, le=256)] = 10  # samples outside the image, on each side
    filter_size: Annotated[int, Field(ge=2, le=32, multiple_of=2)] = 6  # taps for each sample
    upsampling: Annotated[int, Field(ge=1, le=8)] = 2  # of activations
    output_scale: Annotated[float, Field(gt=0, le=100)] = 0.25
    mapping_widths: Annotated[tuple[Width, ...], Field(max_length=32, strict=False)] = (512,)
    clamp: Annotated[float, Field(gt=0, le=1e6)] | None = 256.0

    @model_validator(mode="after")
    def _check_layers(self) -> StyleGAN3Config:
        if self.critical_layers >= len(self.channels):
            raise ValueError(f"critical_layers must be less than the {len(self.channels)} layers")
        if self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two, got {self.resolution}")
        if not self.first_cutoff < self.first_stopband <= self.resolution / 2:
            raise ValueError(
                "first_stopband must be more than first_cutoff, and at most half of resolution"
            )
        return self


Config = StyleGAN2Config | StyleGAN3Config
KINDS: dict[str, type[StyleGAN2Config] | type[StyleGAN3Config]] = {
    "stylegan2": StyleGAN2Config,
    "stylegan3": StyleGAN3Config,
}


def read_config(stored: Any, path: Path) -> Config:
    """Checks the content of a `config.json`.

    Raises:
        InputError: another kind of model, or a key or value that is not supported.
    """
    kind = stored.get("model_type") if isinstance(stored, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{path}: expected model_type {' or '.join(KINDS)}, got {kind!a:.60}")
    return KINDS[kind](**KINDS[kind].check(stored, path))
