"""The files to fetch and to read of a diffusion model's repository."""

from __future__ import annotations

import re
from collections.abc import Iterable

from guidance.errors import InputError
from guidance.models.foreign.tensors import PICKLES, pickle_refused

#: Folders with weights, and with small files only, of a repository in the layout of diffusers.
WEIGHTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
SMALL = ("tokenizer", "tokenizer_2", "tokenizer_3", "scheduler")
#: The endings of the small files that are read; code is never fetched.
SMALL_ENDINGS = (".json", ".txt", ".model")
#: Names that diffusers and transformers give to weights; others, such as `non_ema`, are not needed.
NAME = re.compile(
    r"(?:diffusion_pytorch_model|model)(?P<half>\.fp16)?(?:-\d+-of-\d+)?\.safetensors"
)


def choose_weights(
    names: Iterable[str], *, prefer_half: bool
) -> tuple[str | None, tuple[str, ...]]:
    """The variant ("fp16" or None) of one part to read, and its files, possibly none.

    Args:
        names: of the files in the part's folder.
        prefer_half: chooses half precision if both exist; it suffices for frozen weights.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(names):
        if match := NAME.fullmatch(name):
            found[match["half"] is not None].append(name)
    half = bool(found[True]) and (prefer_half or not found[False])
    return ("fp16" if half else None), tuple(found[half])


def files_to_fetch(files: Iterable[str], where: str) -> list[str]:
    """The files to fetch of a repository with a `model_index.json`; safetensors only.

    Raises:
        InputError: a part has only pickles, or there are no weights.
    """
    needed = ["model_index.json"]
    by_folder: dict[str, list[str]] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        by_folder.setdefault(folder, []).append(name)
    for folder in WEIGHTS:
        names = by_folder.get(folder, [])
        _, chosen = choose_weights(names, prefer_half=True)
        pickles = [name for name in names if name.endswith(PICKLES)]
        if pickles and not chosen:
            raise pickle_refused(f"{where}: {folder}/{pickles[0]}")
        small = [name for name in names if name.endswith(".json")]
        needed += [f"{folder}/{name}" for name in (*chosen, *small)]
    if len(needed) == 1:
        raise InputError(f"{where}: has no weights in {', '.join(WEIGHTS)}")
    for folder in SMALL:
        small = [name for name in by_folder.get(folder, []) if name.endswith(SMALL_ENDINGS)]
        needed += [f"{folder}/{name}" for name in small]
    return needed
