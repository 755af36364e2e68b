"""What a portrait shows: attributes that are correlated as in life, determined by normal numbers.

Old people have gray hair and glasses, hair color depends on skin, beards come with short hair, and
so on: a Gaussian copula. Each attribute reads one of several correlated normal numbers, and its
values, in an order in which neighbors are related, are intervals of that number.
"""

from __future__ import annotations

from statistics import NormalDist

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
BACKGROUND, BACKGROUND_SPREAD = 0.84, 0.06
NUMBERS = len(NAMES) + 3 * len(PAINTED) + 3  # normal numbers that determine a portrait
EXCEPTIONS = 0.25  # share of training portraits whose attributes are independent

# How frequent the values of each attribute are, in the order of their intervals.
FREQUENCIES: dict[str, dict[str, float]] = {
    "age": {"young": 0.72, "old": 0.28},
    "skin": {"light": 0.3, "tan": 0.25, "brown": 0.25, "dark": 0.2},
    "hair_style": {
        "combed": 0.18, "curly_top": 0.12, "sideburns": 0.12, "bob": 0.14, "curly": 0.11,
        "pigtails": 0.07, "long": 0.14, "very_long": 0.12,
    },
    "hair_color": {
        "blond": 0.14, "red": 0.1, "pink": 0.06, "purple": 0.06, "blue": 0.06, "green": 0.06,
        "brown": 0.18, "black": 0.19, "gray": 0.15,
    },
    "beard": {"none": 0.8, "beard": 0.2},
    "glasses": {"none": 0.6, "glasses": 0.4},
    "eyes": {"open": 0.68, "closed": 0.32},
    "mouth": {"grin": 0.23, "smile": 0.25, "surprised": 0.12, "serious": 0.18, "sad": 0.22},
    "clothes": {"plain": 0.36, "round_neck": 0.36, "checkered": 0.28},
    "clothes_color": {
        "black": 0.12, "blue": 0.16, "green": 0.13, "white": 0.1, "yellow": 0.12, "red": 0.13,
        "purple": 0.12, "pink": 0.12,
    },
}  # fmt: skip
# Correlations of the numbers that the attributes read; all others are zero.
CORRELATIONS = {
    ("age", "glasses"): 0.65,
    ("age", "hair_color"): 0.66,
    ("glasses", "hair_color"): 0.4,
    ("skin", "hair_color"): 0.38,
    ("hair_style", "beard"): -0.7,
    ("hair_style", "clothes_color"): 0.6,
    ("beard", "clothes_color"): -0.4,
    ("beard", "clothes"): 0.55,
    ("hair_style", "clothes"): -0.35,
    ("eyes", "mouth"): 0.5,
}


def intervals(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of an attribute in the order of their intervals, and the borders between these."""
    order = [ATTRIBUTES[name].index(value) for value in FREQUENCIES[name]]
    below = np.cumsum(list(FREQUENCIES[name].values()))[:-1]
    return np.array(order), np.array([NormalDist().inv_cdf(share) for share in below])


def mixing() -> np.ndarray:
    """The matrix that turns independent normal numbers into those that are read; square."""
    correlations = np.eye(len(NAMES))
    for (one, other), value in CORRELATIONS.items():
        places = NAMES.index(one), NAMES.index(other)
        correlations[places] = correlations[places[::-1]] = value
    matrix = np.eye(NUMBERS)
    matrix[: len(NAMES), : len(NAMES)] = np.linalg.cholesky(correlations)
    return matrix


def draw(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """The portraits that belong to independent normal numbers `float [n, NUMBERS]`.

    Returns:
        For each of `NAMES` the positions of the values, `int64 [n]`; for each of `PAINTED`, under
        `name + "_rgb"`, and for `background_rgb` the color, `float32 [n, 3]` in [0, 1].
    """
    read = numbers @ mixing().T
    found: dict[str, np.ndarray] = {}
    for column, name in enumerate(NAMES):
        order, borders = intervals(name)
        found[name] = order[np.searchsorted(borders, read[:, column])]
    return found | _colors(found, read[:, len(NAMES) :])


def independent(numbers: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Like `draw`, with attributes that are independent and whose values are equally frequent."""
    found = {name: random.integers(len(ATTRIBUTES[name]), size=len(numbers)) for name in NAMES}
    return found | _colors(found, numbers[:, len(NAMES) :])


def sample(
    count: int, random: np.random.Generator, exceptions: float = EXCEPTIONS
) -> dict[str, np.ndarray]:
    """`count` random portraits, of which a share of `exceptions` has independent attributes."""
    numbers = random.standard_normal((count, NUMBERS))
    usual, others = draw(numbers), independent(numbers, random)
    exception = random.uniform(size=count) < exceptions
    return {
        name: np.where(exception if each.ndim == 1 else exception[:, None], others[name], each)
        for name, each in usual.items()
    }


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


def _colors(found: dict[str, np.ndarray], noise: np.ndarray) -> dict[str, np.ndarray]:
    """The colors of attributes, varied by three numbers each, and of the background."""
    colors = {}
    for index, name in enumerate(PAINTED):
        typical = np.array(COLORS[name], np.float64)[found[name]]
        varied = typical + SPREADS[name] * noise[:, 3 * index : 3 * index + 3]
        colors[f"{name}_rgb"] = (np.clip(varied, 0, 255) / 255).astype(np.float32)
    background = BACKGROUND + BACKGROUND_SPREAD * noise[:, -3:]
    colors["background_rgb"] = np.clip(background, 0, 1).astype(np.float32)
    return colors
