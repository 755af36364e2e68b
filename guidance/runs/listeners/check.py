"""Which listeners there are, and whether their packages are installed."""

from __future__ import annotations

from importlib.util import find_spec

from guidance.errors import InputError

#: The package of each listener, which is also its extra.
NAMES = ("tensorboard", "wandb")


def check_listener(name: str) -> None:
    """Checks the name of a listener before anything heavy is imported.

    Raises:
        InputError: there is no such listener, or its package is not installed.
    """
    if name not in NAMES:
        raise InputError(f"--log: expected {' or '.join(NAMES)}, got {name!r:.40}")
    if find_spec(name) is None:
        raise InputError(
            f"--log {name}: the package {name} is not installed; "
            f'pip install "guidance-by-gradient[{name}]"'
        )
