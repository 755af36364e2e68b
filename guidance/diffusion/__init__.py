"""Frozen denoisers, loaded by name."""

from __future__ import annotations

from weakref import WeakValueDictionary

import torch

from guidance.diffusion.base import Condition, Denoiser, Level
from guidance.models.devices import indexed_device
from guidance.models.kept import keep
from guidance.models.precision import resolved

__all__ = ["Condition", "Denoiser", "Level", "load_denoiser"]

#: Loaded denoisers. They are frozen, so all callers share one for each combination of arguments.
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
        name: a name of the catalogue, such as "sd-1.5"; "hf-hub:org/repository" with an optional
            "@revision"; or "local-dir:PATH", a folder of diffusers with a `model_index.json`.
        device: where the model runs.
        precision: of the network: "fp32", "bf16", "fp16", or "auto", which is bf16 where
            it is faster and as good (see `guidance.models.precision`). Latents and gradients stay
            in float32.
        vae: the autoencoder: "full", the model's own; "tiny", a small approximation of it (TAESD),
            five to nine times cheaper; or "hf-hub:..." or "local-dir:PATH" of another
            AutoencoderTiny.
        compiled: compiles the network with torch.compile, on CUDA with CUDA graphs. The first pass
            of each input shape takes minutes; later ones have no launch overhead. Needs a C++
            compiler. On a CPU, mini-diffusion is not faster when compiled.

    Raises:
        InputError: an unknown name, an unsupported pipeline, weights that cannot be read or
            trusted, or diffusers is not installed.
        MissingWeights: the weights are not on this machine.
    """
    device = indexed_device(device)
    precision = resolved(precision)
    key = (name, str(device), precision, vae, str(compiled))
    denoiser = _loaded.get(key)
    if denoiser is None:
        from guidance.diffusion.pipeline import Pipeline

        denoiser = _loaded[key] = Pipeline.load(name, device, precision, vae)
        if compiled:
            denoiser.compile_network()
        keep(denoiser)
    return denoiser
