"""The state of an interrupted run, read from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from guidance.runs import checkpoint
from guidance.runs.folder import CONFIG, METRICS
from guidance.runs.plan import Plan, Scores
from guidance.runs.record import find_end


@dataclass(frozen=True)
class Resumed:
    """The state of an interrupted run."""

    tensors: dict[str, Tensor] = field(repr=False)
    metrics_end: int = 0  # bytes
    judged: Sequence[Scores] = ()  # at the start, and the last time


def read_checkpoint(folder: Path, plan: Plan) -> Resumed | None:
    """Reads and checks the state of an interrupted run, without changing its files.

    Returns:
        None if the run was interrupted before its first checkpoint; it then starts again.

    Raises:
        InputError: checkpoint or metrics are damaged.
    """
    tensors = checkpoint.load(folder, plan.generator, checkpoint.file_digest(folder / CONFIG))
    if tensors is None:
        return None
    mark = checkpoint.metrics_mark(folder)
    end, judged = find_end(folder / METRICS, int(tensors["counter/step"]), mark)
    return Resumed(tensors, end, judged)
