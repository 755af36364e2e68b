"""Checks that losses declare their frozen models, since the judge must not be of their families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from functools import partial
from types import MethodType
from typing import Any

from torch import nn

from guidance.errors import InputError
from guidance.types import Loss

#: How deep models are looked for: an attribute, a container in it, an object there, its attributes.
DEPTH = 5


def check_declared(loss: Loss) -> None:
    """Checks that a prepared loss declares every frozen model that it holds.

    Encoders and denoisers are recognized by what they have in common: they are modules with the
    methods `encode_image` and `encode_text`, or with a `family`, and have a `name`. They are found
    in the attributes of the loss, in containers, dataclasses, bound methods and partial functions
    there, and in losses inside it.

    Raises:
        InputError: a model is in neither `encoders` nor `denoisers`, itself or by its name.
    """
    declared = loss.models
    for model in _models(loss, DEPTH):
        name = getattr(model, "name", type(model).__name__)
        if not any(one is model or one == name for one in declared):
            kind = "denoisers" if hasattr(model, "decode_image") else "encoders"
            raise InputError(
                f"{type(loss).__name__}: uses the model {name!r} without declaring it; set "
                f"self.{kind} = ({name!r},), so that the judge is of another family"
            )


def _models(value: Any, depth: int) -> Iterator[nn.Module]:
    if _is_model(value):
        yield value
    elif depth:
        for held in _held(value):
            yield from _models(held, depth - 1)


def _is_model(value: Any) -> bool:
    if not isinstance(value, nn.Module):
        return False
    return hasattr(value, "family") or all(
        callable(getattr(value, method, None)) for method in ("encode_image", "encode_text")
    )


def _held(value: Any) -> Iterator[Any]:
    """The values directly inside one."""
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, MethodType):
        yield value.__self__
    elif isinstance(value, partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, nn.Module) or (is_dataclass(value) and not isinstance(value, type)):
        yield from vars(value).values()
