"""The choice of a backend for a device; numba and nvdiffrast are imported only when used."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Literal, get_args

import torch

from guidance.errors import InputError
from guidance.rendering.rasterizer.backend import Backend, BackendName

BackendChoice = Literal["auto", "cpu", "torch", "nvdiffrast"]


def choose_backend(choice: BackendChoice, device: torch.device) -> BackendName:
    """The backend that a choice stands for on a device.

    Raises:
        InputError: the backend is unknown, or cannot run on the device.
    """
    if choice not in get_args(BackendChoice):
        raise InputError(f"unknown backend {choice!r}; use {', '.join(get_args(BackendChoice))}")
    if choice == "auto":
        if device.type == "cpu":
            return "cpu" if _has_numba() else "torch"
        if device.type == "cuda":
            from guidance.rendering.rasterizer.nvdiffrast import is_installed

            return "nvdiffrast" if is_installed() else "torch"
        return "torch"
    required = {"cpu": "cpu", "nvdiffrast": "cuda"}.get(choice, device.type)
    if device.type != required:
        raise InputError(
            f"backend {choice!r} runs on {required}, but the vertices are on {device.type}; "
            "move them, or use backend='auto'"
        )
    return choice


def load_backend(name: BackendName) -> Backend:
    """Imports a backend."""
    if name == "cpu":
        from guidance.rendering.rasterizer import cpu

        return cpu.BACKEND
    if name == "nvdiffrast":
        from guidance.rendering.rasterizer import nvdiffrast

        return nvdiffrast.BACKEND
    from guidance.rendering.rasterizer import reference

    return reference.BACKEND


@cache
def _has_numba() -> bool:
    """Whether numba can be imported; warns once if not."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        reason = str(error).strip().splitlines()[0]
        warnings.warn(
            f"numba cannot be imported ({reason}); meshes are rendered with torch alone, which is "
            "about ten times slower; run `pip install numba`",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True
