"""Whether the tensors in the files of a model are those that its configuration asks for.

Models are compared on torch's meta device, where tensors have shapes but no memory, so that a
configuration with large numbers costs nothing before it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.errors import InputError
from guidance.models.foreign.tensors import Stored, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Elements of buffers that are computed and not stored, such as attention masks.
COMPUTED = 2**25
#: Tensors that each layer has at least. The smallest layers, of tiny autoencoders, have six.
LAYER_TENSORS = 4
#: Names of types in a header, where torch spells them in another way.
TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip


def without_memory(header: Mapping[str, Stored]) -> dict[str, Tensor]:
    """The tensors of a header on the meta device."""
    import torch

    return {
        name: torch.empty(stored.shape, dtype=getattr(torch, TYPES[stored.dtype]), device="meta")
        for name, stored in header.items()
    }


def check_layers(layers: int, header: Mapping[str, Stored], config: Path) -> None:
    """Checks the number of layers against the number of tensors, before a model is built.

    Raises:
        InputError: there are too few tensors for the layers.
    """
    if layers * LAYER_TENSORS > len(header):
        raise InputError(
            f"{config}: asks for {layers} layers, but the weights have only {len(header)} tensors"
        )


def check_fits(
    expected: Mapping[str, Tensor], stored: Mapping[str, Tensor], path: Path, config: Path
) -> None:
    """Checks that a file holds exactly the tensors of a model.

    Args:
        expected: the model's tensors.
        stored: those of the file, with the same names.
        path: the file, for messages.
        config: the configuration that the model was built from, for messages.

    Raises:
        InputError: a tensor is missing, has another shape or kind, or does not belong to the model.
    """
    for name, tensor in expected.items():
        if name not in stored:
            raise InputError(f"{path}: does not match {config}: tensor {shown(name)} is missing")
        have, want = stored[name], tensor
        if have.shape != want.shape:
            raise InputError(
                f"{path}: does not match {config}: tensor {shown(name)} has shape "
                f"{list(have.shape)}, expected {list(want.shape)}"
            )
        if have.is_floating_point() != want.is_floating_point():
            raise InputError(
                f"{path}: does not match {config}: tensor {shown(name)} is of "
                f"{str(have.dtype).removeprefix('torch.')}"
            )
    if extra := next((name for name in stored if name not in expected), None):
        raise InputError(
            f"{path}: does not match {config}: tensor {shown(extra)} does not belong to the model"
        )


def check_size(skeleton: nn.Module, header: Mapping[str, Stored], path: Path, config: Path) -> None:
    """Checks that a model is not larger than its files; for libraries that rename tensors.

    Args:
        skeleton: the model on the meta device.
        header: all tensors of its files.
        path: the folder of the files, for messages.
        config: the configuration that the model was built from, for messages.

    Raises:
        InputError: the model is larger; the message names a tensor that is missing or smaller.
    """
    parameters = sum(parameter.numel() for parameter in skeleton.parameters())
    computed = sum(buffer.numel() for buffer in skeleton.buffers())
    given = sum(stored.count for stored in header.values())
    if parameters <= given and parameters + computed <= given + COMPUTED:
        return
    for name, tensor in skeleton.named_parameters():
        if name not in header:
            raise InputError(f"{path}: does not match {config}: tensor {shown(name)} is missing")
        if header[name].shape != tuple(tensor.shape):
            raise InputError(
                f"{path}: does not match {config}: tensor {shown(name)} has shape "
                f"{list(header[name].shape)}, expected {list(tensor.shape)}"
            )
    raise InputError(f"{config}: asks for more numbers than the weights beside it have")


def check_loaded(info: Mapping[str, object], path: Path, config: Path) -> None:
    """Checks what transformers and diffusers report about the tensors that they loaded.

    Raises:
        InputError: a tensor is missing, or has another shape.
    """
    for key, problem in (("missing_keys", "is missing"), ("mismatched_keys", "has another shape")):
        found = info.get(key) or ()
        assert isinstance(found, list | set | tuple | frozenset | Mapping)
        names = sorted(str(name[0] if isinstance(name, tuple) else name) for name in found)
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise InputError(
                f"{path}: does not match {config}: tensor {shown(names[0])} {problem}{more}"
            )
