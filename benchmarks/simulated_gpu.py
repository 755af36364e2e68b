"""A GPU simulated on the CPU, which counts the operations at which the host would wait for it.

The device is named "gpu". Its tensors hold CPU tensors, and each operation on them is computed on
the CPU; everything else behaves as for another device: operations that mix devices fail, and copies
between the devices are operations. After `install` the simulation stays in the process.

An operation makes the host wait if its result, or the shape of its result, depends on values that
only the device has, or if it copies between host and device without being queued: copies are queued
only if they are non-blocking and the memory of the host is pinned.

The experimental interface of torch for backends in Python is used; only benchmarks and tests import
this file.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

DEVICE = "gpu:0"
PACKAGE = Path(__file__).resolve().parents[1] / "guidance"
aten = torch.ops.aten

#: Operations of which the host needs a value or a size.
READS = {
    aten._local_scalar_dense: "item",
    aten.is_nonzero: "item",
    aten.equal: "equal",
    aten.nonzero: "nonzero",
    aten.masked_select: "masked_select",
    aten._unique: "unique",
    aten._unique2: "unique",
    aten.unique_dim: "unique",
    aten.unique_consecutive: "unique",
    aten.unique_dim_consecutive: "unique",
    aten.bincount: "bincount",
    aten._linalg_check_errors: "check of a factorization",
}
MASKED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}
#: Operations between tensors of both devices.
COPIES = {aten._to_copy, aten.copy_, aten.copy}


class OnDevice(Tensor):
    """A tensor of the simulated device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made: OnDevice = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=torch.device(DEVICE),
        )
        made.held = held
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({self.held})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _compute(function, args, kwargs or {})


class Waits(TorchDispatchMode):
    """While entered, tensors can be created on the simulated device and moved to it.

    `found` counts the waits by operation and by the line of the package that called it, and
    `operations` counts all operations on the device, both while `counting` is true.
    """

    current: Waits | None = None

    def __init__(self) -> None:
        super().__init__()
        self.counting = False
        self.found: Counter[tuple[str, str]] = Counter()
        self.operations = 0

    def __enter__(self) -> Waits:
        Waits.current = self
        torch._C._set_only_lift_cpu_tensors(True)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(False)
        Waits.current = None

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _compute(function, args, kwargs or {})

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts within the block."""
        self.counting = True
        try:
            yield
        finally:
            self.counting = False

    def note(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Counts an operation of the device."""
        if not self.counting:
            return
        self.operations += 1
        name = _wait(function, args, kwargs)
        if name is not None:
            self.found[name, _line()] += 1


def install() -> None:
    """Creates the device; only once in a process."""
    _setup_privateuseone_for_python_backend("gpu")


def _compute(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    device = kwargs.get("device")
    target = None if device is None else torch.device(device)
    tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
    simulated = any(isinstance(one, OnDevice) for one in tensors)
    to_device = simulated if target is None else target.type == "gpu"
    if function.overloadpacket is aten.copy_:
        to_device = isinstance(args[0], OnDevice)
    if not simulated and not to_device:
        return function(*args, **_without_pinning(function, kwargs))
    if Waits.current is not None:
        Waits.current.note(function, args, kwargs)
    plain_args, plain = tree_map_only(OnDevice, lambda one: one.held, (args, kwargs))
    if target is not None:
        plain = plain | {"device": torch.device("cpu")}
    out = function(*plain_args, **_without_pinning(function, plain))
    if not to_device:
        return out
    if function.overloadpacket is aten._to_copy:
        out = out.clone() if out is plain_args[0] else out
    out = tree_map_only(Tensor, OnDevice, out)
    return return_and_correct_aliasing(function, args, kwargs, out)


def _without_pinning(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key != "pin_memory"}


def _wait(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Why the host waits at an operation; None if it does not."""
    packet = function.overloadpacket
    if packet in READS:
        return READS[packet]
    if packet is aten.repeat_interleave and kwargs.get("output_size") is None:
        return "repeat_interleave"
    if packet in COPIES:
        return _copy(packet, args, kwargs)
    tensors = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor)]
    if packet in MASKED:
        indices = [one for one in args[1] if one is not None]
        if any(one.dtype in (torch.bool, torch.uint8) for one in indices):
            return "boolean index"
    if any(not isinstance(one, OnDevice) and one.ndim for one in tensors):
        return "tensor of the host as an argument"
    return None


def _copy(packet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    if packet is aten._to_copy:
        source, target = args[0], kwargs.get("device")
        from_device = isinstance(source, OnDevice)
        onto_device = from_device if target is None else torch.device(target).type == "gpu"
        queued = kwargs.get("non_blocking", False)
        pinned = is_pinned(source)
    else:
        into, source = args[:2]
        from_device, onto_device = (isinstance(one, OnDevice) for one in (source, into))
        queued = kwargs.get("non_blocking", False) or (len(args) > 2 and args[2])
        pinned = is_pinned(source) or is_pinned(into)
    if from_device == onto_device:
        return None
    if from_device:
        # `to` with non-blocking creates pinned memory for its result.
        return None if queued and (pinned or packet is aten._to_copy) else "copy to the host"
    return None if queued and pinned else "copy to the device"


_PINNED: set[int] = set()


def pinned(tensor: Tensor) -> Tensor:
    """Stands in for `Tensor.pin_memory`."""
    copy = tensor.clone()
    _PINNED.add(copy.untyped_storage()._cdata)
    return copy


def is_pinned(tensor: Tensor) -> bool:
    """Whether a tensor of the host was pinned."""
    return not isinstance(tensor, OnDevice) and tensor.untyped_storage()._cdata in _PINNED


def _line() -> str:
    """The innermost line of the package on the stack, or "backward" if there is none."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            place = path.relative_to(PACKAGE.parent).as_posix()
            return f"{place}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back
    return "backward"
