"""Segmenters by name."""

from __future__ import annotations

from functools import cache

from guidance.errors import InputError
from guidance.segmenters.base import Segmenter

#: The kinds of models, by `model_type` of their configurations.
KINDS = ("clipseg", "sam3", "grounding-dino", "sam")
#: Shorter names of models of the catalogue.
ALIASES = {"grounded-sam": "grounding-dino-tiny+sam-vit-base"}


@cache
def load_segmenter(name: str, device: str = "cpu") -> Segmenter:
    """A frozen segmenter on a device, from weights on this machine; never downloads.

    Args:
        name: "mini", the embedded one; "clipseg", "sam3" or "grounded-sam" of the catalogue;
            "hf-hub:org/repository" or "local-dir:PATH", a folder of CLIPSeg or SAM 3 in the format
            of transformers; or a Grounding DINO and a SAM, joined by "+".

    Raises:
        InputError: an unknown name, or a model that cannot be read or trusted.
        MissingWeights: the weights are not on this machine.
    """
    if name == "mini":
        from guidance.segmenters.mini import load_mini

        return load_mini(device)
    from guidance.models.foreign.hub_models import folders, model_type
    from guidance.models.torchvision import import_torchvision

    parts = [folder for _, folder in folders(ALIASES.get(name, name))]
    kinds = [model_type(folder, KINDS) for folder in parts]
    import_torchvision()
    match kinds:
        case ["clipseg"]:
            from guidance.segmenters.clipseg import ClipSeg

            return ClipSeg(name, parts[0], device)
        case ["sam3"]:
            from guidance.segmenters.sam3 import Sam3

            return Sam3(name, parts[0], device)
        case ["grounding-dino", "sam"]:
            from guidance.segmenters.grounded_sam import GroundedSam

            return GroundedSam(name, parts[0], parts[1], device)
    raise InputError(
        f"segmenter {name}: is {' and '.join(kinds)}; use CLIPSeg, SAM 3, or Grounding DINO and "
        'SAM joined by "+"'
    )
