"""The repository of a model name; open_clip's tables tell it for tags such as "ViT-B-32/openai"."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from guidance.errors import InputError
from guidance.models.catalogue import find_model
from guidance.models.foreign.tensors import pickle_refused
from guidance.models.store import Repository

ARCHITECTURE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
#: The name under which a part of open_clip is imported alone.
PACKAGE = "guidance_tables_of_open_clip"


def find_repository(name: str) -> tuple[Repository, str | None, Mapping[str, Any] | None]:
    """The repository of a name, the file name of its checkpoint and its `text_cfg`, if known.

    Raises:
        InputError: there is no such architecture or tag, or it is published as a pickle only.
    """
    known = find_model(name)
    if known is not None and known.kind == "denoiser" and known.repository is not None:
        return known.repository, None, {}
    if name.startswith("hf-hub:"):
        return Repository.parse(name.removeprefix("hf-hub:")), None, None
    if name.startswith("local-dir:"):
        raise InputError(f"{name}: is a folder on this machine; there is nothing to fetch")
    return tag_repository(name)


def read_tag(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """open_clip's `model_cfg` of an architecture, and its settings of a tag.

    Raises:
        InputError: open_clip has no such architecture or tag.
    """
    architecture, _, tag_name = name.rpartition("/")
    if not ARCHITECTURE.fullmatch(architecture):
        raise unknown_encoder(name)
    tables = _tables()
    path = Path(tables.__file__ or "").parent / "model_configs" / f"{architecture}.json"
    if not path.is_file():
        raise unknown_encoder(name)
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    tag: dict[str, Any] = tables.get_pretrained_cfg(architecture, tag_name)
    if not tag:
        tags = ", ".join(tables.list_pretrained_tags_by_model(architecture)) or "none"
        raise InputError(f"encoder {name!r}: {architecture} has no such tag; its tags are: {tags}")
    return config, tag


@cache
def _tables() -> ModuleType:
    """open_clip's module of tags, without the rest of open_clip.

    The whole package imports torchvision, timm and transformers, which takes several seconds: too
    long for the message that weights are missing.
    """
    found = importlib.util.find_spec("open_clip")
    assert found is not None and found.submodule_search_locations is not None
    package = ModuleType(PACKAGE)
    package.__path__ = list(found.submodule_search_locations)
    sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}.pretrained")


def unknown_encoder(name: str) -> InputError:
    """The error for a name that no encoder has."""
    return InputError(
        f"encoder {name!r} is unknown; use mini, an open_clip architecture and tag such as "
        "ViT-B-32/openai, hf-hub:org/repository or local-dir:PATH"
    )


def tag_repository(name: str) -> tuple[Repository, str | None, Mapping[str, Any]]:
    """The repository of a tag, the file name of its checkpoint if known, and its `text_cfg`.

    Raises:
        InputError: there is no such tag, or it is published as a pickle only.
    """
    config, tag = read_tag(name)
    repository, _, filename = tag.get("hf_hub", "").rpartition("/")
    if not repository:
        raise pickle_refused(f"{name}: {tag.get('url') or 'its checkpoint'}")
    return Repository(repository), filename or None, config["text_cfg"]
