"""The identity of a network, by which saved directions are tied to it."""

from __future__ import annotations

import hashlib

import torch

from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import Synthesis


def synthesis_of(network: StyleGAN | Synthesis) -> Synthesis:
    """The synthesis network of a generator; a synthesis network is returned as it is."""
    return network if isinstance(network, Synthesis) else network.synthesis


def network_digest(network: StyleGAN | Synthesis) -> str:
    """The SHA-256 of the synthesis: the names, shapes and values of its tensors, in hexadecimal.

    The mapping is left out: a direction in the space of styles does not depend on it.
    """
    found = hashlib.sha256()
    for name, tensor in sorted(synthesis_of(network).state_dict().items()):
        values = tensor.detach().to("cpu", torch.float32).contiguous()
        found.update(f"{name} {list(values.shape)}\n".encode())
        found.update(values.numpy().tobytes())
    return found.hexdigest()
