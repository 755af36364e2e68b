"""Log-mel spectrograms by Kaldi's definition, of sounds at 16 kHz."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

#: Samples per second, samples of a frame and between frames, and of the Fourier transform.
RATE, FRAME, SHIFT, FOURIER = 16_000, 400, 160, 512
#: Each frame is high-pass filtered: this much of the previous sample is subtracted.
PREEMPHASIS = 0.97
#: The lowest frequency, in Hz; the highest is half the rate.
LOWEST = 20.0


def mel_spectrogram(sound: Float[Tensor, "s"], bins: int) -> Float[Tensor, "frames bins"]:
    """The logarithm of the power in each mel band of each frame.

    Only frames that lie inside the sound are used.

    Args:
        sound: samples in [-1, 1], at least `FRAME`.
        bins: the number of bands.

    Source: `compute-fbank-feats` of Kaldi with a Hann window, and without dither and energy.
    """
    frames = sound.unfold(0, FRAME, SHIFT)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    frames = (frames - PREEMPHASIS * before) * torch.hann_window(FRAME, periodic=False)
    power = torch.fft.rfft(frames, FOURIER).abs() ** 2
    # Kaldi ignores the last frequency.
    found: Tensor = (power[:, :-1] @ bands(bins)).clamp_min(torch.finfo(torch.float32).eps).log()
    return found


def bands(bins: int) -> Float[Tensor, "frequencies bins"]:
    """The weight of each frequency in each band: triangles of equal width on the mel scale."""
    low, high = mel(torch.tensor([LOWEST, RATE / 2]))
    corners = torch.linspace(float(low), float(high), bins + 2)
    width = corners[1] - corners[0]
    at = mel(torch.arange(FOURIER // 2) * (RATE / FOURIER))
    return F.relu(1 - (at[:, None] - corners[1:-1]).abs() / width)


def mel(hertz: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Frequencies on the mel scale."""
    return 1127 * torch.log1p(hertz / 700)
