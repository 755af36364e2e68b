"""Low-pass filters of StyleGAN3.

Source: Karras et al., "Alias-Free Generative Adversarial Networks", arXiv 2106.12423, section 3.2
and appendix C.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def kaiser_lowpass(
    taps: int, cutoff: float, transition: float, rate: float
) -> Float[Tensor, "taps"]:
    """A windowed sinc with a sum of one, for each axis by itself; one tap is the identity.

    Args:
        taps: its length.
        cutoff: the frequency at which half of the amplitude passes, in cycles for each unit.
        transition: the width of the band between pass and stop, in the same unit.
        rate: samples for each unit.
    """
    if taps == 1:
        return torch.ones(1)
    from scipy.signal import firwin

    return torch.tensor(firwin(taps, cutoff, width=transition, fs=rate), dtype=torch.float32)


def radial_lowpass(
    taps: int, cutoff: float, transition: float, rate: float
) -> Float[Tensor, "taps taps"]:
    """A windowed jinc with a sum of one: a filter that treats all directions alike.

    The arguments are those of `kaiser_lowpass`; `taps` is even, so that no tap is at the center.
    """
    assert taps % 2 == 0, f"expected an even number of taps, got {taps}"
    from scipy.signal import kaiser_atten, kaiser_beta
    from scipy.special import j1

    at = (np.arange(taps) - (taps - 1) / 2) / rate
    distance = np.sqrt(at[:, None] ** 2 + at[None, :] ** 2)
    jinc = j1(2 * np.pi * cutoff * distance) / distance
    window = np.kaiser(taps, kaiser_beta(kaiser_atten(taps, transition / (rate / 2))))
    kernel = jinc * window[:, None] * window[None, :]
    return torch.tensor(kernel / kernel.sum(), dtype=torch.float32)
