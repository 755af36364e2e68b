"""Loading of StyleGAN networks from checked files."""

from __future__ import annotations

from pathlib import Path

import torch

from guidance.errors import InputError
from guidance.models.foreign.configuration import read_json
from guidance.models.foreign.fitting import check_fits, without_memory
from guidance.models.foreign.places import PACKAGED, check_places
from guidance.models.foreign.tensors import check_tensors, read_header
from guidance.models.store import EMBEDDED, Repository, hub_folder, missing
from guidance.stylegan.networks.configuration import read_config
from guidance.stylegan.networks.network import StyleGAN


def find_folder(name: str) -> Path:
    """The folder of a network: "mini-stylegan", "hf-hub:org/repository", or a folder's path.

    Raises:
        InputError: an unknown name, or a file instead of a folder.
        MissingWeights: the weights are not on this machine.
    """
    schema, _, rest = name.partition(":")
    if schema == "hf-hub":
        return hub_folder(Repository.parse(rest), name)
    if name in ("mini", "mini-stylegan"):
        folder = PACKAGED / EMBEDDED["mini-stylegan"]
    else:
        folder = Path(rest if schema == "local-dir" else name).expanduser()
    if folder.is_file():
        raise InputError(
            f"{folder}: expected the folder of a StyleGAN network, got a file; convert it with "
            f"`guide models convert {folder}`"
        )
    if not folder.is_dir():
        raise missing(name, folder)
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
