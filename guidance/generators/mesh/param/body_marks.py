"""Details of clothes that a run can start with: where a belt, a visor or buttons are on a body."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from guidance.generators.mesh.param.figure import Figure

Mark = Callable[[Figure], Bool[Tensor, "m"]]


def _ring(f: Figure, y: float, half: float) -> Tensor:
    return (f.y - y).abs() < half


def _two(f: Figure, x: float, y: float, radius: float) -> Tensor:
    return torch.hypot(f.x.abs() - x, f.y - y).lt(radius) & (f.front > 0.05)


def _above(f: Figure, line: float, back: float = 0.1) -> Tensor:
    """The head above a line that is lower at the back."""
    return f.at("head") & (f.y > line - back * ((0.08 - f.z) / 0.12).clamp(0, 1))


def _column(f: Figure, x: float, low: float, high: float, pitch: float) -> Tensor:
    along = ((f.y - low) / pitch) % 1 - 0.5
    inside = f.at("torso hips") & (f.front > 0) & (f.y > low) & (f.y < high)
    return inside & (torch.hypot(f.x.abs() - x, along * pitch) < 0.015)


def _bones(f: Figure) -> Tensor:
    ribs = (((f.y - 1.2) / 0.048) % 1 < 0.5) & (f.y > 1.2) & (f.y < 1.46)
    width = 0.05 + 0.1 * (((f.y - 1.12) / 0.42).clamp(0, 1) * torch.pi).sin()
    found = f.at("torso") & ribs & (f.x.abs() < width)
    found |= f.at("torso hips neck") & (f.x.abs() < 0.018)
    found |= f.at("torso") & _ring(f, 1.475, 0.013) & (f.x.abs() < 0.17)
    found |= f.at("hips thighs belly") & (
        (torch.hypot((f.x.abs() - 0.07) / 1.2, f.y - 0.97) - 0.05).abs() < 0.02
    )
    found |= f.at("arms") & _ring(f, 1.458, 0.018) & ((f.arm - 0.53).abs() > 0.03)
    shaft = (f.x.abs() - 0.128).abs() < 0.024
    found |= f.at("legs") & shaft & ((f.leg - 0.48).abs() > 0.025) & (f.leg > 0.08)
    return found | (f.at("hands feet") & (((f.z / 0.022) % 1 - 0.5).abs() < 0.3))


#: Each mark by its name, in meters of the embedded body; the first ones lie below the later ones.
MARKS: dict[str, Mark] = {
    # over large areas
    "stripes": lambda f: f.at("torso arms") & f.stripes(0.07),
    "leg_stripes": lambda f: f.at("legs") & f.stripes(0.09),
    "all_stripes": lambda f: f.at("clothed") & f.stripes(0.1),
    "spots": lambda f: f.at("clothed") & f.spots(0.12, 0.033),
    "checks": lambda f: (
        f.at("torso arms") & ((f.x.abs() / 0.016).sin() * (f.y / 0.016).sin() > 0.25)
    ),
    "patches": lambda f: f.at("clothed") & (f.patches(0.07) > 0.25),
    "more_patches": lambda f: f.at("clothed") & (f.patches(0.05) < -0.45),
    "dirt": lambda f: f.at("torso upper_arms thighs shins face") & (f.patches(0.06) > 0.62),
    "bandages": lambda f: (
        ((torch.where(f.at("arms hands"), f.x.abs() + 0.5 * f.z, f.y + 0.3 * f.x)) / 0.05) % 1 < 0.2
    ),
    "bones": _bones,
    "panels": lambda f: f.at("arms legs") & f.stripes(0.11, 0.1),
    # trunk
    "edge": lambda f: f.at("torso hips thighs") & (f.front > 0) & (f.x.abs() < 0.014) & (f.y > 0.5),
    "opening": lambda f: (
        f.at("torso hips") & (f.front > 0) & (f.y > 1.12) & (f.x.abs() < 0.02 + 0.3 * (f.y - 1.12))
    ),
    "neckline": lambda f: (
        f.at("torso neck") & (f.front > 0) & (f.y > 1.27) & (f.x.abs() < 0.3 * (f.y - 1.2) + 0.01)
    ),
    "lapels": lambda f: (
        f.at("torso neck")
        & (f.front > 0)
        & (f.y > 1.2)
        & ((f.x.abs() - 0.03 - 0.3 * (f.y - 1.2)).abs() < 0.022)
    ),
    "tails": lambda f: f.at("hips thighs") & (f.y > 0.87),
    "tunic": lambda f: f.at("torso hips thighs") & (f.leg < 0.33),
    "cross": lambda f: (
        f.at("torso")
        & f.box((-0.1, 0.1), (1.12, 1.46))
        & ((f.x.abs() < 0.026) | _ring(f, 1.34, 0.026))
    ),
    "bib": lambda f: (
        f.at("torso") & (f.box((-0.11, 0.11), (1.0, 1.36)) | ((f.x.abs() - 0.09).abs() < 0.02))
    ),
    "apron": lambda f: (
        f.at("torso hips thighs") & (f.front > 0) & (f.x.abs() < 0.15) & (f.y < 1.36) & (f.y > 0.62)
    ),
    "vest": lambda f: f.at("torso") & (f.x.abs() > 0.06),
    "vest_bands": lambda f: (
        f.at("torso") & (_ring(f, 1.14, 0.03) | ((f.x.abs() - 0.1).abs() < 0.022))
    ),
    "bands": lambda f: (
        (f.at("torso") & (_ring(f, 1.14, 0.032) | _ring(f, 1.34, 0.028)))
        | (f.at("forearms") & ((f.arm - 0.8).abs() < 0.07))
        | (f.at("shins") & ((f.leg - 0.8).abs() < 0.045))
    ),
    "joints": lambda f: (
        (f.at("arms") & (((f.arm - 0.53).abs() < 0.05) | (f.arm.abs() < 0.07)))
        | (f.at("legs") & (((f.leg - 0.48).abs() < 0.03) | ((f.leg - 0.95).abs() < 0.03)))
    ),
    "hem": lambda f: f.at("hips thighs") & ((f.leg - 0.35).abs() < 0.035),
    "cuffs": lambda f: (f.at("forearms") & (f.arm > 0.87)) | (f.at("shins") & (f.leg > 0.87)),
    "collar": lambda f: f.at("torso neck") & (f.y > 1.51) & (f.y < 1.58),
    "scarf": lambda f: (
        f.at("neck")
        | (f.at("chest") & (f.y > 1.5))
        | (f.at("torso") & (f.front > 0) & (f.x.abs() < 0.05) & (f.y > 1.36))
    ),
    "sash": lambda f: f.at("torso hips") & ((f.y - 1.27 - 0.95 * f.x).abs() < 0.04),
    "panel": lambda f: f.at("torso") & f.box((-0.1, 0.1), (1.18, 1.38)),
    "panel_screen": lambda f: f.at("torso") & f.box((-0.075, 0.075), (1.2, 1.27)),
    "lamps": lambda f: (
        f.at("torso") & (f.front > 0) & (torch.hypot(f.x.abs() - 0.05, f.y - 1.33) < 0.02)
    ),
    "lamp": lambda f: f.at("torso") & f.disc(0.0, 1.33, 0.02),
    "shield": lambda f: (
        f.at("torso")
        & (f.front > 0)
        & (f.y > 1.27)
        & (f.y < 1.44)
        & (f.x.abs() < 0.85 * (f.y - 1.27))
    ),
    "badge": lambda f: f.at("torso") & f.disc(0.085, 1.38, 0.028),
    "pocket": lambda f: f.at("torso") & f.box((0.05, 0.12), (1.3, 1.38)),
    "pockets": lambda f: (
        f.at("torso") & (f.front > 0) & ((f.x.abs() - 0.085).abs() < 0.04) & _ring(f, 1.36, 0.04)
    ),
    "tie": lambda f: (
        f.at("torso neck") & (f.front > 0) & (f.x.abs() < 0.024) & (f.y > 1.16) & (f.y < 1.53)
    ),
    "bow_tie": lambda f: (
        f.at("torso neck")
        & (f.front > 0)
        & _ring(f, 1.51, 0.022)
        & (f.x.abs() < 0.055)
        & (f.x.abs() > 0.4 * (f.y - 1.51).abs())
    ),
    "buttons": lambda f: _column(f, 0.0, 1.05, 1.46, 0.1),
    "double_buttons": lambda f: _column(f, 0.055, 1.05, 1.44, 0.1),
    "stethoscope": lambda f: (
        f.at("torso neck")
        & (f.front > 0)
        & ((torch.hypot(f.x, (f.y - 1.43) * 0.75) - 0.085).abs() < 0.011)
        & (f.y < 1.5)
    ),
    "belt": lambda f: f.at("torso hips") & _ring(f, 1.035, 0.032),
    "wide_belt": lambda f: f.at("torso hips") & _ring(f, 1.05, 0.055),
    "buckle": lambda f: f.at("torso hips") & f.box((-0.042, 0.042), (0.995, 1.075)),
    "pack": lambda f: f.at("torso") & f.box((-0.14, 0.14), (1.1, 1.48), front=False),
    "cape": lambda f: f.at("torso hips legs") & (f.front < -0.05) & (f.x.abs() < 0.26),
    # arms and legs
    "armbands": lambda f: f.at("upper_arms") & ((f.arm - 0.25).abs() < 0.05),
    "gauntlets": lambda f: f.at("hands") | (f.at("forearms") & (f.arm > 0.68)),
    "boots": lambda f: f.at("feet") | (f.at("shins") & (f.leg > 0.66)),
    "socks": lambda f: f.at("shins") & (f.leg > 0.55),
    "side_stripe": lambda f: f.at("legs hips") & (f.normal[:, 0].abs() > 0.9),
    # head
    "cap": lambda f: _above(f, 1.715),
    "hat": lambda f: f.at("scalp") & _above(f, 1.715, 0.06),
    "hatband": lambda f: f.at("scalp") & _ring(f, 1.738, 0.012),
    "crest": lambda f: f.at("head") & (f.x.abs() < 0.012) & (f.y > 1.7),
    "cap_badge": lambda f: (
        f.at("head") & (f.front > 0) & (torch.hypot(f.x, (f.y - 1.742) * 2) < 0.02)
    ),
    "cap_cross": lambda f: (
        f.at("head")
        & f.box((-0.03, 0.03), (1.735, 1.795))
        & ((f.x.abs() < 0.01) | _ring(f, 1.765, 0.01))
    ),
    "hood": lambda f: f.at("scalp neck") | (f.at("face") & ((f.x.abs() > 0.055) | (f.y > 1.735))),
    "balaclava": lambda f: (
        f.at("scalp neck face") & ~(f.at("face") & _ring(f, 1.69, 0.02) & (f.front > 0.1))
    ),
    "headband": lambda f: f.at("head") & _ring(f, 1.73, 0.013),
    "visor": lambda f: (
        f.at("face") & (f.z > 0.03) & (((f.x / 0.085) ** 2 + ((f.y - 1.68) / 0.07) ** 2) < 1)
    ),
    "visor_glint": lambda f: (
        f.at("face") & (f.z > 0.08) & (torch.hypot((f.x + 0.035) / 1.3, f.y - 1.718) < 0.012)
    ),
    "slit": lambda f: f.at("face") & _ring(f, 1.695, 0.011) & (f.z > 0.03),
    "holes": lambda f: (
        f.at("face") & (f.z > 0.08) & f.spots(0.022, 0.0055) & (f.y < 1.665) & (f.y > 1.6)
    ),
    "goggles": lambda f: f.at("face") & (f.front > 0) & _ring(f, 1.69, 0.026) & (f.x.abs() < 0.07),
    "eye_mask": lambda f: (
        f.at("face") & _ring(f, 1.692, 0.022) & (f.front > -0.2) & ~_two(f, 0.033, 1.69, 0.012)
    ),
    "medical_mask": lambda f: f.at("face") & (f.y < 1.668) & (f.z > 0.06),
    "face_paint": lambda f: f.at("face neck"),
    "eyes": lambda f: f.at("face") & _two(f, 0.033, 1.69, 0.023),
    "pupils": lambda f: f.at("face") & _two(f, 0.033, 1.69, 0.01),
    "slant_eyes": lambda f: (
        f.at("face")
        & (f.front > 0)
        & (
            ((f.x.abs() - 0.036 + 0.5 * (f.y - 1.69)) / 0.027) ** 2
            + ((f.y - 1.69 - 0.4 * (f.x.abs() - 0.036)) / 0.03) ** 2
            < 1
        )
    ),
    "patch": lambda f: (
        f.at("face")
        & (f.disc(0.033, 1.69, 0.022) | (((f.y - 1.703 - 0.3 * f.x).abs() < 0.006) & (f.front > 0)))
    ),
    "nose": lambda f: f.at("face") & f.disc(0.0, 1.664, 0.021),
    "nose_hole": lambda f: f.at("face") & f.disc(0.0, 1.66, 0.013),
    "smile": lambda f: (
        f.at("face")
        & (f.front > 0)
        & (f.y < 1.645)
        & (torch.hypot(f.x, (f.y - 1.632) * 1.6) < 0.045)
    ),
    "mouth": lambda f: f.at("face") & f.disc(0.0, 1.63, 0.02),
    "teeth": lambda f: (
        f.at("face") & f.box((-0.042, 0.042), (1.613, 1.638)) & ((f.x / 0.014) % 1 < 0.4)
    ),
    "beard": lambda f: f.at("face") & (f.y < 1.65) & (f.z > 0.05) & (f.y > 1.59),
    "long_beard": lambda f: (
        (f.at("face") & (f.y < 1.65) & (f.z > 0.05))
        | (f.at("neck chest") & (f.front > 0) & (f.y > 1.36) & (f.x.abs() < 0.45 * (f.y - 1.34)))
    ),
}
