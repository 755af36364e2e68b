"""The computation of a finished run: floating point operations of its image encoders."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from guidance.errors import GuidanceError

#: Losses without an encoder.
WITHOUT_ENCODER = {
    "total_variation", "range", "laplacian", "normal_consistency", "smoothness", "edge_length",
    "symmetry", "rigidity", "eikonal", "outline", "palette", "border",
}  # fmt: skip


def encoder_flops(config: Mapping[str, Any]) -> float | None:
    """The operations of the encoders for one sample of a run; None if they are not known.

    Counted are the forward pass and the gradient with respect to the image, for each crop of each
    step. Known are runs whose configuration says how many crops there are and whose only encoders
    are those of the loss "clip"; generators, renderers and denoisers are not counted.
    """
    losses, crops, steps = config.get("loss"), config.get("crops"), config.get("steps")
    if type(crops) is not int or type(steps) is not int or not isinstance(losses, list):
        return None
    names: list[str] = []
    for loss in losses:
        kind = loss.get("kind") if isinstance(loss, Mapping) else None
        if kind == "clip":
            names += [each for each in loss.get("encoder", ()) if isinstance(each, str)]
        elif kind not in WITHOUT_ENCODER:
            return None
    found = [image_flops(name) for name in names if not name.startswith(("local-dir:", "hf-hub:"))]
    known = [each for each in found if each is not None]
    if not names or len(known) < len(names):
        return None
    return float(steps) * crops * sum(known)


@cache
def image_flops(name: str) -> float | None:
    """The operations for one image and its gradient; None if the model is not on this machine."""
    from torch.utils.flop_counter import FlopCounterMode

    from guidance.encoders import load_encoder

    try:
        encoder = load_encoder(name, "cpu", "fp32")
    except GuidanceError:
        return None
    image = torch.rand(1, 3, encoder.image_size, encoder.image_size).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        torch.autograd.grad(encoder.encode_image(image).sum(), image)
    return float(counter.get_total_flops())
