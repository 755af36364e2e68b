"""Models that a process keeps between runs; for workers, which do many runs with the same models.

By default a model is freed with the last run that uses it, and its text tower as soon as all texts
are encoded.
"""

from __future__ import annotations

from collections import deque
from typing import Any

#: Models kept at one time: a loss may ask two encoders or a denoiser, and there is the judge.
MOST_KEPT = 4


class _Kept:
    """The models of this process, the last ones that were loaded."""

    models: deque[Any] | None = None


def keep_loaded() -> None:
    """Keeps the models that are loaded from now on, with their text towers."""
    if _Kept.models is None:
        _Kept.models = deque(maxlen=MOST_KEPT)


def is_keeping() -> bool:
    """Whether models are kept."""
    return _Kept.models is not None


def keep(model: Any) -> None:
    """Keeps a model that was just loaded, if the process keeps models."""
    if _Kept.models is not None and not any(model is each for each in _Kept.models):
        _Kept.models.append(model)


def forget_texts() -> None:
    """Forgets the texts that kept models have encoded.

    The vector of a text depends, in its last bits, on the texts that were encoded with it: a run
    must not depend on those before it.
    """
    for model in _Kept.models or ():
        model.forget_texts()
