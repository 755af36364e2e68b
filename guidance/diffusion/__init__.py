"""Frozen denoisers, by name."""

from __future__ import annotations

from weakref import WeakValueDictionary

import torch

from guidance.diffusion.base import Condition, Denoiser, Level
from guidance.models.devices import indexed_device

__all__ = ["Condition", "Denoiser", "Level", "load_denoiser"]

#: Denoisers are frozen, so all who ask for the same one share it, for as long as one of them lives.
_loaded: WeakValueDictionary[tuple[str, ...], Denoiser] = WeakValueDictionary()


def load_denoiser(
    name: str,
    device: str | torch.device = "cpu",
    *,
    precision: str = "auto",
    vae: str = "full",
    compiled: bool = False,
) -> Denoiser:
    """A frozen text-to-image diffusion model from weights on this machine; never downloads.

    Args:
        name: one of the catalogue, such as "sd-1.5"; "hf-hub:org/repository" with an optional
            "@revision"; or "local-dir:PATH", a folder with a `model_index.json` of diffusers.
        device: where the model is to live.
        precision: of the network: "fp32", "bf16", "fp16", or "auto", which is bf16 where a GPU
            has it and fp32 elsewhere. Latents and gradients stay in float32.
        vae: what turns images into latents: "full", the model's own; "tiny", the small stand-in
            of the catalogue, five to nine times cheaper; or "hf-hub:..." or "local-dir:PATH" of
            another AutoencoderTiny.
        compiled: runs the network through torch.compile, on CUDA by graphs: the first answer of
            each shape takes minutes, later ones do not wait for launches. Needs a C++ compiler.
            On a CPU the embedded one is no faster for it.

    Raises:
        InputError: an unknown name, a pipeline that is not supported, or weights that cannot be
            read or trusted; or diffusers is not installed.
        MissingWeights: the weights are not on this machine.
    """
    device = indexed_device(device)
    key = (name, str(device), precision, vae, str(compiled))
    denoiser = _loaded.get(key)
    if denoiser is None:
        from guidance.diffusion.pipeline import Pipeline

        denoiser = _loaded[key] = Pipeline.load(name, device, precision, vae)
        if compiled:
            denoiser.compile_network()
    return denoiser
