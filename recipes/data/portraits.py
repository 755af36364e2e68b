"""Portraits in DiceBear's style "personas", composed of layers whose colors are free.

`portraits.mjs` writes the parts (Node). Designer: Draftbit (personas.draftbit.com), CC BY 4.0;
DiceBear's code is MIT. Changed here: the head fills more of the image, blend modes are replaced by
plain opacity, eyes and mouths are larger, glasses are separate from the eyes, the beard leaves the
mouth free, wrinkles are darker; the grin and the serious mouth are new.

Each layer is rendered by resvg twice, with its color black and white. Every other color is between
the two, so that a batch of portraits is a few multiplications: `Portraits.images`.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recipes.data import portrait_factors as factors

SIDE = 64
VIEW = "7 9 50 50"  # of the drawing's 64 units: the head fills the image, the shoulders show
INK = "#1B0640"  # of the style's lines
HAIR = {
    "combed": "shortCombover", "curly_top": "curlyHighTop", "sideburns": "shortComboverChops",
    "bob": "bobCut", "curly": "curly", "pigtails": "pigtails", "long": "long",
    "very_long": "extraLong",
}  # fmt: skip
BODIES = {"plain": "squared", "round_neck": "rounded", "checkered": "checkered"}
MOUTHS = {"smile": "smile", "sad": "frown", "surprised": "surprise"}
# The layers from back to front: the attribute that selects one, and the color that fills it.
LAYERS = (
    ("head", None, "skin"),
    ("beard", "beard", "hair_color"),
    ("nose", "age", None),
    ("mouth", "mouth", None),
    ("eyes", "eyes", None),
    ("hair", "hair_style", "hair_color"),
    ("body", "clothes", "clothes_color"),
    ("glasses", "glasses", None),
)
# Small, but what an expression depends on; wrinkles are also faint, so they count twice.
DETAILS = {"nose": 2.0, "mouth": 1.0, "eyes": 1.0, "glasses": 1.0}
FAINT = 0.05  # the least opacity of what counts as a detail


@dataclass(frozen=True)
class Layer:
    """A layer's variants: premultiplied colors `[v, 3, h, w]`, opacity `[v, 1, h, w]`."""

    name: str
    attribute: str | None
    color: str | None
    black: Tensor
    white: Tensor
    opacity: Tensor


class Portraits:
    """The rendered layers; makes images of attributes.

    Args:
        parts: the file that `portraits.mjs` writes.
        side: pixels per side.
    """

    def __init__(self, parts: Path, side: int = SIDE) -> None:
        self.drawings = drawings(json.loads(parts.read_text()))
        self.layers = [
            _rendered(name, attribute, color, list(self.drawings[name].values()), side)
            for name, attribute, color in LAYERS
        ]
        self.side = side

    def details(self) -> Tensor:
        """Where eyes, mouths, glasses and wrinkles can be, `float [1, h, w]`; 2 for wrinkles."""
        places = torch.zeros(1, self.side, self.side)
        for layer in self.layers:
            if layer.name in DETAILS:
                here = (layer.opacity.amax(0) > FAINT).float()
                places = torch.maximum(places, here * DETAILS[layer.name])
        return places

    def images(self, portraits: dict[str, np.ndarray]) -> Tensor:
        """Images `float [n, 3, h, w]` in [0, 1]."""
        background = torch.from_numpy(portraits["background_rgb"])[:, :, None, None]
        images = background.expand(-1, 3, self.side, self.side)
        for layer in self.layers:
            chosen = torch.zeros(len(images), dtype=torch.long)
            if layer.attribute is not None:
                chosen = torch.from_numpy(portraits[layer.attribute])
            paint = layer.black[chosen]
            if layer.color is not None:
                color = torch.from_numpy(portraits[f"{layer.color}_rgb"])[:, :, None, None]
                paint = torch.lerp(paint, layer.white[chosen], color)
            opacity = layer.opacity[chosen]
            images = images * (1 - opacity) + paint
        return images

    def svg(self, portraits: dict[str, np.ndarray], index: int) -> str:
        """The same portrait as one drawing: what `images` must equal."""
        fragments = []
        for name, attribute, color in LAYERS:
            chosen = 0 if attribute is None else portraits[attribute][index]
            fragment = list(self.drawings[name].values())[chosen]
            if color is not None:
                fragment = fragment.replace("{color}", _hex(portraits[f"{color}_rgb"][index]))
            fragments.append(fragment)
        background = _hex(portraits["background_rgb"][index])
        return _svg(f'<rect width="64" height="64" fill="{background}"/>' + "".join(fragments))


def drawings(parts: dict) -> dict[str, dict[str, str]]:
    """The SVG of every layer and variant, with `{color}` for the color that fills it."""
    line = f'stroke="{INK}" stroke-width="2.4" stroke-linecap="round" fill="none"'
    mouths = {
        **{name: _scaled(parts["mouth"][key], 9, 5, 1.4) for name, key in MOUTHS.items()},
        "grin": f'<path d="M2.8 2.2h12.4a6.2 5.8 0 0 1-12.4 0Z" fill="{INK}"/>'
        '<path d="M4 2.9h10v1.3q0 1-1 1h-8q-1 0-1-1Z" fill="#fff"/>',
        "serious": f'<path d="M4.6 5h8.8" {line}/>',
    }
    nose = parts["nose"]
    lines = re.sub(r'opacity="\.12"', 'opacity=".55"', nose["wrinkles"])
    forehead = '<path d="M3 -3.2q5 -1.3 10 0" stroke="#000" opacity=".45" stroke-width="1.1"/>'
    # The shape of the style's stubble, with a hole for the mouth.
    beard = (
        '<path fill-rule="evenodd" fill="{color}" d="M32 3v4A14 14 0 1 1 4 7V2.7c2.05 2.94 4.53 '
        "6.97 8 8.3 2-1 4-1.5 6-1.5s4 .5 6 1.5c3.47-1.33 5.95-5.36 8-8.3V3ZM18 10.9c-4.6 0-7.6 "
        '1.6-7.6 4.3s3.2 4.9 7.6 4.9 7.6-2.2 7.6-4.9-3-4.3-7.6-4.3Z"/>'
    )
    frame = parts["glasses"][parts["glasses"].index("<path", 1) :]  # without the pupils
    eyes = {
        "open": _eyes(
            '<circle cx="0" cy="0" r="2.9" fill="#fff"/><circle cx="0" cy="0" r="1.9" '
            f'fill="{INK}"/>'
        ),
        "closed": _eyes(
            f'<path d="M-2.6 -.3q2.6 2.4 5.2 0" stroke="{INK}" stroke-width="1.7" '
            'stroke-linecap="round" fill="none"/>'
        ),
    }
    order = factors.ATTRIBUTES
    found = {
        "head": {"head": _plain(_head(parts["head"]))},
        "beard": {"none": "", "beard": _moved(beard, 14, 26)},
        "nose": {
            "young": _moved(_plain(nose["mediumRound"]), 24, 28),
            "old": _moved(_plain(lines) + forehead, 24, 28),
        },
        "mouth": {name: _moved(mouths[name], 23, 36) for name in order["mouth"]},
        "eyes": {name: _moved(eyes[name], 20, 24) for name in order["eyes"]},
        "hair": {
            name: _moved(_plain(parts["hair"][HAIR[name]]), 2, 2) for name in order["hair_style"]
        },
        "body": {
            name: _moved(_plain(parts["body"][BODIES[name]]), 11, 43) for name in order["clothes"]
        },
        "glasses": {"none": "", "glasses": _moved(_scaled(frame, 12, 5, 1.12), 20, 24)},
    }
    opened = re.compile(r"\{(skin|hair|clothes)\}")
    return {
        layer: {name: opened.sub("{color}", svg) for name, svg in variants.items()}
        for layer, variants in found.items()
    }


def _head(outline: str) -> str:
    face = "M32 13a14 14 0 0 1 14 14v6a14 14 0 1 1-28 0v-6a14 14 0 0 1 14-14Z"
    return (
        f'<path d="{outline}" fill="{{skin}}"/>'
        f'<path d="{face}" fill="#fff" style="mix-blend-mode:overlay" opacity=".12"/>'
    )


def _eyes(one: str) -> str:
    return (
        f'<g transform="translate(5.7 4.8)">{one}</g><g transform="translate(18.3 4.8)">{one}</g>'
    )


def _plain(fragment: str) -> str:
    """Without blend modes, which depend on what lies below; highlights are fainter instead."""
    fragment = re.sub(r'(opacity="\.26"[^>]*fill="#fff"|fill="#fff"[^>]*opacity="\.26")',
                      lambda found: found[0].replace(".26", ".13"), fragment)  # fmt: skip
    return re.sub(r' style="mix-blend-mode:[a-z]+"', "", fragment)


def _moved(fragment: str, x: float, y: float) -> str:
    return f'<g transform="translate({x} {y})">{fragment}</g>'


def _scaled(fragment: str, x: float, y: float, factor: float) -> str:
    """Enlarged around a point."""
    moves = f"translate({x} {y}) scale({factor}) translate({-x} {-y})"
    return f'<g transform="{moves}">{fragment}</g>'


def _svg(fragment: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{VIEW}" fill="none">{fragment}</svg>'


def _hex(color: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(value)):02x}" for value in color)


def _rendered(
    name: str, attribute: str | None, color: str | None, variants: list[str], side: int
) -> Layer:
    dark = [draw(_svg(one.replace("{color}", "#000000")), side) for one in variants]
    bright = [draw(_svg(one.replace("{color}", "#ffffff")), side) for one in variants]
    opacity = torch.stack([one[3:] for one in dark])
    black, white = (torch.stack([one[:3] for one in ones]) for ones in (dark, bright))
    return Layer(name, attribute, color, black * opacity, white * opacity, opacity)


def draw(svg: str, side: int) -> Tensor:
    """An SVG as straight RGBA, `float [4, h, w]` in [0, 1]."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side))
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGBA"), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)
