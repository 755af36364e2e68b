"""Conversion of checkpoints of StyleGAN into folders that `load_stylegan` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from guidance.errors import InputError
from guidance.models.foreign.fitting import check_fits
from guidance.models.foreign.pickled_tensors import MAGIC
from guidance.models.foreign.tensors import check_tensors
from guidance.models.foreign.torch_files import ARCHIVE, PICKLE, read_start
from guidance.stylegan.convert import nvlabs, rosinality
from guidance.stylegan.files.load import read_stylegan
from guidance.stylegan.files.save import save_stylegan
from guidance.stylegan.networks.configuration import Config
from guidance.stylegan.networks.network import StyleGAN

#: The bytes of torch's number at the start of a pickle, in files before version 1.6.
LEGACY = MAGIC.to_bytes(10, "little")
#: Latents for the mean of w, where a checkpoint does not store it.
MEAN_OF = 10_000


@dataclass(frozen=True)
class Converted:
    """A converted checkpoint."""

    folder: Path
    network: StyleGAN
    notes: tuple[str, ...]  # what the user should know


def convert(path: Path, folder: Path | None = None) -> Converted:
    """Converts a checkpoint; nothing of it is executed.

    Args:
        path: a network pickle of stylegan2-ada-pytorch or stylegan3 (`.pkl`), a checkpoint of
            rosinality's stylegan2-pytorch (`.pt`), or a folder of `load_stylegan`.
        folder: of the result; by default, beside the file and with its name without the ending.

    Raises:
        InputError: another kind of file, a damaged file, a file that asks for more than data, or a
            folder that is not empty.
    """
    folder = folder or path.with_suffix("")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is not an empty folder; give another one with --output")
    network, notes = _network(path)
    save_stylegan(network, folder)
    return Converted(folder, network.frozen(), notes)


def _network(path: Path) -> tuple[StyleGAN, tuple[str, ...]]:
    if path.is_dir():
        return read_stylegan(path), ()
    start = read_start(path)
    if start[8:9] == b"{" and path.suffix == ".safetensors":
        return read_stylegan(path.parent), ()
    if start.startswith(ARCHIVE) or LEGACY in start:
        return _built(*rosinality.convert(path), path)
    if start.startswith(PICKLE):
        found = nvlabs.convert(path)
        network, notes = _built(found.config, found.tensors, path)
        _check_filters(network, found.filters, path)
        return network, notes
    raise InputError(
        f"{path}: expected a network pickle of stylegan2-ada-pytorch or stylegan3, or a checkpoint "
        "of rosinality's stylegan2-pytorch"
    )


def _built(
    config: Config, tensors: dict[str, Tensor], path: Path
) -> tuple[StyleGAN, tuple[str, ...]]:
    with torch.device("meta"):
        skeleton = StyleGAN(config)
    notes: tuple[str, ...] = ()
    has_mean = "mapping.w_avg" in tensors
    tensors.setdefault("mapping.w_avg", torch.zeros(config.w_dim))
    expected = skeleton.state_dict()
    check_fits(expected, tensors, path, Path("the layers of this network"))
    check_tensors(tensors, path)
    network = StyleGAN(config)
    network.load_state_dict(tensors)
    if not has_mean:
        network.mapping.w_avg.copy_(_mean(network))
        notes = (f"the mean of w is not stored; it was computed from {MEAN_OF} latents",)
    return network, notes


def _mean(network: StyleGAN) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(MEAN_OF, network.mapping.z_dim, generator=generator)
    with torch.no_grad():
        mean: Tensor = network.mapping(z).mean(dim=0)
    return mean


def _check_filters(network: StyleGAN, filters: Mapping[str, Tensor], path: Path) -> None:
    """Checks that filters that were designed here are those that the pickle stores."""
    for name, stored in filters.items():
        is_shared = name.endswith("resample_filter")  # by all layers of StyleGAN2
        own = network.get_buffer(
            "synthesis.taps" if is_shared else name.replace("_filter", "_taps")
        )
        if stored.ndim > own.ndim:
            own = torch.outer(own, own)
        if own.shape != stored.shape or not torch.allclose(own, stored, atol=1e-5):
            raise InputError(f"{path}: this network is not supported: its filter {name} differs")
