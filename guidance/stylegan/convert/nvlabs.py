"""Network pickles of stylegan2-ada-pytorch and stylegan3.

Such a file is a pickle of a dictionary with `G_ema`, the generator. Its modules are "persistent
objects": a dictionary with the name of a class, the source code of that class, and its attributes.
Only the attributes are read: tensors, and the numbers that their shapes do not give. The source
code is never executed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.models.foreign.pickled_tensors import PickledTensor, load_tensors, tensor_builders
from guidance.models.foreign.pickles import Builders, NotListed, PickleProblem
from guidance.models.foreign.tensors import MAX_TENSORS
from guidance.models.foreign.torch_files import read_pickle_file
from guidance.stylegan.convert.shapes import mapping_shapes
from guidance.stylegan.networks.configuration import Config, read_config

#: Modules in a network, each counted once for every place that it is in.
MAX_MODULES, MAX_DEPTH = 10_000, 8
#: Taps of a filter.
MAX_TAPS = 64
LAYER = re.compile(r"L(\d{1,2})_\d{1,4}_\d{1,5}", re.ASCII)
#: Arguments of StyleGAN3 that shapes do not give: as in the pickle -> key of the configuration.
ARGUMENTS = {
    "num_critical": "critical_layers",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband",
    "margin_size": "margin",
    "output_scale": "output_scale",
    "filter_size": "filter_size",
    "lrelu_upsampling": "upsampling",
    "use_radial_filters": "radial",
    "conv_clamp": "clamp",
}


#: Buffers that follow from the configuration.
FILTERS = ("resample_filter", "up_filter", "down_filter")


@dataclass(frozen=True)
class Found:
    """The content of a network pickle."""

    config: Config
    tensors: dict[str, Tensor]  # with the names of `StyleGAN.state_dict`
    filters: dict[str, Tensor]  # those that the pickle stores


@dataclass(frozen=True)
class Module:
    """A persistent object: the name of its class, and its attributes."""

    name: str
    attributes: Mapping[str, Any]

    def group(self, key: str) -> dict[str, Any]:
        """One of the dictionaries of a module of torch: parameters, buffers or modules."""
        found = self.attributes.get(key) or {}
        return found if isinstance(found, dict) else {}

    def at(self, path: str) -> Module | None:
        """A module inside of this one, by the names on the way to it."""
        found: Any = self
        for name in path.split("."):
            found = found.group("_modules").get(name)
            if not isinstance(found, Module):
                return None
        return found if isinstance(found, Module) else None


def read_network(path: Path) -> Module:
    """The generator `G_ema` of a network pickle.

    Raises:
        InputError: the file is not such a pickle, is damaged, or asks for other names.
    """
    try:
        content = read_pickle_file(path, _builders())
    except NotListed as problem:
        if problem.module.startswith("dnnlib.tflib"):
            raise InputError(
                f"{path}: is a network of TensorFlow; convert it with legacy.py of "
                "stylegan2-ada-pytorch first, and then the file that it writes"
            ) from None
        raise InputError(
            f"{path}: its pickle {problem}, which is neither a tensor nor a container; it was not "
            "executed: give a network pickle of stylegan2-ada-pytorch or stylegan3"
        ) from None
    except PickleProblem as problem:
        raise InputError(f"{path}: its pickle {problem}; it was not executed") from None
    network = content.get("G_ema") if isinstance(content, dict) else None
    if not isinstance(network, Module):
        raise InputError(
            f"{path}: expected a dictionary with the network G_ema, as stylegan2-ada-pytorch and "
            "stylegan3 write it"
        )
    return network


def convert(path: Path) -> Found:
    """The configuration and the tensors of a network pickle.

    Raises:
        InputError: see `read_network`; or the network is neither StyleGAN2 nor StyleGAN3.
    """
    network = read_network(path)
    pickled = dict(_tensors(network, path))
    try:
        if "synthesis.b4.const" in pickled:
            stored = _stylegan2(network, pickled)
        elif "synthesis.input.freqs" in pickled:
            stored = _stylegan3(network, pickled)
        else:
            raise ValueError(f"its class {network.name!a:.60} is neither StyleGAN2 nor StyleGAN3")
        stored["mapping_learning_rate"] = _learning_rate(network)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"{error!a:.60} is missing"
        raise InputError(f"{path}: this network is not supported: {reason:.150}") from None
    tensors = _loaded(pickled, path)
    filters = {name: tensors.pop(name) for name in list(tensors) if name.endswith(FILTERS)}
    return Found(read_config(stored, path), tensors, filters)


def _loaded(pickled: Mapping[str, PickledTensor], path: Path) -> dict[str, Tensor]:
    try:
        return load_tensors(pickled)
    except PickleProblem as problem:
        raise InputError(f"{path}: its pickle {problem}") from None


def _builders() -> Builders:
    builders = dict(tensor_builders())
    builders["torch_utils.persistence", "_reconstruct_persistent_obj"] = _module
    for module in ("dnnlib", "dnnlib.util"):
        builders[module, "EasyDict"] = builders["collections", "OrderedDict"]
    return builders


def _module(meta: Any) -> Module:
    match meta:
        case {"type": "class", "class_name": str(name), "state": dict(state)}:
            return Module(name, state)
    raise PickleProblem("has a persistent object that is not a class")


def _tensors(network: Module, path: Path) -> Iterator[tuple[str, PickledTensor]]:
    """The parameters and buffers, with the names of a state dictionary."""
    waiting, count = [("", network, 0)], 0
    for _ in range(MAX_MODULES):
        if not waiting:
            return
        prefix, module, depth = waiting.pop()
        for group in ("_parameters", "_buffers"):
            for name, tensor in module.group(group).items():
                if isinstance(tensor, PickledTensor):
                    count += 1
                    if count > MAX_TENSORS:
                        raise InputError(f"{path}: has more than {MAX_TENSORS} tensors")
                    yield f"{prefix}{name}", tensor
        for name, child in module.group("_modules").items():
            if isinstance(child, Module):
                if depth >= MAX_DEPTH:
                    raise InputError(f"{path}: its modules are nested too deeply")
                waiting.append((f"{prefix}{name}.", child, depth + 1))
    raise InputError(f"{path}: has more than {MAX_MODULES} modules")


def _stylegan2(network: Module, tensors: Mapping[str, PickledTensor]) -> dict[str, Any]:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    channels: list[int] = []
    while (name := f"synthesis.b{4 * 2 ** len(channels)}.conv1.weight") in shapes:
        channels.append(shapes[name][0])
    last = 4 * 2 ** (len(channels) - 1)
    if any(name.endswith(".skip.weight") for name in shapes):
        raise ValueError("its architecture is resnet; only skip and orig are read")
    convolution = network.at("synthesis.b4.conv1")
    if convolution is None:
        raise ValueError("it has no layer b4.conv1")
    _check_activation(network)
    name = "synthesis.b4.conv1.resample_filter"
    if math.prod(shapes[name]) > MAX_TAPS**2:
        raise ValueError("its filter of upsampling is too large")
    kernel = tensors[name].load().float()
    taps = kernel if kernel.ndim == 1 else kernel.sum(dim=0)
    if kernel.ndim == 2 and not torch.allclose(torch.outer(taps, taps), kernel, atol=1e-6):
        raise ValueError("its filter of upsampling is not separable")
    return {
        "model_type": "stylegan2",
        **mapping_shapes(shapes, shapes["synthesis.b4.conv1.affine.weight"][1]),
        "channels": channels,
        "image_channels": shapes[f"synthesis.b{last}.torgb.weight"][0],
        "skips": "synthesis.b4.torgb.weight" in shapes,
        "use_noise": "synthesis.b4.conv1.noise_const" in shapes,
        "clamp": convolution.attributes.get("conv_clamp"),
        "taps": taps.tolist(),
    }


def _stylegan3(network: Module, tensors: Mapping[str, PickledTensor]) -> dict[str, Any]:
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    synthesis = network.at("synthesis")
    if synthesis is None:
        raise ValueError("it has no synthesis")
    names = sorted(
        (name for name in synthesis.group("_modules") if LAYER.fullmatch(str(name))),
        key=lambda name: int(LAYER.fullmatch(name)[1]),  # type: ignore[index]
    )
    weights = [shapes[f"synthesis.{name}.weight"] for name in names]
    arguments = synthesis.attributes.get("_init_kwargs") or {}
    return {
        "model_type": "stylegan3",
        **mapping_shapes(shapes, shapes["synthesis.input.affine.weight"][1]),
        "resolution": synthesis.attributes["img_resolution"],
        "channels": [shape[0] for shape in weights[:-1]],
        "image_channels": weights[-1][0],
        "kernel": weights[0][2],
        **{key: arguments[name] for name, key in ARGUMENTS.items() if name in arguments},
    }


def _learning_rate(network: Module) -> float:
    """The factor of the mapping's weights: the gain of its biases."""
    layer = network.at("mapping.fc0")
    rate = layer.attributes.get("bias_gain") if layer is not None else None
    if not isinstance(rate, float | int) or not math.isfinite(rate):
        raise ValueError("its mapping has no learning rate")
    return float(rate)


def _check_activation(network: Module) -> None:
    for at in ("mapping.fc0", "synthesis.b4.conv1"):
        layer = network.at(at)
        name = layer.attributes.get("activation", "lrelu") if layer is not None else "lrelu"
        if name != "lrelu":
            raise ValueError(f"its activation is {name!a:.20}; only lrelu is read")
