"""Frozen image-text models, by name."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakValueDictionary

import torch

from guidance.encoders.base import Encoder
from guidance.models.devices import indexed_device

__all__ = ["Encoder", "load_encoder", "load_judge"]

#: Encoders are frozen, so all who ask for the same one share it, for as long as one of them lives.
_loaded: WeakValueDictionary[tuple[str, str, str], Encoder] = WeakValueDictionary()


def load_encoder(name: str, device: str | torch.device = "cpu", precision: str = "auto") -> Encoder:
    """A frozen image-text model from weights on this machine; nothing is ever downloaded.

    Args:
        name: "mini" and "mini-judge", the embedded models; an open_clip architecture and tag such
            as "ViT-B-32/openai"; "hf-hub:org/repository" with an optional "@revision"; or
            "local-dir:PATH", a folder with `open_clip_config.json` and safetensors.
        device: where the model is to live.
        precision: of the image tower: "fp32", "bf16", or "auto", which is bf16 where that is
            faster (see `guidance.encoders.openclip.picture_dtype`).

    Raises:
        InputError: an unknown name, or weights that cannot be read or trusted.
        MissingWeights: the weights are not on this machine.
    """
    device = indexed_device(device)
    key = (name, str(device), precision)
    encoder = _loaded.get(key)
    if encoder is None:
        from guidance.encoders.openclip import OpenClip

        encoder = _loaded[key] = OpenClip.load(name, device, precision)
    return encoder


def load_judge(
    device: str | torch.device = "cpu", loss_families: Iterable[str] = ("mini-clip",)
) -> Encoder:
    """The held-out judge for losses of these families; see `guidance.models.judges.judge_for`.

    Raises:
        InputError: every judge on this machine is of a family that a loss uses.
    """
    from guidance.models.judges import judge_for

    # In float32: the rank of a prompt should not depend on roundings.
    return load_encoder(judge_for(loss_families), device, "fp32")
