"""ImageBind: images, texts and sounds in one space; the user installs the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from guidance.encoders.openclip import OpenClip
from guidance.encoders.sound.mel import FRAME, RATE, mel_spectrogram
from guidance.encoders.sound.towers import MEL_BINS, MEL_FRAMES, Towers
from guidance.errors import InputError
from guidance.streams import say

#: Of the repository facebookresearch/ImageBind.
NOTICE = "guide: {}: the weights of ImageBind are licensed under CC BY-NC-SA 4.0: no commercial use"
#: A sound is the mean of this many parts, and the seconds of each.
PARTS, SECONDS = 3, 2
#: Mean and standard deviation of the spectrograms.
MEAN, DEVIATION = -4.268, 9.138


class ImageBind(OpenClip):
    """A frozen ImageBind, with its towers for images, texts and sounds.

    The towers for images and texts are those of OpenCLIP's ViT-H/14, so that the family is "clip".
    """

    sound: nn.Module

    @classmethod
    def load(cls, name: str, device: torch.device, precision: str = "auto") -> OpenClip:
        """Loads the model, and prints its license."""
        say(NOTICE.format(name))
        encoder = super().load(name, device, precision)
        assert isinstance(encoder, ImageBind) and isinstance(encoder._text, Towers)
        encoder.sound = encoder._text.sound
        return encoder

    @torch.no_grad()
    def encode_sound(self, sounds: Sequence[Float[Tensor, "s"]]) -> Float[Tensor, "b d"]:
        """Unit vectors of sounds: the mean of three parts of two seconds.

        Args:
            sounds: samples at 16 kHz in [-1, 1].

        Raises:
            InputError: a sound is shorter than a frame.
        """
        vectors = []
        for sound in sounds:
            parts = torch.stack([spectrogram(part) for part in parts_of(sound)])
            found = self.sound(parts[:, None].to(self._device()))
            vectors.append(F.normalize(found.float(), dim=-1).mean(0))
        return F.normalize(torch.stack(vectors), dim=-1)


def parts_of(sound: Float[Tensor, "s"]) -> list[Float[Tensor, "p"]]:
    """The first, the middle and the last two seconds; shorter sounds are their own parts."""
    room = max(0, len(sound) - SECONDS * RATE)
    starts = [room * part // (PARTS - 1) for part in range(PARTS)]
    return [sound[start : start + SECONDS * RATE] for start in starts]


def spectrogram(sound: Float[Tensor, "s"]) -> Float[Tensor, "bins frames"]:
    """The normalized mel spectrogram of a part, filled up with zeros before the normalization.

    Raises:
        InputError: it is shorter than a frame.
    """
    if len(sound) < FRAME:
        raise InputError(f"a sound of {len(sound) / RATE:.3f} seconds is too short")
    found = mel_spectrogram(sound, MEL_BINS).mT[:, :MEL_FRAMES]
    return (F.pad(found, (0, MEL_FRAMES - found.shape[1])) - MEAN) / DEVIATION
