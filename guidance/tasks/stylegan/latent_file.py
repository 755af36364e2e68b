"""Files of latents, by which an edit starts from the result of another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from guidance.directions.digest import network_digest
from guidance.directions.storage import Contents, read_contents, write_contents
from guidance.errors import InputError
from guidance.stylegan import StyleGAN
from guidance.stylegan.latents import Latents

FORMAT = "stylegan-latents"
NAME = re.compile(r"(addition|noise)\.(\d{1,3})")


def save_latents(path: Path, latents: Latents, network: StyleGAN) -> Path:
    """Writes the latents of one sample as safetensors."""
    assert latents.num_samples == 1, "one sample"
    names = [layer.name for layer in network.synthesis.layers]
    tensors = {f"style.{name}": style for name, style in zip(names, latents.styles, strict=True)}
    if latents.ws is not None:
        tensors["w"] = latents.ws
    tensors |= {f"addition.{index}": tensor for index, tensor in latents.additions.items()}
    for index, noise in enumerate(latents.noise or ()):
        if noise is not None:
            tensors[f"noise.{index}"] = noise
    about = {"network": network_digest(network)}
    return write_contents(path, Contents(FORMAT, about, {k: t[0] for k, t in tensors.items()}))


def load_latents(path: Path, network: StyleGAN) -> Latents:
    """The latents of one sample, on the device of the network.

    Raises:
        InputError: a file that cannot be read, or that belongs to another network.
    """
    stored = read_contents(path, FORMAT)
    if stored.text("network", path) != network_digest(network):
        raise InputError(f"{path}: its latents belong to another network; give --network")
    synthesis, tensors = network.synthesis, dict(stored.tensors)
    styles = []
    for layer in synthesis.layers:
        style = tensors.pop(f"style.{layer.name}", None)
        if style is None or style.shape != (layer.channels,):
            raise InputError(f"{path}: has no style of {layer.channels} channels for {layer.name}")
        styles.append(style[None].to(network.device))
    ws = tensors.pop("w", None)
    if ws is not None and ws.shape != (synthesis.num_ws, synthesis.w_dim):
        raise InputError(f"{path}: its latents W+ have the shape {list(ws.shape)}")
    additions: dict[int, torch.Tensor] = {}
    noise: list[torch.Tensor | None] = [None] * len(synthesis.layers)
    for name, tensor in tensors.items():
        match = NAME.fullmatch(name)
        index = int(match[2]) if match else len(noise)
        if match is None or index >= len(noise):
            raise InputError(f"{path}: has a tensor {name!a:.60} that latents do not have")
        is_addition = match[1] == "addition"
        shape = (addition_shape if is_addition else _noise_shape)(network, styles, index)
        if tensor.shape != shape:
            raise InputError(
                f"{path}: tensor {name} has the shape {list(tensor.shape)}, expected {list(shape)}"
            )
        if is_addition:
            additions[index] = tensor[None]
        else:
            noise[index] = tensor[None]
    found = Latents(
        tuple(styles),
        None if ws is None else ws[None],
        additions,
        tuple(noise) if any(each is not None for each in noise) else None,
    )
    return found.to(network.device)


def addition_shape(
    network: StyleGAN, styles: Sequence[torch.Tensor], layer: int
) -> tuple[int, ...]:
    """The shape of the output of a layer of one sample."""
    with torch.no_grad():
        after = network.synthesis.activations(styles, [layer + 1])[layer + 1]
    return tuple(after.features.shape[1:])


def _noise_shape(network: StyleGAN, styles: Sequence[torch.Tensor], layer: int) -> tuple[int, ...]:
    side = network.synthesis.layers[layer].resolution
    return (1, side, side)
