"""Optimize anything differentiable until it matches words.

    import guidance as gd

    result = gd.optimize(module, gd.Clip("a red apple"), steps=200)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import Any

__version__ = "0.1.0"

#: The public API: name -> the module that defines it.
_PUBLIC = {
    "optimize": "guidance.loop",
    "Settings": "guidance.loop",
    "Result": "guidance.loop",
    "StepEvent": "guidance.loop",
    "PreviewEvent": "guidance.loop",
    "DoneEvent": "guidance.loop",
    "Generator": "guidance.types",
    "Loss": "guidance.types",
    "Rendering": "guidance.types",
    "Cameras": "guidance.views",
    "Windows": "guidance.views",
    "Frames": "guidance.views",
    "Warp": "guidance.views",
    "Mesh": "guidance.meshes",
    "Moment": "guidance.types",
    "Clip": "guidance.losses.clip",
    "Directional": "guidance.losses.directional",
    "PatchDirectional": "guidance.losses.patches",
    "Content": "guidance.losses.content",
    "Distillation": "guidance.losses.distillation",
    "TotalVariation": "guidance.losses.image",
    "Range": "guidance.losses.image",
    "Lpips": "guidance.losses.lpips",
    "Outline": "guidance.losses.outline",
    "Laplacian": "guidance.losses.mesh",
    "NormalConsistency": "guidance.losses.mesh",
    "EdgeLength": "guidance.losses.mesh",
    "Eikonal": "guidance.losses.mesh",
    "NoiseNorm": "guidance.losses.noise",
    "Augment": "guidance.augment",
    "Whole": "guidance.augment.whole",
    "Pixels": "guidance.generators.pixels",
    "Pyramid": "guidance.generators.pyramid",
    "Fourier": "guidance.generators.fourier",
    "Cutout": "guidance.generators.cutout",
    "UNet": "guidance.generators.unet",
    "Film": "guidance.generators.film",
    "Masked": "guidance.generators.masked",
    "Revised": "guidance.generators.revised",
    "Latent": "guidance.generators.latent",
    "Noise": "guidance.generators.noise",
    "MeshGenerator": "guidance.generators.mesh",
    "Surface": "guidance.generators.mesh",
    "TexturedMesh": "guidance.generators.texture",
    "Maps": "guidance.generators.texture",
    "GrownMesh": "guidance.generators.grown",
    "Growth": "guidance.generators.grown",
    "DMTet": "guidance.generators.dmtet",
    "SurfaceGrid": "guidance.generators.dmtet",
    "Orbit": "guidance.rendering.cameras",
    "load_mesh": "guidance.geometry.mesh_io",
    "save_mesh": "guidance.geometry.mesh_io",
    "load_encoder": "guidance.encoders",
    "load_judge": "guidance.encoders",
    "load_denoiser": "guidance.diffusion",
    "sample": "guidance.diffusion.sampling",
    "TextToImage": "guidance.tasks.text2image",
    "TextToMesh": "guidance.tasks.text2mesh",
    "Stylize": "guidance.tasks.stylize",
    "Edit": "guidance.tasks.edit",
}


def _refuse_namesake() -> None:
    """Microsoft's `guidance` (for language models) installs a package of the same name."""
    try:
        metadata.distribution("guidance")
    except metadata.PackageNotFoundError:
        return
    raise ImportError(
        "two packages called `guidance` are installed here, this one and Microsoft's for language "
        "models, and their files mix: run `pip uninstall guidance`, then install this one again"
    )


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'guidance' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})


_refuse_namesake()
