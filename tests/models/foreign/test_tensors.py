"""Headers of safetensors files: what is read, and what is refused before anything is allocated."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from guidance.errors import InputError
from guidance.models.foreign.tensors import (
    MAX_HEADER,
    Stored,
    check_finite,
    read_header,
    read_headers,
)
from tests.models.foreign.hostile import header


def _entry(begin: int = 0, end: int = 8, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    shape = list(shape) if isinstance(shape, tuple) else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_header_is_that_of_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {
        "scalar": torch.tensor(1.0),
        "half": torch.zeros(2, 3, dtype=torch.bfloat16),
        "ids": torch.arange(5),
        "empty": torch.zeros(0, 4),
    }
    save_file(tensors, path, {"format": "pt"})
    found = read_header(path)
    assert found["half"] == Stored("BF16", (2, 3)) and found["half"].count == 6
    assert {name: tuple(x.shape) for name, x in tensors.items()} == {
        name: stored.shape for name, stored in found.items()
    }
    assert {name for name, x in found.items() if not x.is_floating_point} == {"ids"}


@pytest.mark.parametrize(
    ("entries", "data"),
    [
        ({"a": _entry()}, b""),  # fewer bytes
        ({"a": _entry()}, b"123456789"),  # more bytes
        ({"a": _entry(), "b": _entry(4, 12)}, b"x" * 12),  # overlap
        ({"a": _entry(), "b": _entry(12, 20)}, b"x" * 20),  # gap
        ({"a": _entry(shape=(3,))}, b"x" * 8),
        ({"a": _entry(shape=(-2,))}, b"x" * 8),
        ({"a": _entry(shape=(True, 2))}, b"x" * 8),
        ({"a": _entry(shape=(2.0,))}, b"x" * 8),
        ({"a": _entry(shape="2")}, b"x" * 8),
        ({"a": _entry(shape=(1,) * 9, end=4)}, b"x" * 4),
        ({"a": _entry(shape=(2**62, 4), end=0)}, b""),
        ({"a": _entry(dtype="F33")}, b"x" * 8),
        ({"a": _entry(dtype=["F32"])}, b"x" * 8),
        ({"a": _entry() | {"more": 1}}, b"x" * 8),
        ({"a": {"dtype": "F32"}}, b"x" * 8),
        ({"a": [1, 2]}, b"x" * 8),
        ({"a": None}, b"x" * 8),
    ],
)
def test_a_header_that_does_not_describe_its_bytes(
    tmp_path: Path, entries: dict, data: bytes
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(header(entries, data))
    with pytest.raises(InputError, match=r"a\.safetensors: "):
        read_header(path)


def test_names_that_occur_twice(tmp_path: Path) -> None:
    text = b'{"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "a": {}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(InputError, match="header is not JSON"):
        read_header(path)
    for name in ("b", "c"):
        save_file({"x": torch.zeros(2)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match="tensor 'x' is in another file of the model too"):
        read_headers([tmp_path / "b.safetensors", tmp_path / "c.safetensors"])


def test_large_headers_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    start = time.process_time()
    path.write_bytes(struct.pack("<Q", 90_000_000) + b"{" + b" " * 90_000_000)
    with pytest.raises(InputError, match=f"more than the {MAX_HEADER} that are read"):
        read_header(path)
    path.write_bytes(header({f"{i:x}": empty for i in range(60_000)}))
    with pytest.raises(InputError, match="has 60000 tensors; at most 20000 are read"):
        read_header(path)
    path.write_bytes(struct.pack("<Q", 100_000) + b'{"a":' + b"[" * 100_000)
    with pytest.raises(InputError, match="header is not JSON"):
        read_header(path)
    assert time.process_time() - start < 5  # minutes if every tensor were looked at


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_named(
    tmp_path: Path, dtype: torch.dtype, value: float
) -> None:
    path = tmp_path / "a.safetensors"
    tensors = {"good": torch.full((9,), 6e4, dtype=dtype), "ids": torch.arange(3)}
    save_file(tensors, path)
    check_finite([path])
    tensors["bad"] = torch.zeros(1000, dtype=dtype)
    tensors["bad"][617] = value
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"a\.safetensors: tensor 'bad' contains NaN or infinity"):
        check_finite([path])


def test_names_of_tensors_do_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(header(json.loads('{"\\u001b]0;x\\u0007": {"dtype": "no"}}')))
    with pytest.raises(InputError) as caught:
        read_header(path)
    assert str(caught.value).isprintable()
