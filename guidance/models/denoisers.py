"""Which files of a diffusion model's repository are its weights, and which of them are needed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from guidance.errors import InputError
from guidance.models.store import PICKLES, pickle_refused

#: Folders of a repository in the layout of diffusers that hold weights, and that hold words.
WEIGHTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
SMALL = ("tokenizer", "tokenizer_2", "tokenizer_3", "scheduler")
#: What diffusers and transformers call weights; other names are of other uses (`non_ema`).
NAME = re.compile(
    r"(?:diffusion_pytorch_model|model)(?P<half>\.fp16)?(?:-\d+-of-\d+)?\.safetensors"
)


def choose_weights(
    names: Iterable[str], *, prefer_half: bool
) -> tuple[str | None, tuple[str, ...]]:
    """The variant ("fp16" or None) to read of one part, and its files; none if there are none.

    Args:
        names: of the files in the part's folder.
        prefer_half: takes half precision where both are there; frozen weights need no more.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    for name in sorted(names):
        if match := NAME.fullmatch(name):
            found[match["half"] is not None].append(name)
    half = bool(found[True]) and (prefer_half or not found[False])
    return ("fp16" if half else None), tuple(found[half])


def files_to_fetch(files: Iterable[str], where: str) -> list[str]:
    """What is needed of a repository with a `model_index.json`, safetensors only.

    Raises:
        InputError: a part has pickles only.
    """
    wanted = ["model_index.json"]
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
        wanted += [f"{folder}/{name}" for name in (*chosen, *small)]
    if len(wanted) == 1:
        raise InputError(f"{where}: has no weights in {', '.join(WEIGHTS)}")
    for folder in SMALL:
        wanted += [f"{folder}/{name}" for name in by_folder.get(folder, [])]
    return wanted
