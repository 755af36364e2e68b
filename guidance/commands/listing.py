"""`guide list`: tasks and components."""

from __future__ import annotations

from collections.abc import Mapping

from guidance.config.kinds import (
    CAMERAS,
    EDIT_METHODS,
    ENCODERS,
    IMAGE_GENERATORS,
    LOSSES,
    MESH_MODES,
    MOTION_GENERATORS,
    STYLE_GENERATORS,
    TASKS,
    names,
)
from guidance.errors import InputError
from guidance.models.catalogue import list_models

KINDS = {
    "tasks": TASKS,
    "generators of text2image": IMAGE_GENERATORS,
    "generators of text2motion": MOTION_GENERATORS,
    "generators of stylize": STYLE_GENERATORS,
    "methods of style_edit": EDIT_METHODS,
    "modes of text2mesh": MESH_MODES,
    "losses": LOSSES,
    "cameras": CAMERAS,
}
#: Forms of names of models.
ENCODER_NAMES = {
    "MODEL/TAG": "a model of open_clip, e.g. ViT-B-32/openai",
    "hf-hub:ORG/REPO": "a repository of the Hugging Face hub",
    "local-dir:FOLDER": "a folder with a model in the format of open_clip",
}
DENOISER_NAMES = {
    "hf-hub:ORG/REPO": "a repository of the Hugging Face hub in the layout of diffusers",
    "local-dir:FOLDER": "a folder in this layout",
}


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if words in (["-h"], ["--help"]):
        print(
            "usage: guide list\n\nLists tasks, generators, mesh modes, losses, cameras and models."
        )
        return 0
    if words:
        raise InputError(f"list: takes no arguments, got {words[0]!r:.40}")
    for title, kind in KINDS.items():
        print(f"{title}:")
        _print(names(kind))
    others = {name: line for name, line in names(ENCODERS).items() if name != ENCODERS.others}
    print("encoders (--encoder of the loss clip and others):")
    _print({**_embedded("encoder"), **others, **ENCODER_NAMES})
    print("denoisers (--denoiser of score distillation and of the generators latent and noise):")
    _print({**_embedded("denoiser"), **DENOISER_NAMES})
    print("`guide models list` shows the models of the catalogue, with sizes and licenses;")
    print("docs/generators.md shows an image of each generator.")
    return 0


def _print(lines: Mapping[str, str]) -> None:
    for name, line in lines.items():
        print(f"  {name:<20} {line}")
    print()


def _embedded(kind: str) -> dict[str, str]:
    """The models that come with the package and can be chosen."""
    models = (each for each in list_models() if each.kind == kind and each.folder is not None)
    return {each.name: each.serves for each in models if "judg" not in each.serves}
