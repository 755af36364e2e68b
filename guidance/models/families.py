"""Families of image-text models: what may not judge what."""

from __future__ import annotations

#: Words in a model's name that tell its family, in this order. All else is "clip": models trained
#: with CLIP's softmax loss, distilled from such models, or tuned from them (FARE, TeCoA), have
#: learned from one another, so none of them is held out from the others.
FAMILIES = {"siglip": "siglip", "pe-core": "pe", "pe_core": "pe"}


def family_of(*names: str) -> str:
    """The family that names tell: of the model as asked for, of its tower, of its repository.

    A folder's own `guidance.json` and the catalogue go first; this is for what neither knows.
    """
    text = " ".join(names).lower()
    return next((family for word, family in FAMILIES.items() if word in text), "clip")
