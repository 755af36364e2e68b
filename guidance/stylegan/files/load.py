"""Loading of StyleGAN networks from checked files."""

from __future__ import annotations

from pathlib import Path

import torch

from guidance.errors import InputError
from guidance.models.foreign.configuration import read_json
from guidance.models.foreign.fitting import check_fits, without_memory
from guidance.models.foreign.places import PACKAGED, check_places
from guidance.models.foreign.tensors import check_tensors, read_header
from guidance.models.store import EMBEDDED, missing
from guidance.stylegan.networks.configuration import read_config
from guidance.stylegan.networks.network import StyleGAN

#: Names of the network in this package.
MINI = ("mini-stylegan", "mini")


def find_folder(name: str) -> Path:
    """The folder of a network: that of this package, or a path with or without "local-dir:".

    Raises:
        InputError: there is no such folder, or a file instead of a folder.
        MissingWeights: the weights of this package, or a folder after "local-dir:", are missing.
    """
    if name in MINI:
        folder = PACKAGED / EMBEDDED[MINI[0]]
        if not folder.is_dir():
            raise missing(MINI[0], folder)
        return folder
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if folder.is_file():
        raise InputError(
            f"{folder}: expected the folder of a StyleGAN network, got a file; convert it with "
            f"`guide models convert {folder}`"
        )
    if not folder.is_dir():
        if name.startswith("local-dir:"):
            raise missing(name, folder)
        raise InputError(
            f"StyleGAN network {name!r:.120} is unknown; use {MINI[0]}, or the path of a folder "
            "that `guide models convert` wrote"
        )
    return folder


def read_stylegan(folder: Path) -> StyleGAN:
    """The network in a folder, on the CPU, in float32.

    The network is built on the meta device first, where it needs no memory, and the weights are
    read only if they are exactly its tensors.

    Raises:
        InputError: a file is missing or damaged, or weights and configuration do not match.
    """
    from safetensors.torch import load_file

    check_places(folder)
    config_path, path = folder / "config.json", folder / "model.safetensors"
    config = read_config(read_json(config_path), config_path)
    stored = without_memory(read_header(path))
    with torch.device("meta"):
        network = StyleGAN(config)
    check_fits(network.state_dict(), stored, path, config_path)
    network = StyleGAN(config)
    tensors = load_file(path)
    check_tensors(tensors, path)
    network.load_state_dict(tensors)
    return network
