"""One warm process, from which all children of a scenario are forked, on all cores."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.reliability.harness.words import RUN

T = TypeVar("T")
R = TypeVar("R")
#: Models that forked children find loaded.
_held: list[Any] = []


def warm_up(base: Path) -> None:
    """Imports what runs import, loads the embedded models, and runs once.

    Nothing here may start a thread, since a forked child would wait for locks that it held.

    Args:
        base: where the run is written.
    """
    import torch

    torch.set_num_threads(1)
    from guidance.models.torchvision import import_torchvision

    import_torchvision()
    import av
    import diffusers
    import open_clip
    import transformers
    import trimesh

    from guidance.cli import main
    from guidance.encoders import load_encoder

    _held.extend([av, diffusers.UNet2DConditionModel, diffusers.AutoencoderKL, open_clip, trimesh])
    _held.extend([transformers.CLIPTextModel, transformers.CLIPTokenizer])
    _held.extend([load_encoder("mini"), load_encoder("mini-judge", "cpu", "fp32")])
    for words in ([*RUN, "--output", str(base / "warm")], ["list"], ["run", "text2mesh", "-h"]):
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stderr(nowhere),
            contextlib.redirect_stdout(nowhere),
            contextlib.suppress(SystemExit),
        ):
            main(words)
    # The command line left its own handlers.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _write_checkpoints_often()
    # Collections in children would look at, and copy, everything that they share.
    gc.collect()
    gc.freeze()


def _write_checkpoints_often() -> None:
    """Makes runs of a second write a checkpoint at each step from the second on, not only two."""
    from guidance.runs import recorder

    for name, value in (("FIRST_CHECKPOINT", 2), ("SECONDS_BETWEEN", 0.0), ("SHARE", 1e9)):
        assert hasattr(recorder, name)
        setattr(recorder, name, value)


def spread(work: Callable[[T], R], trials: Sequence[T]) -> list[R]:
    """Does the trials on all cores, in forked workers, and returns their results in order."""
    workers = min(cores(), len(trials))
    if workers <= 1:
        return [work(trial) for trial in trials]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        return pool.map(work, trials, chunksize=1)


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
