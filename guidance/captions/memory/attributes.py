"""Attributes of a named thing, each kept only if it matches better than its alternatives."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from guidance.language.words import A_PORTRAIT, COLORS, MATERIALS, PATTERNS, with_article

#: The least probability of an attribute among its alternatives.
SURE = 0.7
#: A second color has many alternatives, and must match better than none by this cosine.
GAIN = 0.005
#: The color of a thing that has a usual one must match better than the noun alone by this cosine.
THING_GAIN = 0.03
HAIR = (
    "red", "orange", "blond", "brown", "black", "gray", "white", "pink", "purple", "blue", "green",
)  # fmt: skip
MOUTHS = ("smiling", "sad", "serious", "surprised")
#: Nouns whose patterns are asked for.
PATTERNED = frozenset(("shape",))

#: Cosines of one image and texts.
Score = Callable[[list[str]], Tensor]


def best(score: Score, scale: float, phrases: list[str]) -> tuple[int, float]:
    """The phrase that matches best, and its probability among them."""
    cosines: Float[Tensor, "k"] = score([with_article(phrase) for phrase in phrases])
    probabilities = (scale * cosines).softmax(-1)
    index = int(probabilities.argmax())
    return index, float(probabilities[index])


def describe(noun: str, broader: tuple[str, ...], score: Score, scale: float) -> list[str]:
    """Phrases for a noun with the attributes that are kept, all of them true at the same time.

    Several phrases are ways to say the same; the noun alone if nothing is kept.

    Args:
        noun: without color and pattern.
        broader: nouns that are true of it, which decide what is asked.
    """
    if noun == A_PORTRAIT:
        return [_face("face", score, scale)]
    colors = [f"{color} {noun}" for color in COLORS]
    if PATTERNED & set(broader) and noun not in PATTERNED:
        colors += [f"{material} {noun}" for material in MATERIALS]
    index, probability = best(score, scale, [noun, *colors])
    known = [*COLORS, *MATERIALS]
    if noun in PATTERNED or not PATTERNED & set(broader):
        least = 0.0 if noun in PATTERNED else THING_GAIN
        gain = score([with_article(colors[index - 1])]) - score([with_article(noun)])
        kept = index > 0 and probability >= SURE and float(gain) >= least
        return [colors[index - 1]] if kept else [noun]
    return _patterned(noun, known, colors, score, scale)


def _patterned(
    noun: str, known: list[str], colors: list[str], score: Score, scale: float
) -> list[str]:
    """A shape with one color, or with two and a pattern."""
    one, sure = best(score, scale, colors)
    first = known[one]
    if first in MATERIALS:
        return [colors[one]] if sure >= SURE else [noun]
    pairs = [(a, b) for i, a in enumerate(COLORS) for b in COLORS[i + 1 :]]
    two, both = best(score, scale, [f"{a} and {b} {noun}" for a, b in pairs])
    a, b = pairs[two]
    pair = f"{a} and {b} {noun}"
    gain = score([with_article(pair)]) - score([with_article(colors[one])])
    if float(gain) < GAIN or both < SURE / 2:
        return [colors[one]] if sure >= SURE / 2 else [noun]
    ways = [f"{a} and {b} {pattern} {noun}" for pattern in PATTERNS]
    ways.append(f"{noun} with a gradient from {a} to {b}")
    which, probability = best(score, scale, ways)
    return [ways[which]] if probability >= SURE else [pair]


def _face(noun: str, score: Score, scale: float) -> str:
    """A face with its expression, hair and glasses."""
    mouth, smiles = best(score, scale, [f"{word} {noun}" for word in MOUTHS])
    hair, colored = best(score, scale, [f"{noun} with {word} hair" for word in HAIR])
    worn, wears = best(score, scale, [f"{noun} with glasses", f"{noun} without glasses"])
    text = f"{MOUTHS[mouth]} {noun}" if smiles >= SURE else noun
    has = [f"{HAIR[hair]} hair"] if colored >= SURE else []
    has += ["glasses"] if worn == 0 and wears >= SURE else []
    return f"{text} with {' and '.join(has)}" if has else text
