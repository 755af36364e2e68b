"""The exceptions a user can meet. Each has one clear message and one documented exit code.

A message says what is wrong, where, and what to do, in one or two lines: the command line prints it
as it stands, without a traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

#: Errors of the operating system on a full disk: no space, a quota, or a limit on a file's size.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: How allocators report that they failed, where there is no class for it: that of torch for the
#: CPU, cuDNN and cuBLAS, MPS, and C++.
NO_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "status_alloc_failed",
    "bad_alloc",
)


class GuidanceError(Exception):
    """Base of every error that is not a bug; `exit_code` is what `guide` returns for it."""

    exit_code = 1


class InputError(GuidanceError, ValueError):
    """The user's input cannot be used: a bad file, a bad value, an unknown key."""

    exit_code = 2


class InputWarning(UserWarning):
    """What the user should know about a file that is read nevertheless, e.g. what is ignored."""


class MissingWeights(GuidanceError):
    """A model's weights are not on this machine; the message names path and command."""

    exit_code = 3


class Diverged(GuidanceError):
    """The loss or its gradient stayed non-finite after the one rollback that is tried."""

    exit_code = 4


class OutOfResources(GuidanceError):
    """Out of memory at the smallest micro-batch, or the disk is full."""

    exit_code = 5


class Interrupted(GuidanceError):
    """SIGINT or SIGTERM arrived; a checkpoint was written and the run can be resumed."""

    exit_code = 75


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one that caused it, is a failed allocation.

    torch raises an `OutOfMemoryError` for CUDA and a plain `RuntimeError` for the CPU; numpy and
    Pillow raise a `MemoryError`.
    """
    return any(_is_failed_allocation(each) for each in _with_causes(error))


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that caused it, is that of a full disk."""
    return any(isinstance(each, OSError) and each.errno in FULL for each in _with_causes(error))


@contextmanager
def resource_errors(advice: str) -> Iterator[None]:
    """Converts failed allocations and a full disk into one line.

    Args:
        advice: what to do if the memory is too small.

    Raises:
        OutOfResources: out of memory, or the disk is full.
    """
    try:
        yield
    except OutOfResources:
        raise
    # Components convert errors of the libraries that they call, so the cause may lie deeper.
    except (GuidanceError, MemoryError, RuntimeError, OSError, ValueError, TypeError) as error:
        if is_out_of_memory(error):
            raise OutOfResources(f"out of memory; {advice}") from error
        if is_disk_full(error):
            raise OutOfResources("the disk is full; free space and try again") from error
        raise


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, or what was handled when it was raised."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _is_failed_allocation(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in NO_MEMORY)
