"""Costumes: paint on the embedded body, without a change of its shape.

Each costume is a function that paints a `Canvas`; its colors and details vary with the canvas's
random numbers. `COSTUMES` lists them with the words for whom they show.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recipes.data.canvas import Array, Canvas


def belt(c: Canvas, color: str, buckle: str = "") -> None:
    """A band around the waist."""
    c.put(color, c.at("torso hips") & (np.abs(c.y - 1.03) < 0.03))
    if buckle:
        c.put(buckle, c.at("torso hips") & c.box((-0.04, 0.04), (1.0, 1.06)))


def cuffs(c: Canvas, color: str, length: float = 0.12) -> None:
    """The ends of sleeves and trouser legs."""
    c.put(color, (c.at("forearms") & (c.arm > 1 - length)) | (c.at("shins") & (c.leg > 1 - length)))


def buttons(c: Canvas, color: str, count: int = 4, x: float = 0.0) -> None:
    """A column of buttons on the chest."""
    for y in np.linspace(1.1, 1.42, count):
        c.put(color, c.at("torso") & c.disc(x, y, 0.016))


def cap(c: Canvas, color: str, line: float = 1.71) -> None:
    """A cap, a hat or a helmet above a height in meters."""
    c.put(color, c.at("head") & (c.y > line - 0.12 * (c.front < 0) * (c.z < 0.03)))


def eyes(c: Canvas, color: str, radius: float = 0.016) -> None:
    """Round eyes of one color."""
    for x in (-0.033, 0.033):
        c.put(color, c.at("face") & c.disc(x, 1.688, radius))


def beard(c: Canvas, color: str, line: float = 1.652) -> None:
    """The lower face and the throat."""
    c.put(color, (c.at("face neck") & (c.y < line) & (c.z > 0.03)) & ~c.of_kind("lips"))


def cape(c: Canvas, color: str) -> None:
    """The back of the trunk and the legs."""
    c.put(color, c.at("torso hips thighs shins") & (c.front < 0) & (np.abs(c.x) < 0.24))


def star(c: Canvas, x: float, y: float, size: float, *, front: bool = True) -> Array:
    """A five-pointed star."""
    u, v = c.x - x, c.y - y
    angle = np.arctan2(u, v)
    reach = size * (0.55 + 0.45 * np.cos(5 * angle))
    return c.disc(x, y, size, front=front) & (np.hypot(u, v) < reach)


def astronaut(c: Canvas) -> None:
    c.put(c.any_of("white", "white", "white", "light gray", "orange"), "all")
    for where in (np.abs(c.arm - 0.53), np.abs(c.arm - 0.95)):
        c.put("gray", c.at("arms") & (where < 0.04))
    for where in (np.abs(c.leg - 0.48), np.abs(c.leg - 0.9)):
        c.put("gray", c.at("legs") & (where < 0.025))
    visor = c.at("face") & (c.y > 1.6) & (c.front > 0)
    c.put(c.any_of("navy", "black", "gold"), visor)
    c.put("sky", visor & (c.x + 0.4 * c.y < 0.66) & (c.y > 1.68))
    c.put("gray", c.at("neck"))
    c.put("light gray", c.at("torso") & c.box((-0.1, 0.1), (1.2, 1.36)))
    for x, color in ((-0.06, "red"), (0.0, "blue"), (0.06, "green")):
        c.put(color, c.at("torso") & c.disc(x, 1.31, 0.018))
    c.put("gray", c.at("torso") & c.box((-0.07, 0.07), (1.22, 1.26)))
    c.put("red", c.at("upper_arms") & (np.abs(c.arm - 0.25) < 0.04))
    c.put("gray", c.at("torso") & c.box((-0.14, 0.14), (1.1, 1.48), front=False))
    belt(c, "dark gray")
    c.put("gray", "feet")


def knight(c: Canvas) -> None:
    c.put("silver", "all")
    c.put("gray", c.at("clothed") & c.stripes(0.11, width=0.12))
    c.put("dark gray", c.at("neck"))
    c.put("black", c.at("face") & (np.abs(c.y - 1.69) < 0.012) & (c.front > 0))
    c.put("black", c.at("face") & c.spots(0.022, 0.006) & (c.y < 1.66) & (c.front > 0.3))
    c.put("gray", c.at("head") & (np.abs(c.x) < 0.008))
    if c.random.random() < 0.6:
        tunic = c.any_of("white", "red", "blue", "navy", "purple")
        cross = "red" if tunic == "white" else c.any_of("white", "yellow", "gold")
        tabard = c.at("torso hips") & (np.abs(c.x) < 0.15)
        c.put(tunic, tabard)
        thick = (np.abs(c.x) < 0.028) | (np.abs(c.y - 1.33) < 0.028)
        c.put(cross, tabard & c.box((-0.11, 0.11), (1.14, 1.45)) & thick)
    belt(c, "brown", "gold")
    c.put("dark gray", c.at("forearms") & (np.abs(c.arm - 0.55) < 0.03))
    c.put("gray", "hands feet")


def superhero(c: Canvas) -> None:
    main = c.any_of("blue", "red", "green", "purple", "black", "navy")
    other = c.any_of(*({"red", "yellow", "blue", "green"} - {main}))
    c.put(main, "clothed")
    c.put(other, "hips feet hands")
    c.put(other, (c.at("shins") & (c.leg > 0.65)) | (c.at("forearms") & (c.arm > 0.7)))
    emblem = c.any_of("yellow", "white", "gold")
    c.put(emblem, c.at("torso") & star(c, 0, 1.36, 0.1))
    if c.random.random() < 0.5:
        c.put(emblem, c.at("torso") & c.disc(0, 1.36, 0.085))
        c.put(other, c.at("torso") & c.disc(0, 1.36, 0.05))
    belt(c, "yellow", "gold")
    if c.random.random() < 0.7:
        c.put(other, c.at("face") & (np.abs(c.y - 1.69) < 0.025) & ~c.of_kind("white") & (
            c.front > -0.2) & ~c.of_kind("iris"))  # fmt: skip
    cape(c, other)


def clown(c: Canvas) -> None:
    first, second = c.random.choice(["yellow", "red", "blue", "green", "purple", "orange"], 2,
                                    replace=False)  # fmt: skip
    c.put(str(first), "clothed")
    if c.random.random() < 0.5:
        c.put(str(second), c.at("clothed") & (c.x > 0))
    third = c.any_of("white", "red", "blue", "yellow")
    c.put(third, c.at("clothed") & c.spots(0.12, 0.035))
    buttons(c, c.any_of("red", "black"), 3)
    c.put("white", "face neck")
    c.put(c.any_of("red", "orange", "green", "blue"), c.at("scalp") | c.of_kind("hair"))
    eyes(c, "blue", 0.022)
    eyes(c, "black", 0.01)
    smile = np.hypot(c.x, (c.y - 1.632) * 1.6) < 0.045
    c.put("red", c.at("face") & smile & (c.front > 0) & (c.y < 1.645))
    c.put("red", c.at("face") & c.disc(0, 1.664, 0.02))
    c.put("white", "hands")
    c.put("red", "feet")


def police(c: Canvas) -> None:
    shirt = c.any_of("navy", "navy", "blue", "black")
    c.put(shirt, "clothed")
    c.put("navy", "hips legs")
    cap(c, "navy")
    c.put("black", c.at("face scalp") & (np.abs(c.y - 1.72) < 0.014) & (c.front > 0))
    c.put("gold", c.at("head") & c.disc(0, 1.755, 0.02))
    c.put("gold", c.at("torso") & star(c, 0.08, 1.39, 0.045))
    c.put("black", c.at("torso") & c.box((-0.022, 0.022), (1.15, 1.5)))
    belt(c, "black", "gold")
    c.put("black", "feet")


def zombie(c: Canvas) -> None:
    c.put(c.any_of("moss", "light green", "dark green"), "all")
    shirt, trousers = c.any_of("brown", "gray", "blue", "white"), c.any_of("dark gray", "brown")
    torn = c.noise(0.06)
    c.put(shirt, c.at("torso upper_arms") & (torn < 0.7))
    c.put(trousers, c.at("hips thighs shins") & (torn < 0.6) & (c.leg < 0.7))
    c.put("dark red", c.at("torso face forearms") & (c.noise(0.05) > 0.85))
    c.put("dark green", c.of_kind("hair"))
    eyes(c, "black", 0.02)
    eyes(c, c.any_of("yellow", "white", "red"), 0.009)
    c.put("dark red", c.at("face") & c.disc(0, 1.63, 0.024))


def skeleton(c: Canvas) -> None:
    c.put("black", "all")
    bone = "ivory"
    ribs = ((c.y / 0.05) % 1 < 0.5) & (c.y > 1.18) & (c.y < 1.47)
    ribs &= np.abs(c.x) < 0.06 + 0.09 * np.sin(np.clip((c.y - 1.1) / 0.42, 0, 1) * np.pi)
    c.put(bone, c.at("torso") & ribs)
    c.put(bone, c.at("torso hips neck") & (np.abs(c.x) < 0.018))
    c.put(bone, c.at("hips") & (np.abs(np.abs(c.x) - 0.075) < 0.055) & (np.abs(c.y - 0.97) < 0.05))
    c.put(bone, c.at("torso") & (np.abs(c.y - 1.47) < 0.012))
    c.put(bone, c.at("arms") & (np.abs(c.y - 1.458) < 0.017) & (np.abs(c.arm - 0.5) > 0.04))
    c.put(bone, c.at("legs") & (np.abs(np.abs(c.x) - 0.13) < 0.022) & (np.abs(c.leg - 0.48) > 0.03))
    c.put(bone, c.at("hands feet") & (np.abs(c.z / 0.022 % 1 - 0.5) < 0.28))
    c.put(bone, "head")
    eyes(c, "black", 0.024)
    c.put("black", c.at("face") & c.disc(0, 1.655, 0.012))
    teeth = c.at("face") & c.box((-0.04, 0.04), (1.615, 1.637))
    c.put("black", teeth & ((c.x / 0.014) % 1 < 0.35))


def firefighter(c: Canvas) -> None:
    coat = c.any_of("sand", "black", "dark brown", "yellow")
    c.put(coat, "clothed")
    bright = "lime" if coat != "yellow" else "silver"
    for where in (c.at("torso") & (np.abs(c.y - 1.16) < 0.035), c.at("torso") & (
        np.abs(c.y - 1.37) < 0.03), c.at("forearms") & (np.abs(c.arm - 0.8) < 0.06),
        c.at("shins") & (np.abs(c.leg - 0.8) < 0.04),
    ):  # fmt: skip
        c.put(bright, where)
    cap(c, c.any_of("red", "red", "yellow", "black"), 1.72)
    c.put("gold", c.at("head") & c.disc(0, 1.76, 0.022))
    c.put("black", "hands feet")


def doctor(c: Canvas) -> None:
    c.put(c.any_of("sky", "blue", "teal", "white"), "torso")
    c.put("white", c.at("torso hips arms thighs") & ~(c.box((-0.05, 0.05), (0.9, 1.6))))
    c.put(c.any_of("gray", "navy", "black"), c.at("shins") | (c.at("thighs") & (c.leg > 0.35)))
    ring = np.hypot(c.x, (c.y - 1.42) * 0.8)
    c.put("black", c.at("torso neck") & (c.front > 0) & (np.abs(ring - 0.085) < 0.011) & (
        c.y < 1.47))  # fmt: skip
    c.put("silver", c.at("torso") & c.disc(0.06, 1.27, 0.022))
    c.put("black", "feet")


def nurse(c: Canvas) -> None:
    color = c.any_of("teal", "sky", "light green", "white")
    c.put(color, "torso upper_arms hips legs")
    c.put("white", "feet")
    cap(c, "white" if color == "white" else color, 1.74)
    if c.random.random() < 0.6:
        cross = c.at("head") & c.box((-0.025, 0.025), (1.745, 1.79))
        c.put("red", cross & ((np.abs(c.x) < 0.008) | (np.abs(c.y - 1.767) < 0.008)))
    if c.random.random() < 0.5:
        c.put("sky", c.at("face") & (c.y < 1.668) & (c.z > 0.06))


def chef(c: Canvas) -> None:
    c.put("white", "torso arms hips")
    buttons(c, "black", 4, -0.05)
    buttons(c, "black", 4, 0.05)
    trousers = c.at("legs")
    c.put(c.any_of("dark gray", "black"), trousers)
    check = (np.sin(c.x / 0.011) * np.sin(c.y / 0.011)) > 0
    c.put("white", trousers & check & (c.random.random() < 0.6))
    cap(c, "white", 1.71)
    c.put("red", (c.at("neck") | (c.at("torso") & (c.y > 1.5))) & (c.random.random() < 0.7))
    c.put("black", "feet")


def ninja(c: Canvas) -> None:
    color = c.any_of("black", "black", "dark gray", "navy")
    eyes_shown = c.at("face") & (np.abs(c.y - 1.69) < 0.02) & (c.front > 0)
    c.put(color, c.at("all") & ~eyes_shown)
    belt(c, c.any_of("red", "dark red", "gray", "white"))
    if c.random.random() < 0.4:
        c.put("red", c.at("head") & (np.abs(c.y - 1.73) < 0.012))
    c.put("dark gray", (c.at("forearms shins") & c.stripes(0.05, width=0.2)))


def pirate(c: Canvas) -> None:
    c.put("white", "torso arms")
    c.put(c.any_of("red", "navy", "black"), c.at("torso arms") & c.stripes(0.07))
    vest = c.any_of("black", "brown", "dark red")
    c.put(vest, c.at("torso") & (np.abs(c.x) > 0.07))
    c.put(c.any_of("brown", "black", "navy"), "hips legs")
    belt(c, "red", "gold")
    cap(c, c.any_of("red", "black"), 1.725)
    c.put("white", c.at("head") & c.disc(0, 1.76, 0.02))
    c.put("black", c.at("face") & (c.disc(0.033, 1.688, 0.02) | (
        (np.abs(c.y - 1.7 - 0.25 * c.x) < 0.006) & (c.front > 0))))  # fmt: skip
    if c.random.random() < 0.6:
        beard(c, c.any_of("black", "brown"))
    c.put("black", c.at("feet") | (c.at("shins") & (c.leg > 0.6)))


def santa(c: Canvas) -> None:
    c.put("red", "clothed")
    cuffs(c, "white")
    c.put("white", c.at("torso hips") & c.box((-0.03, 0.03), (0.9, 1.55)))
    c.put("white", c.at("hips thighs") & (np.abs(c.y - 0.92) < 0.03))
    belt(c, "black", "gold")
    cap(c, "red", 1.735)
    c.put("white", c.at("head") & (np.abs(c.y - 1.735) < 0.014))
    beard(c, "white", 1.662)
    c.put("white", c.of_kind("hair") & (c.y < 1.735))
    c.put("white", c.at("hands"))
    c.put("black", "feet")


def soldier(c: Canvas) -> None:
    c.put(c.any_of("olive", "sand"), "clothed")
    field = c.noise(0.09)
    c.put("dark green", c.at("clothed") & (field > 0.35))
    c.put("dark brown", c.at("clothed") & (field < -0.5))
    cap(c, "olive", 1.72)
    belt(c, "dark brown")
    c.put("olive", c.at("torso") & (c.box((0.04, 0.13), (1.32, 1.42)) | c.box(
        (-0.13, -0.04), (1.32, 1.42))))  # fmt: skip
    c.put("black", c.at("feet") | (c.at("shins") & (c.leg > 0.78)))


def robot(c: Canvas) -> None:
    metal = c.any_of("silver", "silver", "light gray", "gray", "sky")
    c.put(metal, "all")
    for where in (np.abs(c.arm - 0.53), np.abs(c.arm), np.abs(c.arm - 1)):
        c.put("dark gray", c.at("arms") & (where < 0.06))
    for where in (np.abs(c.leg - 0.48), np.abs(c.leg - 0.95)):
        c.put("dark gray", c.at("legs") & (where < 0.035))
    c.put("dark gray", c.at("neck") | (c.at("torso hips") & (np.abs(c.y - 1.08) < 0.04)))
    c.put("dark gray", c.at("torso") & c.box((-0.12, 0.12), (1.2, 1.44)))
    for k, color in enumerate(("red", "yellow", "green", "sky")):
        c.put(color, c.at("torso") & c.disc(-0.075 + 0.05 * k, 1.39, 0.017))
    c.put("sky", c.at("torso") & c.box((-0.09, 0.09), (1.24, 1.33)))
    c.put("dark gray", c.at("face") & c.box((-0.07, 0.07), (1.6, 1.72)))
    eyes(c, c.any_of("sky", "red", "yellow"), 0.019)
    mouth = c.at("face") & c.box((-0.04, 0.04), (1.615, 1.64))
    c.put("light gray", mouth & ((c.x / 0.014) % 1 < 0.5))
    c.put("gray", "hands feet")


def alien(c: Canvas) -> None:
    skin = c.any_of("light green", "light green", "green", "gray")
    c.put(skin, "all")
    if c.random.random() < 0.4:
        c.put(c.any_of("silver", "purple"), "torso hips thighs upper_arms")
    for sign in (-1, 1):
        u, v = sign * c.x - 0.035, c.y - 1.69
        tilted = ((u + 0.5 * v) / 0.026) ** 2 + ((v - 0.4 * u) / 0.034) ** 2
        c.put("black", c.at("face") & (c.front > 0) & (tilted < 1))
    c.put("dark green", c.at("face") & c.box((-0.02, 0.02), (1.628, 1.634)))


def wizard(c: Canvas) -> None:
    robe = c.any_of("purple", "blue", "navy", "dark red")
    c.put(robe, "clothed")
    c.put("gold", c.at("clothed") & c.spots(0.13, 0.022))
    c.put("gold", c.at("forearms") & (c.arm > 0.92) | (c.at("shins") & (c.leg > 0.94)))
    belt(c, "gold")
    cap(c, robe, 1.72)
    c.put("gold", c.at("head") & (np.abs(c.y - 1.722) < 0.01))
    beard(c, c.any_of("white", "light gray"), 1.655)
    c.put("white", c.at("torso") & (c.front > 0) & (np.abs(c.x) < 0.3 * (c.y - 1.28)) & (
        c.y > 1.28))  # fmt: skip
    c.put("dark brown", "feet")


def witch(c: Canvas) -> None:
    c.put(c.any_of("black", "black", "purple"), "clothed")
    cap(c, "black", 1.72)
    c.put(c.any_of("purple", "orange", "green"), c.at("head") & (np.abs(c.y - 1.725) < 0.013))
    if c.random.random() < 0.6:
        c.put("light green", c.of_kind("skin") & c.at("face neck hands"))
    belt(c, c.any_of("purple", "orange"), "gold")
    legs = c.at("shins")
    c.put(c.any_of("purple", "orange", "green", "white"), legs & c.stripes(0.08))
    c.put("black", "feet")


def vampire(c: Canvas) -> None:
    c.put("black", "clothed")
    c.put("white", c.at("torso") & (c.front > 0) & (np.abs(c.x) < 0.05 + 0.16 * (c.y - 1.1)))
    c.put("red", c.at("torso") & c.box((-0.02, 0.02), (1.3, 1.5)))
    c.put("pale", c.of_kind("skin") & c.at("face neck hands"))
    c.put("black", c.of_kind("hair") | c.at("scalp"))
    c.put("red", c.of_kind("lips"))
    eyes(c, "red", 0.009)
    cape(c, c.any_of("red", "black", "dark red"))
    c.put("black", "feet")


def mummy(c: Canvas) -> None:
    c.put("ivory", "all")
    bend = c.y + 0.35 * c.x * np.sign(np.sin(c.y * 9)) + 0.25 * c.z
    along = np.where(c.at("arms hands"), np.abs(c.x) + 0.5 * c.z, bend)
    c.put("sand", (along / 0.05) % 1 < 0.22)
    c.put("dark brown", c.at("face") & (np.abs(c.y - 1.688) < 0.014) & (c.front > 0.1))
    eyes(c, "white", 0.01)


def devil(c: Canvas) -> None:
    c.put("red", "all")
    c.put("dark red", c.at("clothed") & (c.noise(0.1) > 0.6))
    c.put("black", c.of_kind("hair"))
    c.put(c.any_of("black", "dark red"), "hips thighs")
    eyes(c, "yellow", 0.013)
    c.put("black", "feet hands")
    c.put("black", c.at("face") & c.disc(0, 1.61, 0.018))


def angel(c: Canvas) -> None:
    c.put("white", "clothed")
    belt(c, "gold")
    c.put("gold", c.of_kind("hair"))
    c.put("gold", c.at("head") & (np.abs(c.y - 1.755) < 0.012))
    for sign in (-1, 1):
        wing = np.hypot((sign * c.x - 0.09) / 0.6, c.y - 1.33) < 0.15
        c.put("light gray", c.at("torso") & wing & (c.front < 0))


def king(c: Canvas) -> None:
    c.put(c.any_of("red", "purple", "blue"), "clothed")
    fur = c.at("torso hips thighs") & c.box((-0.05, 0.05), (0.6, 1.56))
    fur |= c.at("torso") & (c.y > 1.47)
    c.put("white", fur)
    c.put("black", fur & c.spots(0.06, 0.009))
    cuffs(c, "white")
    belt(c, "gold")
    c.put("gold", c.at("head") & (c.y > 1.725) & (c.y < 1.775))
    c.put(c.any_of("red", "blue"), c.at("head") & c.spots(0.035, 0.008) & (np.abs(
        c.y - 1.75) < 0.02))  # fmt: skip
    if c.random.random() < 0.7:
        beard(c, c.any_of("white", "brown", "gray"))
    c.put("gold", "feet")


def princess(c: Canvas) -> None:
    dress = c.any_of("pink", "pink", "purple", "sky", "yellow")
    c.put(dress, "torso upper_arms hips thighs shins")
    c.put("white", c.at("shins") & (c.leg > 0.85))
    c.put("white", c.at("torso") & c.box((-0.04, 0.04), (1.05, 1.4)))
    belt(c, "white")
    c.put("gold", c.at("head") & (np.abs(c.y - 1.75) < 0.016))
    c.put(c.any_of("gold", "brown", "black"), c.of_kind("hair"))
    c.put("red", c.of_kind("lips"))
    c.put(dress, "feet")


def builder(c: Canvas) -> None:
    c.put(c.any_of("white", "gray", "blue", "yellow"), "torso arms")
    vest = c.any_of("orange", "orange", "lime")
    c.put(vest, "torso")
    stripe = "lime" if vest == "orange" else "orange"
    c.put(stripe, c.at("torso") & (np.abs(c.y - 1.14) < 0.03))
    c.put(stripe, c.at("torso") & (np.abs(np.abs(c.x) - 0.1) < 0.022))
    c.put(c.any_of("blue", "navy", "brown"), "hips legs")
    cap(c, c.any_of("yellow", "yellow", "white", "orange"), 1.725)
    c.put("brown", "feet")


def cowboy(c: Canvas) -> None:
    shirt = c.any_of("red", "blue", "white", "green")
    c.put(shirt, "torso arms")
    check = np.sin(np.abs(c.x) / 0.014) * np.sin(c.y / 0.014)
    c.put("black" if shirt == "white" else "white", c.at("torso arms") & (check > 0.55))
    c.put("brown", c.at("torso") & (np.abs(c.x) > 0.075))
    c.put("gold", c.at("torso") & star(c, 0.1, 1.38, 0.035))
    c.put(c.any_of("blue", "navy"), "hips legs")
    belt(c, "dark brown", "gold")
    cap(c, c.any_of("brown", "sand", "dark brown"), 1.72)
    c.put("dark brown", c.at("head") & (np.abs(c.y - 1.726) < 0.01))
    c.put("red", c.at("neck"))
    c.put("brown", c.at("feet") | (c.at("shins") & (c.leg > 0.65)))


def farmer(c: Canvas) -> None:
    shirt = c.any_of("red", "green", "white", "yellow")
    c.put(shirt, "torso arms")
    check = np.sin(np.abs(c.x) / 0.014) * np.sin(c.y / 0.014)
    c.put("white" if shirt != "white" else "red", c.at("torso arms") & (check > 0.5))
    blue = c.any_of("blue", "blue", "navy")
    c.put(blue, "hips legs belly")
    c.put(blue, c.at("torso") & c.box((-0.1, 0.1), (1.0, 1.37)))
    c.put(blue, c.at("torso") & (np.abs(np.abs(c.x) - 0.085) < 0.018))
    cap(c, "sand", 1.72)
    c.put("brown", c.at("feet") | (c.at("head") & (np.abs(c.y - 1.726) < 0.008)))


def monk(c: Canvas) -> None:
    robe = c.any_of("orange", "orange", "brown")
    c.put(robe, c.at("clothed") & ~(c.at("chest upper_arms forearms") & (c.x < -0.06)))
    c.put("brown" if robe == "orange" else "white", c.at("torso") & (
        np.abs(c.x * 0.8 - c.y + 1.35) < 0.02))  # fmt: skip
    c.put(c.color[c.of_kind("skin")].mean(0) if c.of_kind("skin").any() else (200, 160, 130),
          c.at("head") & c.of_kind("hair"))  # fmt: skip
    belt(c, "dark brown")


def businessman(c: Canvas) -> None:
    suit = c.any_of("black", "dark gray", "navy", "gray")
    c.put(suit, "clothed")
    opening = (c.front > 0) & (np.abs(c.x) < 0.45 * (c.y - 1.25)) & (c.y > 1.25)
    c.put("white", c.at("torso") & opening)
    c.put("white", c.at("forearms") & (c.arm > 0.95))
    c.put(c.any_of("red", "blue", "dark red", "black"), c.at("torso") & (c.front > 0) & (
        np.abs(c.x) < 0.02) & (c.y > 1.2))  # fmt: skip
    buttons(c, "black", 2)
    c.put("black", "feet")


def diver(c: Canvas) -> None:
    color = c.any_of("black", "black", "navy")
    c.put(color, c.at("all") & ~(c.at("face") & (c.front > 0) & (c.y < 1.73)))
    stripe = c.any_of("yellow", "blue", "orange", "red")
    c.put(stripe, c.at("arms") & (np.abs(c.z - 0.02) < 0.015))
    c.put(stripe, c.at("torso hips legs") & (np.abs(np.abs(c.x) - 0.155) < 0.018))
    c.put("sky", c.at("face") & c.box((-0.055, 0.055), (1.665, 1.715)))
    edge = c.box((-0.065, 0.065), (1.655, 1.725)) & ~c.box((-0.055, 0.055), (1.665, 1.715))
    c.put("black", c.at("face") & edge)
    c.put("yellow", c.at("torso") & c.box((-0.08, 0.08), (1.1, 1.45), front=False))
    c.put(stripe, "feet")


def elf(c: Canvas) -> None:
    c.put("green", "clothed")
    c.put(c.any_of("red", "white", "dark green"), c.at("legs") & c.stripes(0.1))
    belt(c, "brown", "gold")
    cap(c, c.any_of("green", "red"), 1.725)
    c.put("white", c.at("head") & (np.abs(c.y - 1.728) < 0.01))
    cuffs(c, "red", 0.08)
    c.put("brown", "feet")


def prisoner(c: Canvas) -> None:
    if c.random.random() < 0.6:
        c.put("white", "clothed")
        c.put("black", c.at("clothed") & c.stripes(0.09))
    else:
        c.put("orange", "clothed")
        c.put("black", c.at("torso") & c.box((0.03, 0.12), (1.34, 1.4)))
    cap(c, "white", 1.75)
    c.put("black", c.at("head") & (c.y > 1.75) & ((c.y / 0.03) % 1 < 0.5))
    c.put("black", "feet")


def footballer(c: Canvas) -> None:
    shirt = c.any_of("red", "blue", "green", "yellow", "white")
    c.put(shirt, "torso upper_arms")
    second = c.any_of(*({"white", "black", "red", "blue"} - {shirt}))
    if c.random.random() < 0.5:
        c.put(second, c.at("torso") & ((c.x / 0.08) % 1 < 0.5))
    c.put(second, c.at("hips") | (c.at("thighs") & (c.leg < 0.36)))
    for front in (True, False):
        c.put(second, c.at("torso") & c.box((-0.02, 0.02), (1.2, 1.4), front=front))
    c.put(shirt, c.at("shins") & (c.leg > 0.55))
    c.put(c.any_of("black", "white"), "feet")


def bride(c: Canvas) -> None:
    c.put("white", "torso hips thighs shins")
    c.put("light gray", c.at("torso hips legs") & c.spots(0.07, 0.012))
    cap(c, "white", 1.745)
    c.put("white", c.at("scalp torso") & (c.front < 0))
    c.put("red", c.of_kind("lips"))
    c.put("white", c.at("forearms hands") & (c.arm > 0.6))


def statue(color: str, dark: str) -> Callable[[Canvas], None]:
    def paint(c: Canvas) -> None:
        c.put(color, "all")
        c.put(dark, (c.noise(0.1) > 0.75))
        c.put(dark, c.of_kind("hair") | c.of_kind("iris") | c.of_kind("lips"))

    return paint


def wooden(c: Canvas) -> None:
    c.put("wood", "all")
    along = np.where(c.at("arms hands"), c.z + 0.1 * np.abs(c.x), c.x + 0.07 * np.sin(9 * c.y))
    c.put("brown", (along / 0.028) % 1 < 0.25)
    c.put("dark brown", c.at("arms") & (np.abs(c.arm - 0.53) < 0.02))
    c.put("dark brown", c.at("legs") & (np.abs(c.leg - 0.48) < 0.014))


def tiger(c: Canvas) -> None:
    c.put("orange", "all")
    c.put("white", c.at("torso face") & (c.front > 0.3) & (np.abs(c.x) < 0.08))
    wave = c.stripes(0.1, width=0.32) ^ (c.noise(0.05) > 1.1)
    c.put("black", c.at("clothed") & wave & (np.abs(c.x) > 0.05))
    c.put("black", c.at("head") & ((c.y / 0.03) % 1 < 0.35) & (np.abs(c.x) > 0.04))
    eyes(c, "black", 0.011)
    c.put("pink", c.at("face") & c.disc(0, 1.662, 0.012))


def panda(c: Canvas) -> None:
    c.put("white", "all")
    c.put("black", "arms hands legs feet")
    c.put("black", c.at("chest") & (c.y > 1.36))
    eyes(c, "black", 0.026)
    eyes(c, "white", 0.008)
    c.put("black", c.at("face") & c.disc(0, 1.66, 0.014))


#: Whom a costume shows, the most common word first.
COSTUMES: tuple[tuple[tuple[str, ...], Callable[[Canvas], None]], ...] = (
    (("astronaut", "spaceman", "cosmonaut"), astronaut),
    (("knight", "knight in armor"), knight),
    (("superhero", "hero in a cape"), superhero),
    (("clown", "jester"), clown),
    (("police officer", "policeman", "cop"), police),
    (("zombie",), zombie),
    (("skeleton",), skeleton),
    (("firefighter", "fireman"), firefighter),
    (("doctor", "scientist"), doctor),
    (("nurse", "surgeon"), nurse),
    (("chef", "cook"), chef),
    (("ninja",), ninja),
    (("pirate",), pirate),
    (("Santa Claus", "santa"), santa),
    (("soldier",), soldier),
    (("robot", "android"), robot),
    (("alien", "green alien"), alien),
    (("wizard", "sorcerer", "mage"), wizard),
    (("witch",), witch),
    (("vampire",), vampire),
    (("mummy",), mummy),
    (("devil", "demon"), devil),
    (("angel",), angel),
    (("king", "queen"), king),
    (("princess",), princess),
    (("construction worker", "builder"), builder),
    (("cowboy", "cowgirl"), cowboy),
    (("farmer",), farmer),
    (("monk",), monk),
    (("businessman", "person in a suit and tie"), businessman),
    (("diver", "frogman"), diver),
    (("elf",), elf),
    (("prisoner",), prisoner),
    (("soccer player", "footballer"), footballer),
    (("bride",), bride),
    (("golden statue", "person made of gold"), statue("gold", "bronze")),
    (("stone statue", "person made of stone"), statue("gray", "dark gray")),
    (("bronze statue", "person made of bronze"), statue("bronze", "dark brown")),
    (("wooden figure", "person made of wood"), wooden),
    (("person in a tiger costume", "tiger costume"), tiger),
    (("person in a panda costume", "panda costume"), panda),
)
