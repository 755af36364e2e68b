"""A direction in the space of styles, which edits images at any strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from guidance.directions.digest import network_digest, synthesis_of
from guidance.directions.storage import Contents, read_contents, write_contents
from guidance.directions.thresholds import beta_mask, count_mask
from guidance.errors import InputError
from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import Styles, Synthesis

FORMAT = "style-direction"


@dataclass(frozen=True)
class StyleDirection:
    """One step for each channel of each style, which is added to styles with a strength.

    The order of layers is that of `Synthesis.layers`. Directions of one network can be added and
    multiplied by numbers: `0.5 * smile + glasses`.
    """

    layers: tuple[str, ...]  # the names of the layers of the network
    steps: tuple[Tensor, ...]  # [c] for each layer, in standard deviations of the channel
    stds: tuple[Tensor, ...]  # [c] for each layer: standard deviations of the styles
    network: str  # see `network_digest`
    text: str = ""  # what the direction does, as in `a face -> a smiling face`
    notes: tuple[str, ...] = ()  # what the user should know about this direction

    def __post_init__(self) -> None:
        """Checks the shapes."""
        assert len(self.layers) == len(self.steps) == len(self.stds), "one vector for each layer"
        for step, std in zip(self.steps, self.stds, strict=True):
            assert step.shape == std.shape and step.ndim == 1, "one number for each channel"

    @property
    def vectors(self) -> tuple[Tensor, ...]:
        """What strength 1 adds to the style of each layer, `[c]`."""
        return tuple(step * std for step, std in zip(self.steps, self.stds, strict=True))

    @property
    def flat(self) -> Float[Tensor, "c"]:
        """The steps of all layers in one vector, in standard deviations."""
        return torch.cat(self.steps)

    @property
    def count(self) -> int:
        """How many channels change."""
        return int(torch.count_nonzero(self.flat))

    @property
    def first_layer(self) -> int:
        """The index of the first layer that changes; the number of layers if none does.

        Activations before it stay the same, see `Synthesis.activations`.
        """
        changes = [bool(step.any()) for step in self.steps]
        return changes.index(True) if any(changes) else len(changes)

    def apply(
        self, styles: Styles, strength: float | Float[Tensor, "n"] = 1.0
    ) -> tuple[Tensor, ...]:
        """The styles after the edit; differentiable in styles and strength.

        Args:
            styles: one tensor `[n, c]` for each layer.
            strength: one for all samples, or one for each. At 1, a channel moves by its step.
        """
        assert len(styles) == len(self.steps), f"expected {len(self.steps)} style vectors"
        factor = strength[:, None] if isinstance(strength, Tensor) else strength
        return tuple(
            style + factor * vector.to(style) if step.any() else style
            for style, step, vector in zip(styles, self.steps, self.vectors, strict=True)
        )

    def thresholded(self, *, count: int | None = None, beta: float | None = None) -> StyleDirection:
        """The direction of the strongest channels only: fewer channels change fewer other things.

        Args:
            count: how many channels are kept.
            beta: the smallest step that is kept, as a part of the largest one: 0 keeps all.

        Raises:
            InputError: none or both are given, or a value is out of range.
        """
        if (count is None) == (beta is None):
            raise InputError("thresholded: give either count or beta")
        flat = self.flat
        mask = count_mask(flat, count) if beta is None else beta_mask(flat, beta)  # type: ignore[arg-type]
        return self.with_flat(torch.where(mask, flat, 0))

    def normalized(self) -> StyleDirection:
        """The direction in which the strongest channel moves by one standard deviation."""
        largest = float(self.flat.abs().max())
        return self if largest == 0 else self * (1 / largest)

    def with_flat(self, flat: Float[Tensor, "c"]) -> StyleDirection:
        """The direction with other steps."""
        sizes = [len(step) for step in self.steps]
        return replace(self, steps=tuple(torch.split(flat, sizes)))

    def __add__(self, other: StyleDirection) -> StyleDirection:
        if not isinstance(other, StyleDirection):
            return NotImplemented
        if (self.network, self.layers) != (other.network, other.layers):
            raise InputError("directions of two networks cannot be added; use those of one")
        steps = tuple(
            mine + theirs * torch.nan_to_num(their_std / std, 0, 0, 0)
            for mine, std, theirs, their_std in zip(
                self.steps, self.stds, other.steps, other.stds, strict=True
            )
        )
        text = " + ".join(part for part in (self.text, other.text) if part)
        return replace(self, steps=steps, text=text, notes=(*self.notes, *other.notes))

    def __mul__(self, factor: float) -> StyleDirection:
        return replace(self, steps=tuple(factor * step for step in self.steps))

    __rmul__ = __mul__

    def __neg__(self) -> StyleDirection:
        return self * -1.0

    def __sub__(self, other: StyleDirection) -> StyleDirection:
        return self + -other

    def check(self, network: StyleGAN | Synthesis, name: str = "direction") -> None:
        """Checks that the direction is one of this network.

        Args:
            network: what the direction will be applied to.
            name: of the direction, in messages.

        Raises:
            InputError: the network has other layers, or other weights.
        """
        check_layers(network, dict(zip(self.layers, map(len, self.steps), strict=True)), name)
        if network_digest(network) != self.network:
            raise InputError(f"{name}: belongs to another network, with other weights")

    def save(self, path: Path) -> Path:
        """Writes a safetensors file."""
        tensors: dict[str, Tensor] = {}
        for layer, step, std in zip(self.layers, self.steps, self.stds, strict=True):
            tensors |= {f"step.{layer}": step, f"std.{layer}": std}
        about = {"network": self.network, "layers": list(self.layers), "text": self.text,
                 "notes": list(self.notes)}  # fmt: skip
        return write_contents(path, Contents(FORMAT, about, tensors))

    @classmethod
    def load(cls, path: Path, network: StyleGAN | Synthesis | None = None) -> StyleDirection:
        """Reads a file of `save`.

        Args:
            path: the file.
            network: if given, what the direction will be applied to; see `check`.

        Raises:
            InputError: the file cannot be read, or belongs to another network.
        """
        stored = read_contents(path, FORMAT)
        layers = _layers(stored, path)
        expected = {f"{part}.{layer}" for layer in layers for part in ("step", "std")}
        if set(stored.tensors) != expected:
            raise InputError(f"{path}: its tensors are not those of its layers")
        direction = cls(
            layers,
            tuple(stored.vector(f"step.{layer}", path) for layer in layers),
            tuple(stored.vector(f"std.{layer}", path) for layer in layers),
            stored.text("network", path),
            stored.text("text", path),
            tuple(stored.texts("notes", path)),
        )
        if network is not None:
            direction.check(network, str(path))
        return direction

    @classmethod
    def of(
        cls, network: StyleGAN | Synthesis, steps: Sequence[Tensor], stds: Sequence[Tensor],
        **more: Any,
    ) -> StyleDirection:  # fmt: skip
        """The direction of a network with these steps."""
        layers = tuple(layer.name for layer in synthesis_of(network).layers)
        return cls(layers, tuple(steps), tuple(stds), network_digest(network), **more)


def check_layers(network: StyleGAN | Synthesis, channels: dict[str, int], name: str) -> None:
    """Checks that a network has these layers with these channels, in this order.

    Raises:
        InputError: it has others.
    """
    own = {layer.name: layer.channels for layer in synthesis_of(network).layers}
    if list(own.items()) != list(channels.items()):
        raise InputError(
            f"{name}: belongs to a network with other layers: {len(channels)} layers with "
            f"{sum(channels.values())} channels instead of {len(own)} with {sum(own.values())}"
        )


def _layers(stored: Contents, path: Path) -> tuple[str, ...]:
    layers = stored.texts("layers", path)
    if len(set(layers)) != len(layers):
        raise InputError(f"{path}: a layer occurs twice")
    for layer in layers:
        if stored.vector(f"step.{layer}", path).shape != stored.vector(f"std.{layer}", path).shape:
            raise InputError(f"{path}: steps and deviations of layer {layer!r:.60} differ in shape")
    return tuple(layers)
