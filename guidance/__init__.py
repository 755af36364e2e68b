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
    "optimize": "guidance.loop.optimize",
    "Settings": "guidance.loop.settings",
    "Result": "guidance.loop.result",
    "StepEvent": "guidance.loop.events",
    "PreviewEvent": "guidance.loop.events",
    "DoneEvent": "guidance.loop.events",
    "Generator": "guidance.types",
    "Loss": "guidance.types",
    "Output": "guidance.outputs",
    "Images": "guidance.outputs",
    "Rendering": "guidance.outputs",
    "Cameras": "guidance.views",
    "Windows": "guidance.views",
    "Frames": "guidance.views",
    "Warp": "guidance.views",
    "Mesh": "guidance.meshes",
    "StepContext": "guidance.types",
    "Clip": "guidance.losses.clip",
    "Directional": "guidance.losses.directional",
    "PatchDirectional": "guidance.losses.patches",
    "Content": "guidance.losses.content",
    "Distillation": "guidance.losses.distillation",
    "TotalVariation": "guidance.losses.total_variation",
    "Range": "guidance.losses.range",
    "Lpips": "guidance.losses.lpips",
    "Outline": "guidance.losses.outline",
    "Laplacian": "guidance.losses.laplacian",
    "NormalConsistency": "guidance.losses.normal_consistency",
    "EdgeLength": "guidance.losses.edge_length",
    "Eikonal": "guidance.losses.eikonal",
    "NoiseNorm": "guidance.losses.noise_norm",
    "Augment": "guidance.augment",
    "Whole": "guidance.augment.whole",
    "Pixels": "guidance.generators.image.pixels",
    "Pyramid": "guidance.generators.image.pyramid",
    "Fourier": "guidance.generators.image.fourier",
    "Cutout": "guidance.generators.image.cutout",
    "UNet": "guidance.generators.image.unet",
    "Video": "guidance.generators.image.video",
    "Masked": "guidance.generators.image.masked",
    "LatentEdit": "guidance.generators.image.latent_edit",
    "Latent": "guidance.generators.image.latent",
    "Noise": "guidance.generators.image.noise",
    "StylizedMesh": "guidance.generators.mesh.stylized",
    "Surface": "guidance.generators.mesh.stylized",
    "TexturedMesh": "guidance.generators.mesh.textured",
    "Maps": "guidance.generators.mesh.textured",
    "SphereMesh": "guidance.generators.mesh.sphere",
    "Growth": "guidance.generators.mesh.sphere",
    "DMTet": "guidance.generators.mesh.dmtet",
    "SurfaceGrid": "guidance.generators.mesh.dmtet",
    "Orbit": "guidance.rendering.cameras.orbit",
    "load_mesh": "guidance.geometry.io.files",
    "save_mesh": "guidance.geometry.io.files",
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
