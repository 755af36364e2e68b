"""What a portrait shows: attributes that are correlated as in life, drawn from uniform numbers.

Old people have gray hair and glasses, hair color depends on skin, beards come with short hair, and
so on. A quarter of the people are exceptions: each attribute is drawn by itself, so that every
combination occurs. The choices are inverse distribution functions of `CHOICES` uniform numbers, so
that a normal vector determines a portrait (see `recipes.mini_stylegan.latents`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "age": ("young", "old"),
    "skin": ("light", "tan", "brown", "dark"),
    "hair_style": (
        "combed", "curly_top", "sideburns", "bob", "curly", "pigtails", "long", "very_long",
    ),
    "hair_color": (
        "black", "brown", "blond", "red", "gray", "pink", "purple", "blue", "green",
    ),
    "beard": ("none", "beard"),
    "glasses": ("none", "glasses"),
    "eyes": ("open", "closed"),
    "mouth": ("smile", "grin", "serious", "sad", "surprised"),
    "clothes": ("plain", "round_neck", "checkered"),
    "clothes_color": ("red", "yellow", "green", "blue", "purple", "pink", "black", "white"),
}  # fmt: skip
NAMES = tuple(ATTRIBUTES)
# Which hair length each style is, by its position in "hair_style".
LENGTHS = ("short", "medium", "long")
LENGTH_OF_STYLE = np.array([0, 0, 0, 1, 1, 1, 2, 2])

# Typical colors in sRGB, chosen by eye.
COLORS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "skin": ((246, 208, 182), (226, 167, 124), (172, 110, 72), (106, 66, 48)),
    "hair_color": (
        (30, 27, 30), (107, 66, 38), (232, 203, 120), (205, 50, 38), (172, 172, 178),
        (240, 140, 184), (125, 70, 181), (58, 111, 216), (63, 159, 86),
    ),
    "clothes_color": (
        (214, 52, 48), (246, 206, 66), (62, 160, 82), (52, 104, 214), (130, 74, 186),
        (242, 128, 178), (44, 44, 50), (242, 242, 244),
    ),
}  # fmt: skip
SPREADS = {"skin": 5.0, "hair_color": 7.0, "clothes_color": 8.0}  # of the colors, in 1/255
PAINTED = tuple(COLORS)
EXCEPTIONS = 0.25  # share of people whose attributes are independent and equally frequent
CHOICES = 1 + len(NAMES) + 3 * len(PAINTED) + 3

_YOUNG_OLD = np.array([0.72, 0.28])
_SKIN = np.array([0.3, 0.25, 0.25, 0.2])
# By age: combed, curly top, sideburns, bob, curly, pigtails, long, very long.
_STYLE = np.array(
    [[0.16, 0.14, 0.1, 0.12, 0.1, 0.08, 0.16, 0.14], [0.22, 0.08, 0.2, 0.24, 0.12, 0.0, 0.1, 0.04]]
)
# By skin: black, brown, blond, red, gray, pink, purple, blue, green.
_HAIR = np.array(
    [
        [0.09, 0.22, 0.27, 0.18, 0.0, 0.07, 0.06, 0.06, 0.05],
        [0.2, 0.32, 0.12, 0.1, 0.0, 0.08, 0.06, 0.06, 0.06],
        [0.4, 0.3, 0.03, 0.03, 0.0, 0.06, 0.06, 0.06, 0.06],
        [0.54, 0.18, 0.02, 0.02, 0.0, 0.06, 0.06, 0.06, 0.06],
    ]
)
_GRAY_WHEN_OLD = 0.8
_BEARD = np.array([0.42, 0.03, 0.02])  # by hair length
_GLASSES = np.array([0.25, 0.72])  # by age
_CLOSED = 0.3
# By eyes: smile, grin, serious, sad, surprised.
_MOUTH = np.array([[0.24, 0.28, 0.14, 0.18, 0.16], [0.36, 0.1, 0.28, 0.22, 0.04]])
# By beard: plain, round neck, checkered.
_CLOTHES = np.array([[0.42, 0.42, 0.16], [0.25, 0.15, 0.6]])
# By hair length: red, yellow, green, blue, purple, pink, black, white.
_CLOTHES_COLOR = np.array(
    [
        [0.1, 0.08, 0.2, 0.28, 0.04, 0.02, 0.18, 0.1],
        [0.14, 0.14, 0.14, 0.14, 0.11, 0.11, 0.11, 0.11],
        [0.18, 0.14, 0.06, 0.05, 0.2, 0.24, 0.04, 0.09],
    ]
)


def draw(uniform: np.ndarray, exceptions: float = EXCEPTIONS) -> dict[str, np.ndarray]:
    """The portraits that belong to uniform numbers `float [n, CHOICES]` in (0, 1).

    Args:
        uniform: independent numbers.
        exceptions: the share of portraits whose attributes are independent; 1 for all.

    Returns:
        For each of `NAMES` the positions of the values, `int64 [n]`; for each of `PAINTED`, under
        `name + "_rgb"`, and for `background_rgb` the color, `float32 [n, 3]` in [0, 1].
    """
    columns = iter(uniform.T)
    exception = next(columns) < exceptions
    found: dict[str, np.ndarray] = {}
    for name in NAMES:
        given = _chances(name, found, len(uniform))
        equal = np.full(given.shape, 1 / given.shape[1])
        chances = np.where(exception[:, None], equal, given)
        found[name] = _pick(chances, next(columns))
    for name in PAINTED:
        typical = np.array(COLORS[name], np.float64)[found[name]]
        noise = np.stack([_bell(next(columns)) for _ in range(3)], 1)
        color = typical + SPREADS[name] * noise
        found[f"{name}_rgb"] = (np.clip(color, 0, 255) / 255).astype(np.float32)
    found["background_rgb"] = _backgrounds(*(next(columns) for _ in range(3)))
    return found


def sample(
    count: int, random: np.random.Generator, exceptions: float = EXCEPTIONS
) -> dict[str, np.ndarray]:
    """`count` random portraits; see `draw`."""
    return draw(random.uniform(size=(count, CHOICES)), exceptions)


def lengths(portraits: dict[str, np.ndarray]) -> np.ndarray:
    """The hair length of each portrait, a position in `LENGTHS`, `int64 [n]`."""
    return LENGTH_OF_STYLE[portraits["hair_style"]]


def vectors(portraits: dict[str, np.ndarray]) -> np.ndarray:
    """One row per portrait: every attribute one-hot, then the colors; `float32 [n, WIDTH]`."""
    columns = [np.eye(len(ATTRIBUTES[name]), dtype=np.float32)[portraits[name]] for name in NAMES]
    columns += [portraits[f"{name}_rgb"] * 2 - 1 for name in PAINTED]
    return np.concatenate([*columns, portraits["background_rgb"] * 2 - 1], 1)


WIDTH = sum(map(len, ATTRIBUTES.values())) + 3 * len(PAINTED) + 3


def association(portraits: dict[str, np.ndarray], one: str, other: str) -> float:
    """Cramér's V of two attributes: 0 if independent, 1 if one determines the other."""
    counts = np.zeros((len(ATTRIBUTES[one]), len(ATTRIBUTES[other])))
    np.add.at(counts, (portraits[one], portraits[other]), 1)
    expected = counts.sum(1, keepdims=True) * counts.sum(0) / counts.sum()
    squares = ((counts - expected) ** 2 / np.maximum(expected, 1e-9)).sum() / counts.sum()
    return float(np.sqrt(squares / (min(counts.shape) - 1)))


def _chances(name: str, found: dict[str, np.ndarray], count: int) -> np.ndarray:
    """The probabilities of the values of one attribute, given those before it, `[n, values]`."""
    rules: dict[str, Callable[[], np.ndarray]] = {
        "age": lambda: np.tile(_YOUNG_OLD, (count, 1)),
        "skin": lambda: np.tile(_SKIN, (count, 1)),
        "hair_style": lambda: _STYLE[found["age"]],
        "hair_color": lambda: _hair(found),
        "beard": lambda: _second(_BEARD[lengths(found)]),
        "glasses": lambda: _second(_GLASSES[found["age"]]),
        "eyes": lambda: _second(np.full(count, _CLOSED)),
        "mouth": lambda: _MOUTH[found["eyes"]],
        "clothes": lambda: _CLOTHES[found["beard"]],
        "clothes_color": lambda: _CLOTHES_COLOR[lengths(found)],
    }
    return rules[name]()


def _second(chance: np.ndarray) -> np.ndarray:
    """The probabilities of two values, given that of the second."""
    return np.stack([1 - chance, chance], 1)


def _hair(found: dict[str, np.ndarray]) -> np.ndarray:
    """The probabilities of hair colors, given skin and age."""
    colors = _HAIR[found["skin"]]
    gray = np.eye(colors.shape[1])[ATTRIBUTES["hair_color"].index("gray")]
    old = _GRAY_WHEN_OLD * gray + (1 - _GRAY_WHEN_OLD) * colors
    return np.where(found["age"][:, None] == 1, old, colors)


def _pick(chances: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """The inverse distribution function of each row of probabilities, `int64 [n]`."""
    steps = np.cumsum(chances, 1)[:, :-1]
    return (uniform[:, None] > steps).sum(1)


def _bell(uniform: np.ndarray) -> np.ndarray:
    """Numbers of mean 0 and variance 1 with light tails: uniform numbers stretched."""
    return (uniform - 0.5) * np.sqrt(12)


def _backgrounds(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Calm colors of every hue, `float32 [n, 3]`."""
    sectors = np.abs((6 * hue[:, None] + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    pure = np.clip(sectors, 0, 1)
    height, depth = 0.72 + 0.26 * value[:, None], 0.04 + 0.22 * saturation[:, None]
    return (height * (1 - depth * (1 - pure))).astype(np.float32)
