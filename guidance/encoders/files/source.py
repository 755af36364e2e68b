"""The files and the configuration of an image-text model, by its name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.errors import InputError, MissingWeights
from guidance.models.catalogue import find_model
from guidance.models.families import family_of
from guidance.models.foreign.places import PACKAGED, check_places
from guidance.models.store import (
    EMBEDDED,
    Repository,
    find_checkpoint,
    hub_folder,
    missing,
)
from guidance.models.tags import read_tag, tag_repository
from guidance.models.torch_hub import TorchFile

#: open_clip's defaults for missing keys of `preprocess_cfg`.
PREPROCESSING = {
    "mean": (0.48145466, 0.4578275, 0.40821073),  # OpenAI's
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}
#: The name of ImageBind, and its checkpoint in the cache of torch's hub.
IMAGEBIND = "imagebind"
IMAGEBIND_FILE = TorchFile("https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth")


@dataclass(frozen=True)
class Source:
    """The files and settings from which a model is built."""

    name: str  # as given by the user
    folder: Path
    checkpoint: Path
    #: open_clip's model_cfg; with "dual", that of a model of transformers; or {"imagebind": True}.
    config: dict[str, Any]
    preprocessing: dict[str, Any]  # open_clip's preprocess_cfg, without the size
    family: str  # if the model's card does not give one


def find_source(name: str) -> Source:
    """Finds the files of a model on this machine.

    Raises:
        InputError: an unknown name, an invalid configuration, or only pickles.
        MissingWeights: the weights are not on this machine.
    """
    schema, _, rest = name.partition(":")
    known = find_model(name)
    if known is not None and known.kind != "encoder":
        raise InputError(
            f"encoder {name!r} is unknown: it is a {known.kind}; use mini, or another encoder of: "
            "guide models list"
        )
    if name == IMAGEBIND:
        return _imagebind_source(name, IMAGEBIND_FILE.path)
    if name in EMBEDDED:
        return _folder_source(name, PACKAGED / EMBEDDED[name])
    if schema == "local-dir":
        return _folder_source(name, Path(rest).expanduser())
    if schema == "hf-hub":
        return _folder_source(name, hub_folder(Repository.parse(rest), name))
    return _tag_source(name)


def _folder_source(name: str, folder: Path) -> Source:
    path = folder / "open_clip_config.json"
    if not folder.is_dir():
        raise missing(name, folder)
    if (folder / IMAGEBIND_FILE.name).is_file():
        return _imagebind_source(name, folder / IMAGEBIND_FILE.name)
    if not path.is_file() and (folder / "config.json").is_file():
        return _dual_source(name, folder)
    if not path.is_file():
        raise InputError(
            f"{folder}: has no open_clip_config.json; use a model in open_clip's format"
        )
    check_places(folder)
    config, preprocessing = _read_own(path) if name in EMBEDDED else _read_foreign(path)
    tower, text = config["vision_cfg"], config["text_cfg"]
    names = (name, str(tower.get("timm_model_name")), str(text.get("hf_tokenizer_name")))
    return Source(
        name=name,
        folder=folder,
        checkpoint=find_checkpoint(folder, name),
        config=config,
        preprocessing=PREPROCESSING | preprocessing,
        family=_family(*names),
    )


def _read_own(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two parts of the configuration of an embedded model, which needs no check."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return stored["model_cfg"], stored["preprocess_cfg"]


def _read_foreign(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from guidance.models.foreign.openclip import read_openclip  # its classes take 0.1 s

    return read_openclip(path)


def _dual_source(name: str, folder: Path) -> Source:
    """A model of transformers; see `guidance.encoders.files.dual`."""
    from guidance.models.foreign.dual_encoders import read_dual, read_image_processor

    check_places(folder)
    config = read_dual(folder / "config.json")
    images = folder / "preprocessor_config.json"
    images = images if images.is_file() else folder / "processor_config.json"
    text = config["text_config"]
    length = min(512, text.get("max_position_embeddings", 77))
    if text["model_type"] in ("roberta", "xlm-roberta"):
        length -= 2  # their first positions are those of padding
    tokens = {"hf_tokenizer_name": "tokenizer", "context_length": length}
    return Source(
        name=name,
        folder=folder,
        checkpoint=find_checkpoint(folder, name),
        config={"dual": config, "text_cfg": tokens},
        preprocessing=PREPROCESSING | read_image_processor(images),
        family=_family(name, config["model_type"]),
    )


def _imagebind_source(name: str, checkpoint: Path) -> Source:
    """ImageBind, whose checkpoint determines everything."""
    if not checkpoint.is_file():
        raise MissingWeights(
            f"{name}: no weights at {checkpoint}; if their license (CC BY-NC-SA 4.0) allows your "
            f"use, put {IMAGEBIND_FILE.url} there (4.8 GB)"
        )
    check_places(checkpoint.parent)
    return Source(
        name=name,
        folder=checkpoint.parent,
        checkpoint=checkpoint,
        config={"imagebind": True, "text_cfg": {}},
        preprocessing=dict(PREPROCESSING),
        family="clip",  # its towers for images and texts are those of OpenCLIP's ViT-H/14
    )


def _tag_source(name: str) -> Source:
    known = find_model(name)
    if known and known.repository and known.kind == "encoder":
        hub_folder(known.repository, name)  # reports missing weights before open_clip is imported
    config, tag = read_tag(name)
    repository, filename, _ = tag_repository(name)
    folder = hub_folder(repository, name)
    # The activation belongs to the tag. open_clip builds that of the architecture and only warns,
    # which is wrong for OpenAI's weights.
    config["quick_gelu"] = bool(tag.get("quick_gelu") or config.get("quick_gelu"))
    return Source(
        name=name,
        folder=folder,
        checkpoint=find_checkpoint(folder, name, filename),
        config=config,
        preprocessing=PREPROCESSING | {key: tag[key] for key in PREPROCESSING if key in tag},
        family=_family(name, repository.name),
    )


def _family(name: str, *more_names: str) -> str:
    known = find_model(name)
    return known.family if known else family_of(name, *more_names)
