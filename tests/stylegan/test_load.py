"""Folders of networks that cannot be loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from guidance.errors import InputError, MissingWeights
from guidance.stylegan import load_stylegan
from guidance.stylegan.files.save import save_stylegan
from tests.stylegan.small import small_stylegan2, small_stylegan3


def _config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another model": (lambda f: _config(f, model_type="clip"), "expected model_type stylegan2 or"),
    "unknown key": (lambda f: _config(f, code="import os"), "code is not supported"),
    "too large": (lambda f: _config(f, channels=[8192] * 4), "has shape"),
    "too many": (lambda f: _config(f, channels=[8] * 11), "channels: "),
    "no number": (lambda f: _config(f, w_dim="7"), "w_dim: "),
    "missing tensor": (
        lambda f: _tensors(f, lambda t: t.pop("mapping.w_avg")), "'mapping.w_avg' is missing"
    ),
    "more tensors": (
        lambda f: _tensors(f, lambda t: t.update(a=torch.ones(2))), "'a' does not belong"
    ),
    "NaN": (
        lambda f: _tensors(f, lambda t: t["mapping.w_avg"].fill_(torch.nan)), "contains NaN"
    ),
    "no configuration": (lambda f: (f / "config.json").unlink(), "config.json: expected a file"),
    "a pickle": (
        lambda f: torch.save({}, f / "model.safetensors"), "is a pickle, which can execute"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_folders_are_refused(kind: str, tmp_path: Path) -> None:
    save_stylegan(small_stylegan2(), tmp_path)
    damage, message = DAMAGE[kind]
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        load_stylegan(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 48}, "power of two"),
        ({"critical_layers": 5}, "must be less than the 5 layers"),
        ({"first_cutoff": 5.0}, "first_stopband must be more"),
        ({"filter_size": 5}, "filter_size"),
        ({"kernel": 5}, "kernel"),
    ],
)
def test_bands_that_are_not_possible(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_stylegan(small_stylegan3(), tmp_path)
    _config(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        load_stylegan(f"local-dir:{tmp_path}")


def test_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'nonsense' is unknown; use mini-stylegan"):
        load_stylegan("nonsense")
    with pytest.raises(MissingWeights, match="no weights at"):
        load_stylegan(f"local-dir:{tmp_path / 'missing'}")
    (tmp_path / "a.pkl").write_bytes(b"\x80")
    with pytest.raises(InputError, match="guide models convert"):
        load_stylegan(str(tmp_path / "a.pkl"))
