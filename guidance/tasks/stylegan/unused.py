"""Options that have no effect together with others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from guidance.errors import InputError


def refuse_changed(
    options: BaseModel, names: Iterable[str], why: str, usual: Mapping[str, Any] | None = None
) -> None:
    """Raises InputError for the first of these options that does not have its usual value.

    Args:
        options: of a task or component.
        names: of the options that have no effect.
        why: what the message says after the option.
        usual: usual values that are not the defaults, such as those of a preset.
    """
    for name in names:
        default = type(options).model_fields[name].default
        if getattr(options, name) != (usual or {}).get(name, default):
            raise InputError(f"--{name.replace('_', '-')}: {why}")
