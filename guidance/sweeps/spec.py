"""What a sweep consists of: a task with options, axes, and what is chosen in the end.

A YAML file has the same words as the command line:

    schema_version: 1
    task: text2image
    options: {preset: draft, generator: pyramid}
    grid: {prompt: [a red heart, a pear], seed: 0..3}
    zip: {size: [64, 128], steps: [50, 100]}
    random: {learning_rate: 0.5..2 log}
    trials: 4
    prompts: prompts.txt
    best_of: 8
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError, model_validator

from guidance.config.files import read_config
from guidance.config.marks import whole_version
from guidance.errors import InputError
from guidance.options import Plain
from guidance.sweeps.axes import Group, PromptFile, Rows, drawn, grid, in_order, zipped
from guidance.sweeps.folder import SCHEMA_VERSION
from guidance.wording import what_is_wrong

#: Values of an axis that are written to sweep.yaml; of longer ones, the number is.
MOST_WRITTEN = 200
#: How a choice is made; also keys of sweep.yaml.
CHOICES = ("best_of", "halve", "archive", "report_judge")


class Spec(Plain):
    """A sweep as the user wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str
    options: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, Any] = Field(default_factory=dict)
    zip: dict[str, Any] = Field(default_factory=dict)
    random: dict[str, Any] = Field(default_factory=dict)
    trials: int | None = Field(default=None, ge=1, le=1_000_000)
    random_seed: int = Field(default=0, ge=0)
    prompts: Path | None = None
    pack: int | None = Field(default=None, ge=1, le=1024)
    best_of: int | None = Field(default=None, ge=2, le=1024)
    halve: bool = False
    archive: bool = False
    report_judge: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Spec:
        used: list[str] = [*self.grid, *self.zip, *self.random]
        used += ["prompt"] if self.prompts else []
        used += ["seed"] if self.best_of else []
        for name in used:
            if used.count(name) > 1:
                raise InputError(f"{name} has values twice; give it to one of grid, zip, random, "
                                 "prompts and best_of")  # fmt: skip
        if bool(self.random) != (self.trials is not None):
            raise InputError("random and trials belong together: --random NAME=0..1 --trials 10")
        if self.halve and not (self.best_of or "seed" in used):
            raise InputError("halve: needs several seeds; add --best-of 8")
        return self

    @classmethod
    def read(cls, path: Path) -> dict[str, Any]:
        """The mapping of a YAML file of a sweep.

        Raises:
            InputError: it cannot be read, names no task, or has a newer schema version.
        """
        values = read_config(path)
        whole_version(values.pop("schema_version", SCHEMA_VERSION), SCHEMA_VERSION, str(path))
        if not isinstance(values.get("task"), str):
            raise InputError(f"{path}: names no task; add e.g. `task: text2image`")
        if values["task"].endswith(".py"):
            raise InputError(
                f"{path}: a file cannot name Python code; give it: guide sweep {values['task']} ..."
            )
        if isinstance(values.get("prompts"), str):
            values["prompts"] = path.parent / values["prompts"]
        return values

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str) -> Spec:
        """The sweep of these values.

        Raises:
            InputError: one of them is wrong; names it.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            inner = first.get("ctx", {}).get("error")
            if isinstance(inner, InputError):
                raise InputError(f"{where}: {inner}") from None
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise InputError(
                    f"{where}: unknown key {place!r:.60}; the keys are {known}"
                ) from None
            raise InputError(f"{where}: {place}: {what_is_wrong(error)}") from None

    def groups(self) -> tuple[dict[str, Any], list[Group]]:
        """The options that all trials share, and the groups of axes, in the order of the trials.

        Several prompts in the options are an axis.

        Raises:
            InputError: an axis is wrong, or an option is an axis as well.
        """
        options = dict(self.options)
        groups: list[Group] = [
            *grid(self.grid),
            *zipped(self.zip),
            *drawn(self.random, self.trials or 0, self.random_seed),
        ]
        if self.prompts is not None:
            groups.append(PromptFile.scan(self.prompts))
        if self.best_of is not None:
            first = int(options.pop("seed", 0))
            groups.append(Rows(("seed",), tuple((first + i,) for i in range(self.best_of))))
        given = options.get("prompt")
        if isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 1:
            groups.append(Rows(("prompt",), tuple((each,) for each in options.pop("prompt"))))
        for group in groups:
            for name in group.names:
                if name in options:
                    raise InputError(
                        f"{name} is an option and an axis of the sweep; remove one of them"
                    )
        return options, in_order(groups)

    def axes(self, groups: Sequence[Group]) -> list[dict[str, Any]]:
        """The axes in the order of the user, as sweep.yaml lists them."""
        found: dict[str, dict[str, Any]] = {}
        for group in groups:
            for index, name in enumerate(group.names):
                axis: dict[str, Any] = {"name": name, "kind": self._kind(name)}
                if isinstance(group, PromptFile):
                    axis |= {"count": group.count, "sha256": group.sha256}
                else:
                    values = list(dict.fromkeys(row[index] for row in map(_hashable, group.rows)))
                    axis["count"] = len(values)
                    if len(values) <= MOST_WRITTEN:
                        axis["values"] = values
                found[name] = axis
        order = [*self.grid, *self.zip, *self.random]
        return sorted(
            found.values(), key=lambda a: order.index(a["name"]) if a["name"] in order else 99
        )

    def _kind(self, name: str) -> str:
        for kind in ("grid", "zip", "random"):
            if name in getattr(self, kind):
                return kind
        return "best_of" if name == "seed" else "prompts"


def _hashable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each if isinstance(each, str | int | float | bool) else repr(each) for each in row)
