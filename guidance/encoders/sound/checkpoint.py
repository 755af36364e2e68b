"""The checkpoint of ImageBind: where it is, its tensors, and the towers with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guidance.encoders.sound.towers import FRAMES, ImageTower, Sizes, SoundTower, TextTower, Towers
from guidance.errors import InputError
from guidance.models.foreign.fitting import check_fits
from guidance.models.foreign.pickled_tensors import PickledTensor, tensor_builders
from guidance.models.foreign.pickles import PickleProblem
from guidance.models.foreign.tensors import check_tensors, read_header
from guidance.models.foreign.torch_files import read_torch_file

#: Bytes of the checkpoint: the published one has 4.8 GB.
MAX_FILE = 2**33
#: The parts of the checkpoint that are used, and their names in `guidance.encoders.sound.towers`.
PREFIXES = {
    "modality_preprocessors.vision.cls_token": "visual.first",
    "modality_preprocessors.vision.pos_embedding_helper.pos_embed": "visual.positions",
    "modality_preprocessors.vision.rgbt_stem.proj.1.": "visual.patches.",
    "modality_trunks.vision.pre_transformer_layer.0.": "visual.norm.",
    "modality_trunks.vision.blocks.": "visual.blocks.",
    "modality_heads.vision.0.": "visual.head_norm.",
    "modality_heads.vision.2.": "visual.head.",
    "modality_preprocessors.text.token_embedding.": "text.embedding.",
    "modality_preprocessors.text.pos_embed": "text.positions",
    "modality_trunks.text.blocks.": "text.blocks.",
    "modality_heads.text.proj.0.": "text.head_norm.",
    "modality_heads.text.proj.1.": "text.head.",
    "modality_postprocessors.text.1.log_logit_scale": "logit_scale",
    "modality_preprocessors.audio.cls_token": "sound.first",
    "modality_preprocessors.audio.pos_embedding_helper.pos_embed": "sound.positions",
    "modality_preprocessors.audio.rgbt_stem.proj.": "sound.patches.",
    "modality_preprocessors.audio.rgbt_stem.norm_layer.": "sound.patch_norm.",
    "modality_trunks.audio.blocks.": "sound.blocks.",
    "modality_heads.audio.0.": "sound.head_norm.",
    "modality_heads.audio.2.": "sound.head.",
}


def build_towers(path: Path) -> Towers:
    """The towers with their weights, in float32 on the CPU.

    Raises:
        InputError: the file cannot be read, or has other tensors than those of ImageBind.
    """
    tensors = {
        name: tensor.float()
        for old, tensor in _read(path).items()
        if (name := _renamed(old)) is not None
    }
    kernel = tensors.get("visual.patches.weight")
    if kernel is None or kernel.ndim != 5 or kernel.shape[2] != FRAMES:
        raise InputError(f"{path}: is not a checkpoint of ImageBind")
    tensors["visual.patches.weight"] = kernel.sum(2)
    check_tensors(tensors, path)
    with torch.device("meta"):
        towers = _construct(tensors, path)
        check_fits(towers.state_dict(), tensors, path, Path("the towers of ImageBind"))
    towers.load_state_dict(tensors, assign=True)
    towers.visual.freeze_attention()
    return towers


def _construct(tensors: Mapping[str, Tensor], path: Path) -> Towers:
    """The towers of the sizes of the tensors, without memory; `check_fits` compares the rest."""

    def sizes(tower: str) -> Sizes:
        positions = tensors[f"{tower}.positions"].shape
        names = [name for name in tensors if name.startswith(f"{tower}.blocks.")]
        layers = len({name.split(".")[2] for name in names})
        return Sizes(positions[2], layers, positions[1])

    try:
        patch = tensors["visual.patches.weight"].shape[-1]
        dimension = len(tensors["visual.head.weight"])
        vocabulary = len(tensors["text.embedding.weight"])
        return Towers(
            ImageTower(sizes("visual"), patch, dimension),
            TextTower(sizes("text"), vocabulary, dimension),
            SoundTower(sizes("sound"), dimension),
        )
    except (KeyError, IndexError, AssertionError, ValueError) as error:
        raise InputError(f"{path}: is not a checkpoint of ImageBind ({error})") from None


def _renamed(name: str) -> str | None:
    for old, new in PREFIXES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return None


def _read(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a safetensors file, or of one that torch wrote."""
    from safetensors.torch import load_file

    size = path.stat().st_size
    if size > MAX_FILE:
        raise InputError(f"{path}: has {size} bytes, more than the {MAX_FILE} that are read")
    if path.suffix == ".safetensors":
        read_header(path)
        return load_file(path)
    try:
        content: Any = read_torch_file(path, tensor_builders())
        if not isinstance(content, dict):
            raise PickleProblem("does not hold a dictionary of tensors")
        found = {
            name: tensor
            for name, tensor in content.items()
            if isinstance(name, str) and isinstance(tensor, PickledTensor)
        }
        if sum(math.prod(tensor.shape) for tensor in found.values()) > size:
            raise PickleProblem("is damaged: its tensors are larger than the file")
        return {name: tensor.load() for name, tensor in found.items()}
    except PickleProblem as error:
        raise InputError(f"{path}: {error}") from None
