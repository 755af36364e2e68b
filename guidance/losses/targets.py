"""Phrases of prompts as embeddings that pictures are compared with."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.timeline import Timeline
from guidance.prompts import ONE, Keyframe, Phrase, parse_prompt
from guidance.views import Cameras

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: How strongly a negative prompt of weight 1 pushes, in shares of the prompt's own pull.
#: Source: Direct Ascent Synthesis (Fort 2025) weighs its negatives by 0.3.
NEGATIVE_WEIGHT = 0.3

#: What a user's picture may have, asked of its header before anything is decoded: 64 megapixels.
MAX_PIXELS = 2**26
#: Formats that are read. Pillow knows more, some of which start other programs (EPS).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")

#: Suffixes by view. Source: DreamFusion (Poole et al. 2022, section 3.2); the angles too.
VIEW_WORDS = ("front view", "side view", "back view", "overhead view")
OVERHEAD_DEG = 60.0
WITHIN_DEG = 45.0


def broadcast_prompts(prompt: str | Sequence[str], num_samples: int) -> tuple[str, ...]:
    """One prompt for each sample; a single one is shared by all."""
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if len(prompts) == 1:
        return prompts * num_samples
    if len(prompts) != num_samples:
        raise InputError(
            f"{len(prompts)} prompts for {num_samples} samples: give one prompt, or one a sample"
        )
    return prompts


def timeline(
    encoder: Encoder,
    phrases: Sequence[Sequence[Phrase]],
    device: torch.device,
    *,
    keyframes: Sequence[Keyframe] = (),
    templates: Sequence[str] | None = None,
    view_words: bool = False,
) -> Timeline:
    """Encodes the phrases of each sample, and what their first ones turn into, without gradient.

    Args:
        templates: in place of the encoder's own.
        view_words: makes a wording for each of VIEW_WORDS.
    """
    m = max(len(row) for row in phrases)
    padding = Phrase("", replace(ONE, values=(0.0,)))
    rows = [(*row, *[padding] * (m - len(row))) for row in phrases]
    stations = [rows, *([_turned(row, frame) for row in rows] for frame in keyframes)]
    endings = tuple(f", {words}" for words in VIEW_WORDS) if view_words else ("",)
    wanted = dict.fromkeys(phrase for station in stations for row in station for phrase in row)
    known = {
        phrase: embed_phrase(encoder, phrase, endings, templates)
        for phrase in wanted
        if phrase != padding
    }
    known[padding] = torch.zeros_like(next(iter(known.values())))
    embeddings = torch.stack(
        [
            torch.stack([torch.stack([known[phrase] for phrase in row], 1) for row in station])
            for station in stations
        ]
    )
    places = (0.0, *(frame.progress for frame in keyframes))
    return Timeline(tuple(rows), places, embeddings.to(device))


def _turned(row: Sequence[Phrase], frame: Keyframe) -> tuple[Phrase, ...]:
    """The phrases when the first has turned into that of the keyframe; its numbers stay."""
    return (replace(row[0], text=frame.phrase.text, image=frame.phrase.image), *row[1:])


def negative_phrases(negatives: str | Sequence[str]) -> tuple[Phrase, ...]:
    """The phrases of negative prompts, with weights above 0: how much each is not wanted."""
    prompts = (negatives,) if isinstance(negatives, str) else negatives
    phrases = tuple(phrase for prompt in prompts for phrase in parse_prompt(prompt))
    for phrase in phrases:
        values = phrase.weight.values
        if min(values) < 0 or max(values) == 0:
            raise InputError(
                f"negative {phrase.text!r}: expected a weight above 0, got {min(values):g}; "
                "a negative already pushes away"
            )
    return phrases


def pushing_away(phrases: Sequence[Phrase]) -> tuple[Phrase, ...]:
    """Negatives as phrases of a signed sum."""
    return tuple(
        replace(
            phrase,
            weight=replace(
                phrase.weight,
                values=tuple(-NEGATIVE_WEIGHT * value for value in phrase.weight.values),
            ),
        )
        for phrase in phrases
    )


def text_embedding(
    encoder: Encoder, text: str, templates: Sequence[str] | None = None
) -> Float[Tensor, "d"]:
    """The mean over templates, by default the encoder's own, as a unit vector.

    Source: Radford et al. 2021, section 3.1.4.
    """
    wordings = [
        template.replace("{}", text) for template in templates or encoder.templates or ("{}",)
    ]
    return F.normalize(encoder.encode_text(wordings).float().mean(0), dim=0)


def embed_phrase(
    encoder: Encoder,
    phrase: Phrase,
    endings: tuple[str, ...],
    templates: Sequence[str] | None,
) -> Float[Tensor, "r d"]:
    """A phrase with each ending, without gradient; a picture has no endings, so all are alike."""
    if phrase.image is None:
        texts = [phrase.text + end for end in endings]
        return torch.stack([text_embedding(encoder, text, templates) for text in texts])
    with torch.no_grad():
        picture = load_picture(phrase.image)
        device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
        embedding = encoder.encode_image(picture.unsqueeze(0).to(device))
    return embedding.float().expand(len(endings), -1)


def load_picture(
    path: Path, what: str = "image prompt", over: str = "white"
) -> Float[Tensor, "3 h w"]:
    """A picture file as sRGB in [0, 1], upright, over a plain colour where it is transparent.

    Args:
        what: names the file in messages.

    Raises:
        InputError: no such file; no picture in one of `FORMATS` (told by its content, not by its
            name), damaged, or larger than `MAX_PIXELS`, which is asked of the header.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our cap is lower
            with Image.open(path, formats=FORMATS) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise InputError(
                        f"{what} {path}: {file.width} x {file.height} pixels are more than the "
                        f"{MAX_PIXELS // 10**6} million that are read; shrink it first"
                    )
                rgba = ImageOps.exif_transpose(_eight_bits(file)).convert("RGBA")
    except FileNotFoundError:
        raise InputError(f"{what} {path}: no such file") from None
    except Image.DecompressionBombError:
        raise InputError(f"{what} {path}: claims far too many pixels; shrink it first") from None
    except InputError:
        raise
    # What Pillow's decoders raise on damaged files, beside OSError.
    except (OSError, SyntaxError, ValueError, TypeError, struct.error, EOFError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{what} {path}: not a readable picture ({reason})") from None
    ground = Image.new("RGBA", rgba.size, over)
    flat = Image.alpha_composite(ground, rgba).convert("RGB")
    pixels = torch.frombuffer(bytearray(flat.tobytes()), dtype=torch.uint8)
    return pixels.view(flat.height, flat.width, 3).permute(2, 0, 1).float() / 255


def _eight_bits(picture: PillowImage) -> PillowImage:
    """Grey pictures of 16 bits are scaled to 8; Pillow itself would cut them off at 255."""
    if not picture.mode.startswith("I"):
        return picture
    return picture.convert("I").point(lambda level: level * (1 / 257)).convert("L")


def view_indices(cameras: Cameras) -> Int[Tensor, "n v"]:
    """Which of VIEW_WORDS says how each camera sees the object."""
    azimuth = (cameras.azimuth_deg + 180) % 360 - 180  # in [-180, 180), 0 is the front
    words = torch.ones_like(azimuth, dtype=torch.long)
    words[azimuth.abs() <= WITHIN_DEG] = 0
    words[azimuth.abs() >= 180 - WITHIN_DEG] = 2
    words[cameras.elevation_deg > OVERHEAD_DEG] = 3
    return words
