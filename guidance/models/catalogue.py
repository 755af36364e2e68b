"""The weights that this package knows of: what they are, from where, and under which licence.

Any other model of open_clip works too, by the names that `guidance.encoders.load_encoder` takes,
and any other diffusion model of the kinds that `guidance.diffusion.load_denoiser` reads; then its
licence is for the user to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from guidance.models.store import (
    EMBEDDED,
    PACKAGED,
    Repository,
    hub_folder,
    is_cached,
    missing,
)
from guidance.models.torch_hub import TorchFile

#: What a reader of the list should know where the publisher's statement was not seen.
UNKNOWN = "unknown: read the repository's"
WITH_US = "part of this package, see the LICENSE.md beside the weights"


@dataclass(frozen=True)
class Model:
    """One model of the catalogue."""

    name: str  # as `load_encoder`, or `load_denoiser`, takes it
    family: str  # models of one family never judge one another
    serves: str  # what it is good for here
    repository: Repository | None  # of the Hugging Face hub; None: a file, or part of this package
    license: str  # of the weights, as their publisher states it; says so where non-commercial
    megabytes: int | None = None  # of what is fetched; None: unknown
    sha256: Mapping[str, str] = field(default_factory=dict)  # of files, where known
    kind: Literal["encoder", "denoiser", "backbone"] = "encoder"
    file: TorchFile | None = None  # of torch's hub

    @property
    def folder(self) -> Path | None:
        """Where an embedded model lies."""
        return PACKAGED / EMBEDDED[self.name] if self.name in EMBEDDED else None

    @property
    def is_here(self) -> bool:
        """Whether the weights are on this machine."""
        if self.file is not None:
            return self.file.path.is_file()
        if self.repository is None:
            return (PACKAGED / EMBEDDED[self.name]).is_dir()
        return is_cached(self.repository)


#: Names of repositories are open_clip's own for these tags; licences, sizes and hashes are those
#: that the repositories showed when they were last looked at.
CATALOGUE = (
    Model("mini", "mini-clip", "losses, without any download", None, WITH_US),
    Model("mini-judge", "mini-judge", "judging what mini has drawn", None, WITH_US),
    Model(
        "ViT-B-32/openai",
        "clip",
        "losses, the fastest of the real ones",
        Repository("timm/vit_base_patch32_clip_224.openai"),
        "Apache-2.0",
    ),
    Model(
        "ViT-B-32/laion2b_s34b_b79k",
        "clip",
        "losses; with ViT-B-32/openai as an ensemble",
        Repository("laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        UNKNOWN,
    ),
    Model(
        "ViT-L-14/openai",
        "clip",
        "losses, finer and 19 times as slow as ViT-B-32",
        Repository("timm/vit_large_patch14_clip_224.openai"),
        UNKNOWN,
    ),
    Model(
        "hf-hub:chs20/FARE4-ViT-B-16-laion2B-s34B-b88K",
        "clip",
        "losses: robust, so its gradients draw instead of painting noise",
        Repository("chs20/FARE4-ViT-B-16-laion2B-s34B-b88K"),
        "MIT",
    ),
    Model(
        "ViT-B-16-SigLIP/webli",
        "siglip",
        "losses; judging models of other families",
        Repository("timm/ViT-B-16-SigLIP"),
        "Apache-2.0",
        813,
        {
            "open_clip_model.safetensors": (
                "81942ea8c09b9e41963357cca5d2682118bf7eb7491c2ae51a28bc4f4f95b194"
            )
        },
    ),
    Model(
        "ViT-B-16-SigLIP2-384/webli",
        "siglip",
        "judging losses of the families clip and pe",
        Repository("timm/ViT-B-16-SigLIP2-384"),
        "Apache-2.0",
        1500,
    ),
    Model(
        "PE-Core-B-16/meta",
        "pe",
        "judging losses of the families clip and siglip",
        Repository("timm/PE-Core-B-16"),
        "Apache-2.0 (of the original weights)",
    ),
)

#: Diffusion models in the folders of diffusers. Sizes are those of the files in half precision that
#: are fetched, worked out from the numbers of parameters. Licences are as their publishers were
#: known to state them, and were not read again here: the repository's counts.
DENOISERS = (
    Model(
        "mini-diffusion",
        "mini-diffusion",
        "score distillation at 64 pixels, without any download",
        None,
        WITH_US,
        kind="denoiser",
    ),
    Model(
        "sd-1.5",
        "stable-diffusion",
        "score distillation at 512 pixels, the lightest",
        Repository("stable-diffusion-v1-5/stable-diffusion-v1-5"),
        "CreativeML OpenRAIL-M: commercial use with restrictions of use; read the repository's",
        2130,
        kind="denoiser",
    ),
    Model(
        "sdxl",
        "stable-diffusion",
        "score distillation at 1024 pixels",
        Repository("stabilityai/stable-diffusion-xl-base-1.0"),
        "CreativeML OpenRAIL++-M: commercial use with restrictions of use; read the repository's",
        6940,
        kind="denoiser",
    ),
    Model(
        "sd3-medium",
        "stable-diffusion",
        "score distillation through a flow model",
        Repository("stabilityai/stable-diffusion-3-medium-diffusers"),
        "Stability AI Community: non-commercial, commercial only up to a revenue that it names; "
        "to be accepted on the hub first; read the repository's",
        15400,
        kind="denoiser",
    ),
)

#: Networks that perceptual distances look through; their linear layers come with the extra `lpips`
#: (BSD-2-Clause). Addresses, and the sizes, are torchvision's own.
OF_IMAGENET = (
    "BSD-3-Clause (torchvision); trained on ImageNet, whose terms allow non-commercial research: "
    "torchvision leaves to the user how far they reach"
)
BACKBONES = (
    Model(
        "lpips-alex",
        "imagenet",
        "--lpips, the fastest",
        None,
        OF_IMAGENET,
        233,
        kind="backbone",
        file=TorchFile("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
    ),
    Model(
        "lpips-vgg",
        "imagenet",
        "--lpips, keeps more of textures",
        None,
        OF_IMAGENET,
        528,
        kind="backbone",
        file=TorchFile("https://download.pytorch.org/models/vgg16-397923af.pth"),
    ),
)


def list_models() -> tuple[Model, ...]:
    """The catalogue, the embedded models first, those that are no encoders last."""
    return CATALOGUE + DENOISERS + BACKBONES


def find_model(name: str) -> Model | None:
    """The catalogue's entry of that name, if it has one."""
    return next((model for model in list_models() if model.name == name), None)


def check_is_here(name: str) -> None:
    """Tells in a context that weights are missing; loading them would tell it after torch.

    Tags outside the catalogue pass: open_clip alone knows their repositories.

    Raises:
        InputError: a name that cannot be one of a repository.
        MissingWeights: the weights are not on this machine.
    """
    schema, _, rest = name.partition(":")
    known = find_model(name)
    if schema == "hf-hub":
        hub_folder(Repository.parse(rest), name)
    elif schema == "local-dir":
        if not (folder := Path(rest).expanduser()).is_dir():
            raise missing(name, folder)
    elif known is not None and known.repository is not None:
        hub_folder(known.repository, name, known.megabytes)
