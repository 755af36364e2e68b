"""The arrays of an NPZ file or of a pickle, read without executing anything.

Only arrays of numbers under expected keys are read; everything else in a file is passed over.
"""

from __future__ import annotations

import math
import mmap
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.models.foreign.pickles import Builders, NotListed, PickleProblem, read_pickle

Array = Any
#: Bytes of a file, and of all arrays that are read.
MAX_BYTES, MAX_ARRAYS = 2**30, 2**30
MAX_DIMENSIONS = 4


def read_arrays(path: Path, keys: frozenset[str]) -> dict[str, Array]:
    """The arrays of these keys that a file has, in float64 or as integers.

    Raises:
        InputError: no plain file, another kind of file, damaged, or too large.
    """
    refuse_special_file(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{path}: has {size / 2**20:,.0f} MiB, more than the limit of {MAX_BYTES / 2**20:.0f}"
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        return _from_npz(path, keys)
    if start[:1] == b"\x80":
        return _from_pickle(path, keys)
    raise InputError(f"{path}: is neither an NPZ file nor a pickle")


def _from_npz(path: Path, keys: frozenset[str]) -> dict[str, Array]:
    found, total = {}, 0
    try:
        with zipfile.ZipFile(path) as archive:
            for key in sorted(keys & {name.removesuffix(".npy") for name in archive.namelist()}):
                with archive.open(f"{key}.npy") as file:
                    version = np.lib.format.read_magic(file)
                    if version == (1, 0):
                        shape, _, kind = np.lib.format.read_array_header_1_0(file)
                    else:
                        shape, _, kind = np.lib.format.read_array_header_2_0(file)
                if kind.kind not in "fiu":
                    continue  # texts and objects
                total += _bytes(shape, kind)
                if total > MAX_ARRAYS or len(shape) > MAX_DIMENSIONS:
                    raise InputError(f"{path}: its arrays are larger than {MAX_ARRAYS:,} bytes")
                with archive.open(f"{key}.npy") as file:
                    found[key] = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, OSError, NotImplementedError) as e:
        if isinstance(e, InputError):
            raise
        raise InputError(f"{path}: is a damaged NPZ file ({e!s:.80})") from None
    return found


def _bytes(shape: tuple[int, ...], kind: Any) -> int:
    return math.prod(shape) * int(kind.itemsize)


class _Kind:
    """A number type of numpy in a pickle."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = code, "<"

    def set_state(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def type(self) -> Any:
        code = str(self.code)
        if len(code) != 2 or code[0] not in "fiu" or code[1] not in "1248":
            raise PickleProblem(f"has an array of {code:.20}, which are not numbers")
        return np.dtype(code).newbyteorder(">" if self.order == ">" else "<")


class _PickledArray:
    """An array of numpy in a pickle. The total size is bounded by that of the file."""

    value: Array | None = None

    def __init__(self, *_: Any) -> None: ...

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise PickleProblem("has an array without a state")
        _, shape, kind, by_columns, content = state
        if not isinstance(content, str | bytes):
            return  # an array of objects
        if not isinstance(kind, _Kind) or not isinstance(shape, tuple):
            raise PickleProblem("has an array of an unknown type")
        if not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > MAX_DIMENSIONS:
            raise PickleProblem("has an array of an unusual shape")
        data = content.encode("latin-1") if isinstance(content, str) else content
        dtype = kind.type()
        if len(data) != _bytes(shape, dtype):
            raise PickleProblem("has an array whose size differs from its shape")
        order: Any = "F" if by_columns else "C"
        self.value = np.frombuffer(data, dtype).reshape(shape, order=order)


class _Fields:
    """An object of chumpy or scipy in a pickle, of which the fields are used."""

    def __init__(self, *_: Any) -> None:
        self.fields: dict[str, Any] = {}

    def set_state(self, state: Any) -> None:
        if isinstance(state, dict):
            self.fields = state

    def array(self) -> Array | None:
        """The values of an array of chumpy, or a sparse matrix of scipy, as a dense array."""
        inner = _value(self.fields.get("x"))
        if inner is not None:
            return inner
        data, rows, starts = (_value(self.fields.get(key)) for key in ("data", "indices", "indptr"))
        shape = self.fields.get("_shape", self.fields.get("shape"))
        if data is None or rows is None or starts is None or not isinstance(shape, tuple):
            return None
        if len(shape) != 2 or _bytes(shape, np.dtype(float)) > MAX_ARRAYS:
            raise PickleProblem("has a sparse matrix that is too large")
        if len(starts) != shape[1] + 1 or len(rows) != len(data) or (np.diff(starts) < 0).any():
            raise PickleProblem("has a damaged sparse matrix")
        dense = np.zeros(shape)
        np.add.at(dense, (rows, np.repeat(np.arange(shape[1]), np.diff(starts))), data)
        return dense


def _value(item: Any) -> Array | None:
    if isinstance(item, _PickledArray):
        return item.value
    return item.array() if isinstance(item, _Fields) else None


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise PickleProblem("has a text in another encoding")
    return text.encode("latin-1")


def _builders() -> Builders:
    builders: dict[tuple[str, str], Any] = {
        ("numpy", "dtype"): _Kind,
        ("numpy", "ndarray"): None,
        ("_codecs", "encode"): _encode,
        ("__builtin__", "object"): None,
        ("builtins", "object"): None,
    }
    for module in ("numpy.core", "numpy._core"):
        builders[f"{module}.multiarray", "_reconstruct"] = _PickledArray
    for module in ("copy_reg", "copyreg"):
        builders[module, "_reconstructor"] = _Fields
    for module in ("scipy.sparse.csc", "scipy.sparse._csc"):
        builders[module, "csc_matrix"] = _Fields
    for module in ("chumpy.ch", "chumpy.reordering"):
        for name in ("Ch", "Select"):
            builders[module, name] = _Fields
    return builders


def _from_pickle(path: Path, keys: Mapping[str, Any] | frozenset[str]) -> dict[str, Array]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            content = read_pickle(data, _builders())
        if not isinstance(content, dict):
            raise PickleProblem("has no dictionary of arrays")
        values = {key: _value(content[key]) for key in keys if key in content}
    except NotListed as error:
        raise InputError(
            f"{path}: {error}, which is not read; save its arrays with numpy.savez"
        ) from None
    except (PickleProblem, ValueError, IndexError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: {error}; it is not a body model, or damaged") from None
    return {key: value for key, value in values.items() if value is not None}
