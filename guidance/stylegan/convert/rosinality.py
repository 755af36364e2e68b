"""Checkpoints of rosinality's stylegan2-pytorch: `.pt` files with the generator `g_ema`.

Each tensor has another name here. Its values are the same: weights are scaled in the same way, and
upsampling convolutions are transposed convolutions in both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.models.foreign.pickled_tensors import PickledTensor, load_tensors, tensor_builders
from guidance.models.foreign.pickles import NotListed, PickleProblem
from guidance.models.foreign.torch_files import read_torch_file
from guidance.stylegan.convert.shapes import mapping_shapes
from guidance.stylegan.networks.configuration import Config, read_config

#: Parts of a layer: the name in the checkpoint -> the name here.
PARTS = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "activate.bias": "bias",
    "bias": "bias",
    "noise.weight": "noise_strength",
}
#: Taps of a filter.
MAX_TAPS = 64
FILTER = re.compile(r"(convs\.\d{1,2}\.conv\.blur|to_rgbs\.\d{1,2}\.upsample)\.kernel", re.ASCII)
#: Patterns of names of layers -> the name of the layer here, from the number in the pattern.
LAYERS: tuple[tuple[re.Pattern[str], Callable[[int], str]], ...] = (
    (re.compile(r"conv1()"), lambda _: "b4.conv1"),
    (re.compile(r"to_rgb1()"), lambda _: "b4.torgb"),
    (re.compile(r"convs\.(\d{1,2})", re.ASCII), lambda n: f"b{8 * 2 ** (n // 2)}.conv{n % 2}"),
    (re.compile(r"to_rgbs\.(\d{1,2})", re.ASCII), lambda n: f"b{8 * 2**n}.torgb"),
)


def read_checkpoint(path: Path) -> tuple[dict[str, PickledTensor], PickledTensor | None]:
    """The tensors of `g_ema`, and the mean of w if it is stored.

    Raises:
        InputError: the file is not such a checkpoint, is damaged, or asks for other names.
    """
    try:
        content = read_torch_file(path, tensor_builders())
    except NotListed as problem:
        raise InputError(
            f"{path}: its pickle {problem}, which is neither a tensor nor a container; it was not "
            "executed: give a checkpoint that holds state dictionaries"
        ) from None
    except PickleProblem as problem:
        raise InputError(f"{path}: {problem}; it was not executed") from None
    generator = content.get("g_ema") if isinstance(content, dict) else None
    if not isinstance(generator, dict) or not all(
        isinstance(name, str) and isinstance(x, PickledTensor) for name, x in generator.items()
    ):
        raise InputError(
            f"{path}: expected a checkpoint with the generator g_ema, as rosinality's "
            "stylegan2-pytorch writes it"
        )
    mean = content.get("latent_avg")
    return generator, mean if isinstance(mean, PickledTensor) else None


def convert(path: Path) -> tuple[Config, dict[str, Tensor]]:
    """The configuration and the tensors of a checkpoint; `mapping.w_avg` only if it is stored.

    Raises:
        InputError: see `read_checkpoint`; or the names or shapes are not those of StyleGAN2.
    """
    generator, mean = read_checkpoint(path)
    try:
        loaded = load_tensors(generator)
        kernels = [loaded.pop(name) for name in list(loaded) if FILTER.fullmatch(name)]
        tensors = {}
        for name, tensor in loaded.items():
            own, shape = own_name(name, tuple(tensor.shape))
            tensors[own] = tensor.reshape(shape)
        if mean is not None:
            tensors["mapping.w_avg"] = load_tensors({"mean": mean})["mean"].reshape(-1)
        stored = _config(tensors, kernels)
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: this network is not supported: {reason:.150}") from None
    return read_config(stored, path), tensors


def own_name(name: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """The name and the shape of a tensor here.

    Raises:
        ValueError: the name is not that of a tensor of StyleGAN2.
    """
    if name == "input.input":
        return "synthesis.b4.const", shape[1:]
    if match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name, re.ASCII):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}", shape
    if match := re.fullmatch(r"noises\.noise_(\d{1,2})", name, re.ASCII):
        number = int(match[1])
        layer = "b4.conv1" if number == 0 else LAYERS[2][1](number - 1)
        return f"synthesis.{layer}.noise_const", shape[2:]
    for pattern, layer_of in LAYERS:
        if (match := pattern.match(name)) and name[match.end() : match.end() + 1] == ".":
            part = PARTS.get(name[match.end() + 1 :])
            if part is not None:
                return f"synthesis.{layer_of(int(match[1] or 0))}.{part}", _own_shape(part, shape)
    raise ValueError(f"tensor {name!a:.60} is not one of StyleGAN2")


def _own_shape(part: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if part == "weight":
        return shape[1:]  # without the dimension of samples
    if part == "noise_strength":
        return ()
    return (shape[1],) if len(shape) == 4 else shape


def _config(tensors: Mapping[str, Tensor], kernels: list[Tensor]) -> dict[str, Any]:
    shapes: dict[str, Any] = {name: tuple(x.shape) for name, x in tensors.items()}
    channels: list[int] = []
    while (name := f"synthesis.b{4 * 2 ** len(channels)}.conv1.weight") in shapes:
        channels.append(shapes[name][0])
    if not channels:
        raise ValueError("it has no layers of StyleGAN2")
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    if any(kernel.ndim != 2 or max(kernel.shape) > MAX_TAPS for kernel in kernels):
        raise ValueError("its filters of upsampling are too large")
    if kernels:
        taps = kernels[0].sum(dim=0) / kernels[0].sum()
    for kernel in kernels:
        product = torch.outer(taps, taps)
        if kernel.shape != product.shape or not torch.allclose(
            kernel / kernel.sum(), product, atol=1e-6
        ):
            raise ValueError("its filters of upsampling differ, or are not separable")
    return {
        "model_type": "stylegan2",
        **mapping_shapes(shapes, shapes["synthesis.b4.conv1.affine.weight"][1]),
        "channels": channels,
        "image_channels": shapes["synthesis.b4.torgb.weight"][0],
        "taps": taps.tolist(),
    }
