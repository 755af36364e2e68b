"""Errors of the libraries that build models and read their files, as one line."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from guidance.errors import GuidanceError, InputError

#: What torch, open_clip, timm, transformers and diffusers raise for values that do not fit.
KINDS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class library_errors(AbstractContextManager[None]):  # noqa: N801 - used as a function
    """Within the context, errors of a library become one line that names the file.

    Running out of memory is not an error of the file, and passes.

    Args:
        path: the file or folder that is read.
        problem: what the error means, e.g. "cannot be read".
    """

    def __init__(self, path: Path, problem: str = "cannot be read") -> None:
        self.path, self.problem = path, problem

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or kind is None or isinstance(error, GuidanceError | MemoryError):
            return
        import torch
        from safetensors import SafetensorError

        if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
            return
        # The library tokenizers raises Exception itself for files that it cannot parse.
        if kind is Exception or isinstance(error, (*KINDS, SafetensorError)):
            reason = (str(error).strip().splitlines() or [kind.__name__])[0]
            text = "".join(letter if letter.isprintable() else "?" for letter in reason)
            raise InputError(f"{self.path}: {self.problem} ({text:.200})") from error
