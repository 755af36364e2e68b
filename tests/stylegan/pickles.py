"""Checkpoints in the layouts of other libraries, written from networks of this package.

The persistent classes have source code that writes a file, the canary, when it is executed.
"""

from __future__ import annotations

import argparse
import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from guidance.stylegan import StyleGAN, StyleGAN2Config, StyleGAN3Config

Config = StyleGAN2Config | StyleGAN3Config


class Persistent:
    """Pickled as the decorator of `torch_utils.persistence` does it."""

    def __init__(self, name: str, state: dict[str, Any], canary: Path) -> None:
        self.name, self.state, self.canary = name, state, canary

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": f"open({str(self.canary)!r}, 'w').write('executed')\n",
            "class_name": self.name,
            "state": self.state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,), None


@contextmanager
def nvlabs_modules(canary: Path) -> Iterator[type]:
    """The modules that a pickle names, while it is written; gives the class EasyDict."""

    def _reconstruct_persistent_obj(meta: Any) -> None:
        canary.write_text("called")

    class EasyDict(dict):  # type: ignore[type-arg]
        pass

    persistence = types.ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = persistence.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    util = types.ModuleType("dnnlib.util")
    EasyDict.__module__, EasyDict.__qualname__ = "dnnlib.util", "EasyDict"
    util.EasyDict = EasyDict  # type: ignore[attr-defined]
    new = {
        "torch_utils": types.ModuleType("torch_utils"),
        "torch_utils.persistence": persistence,
        "dnnlib": types.ModuleType("dnnlib"),
        "dnnlib.util": util,
    }
    sys.modules.update(new)
    try:
        yield EasyDict
    finally:
        for name in new:
            del sys.modules[name]


def nvlabs_pickle(network: StyleGAN, canary: Path, protocol: int = 4) -> bytes:
    """A network pickle; the discriminator is a small module of the same kind."""
    with nvlabs_modules(canary) as easy:
        generator = _persistent(network, "", canary, network.config)
        generator.state["z_dim"] = network.config.z_dim
        content = {
            "G": generator,
            "D": Persistent("Discriminator", _state({"b4": nn.Parameter(torch.ones(2))}), canary),
            "G_ema": generator,
            "augment_pipe": None,
            "training_set_kwargs": easy(class_name="training.dataset.ImageFolderDataset", xflip=1),
        }
        file = io.BytesIO()
        pickle.dump(content, file, protocol=protocol)
    return file.getvalue()


def _state(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that all modules of torch have."""
    return {
        "training": False,
        "_parameters": OrderedDict(parameters),
        "_buffers": OrderedDict(),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_modules": OrderedDict(),
        "_init_args": (),
        "_init_kwargs": {},
    }


def _persistent(module: nn.Module, path: str, canary: Path, config: Config) -> Persistent:
    state = _state(module._parameters)
    for name, child in module._modules.items():
        assert child is not None
        state["_modules"][name] = _persistent(child, f"{path}.{name}", canary, config)
    for name, x in module._buffers.items():
        if name != "taps":  # an identity is stored as None
            is_identity = name.endswith("_taps") and x.numel() == 1
            state["_buffers"][name.replace("_taps", "_filter")] = None if is_identity else x
    root = path.split(".")
    kind = type(module).__name__
    if kind == "StyledConvolution":
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        state["_buffers"]["resample_filter"] = torch.outer(taps, taps)
        state |= {"activation": "lrelu", "conv_clamp": config.clamp, "act_gain": np.sqrt(2)}
    if kind == "Dense":
        state |= {"activation": "lrelu" if "mapping" in root else "linear"}
        state |= {"weight_gain": np.float64(module.gain), "bias_gain": module.learning_rate}
    if kind == "StyleGAN3Synthesis":
        assert isinstance(config, StyleGAN3Config)
        state |= _arguments(config)
    if kind == "FilteredConvolution":
        state |= {"in_size": np.broadcast_to(np.asarray(36), [2]), "up_factor": module.up}
    return Persistent(kind, state, canary)


def _arguments(config: StyleGAN3Config) -> dict[str, Any]:
    arguments = {
        "channel_base": 32768, "channel_max": 512, "num_critical": config.critical_layers,
        "margin_size": config.margin, "filter_size": config.filter_size, "conv_clamp": 256,
        "use_radial_filters": config.radial, "conv_kernel": config.kernel,
        "first_stopband": config.first_stopband, "magnitude_ema_beta": 0.9,
    }  # fmt: skip
    return {"_init_kwargs": arguments, "img_resolution": config.resolution}


def rosinality_checkpoint(network: StyleGAN, latent_avg: bool = True) -> dict[str, Any]:
    """A checkpoint of stylegan2-pytorch: every tensor under its name there."""
    state: dict[str, Tensor] = OrderedDict()
    for index in range(network.mapping.num_layers):
        layer = network.mapping.get_submodule(f"fc{index}")
        for name, x in layer.state_dict().items():
            state[f"style.{index + 1}.{name}"] = x
    synthesis: Any = network.synthesis
    state["input.input"] = synthesis.b4.const[None].detach()
    number = {"conv": 0, "rgb": 0}
    for layer in synthesis.layers:
        module, count = synthesis.get_submodule(layer.name), number[layer.kind]
        first, others = ("to_rgb1", "to_rgbs") if layer.is_rgb else ("conv1", "convs")
        name = first if count == 0 else f"{others}.{count - 1}"
        state |= _rosinality_layer(name, module.state_dict(), layer.is_rgb)
        if layer.is_rgb and count:
            state[f"{name}.upsample.kernel"] = _kernel()
        if layer.name.endswith("conv0"):
            state[f"{name}.conv.blur.kernel"] = _kernel()
        if not layer.is_rgb:
            state[f"noises.noise_{count}"] = module.noise_const[None, None]
        number[layer.kind] += 1
    checkpoint: dict[str, Any] = {"g_ema": state, "args": argparse.Namespace(lr=0.002)}
    return checkpoint | ({"latent_avg": network.mapping.w_avg} if latent_avg else {})


def _kernel() -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return torch.outer(taps, taps) * 4


def _rosinality_layer(name: str, own: dict[str, Tensor], is_rgb: bool) -> dict[str, Tensor]:
    found = {
        f"{name}.conv.weight": own["weight"][None],
        f"{name}.conv.modulation.weight": own["affine.weight"],
        f"{name}.conv.modulation.bias": own["affine.bias"],
    }
    if is_rgb:
        return found | {f"{name}.bias": own["bias"][None, :, None, None]}
    found[f"{name}.noise.weight"] = own["noise_strength"][None]
    return found | {f"{name}.activate.bias": own["bias"]}
