"""StyleGAN networks in pure torch, loaded by name."""

from __future__ import annotations

from weakref import WeakValueDictionary

import torch

from guidance.models.devices import indexed_device
from guidance.stylegan.networks.configuration import StyleGAN2Config, StyleGAN3Config
from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import (
    Activations,
    Noise,
    StyleLayer,
    Styles,
    Synthesis,
    as_images,
)

__all__ = [
    "Activations", "Noise", "StyleGAN", "StyleGAN2Config", "StyleGAN3Config", "StyleLayer",
    "Styles", "Synthesis", "as_images", "load_stylegan",
]  # fmt: skip

#: Loaded networks. They are frozen, so all callers share one for each combination of arguments.
_loaded: WeakValueDictionary[tuple[str, str], StyleGAN] = WeakValueDictionary()


def load_stylegan(name: str, device: str | torch.device = "cpu") -> StyleGAN:
    """A frozen StyleGAN network from weights on this machine; never downloads.

    Args:
        name: "mini-stylegan"; or the path of a folder with `config.json` and `model.safetensors`,
            as `guide models convert` writes it, with or without "local-dir:" in front.
        device: where the network runs.

    Raises:
        InputError: an unknown name, or weights that cannot be read or trusted.
        MissingWeights: the weights are not on this machine.
    """
    from guidance.stylegan.files.load import find_folder, read_stylegan

    device = indexed_device(device)
    folder = find_folder(name).resolve()
    key = (str(folder), str(device))
    network = _loaded.get(key)
    if network is None:
        network = _loaded[key] = read_stylegan(folder).frozen().to(device)
    return network
