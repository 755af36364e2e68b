"""What the pictures of each sample are compared with: phrases of prompts as stacked embeddings."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.prompts import Phrase, parse_prompt
from guidance.types import Cameras

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: How strongly a negative prompt of weight 1 pushes, in shares of the prompt's own pull.
#: Source: Direct Ascent Synthesis (Fort 2025) weighs its negatives by 0.3.
NEGATIVE_WEIGHT = 0.3

#: A caption closer to a phrase than this is the phrase in other words, no rival. A judgement, not a
#: measurement: pushing "an apple" away from "apple" asks for what only an encoder can tell apart.
SAME_MEANING = 0.95

#: What a user's picture may have, asked of its header before anything is decoded: 64 megapixels.
MAX_PIXELS = 2**26
#: Formats that are read. Pillow knows more, some of which start other programs (EPS).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")

#: Suffixes by view. Source: DreamFusion (Poole et al. 2022, section 3.2); the angles too.
VIEW_WORDS = ("front view", "side view", "back view", "overhead view")
OVERHEAD_DEG = 60.0
WITHIN_DEG = 45.0


@dataclass(frozen=True)
class Targets:
    """The phrases of `n` samples, padded to `m` with weight 0, in `r` wordings (1, or by view)."""

    embeddings: Float[Tensor, "n r m d"]
    weights: Float[Tensor, "n m"]  # below 0 pushes away
    stops: Float[Tensor, "n m"]  # no gradient once a phrase's own loss is below

    def by_view(self, views: Int[Tensor, "n v"] | None) -> Float[Tensor, "n v m d"]:
        """The wording that belongs to each view (see `view_indices`)."""
        if views is None:
            return self.embeddings[:, :1]
        samples = torch.arange(len(views), device=views.device).unsqueeze(1)
        return self.embeddings[samples, views]


@dataclass(frozen=True)
class Rivals:
    """What phrases are to win against, with the logarithm of the weight of each, or -inf."""

    embeddings: Float[Tensor, "o d"]
    log_weights: Float[Tensor, "n m o"]


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


def targets(
    encoder: Encoder, phrases: Sequence[Sequence[Phrase]], view_words: bool, device: torch.device
) -> Targets:
    """Encodes the phrases of each sample, without gradient."""
    m = max(len(row) for row in phrases)
    padding = Phrase("", 0.0)
    rows = [[*row, *[padding] * (m - len(row))] for row in phrases]
    endings = tuple(f", {words}" for words in VIEW_WORDS) if view_words else ("",)
    known = {phrase: _embed(encoder, phrase, endings) for row in phrases for phrase in row}
    known[padding] = torch.zeros_like(next(iter(known.values())))
    embeddings = torch.stack([torch.stack([known[phrase] for phrase in row], 1) for row in rows])
    weights = torch.tensor([[phrase.weight for phrase in row] for row in rows])
    stops = torch.tensor([[phrase.stop for phrase in row] for row in rows])
    return Targets(embeddings.to(device), weights.to(device), stops.to(device))


def negative_phrases(negatives: str | Sequence[str]) -> tuple[Phrase, ...]:
    """The phrases of negative prompts, with weights above 0: how much each is not wanted."""
    prompts = (negatives,) if isinstance(negatives, str) else negatives
    phrases = tuple(phrase for prompt in prompts for phrase in parse_prompt(prompt))
    for phrase in phrases:
        if phrase.weight <= 0:
            raise InputError(
                f"negative {phrase.text!r}: expected a weight above 0, got {phrase.weight:g}; "
                "a negative already pushes away"
            )
    return phrases


def pushing_away(phrases: Sequence[Phrase]) -> tuple[Phrase, ...]:
    """Negatives as phrases of a signed sum."""
    return tuple(replace(phrase, weight=-NEGATIVE_WEIGHT * phrase.weight) for phrase in phrases)


def text_embedding(encoder: Encoder, text: str) -> Float[Tensor, "d"]:
    """The mean over the encoder's templates, as a unit vector (Radford et al. 2021, 3.1.4)."""
    wordings = [template.replace("{}", text) for template in encoder.templates or ("{}",)]
    return F.normalize(encoder.encode_text(wordings).float().mean(0), dim=0)


def rivals(encoder: Encoder, wanted: Targets, negatives: Sequence[Phrase]) -> Rivals:
    """What the phrases are to win against: negatives and everyday captions.

    Captions that mean the phrase itself are left out, by a logarithmic weight of -inf. Encoders
    trained with a sigmoid need no rivals: for them there are the negatives alone.
    """
    captions = list(encoder.alternatives) if encoder.logit_bias is None else []
    if not captions and not negatives and encoder.logit_bias is None:
        raise InputError(
            f'kind "logit": {encoder.name} brings no captions to contrast a prompt with; '
            "give negatives, or use cosine"
        )
    like = wanted.embeddings
    vectors = [_embed(encoder, phrase, ("",)) for phrase in negatives]
    if captions:
        vectors.append(F.normalize(encoder.encode_text(captions).float(), dim=-1))
    others = torch.cat(vectors).to(like) if vectors else like.new_zeros(0, like.shape[-1])
    weights = [phrase.weight for phrase in negatives] + [1.0] * len(captions)
    handicap = like.new_tensor(weights).log().expand(*like.shape[::2], -1).clone()
    same = like[:, 0] @ others.T > SAME_MEANING
    same[..., : len(negatives)] = False
    handicap[same] = -torch.inf
    if not handicap.isfinite().any(-1).all() and encoder.logit_bias is None:
        raise InputError('kind "logit": every caption to contrast a prompt with means the same')
    return Rivals(others, handicap)


def _embed(encoder: Encoder, phrase: Phrase, endings: tuple[str, ...]) -> Float[Tensor, "r d"]:
    if phrase.image is None:
        return torch.stack([text_embedding(encoder, phrase.text + end) for end in endings])
    with torch.no_grad():
        picture = load_picture(phrase.image)
        device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
        embedding = encoder.encode_image(picture.unsqueeze(0).to(device))
    return embedding.float().expand(len(endings), -1)


def load_picture(path: Path, what: str = "image prompt") -> Float[Tensor, "3 h w"]:
    """A picture file as sRGB in [0, 1], upright, over white where it is transparent.

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
    white = Image.new("RGBA", rgba.size, "white")
    flat = Image.alpha_composite(white, rgba).convert("RGB")
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
