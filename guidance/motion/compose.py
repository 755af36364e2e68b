"""Composition: the motion of a sentence, from motions of a bank.

"walks forward, then waves with the left hand twice", "claps while walking", "jumps three times",
"walks slowly for 4 seconds".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from guidance.encoders.base import Encoder
from guidance.motion.bank import Bank, Clip, load_bank
from guidance.motion.cleaning import foot_locked
from guidance.motion.joining import (
    PARTS,
    UPPER,
    closed,
    layered,
    repeated,
    retimed,
    sequence,
)
from guidance.motion.motion import Motion
from guidance.motion.retrieve import Match, retrieve
from guidance.motion.words.clauses import Action, clauses, without_side

#: Loops without a count or a duration are repeated until they last this long, in seconds.
LEAST_SECONDS = 2.4
#: Least score of both actions of "walks and waves", so that they are two.
TWO_ACTIONS = 0.75


@dataclass(frozen=True)
class Segment:
    """A part of a composition: the actions that happen at the same time, with what was found."""

    actions: tuple[Action, ...]
    matches: tuple[Match, ...]


def compose(
    prompt: str, bank: Bank | None = None, *, encoder: Encoder | None = None, seed: int = 0
) -> Motion:
    """The motion that a prompt describes; the same for the same prompt, bank and seed.

    Raises:
        InputError: a prompt without an action, or counts and durations that are out of bounds.
    """
    bank = bank or load_bank()
    segments = plan(prompt, bank, encoder=encoder, seed=seed)
    motions = [_segment(segment, bank) for segment in segments]
    motion = replace(sequence(motions), name=" ".join(prompt.split())[:80])
    return foot_locked(motion) if len(motions) > 1 else motion


def plan(
    prompt: str, bank: Bank | None = None, *, encoder: Encoder | None = None, seed: int = 0
) -> list[Segment]:
    """What `compose` will join: the actions of a prompt and the motions that were found for them.

    Raises:
        InputError: as `compose`.
    """
    bank = bank or load_bank()

    def find(text: str) -> Match:
        return retrieve(text, bank, encoder=encoder, seed=seed, count=1)[0]

    segments = []
    for clause in clauses(prompt):
        for actions in _split(clause, bank, find):
            matches = tuple(_found(action, bank, find) for action in actions)
            segments.append(Segment(actions, matches))
    return segments


def _found(action: Action, bank: Bank, find: object) -> Match:
    """The motion of an action; a clip of the side that is asked for needs no mirroring."""
    assert callable(find)
    match: Match = find(action.text)
    if action.side is not None:
        plain: Match = find(without_side(action.text))
        if plain.score >= match.score:
            return plain
    return match


def _split(clause: tuple[Action, ...], bank: Bank, find: object) -> list[tuple[Action, ...]]:
    """Two actions that are joined by "and": at the same time if one needs only the arms."""
    assert callable(find)
    if len(clause) != 1 or " and " not in clause[0].text:
        return [clause]
    whole: Match = find(clause[0].text)
    texts = [text.strip(" ,") for text in clause[0].text.split(" and ", 1)]
    if not all(texts):
        return [clause]
    both: list[Match] = [find(text) for text in texts]
    if both[0].name == both[1].name or min(match.score for match in both) < TWO_ACTIONS:
        return [clause]
    if whole.score >= min(match.score for match in both) + 0.1:
        return [clause]
    actions = tuple(replace(clause[0], text=text) for text in texts)
    free = [_free(bank.labels[match.name]) for match in both]
    moving = ["locomotion" in bank.labels[match.name].tags for match in both]
    if (free[0] and moving[1]) or (free[1] and moving[0]):
        return [actions]
    return [(actions[0],), (actions[1],)]


def _free(clip: Clip) -> bool:
    """Whether a clip moves arms, head or trunk only."""
    return bool(clip.tags) and not {"legs", "whole body", "left leg", "right leg"} & set(clip.tags)


def _segment(segment: Segment, bank: Bank) -> Motion:
    """The motion of actions that happen at the same time."""
    labels = [bank.labels[match.name] for match in segment.matches]
    motions = [
        _sided(bank.clips[match.name], label, action)
        for match, label, action in zip(segment.matches, labels, segment.actions, strict=True)
    ]
    # The base keeps the legs; the others give the parts that they move.
    order = sorted(range(len(motions)), key=lambda number: (_free(labels[number]), number == 0))
    first = order[0]
    result = _timed(motions[first], labels[first], segment.actions[first])
    for number in order[1:]:
        own = retimed(motions[number], segment.actions[number].speed)
        cycles = max(1, round(result.seconds / max(own.seconds, 0.1)))
        longer = repeated(own, cycles, labels[number].loop)
        fitted = retimed(longer, longer.seconds / max(result.seconds, 0.1))
        result = layered(result, fitted, _joints(labels[number], segment.actions[number]))
    return result


def _sided(motion: Motion, clip: Clip, action: Action) -> Motion:
    """The motion, mirrored if the prompt names the other side than the one that it uses."""
    sides = {tag.split()[0] for tag in clip.tags if tag.startswith(("left ", "right "))}
    own = next(iter(sides)) if len(sides) == 1 else "left" if clip.name == "side_step" else None
    if action.side is not None and own is not None and own != action.side:
        return motion.mirrored()
    return motion


def _joints(clip: Clip, action: Action) -> tuple[str, ...]:
    """The joints that a clip gives to a composition with another one."""
    found: list[str] = []
    for tag in clip.tags:
        if action.side and tag in ("left arm", "right arm"):
            tag = f"{action.side} arm"  # noqa: PLW2901
        found += PARTS.get(tag, ())
    return tuple(dict.fromkeys(found)) or UPPER


def _timed(motion: Motion, clip: Clip, action: Action) -> Motion:
    """The motion as often, as long and as fast as the prompt says."""
    motion = retimed(motion, action.speed)
    count = action.count or 1
    if clip.loop and action.count is None:
        wanted = action.seconds or LEAST_SECONDS
        cycles = wanted / max(motion.seconds, 0.1)
        count = max(1, round(cycles) if action.seconds else -int(-cycles // 1))
    elif action.seconds is not None and action.count is None:
        count = max(1, round(action.seconds / max(motion.seconds, 0.1)))
    count = min(count, 500)
    result = repeated(motion, count, clip.loop)
    if clip.loop and count == 1:
        result = closed(result)
    if action.seconds is not None:
        result = retimed(result, result.seconds / action.seconds)
    return result
