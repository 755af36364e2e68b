"""What open_clip knows of an architecture and a tag, such as "ViT-B-32/openai"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guidance.errors import InputError
from guidance.models.store import Repository, pickle_refused
from guidance.models.torchvision import import_torchvision


def read_tag(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """open_clip's `model_cfg` of an architecture, and its facts of a tag.

    Raises:
        InputError: it knows no such architecture or tag.
    """
    import_torchvision()
    import open_clip

    architecture, _, tag_name = name.rpartition("/")
    config = open_clip.get_model_config(architecture) if architecture else None
    if config is None:
        raise InputError(
            f"encoder {name!r} is unknown; use mini, an open_clip architecture and tag such as "
            "ViT-B-32/openai, hf-hub:org/repository or local-dir:PATH"
        )
    tag = open_clip.get_pretrained_cfg(architecture, tag_name)
    if not tag:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(architecture)) or "none"
        raise InputError(f"encoder {name!r}: {architecture} has no such tag; it has: {tags}")
    return config, tag


def tag_repository(name: str) -> tuple[Repository, str | None, Mapping[str, Any]]:
    """The repository of a tag, its checkpoint's file where it is named, and its `text_cfg`.

    Raises:
        InputError: no such tag, or it is only published as a pickle.
    """
    config, tag = read_tag(name)
    repository, _, filename = tag.get("hf_hub", "").rpartition("/")
    if not repository:
        raise pickle_refused(f"{name}: {tag.get('url') or 'its checkpoint'}")
    return Repository(repository), filename or None, config["text_cfg"]
