"""Imports of libraries that would import torch's compiler, which takes more than a second."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Within it, an import of torch._dynamo gives a stand-in with the functions that are imported.

    torchvision asks the compiler whether it supports a device, when one of its image operators is
    called, and timm marks a method as not to be compiled. Nothing here compiles either.
    """
    if COMPILER in sys.modules:
        yield
        return
    package, utilities = ModuleType(COMPILER), ModuleType(f"{COMPILER}.utils")
    package.__path__ = []
    package.disable = _unchanged  # type: ignore[attr-defined]
    package.utils = utilities  # type: ignore[attr-defined]
    utilities.is_compile_supported = _is_compile_supported  # type: ignore[attr-defined]
    stand_ins = {module.__name__: module for module in (package, utilities)}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def import_without_compiler(name: str) -> Any:
    """A module, imported without torch's compiler unless it needs more than the stand-in."""
    try:
        with without_compiler():
            return importlib.import_module(name)
    except (ImportError, AttributeError):  # another version, which needs more of the compiler
        return importlib.import_module(name)


def _unchanged(function: Callable[..., Any], *rest: Any, **options: Any) -> Callable[..., Any]:
    return function


def _is_compile_supported(device_type: str) -> bool:
    return bool(importlib.import_module(f"{COMPILER}.utils").is_compile_supported(device_type))
