"""`guide segment`: the part of an image that words describe, as a mask."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guidance.commands.arguments import Arguments
from guidance.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

HELP = """\
usage: guide segment IMAGE --words "the hair" [options]

Finds the part of an image that words describe, and writes a mask (white = inside) and an overlay.

  --words W        what to find, e.g. "the hair"; several --words are one mask, their union
  --out FILE       (default: mask.png) the mask; the overlay is written beside it, as
                   mask_overlay.png
  --segmenter S    mini (default), clipseg, grounded-sam or sam3, see guide models list; or
                   hf-hub:org/repository, local-dir:PATH, and a Grounding DINO + a SAM joined by "+"
  --device D       cpu, cuda, mps or auto (default)

The same words work in runs: `--mask "words:the hair"` in edit, stylize and style_edit.
"""
#: The color of the part in the overlay, and how much of the image remains inside and outside.
PINK, INSIDE, OUTSIDE = (1.0, 0.15, 0.75), 0.45, 0.75


@dataclass(frozen=True)
class Request:
    """The arguments of `guide segment`."""

    image: Path
    words: tuple[str, ...]
    out: Path
    segmenter: str
    device: str


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide segment`.

    Raises:
        InputError: no image, no words, or another file type than PNG.
    """
    parser = Arguments("segment")
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument("--words", action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path("mask.png"))
    parser.add_argument("--segmenter", default="mini")
    parser.add_argument("--device", default="auto")
    found = vars(parser.parse_intermixed_args(list(words)))
    found.pop("_given", None)
    texts = tuple(" ".join(each.split()) for each in found.pop("words"))
    if not texts or not all(texts):
        raise InputError('segment: no words; say what to find: --words "the hair"')
    request = Request(**found, words=texts)
    if request.out.suffix.lower() != ".png":
        raise InputError(f"segment: --out {request.out}: expected a PNG file, e.g. mask.png")
    return request


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    request = parse(words)

    from guidance.media.read_image import load_image
    from guidance.models.devices import find_device
    from guidance.segmenters.base import find_mask
    from guidance.segmenters.files.loading import load_segmenter

    image = load_image(request.image, "image")
    segmenter = load_segmenter(request.segmenter, find_device(request.device))
    mask = find_mask(segmenter, image, request.words[0], str(request.image))
    for each in request.words[1:]:
        mask = mask | find_mask(segmenter, image, each, str(request.image))
    overlay = request.out.with_name(f"{request.out.stem}_overlay.png")
    _write(request.out, mask[None].float())
    _write(overlay, overlaid(image, mask))
    what = " and ".join(repr(each) for each in request.words)
    print(f"{what}: {float(mask.float().mean()):.1%} of the image, by {segmenter.name}")
    print(f"{request.out}\n{overlay}", file=sys.stdout)
    return 0


def overlaid(image: Float[Tensor, "3 h w"], mask: Bool[Tensor, "h w"]) -> Float[Tensor, "3 h w"]:
    """The image with the part in pink and the rest paler."""
    import torch

    pink = image.new_tensor(PINK)[:, None, None]
    inside = INSIDE * image + (1 - INSIDE) * pink
    return torch.where(mask, inside, OUTSIDE * image + (1 - OUTSIDE))


def _write(path: Path, image: Float[Tensor, "c h w"]) -> None:
    from guidance.geometry.io.maps import png_of
    from guidance.runs.atomic import write_bytes

    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, png_of(image))
