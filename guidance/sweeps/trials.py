"""Trials: the values of the axes, the resolved configuration, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from guidance.config.carried import places
from guidance.config.commandline import task_of
from guidance.config.files import SCHEMA_VERSION, as_mapping
from guidance.errors import InputError
from guidance.prompts import Prompt
from guidance.sweeps.axes import Group, combinations
from guidance.tasks.base import Task
from guidance.texts import one_line

#: Options in which the trials of one run may differ.
PACKED = ("prompt", "seed")
ID_LETTERS = 16
#: Configurations that are kept resolved: prompts and seeds change fastest.
KEPT = 8


@dataclass(frozen=True)
class Trial:
    """One combination of values, and where its result is."""

    id: str  # hash of the resolved configuration
    values: Mapping[str, Any]  # of the axes, by option
    prompt: str | None  # as written; None where the task has a style only
    seed: int
    key: str  # hash of the resolved configuration without prompt and seed
    folder: str = ""  # of the run, relative to the folder of the sweep
    sample: int | None = None  # of the run, if it has several

    def at(self, folder: str, sample: int | None) -> Trial:
        """The same trial in a run."""
        return replace(self, folder=folder, sample=sample)

    def line(self) -> dict[str, Any]:
        """The trial in `trials.jsonl`."""
        place = {"folder": self.folder}
        if self.sample is not None:
            place["sample"] = self.sample  # type: ignore[assignment]
        values = dict(self.values)
        return {"id": self.id, "values": values, "prompt": self.prompt, "seed": self.seed, **place}

    def said(self) -> str:
        """The trial in messages, e.g. `trial 3f... (mode=texture, seed=1)`."""
        return named(self.id[:6], self.values)


def named(which: str, values: Mapping[str, Any]) -> str:
    """A trial in messages by its values."""
    inner = ", ".join(f"{name}={_short(value)}" for name, value in values.items())
    return f"trial {which} ({inner})" if inner else f"trial {which}"


def _short(value: Any) -> str:
    return one_line(str(value))[:40]


class Resolver:
    """Resolves trials with the options of the task: defaults, presets, types and ranges.

    All options but prompt and seed are resolved once for many trials.

    Args:
        cls: the task.
        name: the task as it was given.
        options: of the sweep, beneath the values of the axes.
        carried: the options come from elsewhere; see `guidance.config.carried`.
    """

    def __init__(
        self, cls: type[Task], name: str, options: Mapping[str, Any], *, carried: bool = False
    ) -> None:
        self.cls, self.name, self.options, self.carried = cls, name, dict(options), carried
        self._places = places(cls)
        self._known: OrderedDict[str, tuple[Task, dict[str, Any], str]] = OrderedDict()
        self.notes: dict[str, None] = {}

    def trial(self, values: Mapping[str, Any], number: int) -> Trial:
        """The trial of these values.

        Args:
            number: of the trial, for messages.

        Raises:
            InputError: an option is unknown or has a wrong value; names the trial.
        """
        try:
            _, mapping, key = self._resolved(values)
            prompts, seed = mapping["prompt"], mapping["seed"]
            if "prompt" in values:
                prompts = [Prompt.of(values["prompt"]).written()]
            if "seed" in values:
                seed = _seed(values["seed"])
        except (InputError, ValueError) as error:
            raise InputError(f"sweep: {named(str(number), values)}: {error}") from None
        prompt = prompts[0] if prompts else None
        return Trial(_hash(f"{key}\n{seed}\n{prompt}")[:ID_LETTERS], values, prompt, seed, key)

    def mapping(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """The resolved configuration of the run that does these trials: prompts x seeds.

        Raises:
            InputError: a trial is not the one that was written.
        """
        first = trials[0]
        _, mapping, key = self._resolved(first.values)
        if key != first.key:
            raise InputError(
                f"sweep: {first.said()}: its configuration is not the one that the sweep began "
                "with; start a new sweep"
            )
        prompts = list(dict.fromkeys(trial.prompt for trial in trials if trial.prompt is not None))
        samples = len(trials) // max(1, len(prompts))
        return {**mapping, "prompt": prompts, "seed": first.seed, "samples": samples}

    def task(self, values: Mapping[str, Any]) -> Task:
        """The resolved task of a trial, apart from its prompt and seed."""
        return self._resolved(values)[0]

    def _resolved(self, values: Mapping[str, Any]) -> tuple[Task, dict[str, Any], str]:
        rest = {name: value for name, value in values.items() if name not in PACKED}
        known = json.dumps(rest, sort_keys=True, default=str)
        if known in self._known:
            self._known.move_to_end(known)
            return self._known[known]
        task, notes = task_of(
            self.cls,
            self.name,
            [],
            {**self.options, **values},
            version=SCHEMA_VERSION,
            carried=self.carried,
            where="sweep.yaml" if self.carried else None,
        )
        self.notes |= dict.fromkeys(notes)
        if task.samples != 1:
            raise InputError("samples: is set by the sweep; use an axis such as seed=0..7")
        if len(task.prompt) > 1:
            raise InputError("prompt: expected one; give several as an axis")
        mapping = as_mapping(task, self.cls.task_name())
        hashed = {k: v for k, v in mapping.items() if k not in (*self._places, *PACKED)}
        found = task, mapping, _hash(json.dumps(hashed, sort_keys=True))
        self._known[known] = found
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return found


def trials_of(resolver: Resolver, groups: Sequence[Group]) -> Iterator[Trial]:
    """The trials of all combinations, each once: one with the configuration of another is left out.

    Only the hashes of the trials are kept, so that a million prompts fit into memory.
    """
    seen: set[int] = set()
    for number, values in enumerate(combinations(groups), 1):
        trial = resolver.trial(values, number)
        known = int(trial.id, 16)
        if known not in seen:
            seen.add(known)
            yield trial


def _seed(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or not 0 <= (seed := int(text)) < 2**62:
        raise InputError(f"seed: expected a whole number from 0 up, got {value!r:.40}")
    return seed


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
