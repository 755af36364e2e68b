"""Prompts for parts of a body, e.g. `--part "head=a helmet"`, and values of its shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guidance.errors import InputError
from guidance.parsed import Parsed
from guidance.prompts import Prompt

#: The parts of a body; those of `guidance.generators.mesh.param.body_parts`.
PARTS = (
    "face", "scalp", "neck", "chest", "belly", "hips", "upper_arms", "forearms", "hands", "thighs",
    "shins", "feet",
)  # fmt: skip
#: Names of several parts.
GROUPS = {
    "head": ("face", "scalp", "neck"),
    "torso": ("chest", "belly"),
    "arms": ("upper_arms", "forearms"),
    "legs": ("thighs", "shins"),
    "all": PARTS,
}


def parse_parts(text: str, option: str) -> tuple[str, ...]:
    """Parts, and names of several, with + or a comma between them.

    Raises:
        InputError: an unknown part, or none.
    """
    found: list[str] = []
    for part in (each.strip() for each in text.replace(",", "+").split("+")):
        if part not in PARTS and part not in GROUPS:
            known = ", ".join((*GROUPS, *PARTS))
            raise InputError(f"{option} {text[:60]!r}: {part[:30]!r} is none of {known}")
        found += GROUPS.get(part, (part,))
    return tuple(dict.fromkeys(found))


def named(parts: Iterable[str], separator: str = ", ") -> str:
    """Parts as a text, with the names of groups where all of a group is there."""
    left, found = list(parts), []
    for group, members in GROUPS.items():
        if group != "all" and set(members) <= set(left):
            found.append(group)
            left = [part for part in left if part not in members]
    return separator.join([*found, *left])


@dataclass(frozen=True)
class PartPrompt(Parsed):
    """A prompt for some parts of the body."""

    parts: tuple[str, ...]
    prompt: Prompt

    @classmethod
    def parse(cls, text: str) -> PartPrompt:
        """Reads "head=a helmet" or "torso+arms=a red coat".

        Raises:
            InputError: no part, an unknown one, or no prompt.
        """
        parts, equals, prompt = text.partition("=")
        if not equals or not prompt.strip():
            raise InputError(f'part {text[:60]!r}: expected PART=PROMPT, e.g. "head=a helmet"')
        return cls(parse_parts(parts, "part"), Prompt.parse(prompt.strip()))

    def written(self) -> str:
        return f"{named(self.parts, '+')}={self.prompt.text}"


@dataclass(frozen=True)
class ShapeValue(Parsed):
    """A control of the body's shape and its difference from the mean body."""

    control: str
    value: float

    @classmethod
    def parse(cls, text: str) -> ShapeValue:
        """Reads "height_cm=10".

        Raises:
            InputError: no name, or no number.
        """
        control, _, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not control.strip() or not abs(number) <= 1000:
            raise InputError(
                f'shape {text[:60]!r}: expected CONTROL=NUMBER, e.g. "height_cm=10" or "female=0.5"'
            )
        return cls(control.strip(), number)

    def written(self) -> str:
        return f"{self.control}={self.value:g}"
