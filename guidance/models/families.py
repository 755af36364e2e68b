"""Families of models. A model never judges losses of its own family."""

from __future__ import annotations

#: The family of denoisers outside the catalogue. No judge belongs to it.
DIFFUSION = "diffusion"
#: Fragments of a model's name and the family that they indicate, in this order. All other encoders
#: are "clip": models trained with CLIP's softmax loss, distilled from such models or fine-tuned
#: from them (FARE, TeCoA) are not independent of each other, so none of them can judge another.
FAMILIES = {"siglip": "siglip", "pe-core": "pe", "pe_core": "pe"}


def family_of(*names: str) -> str:
    """The family of an encoder by names: of the model, its image tower, its repository.

    Used where neither the catalogue nor a `guidance.json` beside the weights gives the family.
    """
    text = " ".join(names).lower()
    return next((family for fragment, family in FAMILIES.items() if fragment in text), "clip")
