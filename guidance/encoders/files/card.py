"""The model card `guidance.json` beside a model's weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.models.foreign.configuration import read_json

#: Templates of models without a card. Prompts are free text, not class names, so these are the
#: plain templates of the CLIP paper (Radford et al. 2021, 3.1.4), without the article.
TEMPLATES = ("{}", "a photo of {}", "an image of {}", "an image of {}")
#: Everyday captions that the "logit" comparison contrasts a prompt with.
ALTERNATIVES = (
    "a photo",
    "a blurry photo",
    "random noise",
    "an abstract pattern",
    "a colorful texture",
    "a plain background",
    "a page of text",
    "a logo",
    "a screenshot",
    "a drawing",
    "a photo of a person",
    "a photo of a face",
    "a photo of a crowd",
    "a photo of a dog",
    "a photo of a cat",
    "a photo of a bird",
    "a photo of a fish",
    "a photo of an insect",
    "a photo of a flower",
    "a photo of a tree",
    "a photo of a mountain",
    "a photo of the sea",
    "a photo of the sky",
    "a photo of a street",
    "a photo of a house",
    "a photo of a room",
    "a photo of a car",
    "a photo of an airplane",
    "a photo of a ball",
    "a photo of a fruit",
    "a photo of a meal",
    "a photo of a cup",
    "a photo of a piece of clothing",
    "a photo of a tool",
    "a photo of a toy",
    "a photo of a book",
)


FAMILY = re.compile(r"[\w.+ -]{1,60}")
#: Each text is encoded once for every prompt.
MAX_TEXTS, MAX_LENGTH = 1000, 1000


@dataclass(frozen=True)
class Card:
    """Family, preprocessing and texts of a model; `family` and `preprocessing` are optional."""

    family: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    templates: tuple[str, ...] = TEMPLATES
    alternatives: tuple[str, ...] = ALTERNATIVES


def read_card(folder: Path) -> Card:
    """Reads `guidance.json` if it exists; keys that `Card` does not have are ignored.

    Raises:
        InputError: the file is not JSON, or a value has the wrong type.
    """
    path = folder / "guidance.json"
    if not path.is_file():
        return Card()
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise InputError(f"{path}: expected an object with keys such as family, templates")
    texts = {
        key: _texts(stored[key], key, path)
        for key in ("templates", "alternatives")
        if key in stored
    }
    if any("{}" not in template for template in texts.get("templates", ())):
        raise InputError(f"{path}: each template needs a {{}} where the text goes")
    family, preprocessing = stored.get("family"), stored.get("preprocessing", {})
    if not isinstance(family, str | None) or not isinstance(preprocessing, dict):
        raise InputError(f"{path}: expected family as text and preprocessing as an object")
    if family is not None and not FAMILY.fullmatch(family):
        raise InputError(f"{path}: expected family as a short name, got {family!a:.60}")
    return Card(family=family, preprocessing=preprocessing, **texts)


def _texts(value: Any, key: str, path: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InputError(f"{path}: expected {key} as a list of texts")
    if len(value) > MAX_TEXTS or any(len(text) > MAX_LENGTH for text in value):
        raise InputError(
            f"{path}: expected at most {MAX_TEXTS} {key} of at most {MAX_LENGTH} characters"
        )
    return tuple(value)
