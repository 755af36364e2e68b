"""Optimize anything differentiable until it matches words.

    import guidance as gd

    result = gd.optimize(module, gd.Clip("a red apple"), steps=200)

Names are imported when they are first used, so that importing the package is immediate.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from guidance.version import __version__ as __version__

if TYPE_CHECKING:
    from guidance.augment import Augment as Augment
    from guidance.augment.whole import Whole as Whole
    from guidance.body.body import Body as Body
    from guidance.body.load import load_body as load_body
    from guidance.captions.make import caption as caption
    from guidance.diffusion import load_denoiser as load_denoiser
    from guidance.diffusion.sampling import sample as sample
    from guidance.directions.dictionary import StyleDictionary as StyleDictionary
    from guidance.directions.direction import StyleDirection as StyleDirection
    from guidance.encoders import load_encoder as load_encoder
    from guidance.encoders import load_judge as load_judge
    from guidance.encoders.base import Encoder as Encoder
    from guidance.generators.image.cutout import Cutout as Cutout
    from guidance.generators.image.fourier import Fourier as Fourier
    from guidance.generators.image.grid import Grid as Grid
    from guidance.generators.image.latent import Latent as Latent
    from guidance.generators.image.latent_edit import LatentEdit as LatentEdit
    from guidance.generators.image.masked import Masked as Masked
    from guidance.generators.image.noise import Noise as Noise
    from guidance.generators.image.param.base import ImageGenerator as ImageGenerator
    from guidance.generators.image.pixels import Pixels as Pixels
    from guidance.generators.image.pyramid import Pyramid as Pyramid
    from guidance.generators.image.siren import Siren as Siren
    from guidance.generators.image.strokes import Strokes as Strokes
    from guidance.generators.image.stylegan import StyleGANImages as StyleGANImages
    from guidance.generators.image.unet import UNet as UNet
    from guidance.generators.image.video import Video as Video
    from guidance.generators.image.wavelet import Wavelet as Wavelet
    from guidance.generators.mesh.avatar import Avatar as Avatar
    from guidance.generators.mesh.dmtet import DMTet as DMTet
    from guidance.generators.mesh.jacobians import DeformedMesh as DeformedMesh
    from guidance.generators.mesh.param.base import MeshGenerator as MeshGenerator
    from guidance.generators.mesh.sphere import SphereMesh as SphereMesh
    from guidance.generators.mesh.stylized import StylizedMesh as StylizedMesh
    from guidance.generators.mesh.textured import TexturedMesh as TexturedMesh
    from guidance.geometry.io.files import load_mesh as load_mesh
    from guidance.geometry.io.files import save_mesh as save_mesh
    from guidance.loop.events import (
        DoneEvent as DoneEvent,
    )
    from guidance.loop.events import (
        PreviewEvent as PreviewEvent,
    )
    from guidance.loop.events import (
        StepEvent as StepEvent,
    )
    from guidance.loop.optimize import optimize as optimize
    from guidance.loop.result import Result as Result
    from guidance.loop.settings import Settings as Settings
    from guidance.losses.border import Border as Border
    from guidance.losses.clip import Clip as Clip
    from guidance.losses.content import Content as Content
    from guidance.losses.directional import Directional as Directional
    from guidance.losses.distillation import Distillation as Distillation
    from guidance.losses.edge_length import EdgeLength as EdgeLength
    from guidance.losses.eikonal import Eikonal as Eikonal
    from guidance.losses.laplacian import Laplacian as Laplacian
    from guidance.losses.lpips import Lpips as Lpips
    from guidance.losses.noise_norm import NoiseNorm as NoiseNorm
    from guidance.losses.normal_consistency import NormalConsistency as NormalConsistency
    from guidance.losses.outline import Outline as Outline
    from guidance.losses.palette import Palette as Palette
    from guidance.losses.patches import PatchDirectional as PatchDirectional
    from guidance.losses.range import Range as Range
    from guidance.losses.rigidity import Rigidity as Rigidity
    from guidance.losses.smoothness import Smoothness as Smoothness
    from guidance.losses.symmetry import Symmetry as Symmetry
    from guidance.losses.total_variation import TotalVariation as TotalVariation
    from guidance.losses.vqa import Vqa as Vqa
    from guidance.meshes import Mesh as Mesh
    from guidance.options import Options as Options
    from guidance.outputs import Images as Images
    from guidance.outputs import Output as Output
    from guidance.outputs import Rendering as Rendering
    from guidance.prompts import Prompt as Prompt
    from guidance.rendering.cameras.orbit import Orbit as Orbit
    from guidance.runs.plan import Plan as Plan
    from guidance.schedule import Schedule as Schedule
    from guidance.search.classifier import Classifier as Classifier
    from guidance.search.collection import Collection as Collection
    from guidance.sweeps.shown import SweepResults as SweepResults
    from guidance.sweeps.sweep import Sweep as Sweep
    from guidance.tasks.base import Task as Task
    from guidance.tasks.edit import Edit as Edit
    from guidance.tasks.mesh.mode import MeshMode as MeshMode
    from guidance.tasks.mesh.modes.deform import Deform as Deform
    from guidance.tasks.mesh.modes.deform_normals import DeformNormals as DeformNormals
    from guidance.tasks.mesh.modes.generate import Generate as Generate
    from guidance.tasks.mesh.modes.generate_grid import GenerateGrid as GenerateGrid
    from guidance.tasks.mesh.modes.stylize import StylizeMesh as StylizeMesh
    from guidance.tasks.mesh.modes.texture import Texture as Texture
    from guidance.tasks.style_edit import StyleEdit as StyleEdit
    from guidance.tasks.stylegan.inversion import invert as invert
    from guidance.tasks.stylize import Stylize as Stylize
    from guidance.tasks.text2avatar import TextToAvatar as TextToAvatar
    from guidance.tasks.text2image import TextToImage as TextToImage
    from guidance.tasks.text2mesh import TextToMesh as TextToMesh
    from guidance.types import Generator as Generator
    from guidance.types import Loss as Loss
    from guidance.types import StepContext as StepContext
    from guidance.views import (
        Cameras as Cameras,
    )
    from guidance.views import (
        Frames as Frames,
    )
    from guidance.views import (
        Warp as Warp,
    )
    from guidance.views import (
        Windows as Windows,
    )


#: The public API: each name with the module that defines it.
_PUBLIC = {
    # the loop
    "optimize": "guidance.loop.optimize",
    "Settings": "guidance.loop.settings",
    "Result": "guidance.loop.result",
    "StepEvent": "guidance.loop.events",
    "PreviewEvent": "guidance.loop.events",
    "DoneEvent": "guidance.loop.events",
    # interfaces
    "Generator": "guidance.types",
    "Loss": "guidance.types",
    "StepContext": "guidance.types",
    "Options": "guidance.options",
    "Output": "guidance.outputs",
    "Images": "guidance.outputs",
    "Rendering": "guidance.outputs",
    "Encoder": "guidance.encoders.base",
    "ImageGenerator": "guidance.generators.image.param.base",
    "MeshGenerator": "guidance.generators.mesh.param.base",
    "MeshMode": "guidance.tasks.mesh.mode",
    "Task": "guidance.tasks.base",
    "Plan": "guidance.runs.plan",
    # values
    "Prompt": "guidance.prompts",
    "Schedule": "guidance.schedule",
    "Cameras": "guidance.views",
    "Windows": "guidance.views",
    "Frames": "guidance.views",
    "Warp": "guidance.views",
    "Mesh": "guidance.meshes",
    # losses
    "Clip": "guidance.losses.clip",
    "Directional": "guidance.losses.directional",
    "PatchDirectional": "guidance.losses.patches",
    "Content": "guidance.losses.content",
    "Distillation": "guidance.losses.distillation",
    "TotalVariation": "guidance.losses.total_variation",
    "Vqa": "guidance.losses.vqa",
    "Range": "guidance.losses.range",
    "Lpips": "guidance.losses.lpips",
    "Outline": "guidance.losses.outline",
    "Palette": "guidance.losses.palette",
    "Border": "guidance.losses.border",
    "Smoothness": "guidance.losses.smoothness",
    "Symmetry": "guidance.losses.symmetry",
    "Laplacian": "guidance.losses.laplacian",
    "NormalConsistency": "guidance.losses.normal_consistency",
    "EdgeLength": "guidance.losses.edge_length",
    "Rigidity": "guidance.losses.rigidity",
    "Eikonal": "guidance.losses.eikonal",
    "NoiseNorm": "guidance.losses.noise_norm",
    # crops
    "Augment": "guidance.augment",
    "Whole": "guidance.augment.whole",
    # generators
    "Pixels": "guidance.generators.image.pixels",
    "Pyramid": "guidance.generators.image.pyramid",
    "Fourier": "guidance.generators.image.fourier",
    "Wavelet": "guidance.generators.image.wavelet",
    "Siren": "guidance.generators.image.siren",
    "Grid": "guidance.generators.image.grid",
    "Strokes": "guidance.generators.image.strokes",
    "Cutout": "guidance.generators.image.cutout",
    "UNet": "guidance.generators.image.unet",
    "Video": "guidance.generators.image.video",
    "Masked": "guidance.generators.image.masked",
    "LatentEdit": "guidance.generators.image.latent_edit",
    "Latent": "guidance.generators.image.latent",
    "Noise": "guidance.generators.image.noise",
    "StyleGANImages": "guidance.generators.image.stylegan",
    "StylizedMesh": "guidance.generators.mesh.stylized",
    "TexturedMesh": "guidance.generators.mesh.textured",
    "DeformedMesh": "guidance.generators.mesh.jacobians",
    "SphereMesh": "guidance.generators.mesh.sphere",
    "DMTet": "guidance.generators.mesh.dmtet",
    "Avatar": "guidance.generators.mesh.avatar",
    # cameras and meshes
    "Orbit": "guidance.rendering.cameras.orbit",
    "load_mesh": "guidance.geometry.io.files",
    "Body": "guidance.body.body",
    "load_body": "guidance.body.load",
    "save_mesh": "guidance.geometry.io.files",
    # frozen models
    "load_encoder": "guidance.encoders",
    "load_judge": "guidance.encoders",
    "load_denoiser": "guidance.diffusion",
    "sample": "guidance.diffusion.sampling",
    # search
    "Collection": "guidance.search.collection",
    "Classifier": "guidance.search.classifier",
    # captions
    "caption": "guidance.captions.make",
    # style editing
    "StyleDictionary": "guidance.directions.dictionary",
    "StyleDirection": "guidance.directions.direction",
    # sweeps
    "Sweep": "guidance.sweeps.sweep",
    "SweepResults": "guidance.sweeps.shown",
    # tasks
    "TextToImage": "guidance.tasks.text2image",
    "TextToMesh": "guidance.tasks.text2mesh",
    "TextToAvatar": "guidance.tasks.text2avatar",
    "Stylize": "guidance.tasks.stylize",
    "Edit": "guidance.tasks.edit",
    "StyleEdit": "guidance.tasks.style_edit",
    "invert": "guidance.tasks.stylegan.inversion",
    # modes of TextToMesh
    "StylizeMesh": "guidance.tasks.mesh.modes.stylize",
    "Texture": "guidance.tasks.mesh.modes.texture",
    "Deform": "guidance.tasks.mesh.modes.deform",
    "DeformNormals": "guidance.tasks.mesh.modes.deform_normals",
    "Generate": "guidance.tasks.mesh.modes.generate",
    "GenerateGrid": "guidance.tasks.mesh.modes.generate_grid",
}


def _refuse_namesake() -> None:
    """Microsoft's `guidance` (for language models) installs a package of the same name."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        if any(name.startswith("guidance-") and name.endswith(".dist-info") for name in names):
            break
    else:
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
