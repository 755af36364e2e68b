"""The axes of a sweep: which values each option takes, and in which combinations.

seed=0..7                    whole numbers, both ends included; 0..100..10 in steps of 10
mode=stylize,texture         a list, separated by commas
learning_rate=0.5..2 log     for random draws: uniform, or uniform in the logarithm
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.files import refuse_special_file

NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(r"\s*(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?\s*")
BETWEEN = re.compile(rf"\s*({NUMBER}?)\.\.({NUMBER})\s*(log)?\s*")
#: Values of one axis that is written out; longer lists of prompts come from a file.
MOST_VALUES = 100_000
#: A line of a file of prompts, in bytes.
LONGEST_LINE = 40_000


@dataclass(frozen=True)
class Rows:
    """Options that change together: one row of values for each combination."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.names, row, strict=True)) for row in self.rows)


@dataclass(frozen=True)
class PromptFile:
    """A file with a prompt in each line, read line by line; empty lines are left out."""

    path: Path
    count: int
    sha256: str
    names: tuple[str, ...] = ("prompt",)

    @classmethod
    def scan(cls, path: Path) -> PromptFile:
        """Counts the prompts without keeping them.

        Raises:
            InputError: no such file, no prompt in it, a line that is too long or not UTF-8.
        """
        path = path.expanduser()
        refuse_special_file(path)
        if not path.is_file():
            raise InputError(f"--prompts {path}: no such file; give a text with a prompt per line")
        found, digest = 0, hashlib.sha256()
        for line in _lines(path):
            digest.update(line.encode() + b"\n")
            found += 1
        if not found:
            raise InputError(f"--prompts {path}: has no prompts; write one in each line")
        return cls(path, found, digest.hexdigest())

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({"prompt": line} for line in _lines(self.path))


Group = Rows | PromptFile


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(raw) > LONGEST_LINE:
                raise InputError(
                    f"{path}: line {number} has more than {LONGEST_LINE} bytes; give one prompt "
                    "in each line"
                )
            try:
                line = raw.decode().strip()
            except UnicodeDecodeError:
                raise InputError(f"{path}: line {number} is not text in UTF-8") from None
            if line:
                yield line


def values_of(name: str, given: Any) -> tuple[Any, ...]:
    """The values of an axis: of a text such as `0..7` or `a,b`, or of a list in YAML.

    Raises:
        InputError: there are none, or too many.
    """
    if isinstance(given, str):
        match = RANGE.fullmatch(given)
        if match is not None:
            first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
            if step < 1 or last < first:
                raise InputError(f"{name}={given}: expected FIRST..LAST or FIRST..LAST..STEP")
            whole = range(first, last + 1, step)
            _check_count(name, len(whole))
            return tuple(whole)
        found: tuple[Any, ...] = tuple(part.strip() for part in given.split(","))
        if not all(found):
            raise InputError(f"{name}={given:.60}: a value is empty; expected e.g. {name}=a,b")
    else:
        found = tuple(given) if isinstance(given, Sequence) else (given,)
    _check_count(name, len(found))
    return found


def _check_count(name: str, count: int) -> None:
    if not 0 < count <= MOST_VALUES:
        raise InputError(f"{name}: expected 1 to {MOST_VALUES} values, got {count}")


def grid(axes: Mapping[str, Any]) -> list[Rows]:
    """One group for each axis: every value with every other."""
    return [
        Rows((name,), tuple((value,) for value in values_of(name, given)))
        for name, given in axes.items()
    ]


def zipped(axes: Mapping[str, Any]) -> list[Rows]:
    """One group of several axes: the first values together, then the second ones, and so on.

    Raises:
        InputError: the axes have different lengths.
    """
    if not axes:
        return []
    columns = {name: values_of(name, given) for name, given in axes.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise InputError(f"--zip: expected as many values for each option; {said}")
    return [Rows(tuple(columns), tuple(zip(*columns.values(), strict=True)))]


def drawn(axes: Mapping[str, Any], count: int, seed: int) -> list[Rows]:
    """One group of random draws: `count` rows, each with a value for every axis.

    A value depends on the seed, the name and the number of the row only, so that more draws or
    another axis leave it as it is.

    Raises:
        InputError: an axis is neither a range nor a list.
    """
    if not axes:
        return []
    columns = [
        [_draw(name, given, _uniform(seed, name, row)) for row in range(count)]
        for name, given in axes.items()
    ]
    return [Rows(tuple(axes), tuple(zip(*columns, strict=True)))]


def _draw(name: str, given: Any, uniform: float) -> Any:
    match = BETWEEN.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        values = values_of(name, given)
        return values[int(uniform * len(values))]
    low, high = (float(match[1] or "nan"), float(match[2]))
    if not low < high:
        raise InputError(f"--random {name}={given}: expected LOW..HIGH with LOW below HIGH")
    if match[3]:
        if low <= 0:
            raise InputError(f"--random {name}={given}: log needs a range above 0")
        return float(f"{math.exp(math.log(low) + uniform * math.log(high / low)):.6g}")
    if _is_whole(match[1]) and _is_whole(match[2]):
        return int(low) + int(uniform * (int(high) - int(low) + 1))
    return float(f"{low + uniform * (high - low):.6g}")


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+", text) is not None


def _uniform(seed: int, name: str, row: int) -> float:
    digest = hashlib.sha256(f"{seed}/{name}/{row}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def in_order(groups: Sequence[Group]) -> list[Group]:
    """The groups in the order of nested loops: prompts and seeds innermost, where runs are packed.

    Prompts come before seeds, and all other options before both.
    """

    def rank(group: Group) -> int:
        names = set(group.names)
        if not names <= {"prompt", "seed"}:
            return 0
        return 2 if names == {"seed"} else 1

    return sorted(groups, key=rank)


def combinations(groups: Sequence[Group]) -> Iterator[dict[str, Any]]:
    """Every combination of one row of each group; the last group changes fastest."""
    if not groups:
        yield {}
        return
    for row in groups[0]:
        for rest in combinations(groups[1:]):
            yield {**row, **rest}


def number_of(groups: Sequence[Group]) -> int:
    """The number of combinations."""
    return math.prod(len(group) for group in groups)
