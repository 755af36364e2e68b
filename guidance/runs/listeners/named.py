"""Listeners by their names on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guidance.loop.events import Listener
from guidance.runs.listeners.check import check_listener


def make_listener(name: str, output: Path, title: str, config: Mapping[str, Any]) -> Listener:
    """A listener of a new run.

    Args:
        output: the folder of runs; what the listener writes lies in a folder of its own there.
        title: names the run.
        config: the options of the run.

    Raises:
        InputError: see `check_listener`.
    """
    check_listener(name)
    if name == "tensorboard":
        from guidance.runs.listeners.tensorboard import TensorBoard

        return TensorBoard(output / "tensorboard" / title)
    from guidance.runs.listeners.wandb import WeightsAndBiases

    return WeightsAndBiases(output, title, config)
