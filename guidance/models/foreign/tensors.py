"""Safetensors files: the header, read by bounded code of our own, and tensors that are finite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidance.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
#: Bytes of a header, tensors in a file, dimensions of a tensor. The largest file of the models that
#: the package reads has 2,500 tensors and 300 KB of header.
MAX_HEADER, MAX_TENSORS, MAX_DIMENSIONS = 2**23, 20_000, 8
#: Bytes of one number of each type, as the format names them.
SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
#: Names of tensors are at most this long in messages.
SHOWN = 100


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, by its header."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def is_floating_point(self) -> bool:
        return self.dtype.startswith(("F", "BF"))


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors in a safetensors file, from its header alone.

    Raises:
        InputError: the file is a pickle, incomplete, too large a header, or its header does not
            describe its bytes exactly: each byte belongs to one tensor.
    """
    raw, room = _raw_header(path)
    try:
        stored = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not a safetensors file: its header is not JSON") from None
    if not isinstance(stored, dict):
        raise InputError(f"{path}: is not a safetensors file: its header is not an object")
    stored.pop("__metadata__", None)
    if len(stored) > MAX_TENSORS:
        raise InputError(f"{path}: has {len(stored)} tensors; at most {MAX_TENSORS} are read")
    ranges: list[tuple[int, int, str]] = []
    found = {}
    for name, entry in stored.items():
        found[name], begin, end = _entry(entry, name, path)
        ranges.append((begin, end, name))
    at = 0
    for begin, end, name in sorted(ranges):
        if begin != at:
            raise InputError(f"{path}: the bytes of tensor {shown(name)} overlap, or follow a gap")
        at = end
    if at != room:
        raise InputError(
            f"{path}: its tensors have {at} bytes, but the file has {room} for them: it is "
            "incomplete or was changed; fetch it again"
        )
    return found


def read_headers(paths: Iterable[Path]) -> dict[str, Stored]:
    """The tensors in the files of a model.

    Raises:
        InputError: see `read_header`; or a tensor is in two files.
    """
    found: dict[str, Stored] = {}
    for path in paths:
        header = read_header(path)
        if twice := next((name for name in header if name in found), None):
            raise InputError(f"{path}: tensor {shown(twice)} is in another file of the model too")
        found |= header
    return found


def check_finite(paths: Iterable[Path]) -> None:
    """Checks that no tensor contains NaN or infinity.

    Raises:
        InputError: a tensor does; the message names the file and the tensor.
    """
    from safetensors import safe_open

    for path in paths:
        with safe_open(path, framework="pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                check_tensor(file.get_tensor(name), name, path)


def check_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Checks that no tensor of a file contains NaN or infinity; see `check_finite`."""
    for name, tensor in tensors.items():
        check_tensor(tensor, name, path)


def check_tensor(tensor: Tensor, name: str, path: Path) -> None:
    """Checks that a tensor contains neither NaN nor infinity; see `check_finite`."""
    import torch

    if not tensor.numel() or not tensor.is_floating_point():
        return
    if tensor.element_size() == 1:  # the eight-bit types have no minimum
        tensor = tensor.float()
    low, high = torch.aminmax(tensor)  # NaN if any element is; 30 times faster than isfinite
    if not (low.isfinite() and high.isfinite()):
        raise InputError(
            f"{path}: tensor {shown(name)} contains NaN or infinity; the file is damaged: fetch "
            "it again"
        )


def shown(name: str) -> str:
    """A tensor's name for messages, without control characters."""
    return ascii(name if len(name) <= SHOWN else f"{name[:SHOWN]}...")


def pickle_refused(path: Path | str) -> InputError:
    """The error for a checkpoint that could execute code when it is read."""
    return InputError(
        f"{path}: is a pickle, which can execute arbitrary code when it is opened; only "
        "safetensors files are read: if you trust it, convert it with "
        "safetensors.torch.save_file"
    )


def _raw_header(path: Path) -> tuple[bytes, int]:
    """The bytes of the header, and the number of bytes behind it."""
    if not path.is_file():
        raise InputError(f"{path}: expected a file")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(9)
        # Pickles start with their protocol; torch's own are zip archives.
        length = int.from_bytes(start[:8], "little")
        if len(start) < 9 or start[8:] != b"{" or length > size - 8:
            if start[:2] == b"PK" or start[:1] == b"\x80":
                raise pickle_refused(path)
            raise InputError(f"{path}: is not a safetensors file, or is incomplete; fetch it again")
        if length > MAX_HEADER:
            raise InputError(
                f"{path}: its header has {length} bytes, more than the {MAX_HEADER} that are read"
            )
        return start[8:] + file.read(length - 1), size - 8 - length


def _entry(entry: Any, name: str, path: Path) -> tuple[Stored, int, int]:
    """A tensor of the header, and the start and end of its bytes."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = (*shape, begin, end)
        plain = len(entry) == len(("dtype", "shape", "data_offsets")) and isinstance(shape, list)
    except (TypeError, KeyError, ValueError):
        plain, numbers = False, ()
    if (
        not plain
        or not isinstance(dtype, str)
        or dtype not in SIZES
        or len(shape) > MAX_DIMENSIONS
        or not all(type(number) is int and 0 <= number < 2**63 for number in numbers)
    ):
        raise InputError(f"{path}: the header's entry of tensor {shown(name)} is not valid")
    stored = Stored(dtype, tuple(shape))
    if end - begin != stored.count * SIZES[dtype]:
        raise InputError(
            f"{path}: tensor {shown(name)} of shape {list(shape)} does not have the "
            f"{end - begin} bytes that the header gives it"
        )
    return stored, begin, end


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found
