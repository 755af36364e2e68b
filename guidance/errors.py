"""The exceptions a user can meet. Each has one clear message and one documented exit code.

A message says what is wrong, where, and what to do, in one or two lines: the command line prints it
as it stands, without a traceback.
"""

from __future__ import annotations


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
