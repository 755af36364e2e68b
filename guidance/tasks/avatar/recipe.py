"""From the prompts of an avatar to its motions, views and losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.errors import InputError
from guidance.prompts import Prompt
from guidance.schedule import Schedule
from guidance.generators.mesh.param.outfit import Outfit
from guidance.tasks.avatar.costume import start_outfit
from guidance.tasks.avatar.part_prompt import PARTS, PartPrompt, named, parse_parts
from guidance.tasks.avatar.wording import Described, about, describe, female

if TYPE_CHECKING:
    from guidance.losses.text.context import LossContext
    from guidance.motion.motion import Motion
    from guidance.tasks.avatar.views import ViewGroup
    from guidance.types import Terms

#: The endings of files of motions.
SUFFIXES = (".bvh", ".glb", ".npz")
#: The motion of a prompt without an action.
STANDING = "stand"
#: Weights of the prompts of the face, the back and parts, relative to that of the whole body.
FACE, BACK, PART = 0.5, 0.4, 1.0
#: Views of a step: of the whole body, of face and back, and of each part.
VIEWS = {"whole": 4, "face": 3, "back": 2, "part": 3}


@dataclass(frozen=True)
class Wanted:
    """What one sample should be, and what the user should know about it."""

    prompt: Prompt
    motion: Motion
    parts: tuple[PartPrompt, ...]
    change: frozenset[str]  # parts that may change
    outfit: Outfit  # at the start
    female: float  # of the shape at the start, -0.5 to 0.5
    notes: tuple[str, ...] = ()


def wanted(
    prompt: Prompt, motion: str, parts: Sequence[PartPrompt], keep: str, *, words: bool
) -> Wanted:
    """Takes a prompt apart; `motion` and `parts` of the user come first.

    Args:
        words: whether the run starts with the clothes that the prompt names.

    Raises:
        InputError: an unknown part or motion.
    """
    from guidance.motion.bank import load_bank

    bank = load_bank()
    found = describe(prompt, bank)
    moved, note = _motion(found, motion)
    notes = [note]
    given = {part for each in parts for part in each.parts}
    own = [each for each in found.clothes if not given & set(each.parts)]
    notes += [f"{each.prompt.text}: {named(each.parts)}" for each in own]
    outfit, costume = start_outfit(found.prompt, (*own, *parts)) if words else (Outfit(), "")
    if costume:
        notes.append(f"starts with the costume of {costume!r}, see docs/avatars.md and --start")
    elif words and outfit == Outfit():
        notes.append("starts from the body: the tables of clothes have nothing in this prompt")
    said = given | {part for each in own for part in each.parts}
    kept = _kept(found.only_clothes and not costume, keep, said)
    if kept:
        notes.append(f"{named(kept)}: keep the colors of the body; change this with --keep")
    change = frozenset(PARTS) - frozenset(kept)
    sex = female(found.prompt) if words else 0.0
    return Wanted(found.prompt, moved, (*parts, *own), change, outfit, sex, tuple(notes))


def _motion(found: Described, motion: str) -> tuple[Motion, str]:
    """The motion of a file, of a text, or of the prompt; and a line about it."""
    from guidance.motion.bank import load_bank
    from guidance.motion.compose import compose
    from guidance.motion.files.read import read_motions

    if motion.lower().endswith(SUFFIXES):
        return read_motions(Path(motion))[0], f"motion: {Path(motion).name}"
    if motion:
        made = compose(motion)
        return made, f"motion: {made.name!r} of the bank"
    if found.match is None:
        bank = load_bank()
        return bank.clips[STANDING], "motion: stands, as the prompt names none; see --motion"
    said = f"{found.match.name!r}, confidence {found.match.confidence:.2f}"
    return compose(found.action), f"{found.prompt.text!r} with the motion {found.action!r} ({said})"


def _kept(partly: bool, keep: str, said: set[str]) -> tuple[str, ...]:
    """The parts that keep their colors: by default those that a prompt of clothes leaves out."""
    if keep == "none":
        return ()
    if keep != "auto":
        return parse_parts(keep, "--keep")
    if not partly:
        return ()
    return tuple(part for part in PARTS if part not in said)


def view_groups(samples: Sequence[Wanted]) -> tuple[ViewGroup, ...]:
    """The views of the whole body, the face, the back, and each part prompt."""
    from guidance.tasks.avatar.views import ViewGroup
    from guidance.views import WHOLE

    groups = [
        ViewGroup(WHOLE, VIEWS["whole"], (-80.0, 80.0)),
        ViewGroup(0, VIEWS["face"], (-60.0, 60.0), (-5.0, 15.0), bust=True),
        ViewGroup(1, VIEWS["back"], (110.0, 250.0)),
    ]
    for index in range(max(len(each.parts) for each in samples)):
        shown = tuple(
            each.parts[index].parts if index < len(each.parts) else PARTS for each in samples
        )
        azimuth = (-180.0, 180.0) if index >= 0 else (0.0, 0.0)
        groups.append(ViewGroup(index + 2, VIEWS["part"], azimuth, parts=shown))
    return tuple(groups)


def losses_of(
    samples: Sequence[Wanted],
    losses: Callable[[LossContext], Terms],
    context: LossContext,
    style: Prompt | None,
    shares: Sequence[int],
) -> Terms:
    """The prompts of the whole body, the face, the back and the parts, each with its views.

    Args:
        losses: creates the losses for the prompts in a context.
        context: of the task; its prompts are replaced.
        shares: crops of each group of views.
    """
    from guidance.losses.on_subject import OnSubject
    from guidance.types import Terms
    from guidance.views import WHOLE

    rows: list[tuple[int, str, float, list[Prompt]]] = [
        (WHOLE, "whole", 1.0, [each.prompt for each in samples]),
        (0, "face", FACE, [about(each.prompt, "the face of") for each in samples]),
        (1, "back", BACK, [about(each.prompt, "the back of") for each in samples]),
    ]
    for index in range(max(len(each.parts) for each in samples)):
        found = [
            each.parts[index].prompt if index < len(each.parts) else each.prompt for each in samples
        ]
        rows.append((index + 2, f"part {index + 1}", PART, found))
    terms = Terms()
    for (subject, name, weight, prompts), crops in zip(rows, shares, strict=True):
        styled = tuple(prompt.with_style(style) for prompt in prompts)
        augment = replace(context.augment, crops=crops)
        for term in losses(replace(context, prompts=styled, augment=augment)):
            scaled = Schedule.of(term.weight).scaled(weight)
            terms = terms + OnSubject(term.loss, subject, name) * scaled
    return terms


def check_motion(text: str) -> None:
    """Raises InputError for a motion that names no file and no action."""
    if text.lower().endswith(SUFFIXES) and not Path(text).exists():
        raise InputError(f"{text}: no such file")
