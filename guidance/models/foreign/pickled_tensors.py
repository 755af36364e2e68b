"""Tensors and arrays in pickles: descriptions that are checked before memory is taken for them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from guidance.models.foreign.pickles import (
    MAX_OPCODES,
    Builders,
    Name,
    PickleProblem,
    Stream,
    read_pickle,
)
from guidance.models.foreign.tensors import MAX_DIMENSIONS, MAX_TENSORS

if TYPE_CHECKING:
    from torch import Tensor

#: The types of torch's storages: the name of the number type, and its bytes.
STORAGES = {
    "FloatStorage": ("float32", 4), "DoubleStorage": ("float64", 8), "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2), "LongStorage": ("int64", 8), "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2), "CharStorage": ("int8", 1), "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}  # fmt: skip
#: The types of arrays and of numbers of numpy.
ARRAYS = {f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}
#: Opcodes of a pickle with a few numbers.
SMALL = 200
#: Elements of all tensors that are loaded at once: 1 GiB in float32.
MAX_ELEMENTS = 2**28
#: Numbers at the start of files that old versions of torch wrote.
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass
class Storage:
    """The bytes of one or more tensors; `data` may be set after the tensors are described."""

    dtype: str
    itemsize: int
    count: int
    data: bytes | memoryview | None = None

    def fill(self, data: bytes | memoryview) -> None:
        """Sets the bytes.

        Raises:
            PickleProblem: they are fewer or more than the elements.
        """
        if len(data) != self.count * self.itemsize:
            raise PickleProblem("is damaged: a tensor does not have the bytes of its elements")
        self.data = data


@dataclass(frozen=True)
class PickledTensor:
    """A tensor in a pickle, whose elements are all in its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.stride)
        if (
            len(self.shape) != len(self.stride)
            or len(self.shape) > MAX_DIMENSIONS
            or not all(type(x) is int and 0 <= x < 2**48 for x in numbers)
        ):
            raise PickleProblem("is damaged: the shape of a tensor is not valid")
        elements = math.prod(self.shape)
        last = self.offset + sum(
            (size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)
        )
        if elements and (last >= self.storage.count or elements > self.storage.count):
            raise PickleProblem("is damaged: a tensor is larger than its storage")

    def load(self) -> Tensor:
        """The tensor, in memory of its own."""
        import torch

        if not math.prod(self.shape):
            return torch.empty(self.shape, dtype=getattr(torch, self.storage.dtype))
        assert self.storage.data is not None, "the storage was filled by the reader"
        with warnings.catch_warnings():  # that the bytes cannot be written to
            warnings.simplefilter("ignore", UserWarning)
            flat = torch.frombuffer(self.storage.data, dtype=getattr(torch, self.storage.dtype))
        return flat.as_strided(self.shape, self.stride, self.offset).clone()


@dataclass
class Array:
    """An array of numpy in a pickle; its values are not used."""

    shape: tuple[int, ...] = ()

    def set_state(self, state: Any) -> None:
        match state:
            case (_, tuple(shape), Type(), _, bytes()):
                self.shape = shape
            case _:
                raise PickleProblem("has an array that is not of plain numbers")


@dataclass
class Type:
    """A number type of numpy in a pickle."""

    code: str

    def set_state(self, state: Any) -> None:
        """Byte order and alignment: all supported types are those of this machine or of one byte.

        Raises:
            PickleProblem: the bytes are in the other order.
        """
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|", "="):
            raise PickleProblem("has numbers that are not in little-endian order")


@dataclass
class Ignored:
    """An object whose content is not needed, such as the arguments of a training."""

    state: Any = field(default=None, repr=False)

    def set_state(self, state: Any) -> None:
        self.state = None


def tensor_builders() -> Builders:
    """The names that pickles of tensors, arrays and plain containers use; for one file."""
    builders: dict[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): _dictionary,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
        ("torch.nn.parameter", "Parameter"): None,
        ("torch", "Size"): _size,
        ("torch", "device"): _text,
        ("torch.storage", "_load_from_bytes"): _Storages().read,
        ("numpy", "dtype"): _type,
        ("numpy", "ndarray"): None,
        ("argparse", "Namespace"): Ignored,
    }
    for module in ("numpy.core", "numpy._core"):
        builders[f"{module}.multiarray", "_reconstruct"] = _array
        builders[f"{module}.multiarray", "scalar"] = _number
        builders[f"{module}.numeric", "_frombuffer"] = _array_of_buffer
    for module in ("builtins", "__builtin__"):
        builders[module, "set"] = _set
    builders |= {("torch", name): None for name in STORAGES}
    builders |= {("torch", name): None for name, _ in STORAGES.values()}
    return builders


class _Storages:
    """Storages inside of a pickle: each is a file of an old version of torch, as bytes.

    The same bytes may be used many times, and are read once.
    """

    def __init__(self) -> None:
        self.found: dict[int, tuple[bytes, Storage]] = {}

    def read(self, data: Any) -> Storage:
        if not isinstance(data, bytes):
            raise PickleProblem("is damaged: a storage is not made of bytes")
        if id(data) not in self.found:
            if len(self.found) >= MAX_TENSORS:
                raise PickleProblem(f"has more than {MAX_TENSORS} tensors")
            storage = read_legacy(BytesIO(data), tensor_builders(), max_opcodes=SMALL)
            if not isinstance(storage, Storage):
                raise PickleProblem("is damaged: a storage is something else")
            self.found[id(data)] = (data, storage)
        return self.found[id(data)][1]


def read_legacy(stream: Stream, builders: Builders, max_opcodes: int = MAX_OPCODES) -> Any:
    """The content of a file of torch before 1.6: some pickles, and the bytes of the storages.

    Raises:
        PickleProblem: it is damaged, or not such a file.
    """
    magic, version, system = (read_pickle(stream, {}, max_opcodes=SMALL) for _ in range(3))
    if magic != MAGIC or version != PROTOCOL:
        raise PickleProblem("is not a file of torch")
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise PickleProblem("has numbers that are not in little-endian order")
    storages: dict[str, Storage] = {}
    content = read_pickle(stream, builders, lambda key: storage_of(key, storages), max_opcodes)
    keys = read_pickle(stream, {}, max_opcodes=max_opcodes)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise PickleProblem("is damaged: its list of storages is not that of its tensors")
    for key in keys:
        storage = storages[key]
        if int.from_bytes(stream.read(8), "little") != storage.count:
            raise PickleProblem("is damaged: a storage does not have the stated size")
        storage.fill(stream.read(storage.count * storage.itemsize))
    return content


def storage_of(identifier: Any, storages: dict[str, Storage]) -> Storage:
    """The storage that a persistent identifier of torch names.

    Args:
        identifier: ("storage", type, key, device, elements) and sometimes a view.
        storages: those that were named before, by their keys.
    """
    match identifier:
        case ("storage", Name("torch", kind), str(key), str(), int(count), *view) if (
            kind in STORAGES and 0 <= count < 2**40 and view in ([], [None])
        ):
            dtype, itemsize = STORAGES[kind]
            found = storages.setdefault(key, Storage(dtype, itemsize, count))
            if (found.dtype, found.count) != (dtype, count):
                raise PickleProblem("is damaged: a storage has two sizes")
            return found
    raise PickleProblem("has a storage of a type that is not supported")


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *unused: Any) -> PickledTensor:
    if not (isinstance(storage, Storage) and isinstance(shape, tuple) and type(offset) is int):
        raise PickleProblem("is damaged: a tensor has no storage")
    if not isinstance(stride, tuple):
        raise PickleProblem("is damaged: a tensor has no strides")
    return PickledTensor(storage, offset, shape, stride)


def _parameter(tensor: Any, *unused: Any) -> PickledTensor:
    if not isinstance(tensor, PickledTensor):
        raise PickleProblem("is damaged: a parameter is not a tensor")
    return tensor


def _dictionary() -> dict[str, Any]:
    return {}


def _set(values: Any = ()) -> set[Any]:
    if (
        not isinstance(values, list | tuple)
        or len(values) > SMALL
        or not all(isinstance(x, str | int) for x in values)
    ):
        raise PickleProblem("has a set of something that is neither texts nor numbers")
    return set(values)


def _size(shape: Any = ()) -> tuple[Any, ...]:
    if not isinstance(shape, list | tuple) or len(shape) > MAX_DIMENSIONS:
        raise PickleProblem("is damaged: a size is not a short list of numbers")
    return tuple(shape)


def _text(*parts: Any) -> str:
    return ":".join(str(part)[:20] for part in parts if isinstance(part, str | int))


def _type(code: Any, *unused: Any) -> Type:
    if not isinstance(code, str) or code not in ARRAYS:
        raise PickleProblem("has an array that is not of plain numbers")
    return Type(code)


def _array(*unused: Any) -> Array:
    return Array()


def _array_of_buffer(buffer: Any, kind: Any, shape: Any, *unused: Any) -> Array:
    if not isinstance(kind, Type) or not isinstance(shape, tuple):
        raise PickleProblem("has an array that is not of plain numbers")
    return Array(shape)


def _number(kind: Any, data: Any) -> float | int:
    import numpy as np

    if not isinstance(kind, Type) or not isinstance(data, bytes) or len(data) > 8:
        raise PickleProblem("is damaged: a number is not valid")
    found: float | int = np.frombuffer(data, dtype=kind.code)[0].item()
    return found


def load_tensors(tensors: Mapping[str, PickledTensor]) -> dict[str, Tensor]:
    """The tensors in memory, as float32.

    Raises:
        PickleProblem: they are too large; several tensors may share a storage.
    """
    if sum(math.prod(tensor.shape) for tensor in tensors.values()) > MAX_ELEMENTS:
        raise PickleProblem(f"has tensors of more than {MAX_ELEMENTS} elements")
    return {name: tensor.load().float() for name, tensor in tensors.items()}
