"""Frozen image-text models, loaded by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import torch

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.models.devices import indexed_device
from guidance.models.kept import keep
from guidance.models.precision import resolved

if TYPE_CHECKING:
    from guidance.encoders.openclip import OpenClip

#: Loaded encoders. They are frozen, so all callers share one for each name, device and precision.
_loaded: WeakValueDictionary[tuple[str | type[Encoder], str, str], Encoder] = WeakValueDictionary()


def load_encoder(
    encoder: str | Encoder | type[Encoder],
    device: str | torch.device = "cpu",
    precision: str = "auto",
) -> Encoder:
    """A frozen image-text model on a device, from weights on this machine; never downloads.

    Args:
        encoder: "mini" and "mini-judge", the embedded models; an open_clip architecture and tag
            such as "ViT-B-32/openai"; "imagebind"; "hf-hub:org/repository" with an optional
            "@revision"; "local-dir:PATH", a folder with `open_clip_config.json` and safetensors; or
            an `Encoder`, or a subclass of it whose constructor needs no arguments.
        device: where the model runs; an `Encoder` is moved there.
        precision: of the image tower, for encoders that are loaded by name: "fp32", "bf16", or
            "auto", which is bf16 where it is faster and as good (see `guidance.models.precision`).

    Raises:
        InputError: an unknown name, weights that cannot be read or trusted, or an incomplete
            `Encoder`.
        MissingWeights: the weights are not on this machine.
    """
    device = indexed_device(device)
    if isinstance(encoder, Encoder):
        return _frozen(encoder, device, precision)
    key = (encoder, str(device), resolved(precision))
    loaded = _loaded.get(key)
    if loaded is None:
        if isinstance(encoder, str):
            loaded = _reader(encoder).load(encoder, device, resolved(precision))
        else:
            loaded = _frozen(_instance(encoder), device, precision)
        _loaded[key] = loaded
        keep(loaded)
    return loaded


def load_judge(
    device: str | torch.device = "cpu", loss_families: Iterable[str] = ("mini-clip",)
) -> Encoder:
    """The held-out judge for losses of these families; see `guidance.models.judges.judge_for`.

    Raises:
        InputError: every judge on this machine belongs to a family that a loss uses.
    """
    from guidance.models.judges import judge_for

    # In float32, so that the rank of a prompt does not depend on rounding.
    return load_encoder(judge_for(loss_families), device, "fp32")


def _reader(name: str) -> type[OpenClip]:
    """The class that loads a model by its name."""
    from guidance.encoders.files.source import find_source
    from guidance.encoders.openclip import OpenClip

    if find_source(name).config.get("imagebind"):
        from guidance.encoders.imagebind import ImageBind

        return ImageBind
    return OpenClip


def _instance(encoder_class: type[Encoder]) -> Encoder:
    try:
        return encoder_class()
    except TypeError as error:
        raise InputError(
            f"{encoder_class.__name__}: cannot be constructed without arguments ({error}); give "
            "its arguments defaults, or pass an instance"
        ) from error


def _frozen(encoder: Encoder, device: torch.device, precision: str) -> Encoder:
    """A user's encoder, checked, on the device and without weight gradients."""
    name = type(encoder).__name__
    for attribute in ("name", "family", "image_size"):
        if not hasattr(encoder, attribute):
            raise InputError(
                f"{name}: expected an attribute {attribute!r}; an Encoder defines name, family and "
                "image_size"
            )
    for method in ("encode_image", "encode_text"):
        if getattr(type(encoder), method) is getattr(Encoder, method):
            raise InputError(f"{name}: expected a method {method}; see guidance.encoders.Encoder")
    if precision == "bf16":
        raise InputError(
            f"{name}: precision applies only to encoders that are loaded by name; remove it"
        )
    return encoder.requires_grad_(False).eval().to(device)
