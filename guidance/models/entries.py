"""The models of the catalogue.

Other open_clip models work too, by the names that `guidance.encoders.load_encoder` takes, and so
do other diffusion models of the kinds that `guidance.diffusion.load_denoiser` reads. Their licenses
are for the user to check.
"""

from __future__ import annotations

from guidance.models.model import Model
from guidance.models.store import Repository
from guidance.models.torch_hub import TorchFile

PACKAGE_LICENSE = "Apache-2.0 (part of this package)"
#: Image-text models. The repositories are those that open_clip names for these tags. Sizes are four
#: bytes for each parameter. Licenses are summaries; the repository's text is the valid one.
CATALOGUE = (
    Model("mini", "mini-clip", "losses, no download needed", None, PACKAGE_LICENSE, 21),
    Model("mini-people", "mini-clip", "people and portraits", None, PACKAGE_LICENSE, 21),
    Model("mini-judge", "mini-judge", "judging results of mini", None, PACKAGE_LICENSE, 12),
    Model(
        "ViT-B-32/openai",
        "clip",
        "losses, the fastest of the large models",
        Repository("timm/vit_base_patch32_clip_224.openai"),
        "Apache-2.0",
        605,
    ),
    Model(
        "ViT-B-32/laion2b_s34b_b79k",
        "clip",
        "losses, as an ensemble with ViT-B-32/openai",
        Repository("laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        "MIT",
        605,
    ),
    Model(
        "ViT-L-14/openai",
        "clip",
        "losses, finer than ViT-B-32 and 19 times slower",
        Repository("timm/vit_large_patch14_clip_224.openai"),
        "Apache-2.0",
        1710,
    ),
    Model(
        "hf-hub:chs20/FARE4-ViT-B-16-laion2B-s34B-b88K",
        "clip",
        "losses, adversarially robust: its gradients draw shapes instead of noise",
        Repository("chs20/FARE4-ViT-B-16-laion2B-s34B-b88K"),
        "MIT",
        599,
    ),
    Model(
        "ViT-B-16-SigLIP/webli",
        "siglip",
        "losses, and judging losses of other families",
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
        1790,
    ),
)

#: Diffusion models in the layout of diffusers. Sizes are of the half-precision files, computed from
#: the numbers of parameters. Licenses are summaries; the repository's text is the valid one.
DENOISERS = (
    Model(
        "mini-diffusion",
        "mini-diffusion",
        "score distillation at 64 pixels, no download needed",
        None,
        PACKAGE_LICENSE,
        21,
        kind="denoiser",
    ),
    Model(
        "sd-1.5",
        "stable-diffusion",
        "score distillation at 512 pixels, the smallest of the large models",
        Repository("stable-diffusion-v1-5/stable-diffusion-v1-5"),
        "CreativeML OpenRAIL-M: commercial use allowed, some uses prohibited",
        2130,
        kind="denoiser",
    ),
    Model(
        "sdxl",
        "stable-diffusion",
        "score distillation at 1024 pixels",
        Repository("stabilityai/stable-diffusion-xl-base-1.0"),
        "CreativeML OpenRAIL++-M: commercial use allowed, some uses prohibited",
        6940,
        kind="denoiser",
    ),
    Model(
        "sd3-medium",
        "stable-diffusion",
        "score distillation with a flow model",
        Repository("stabilityai/stable-diffusion-3-medium-diffusers"),
        "Stability AI Community: non-commercial, and commercial below a revenue limit (accept it "
        "on the hub first)",
        15400,
        kind="denoiser",
    ),
)

#: Networks of perceptual distances. The linear layers of LPIPS come with the extra `lpips`
#: (BSD-2-Clause). URLs and sizes are torchvision's.
IMAGENET_LICENSE = (
    "BSD-3-Clause (torchvision), trained on ImageNet, whose terms are non-commercial research: "
    "whether they extend to the weights is for the user to judge"
)
BACKBONES = (
    Model(
        "lpips-alex",
        "imagenet",
        "--loss lpips --backbone alex, the fastest",
        None,
        IMAGENET_LICENSE,
        233,
        kind="backbone",
        file=TorchFile("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),
    ),
    Model(
        "lpips-vgg",
        "imagenet",
        "--loss lpips --backbone vgg, preserves textures better",
        None,
        IMAGENET_LICENSE,
        528,
        kind="backbone",
        file=TorchFile("https://download.pytorch.org/models/vgg16-397923af.pth"),
    ),
)
#: StyleGAN networks. Others are converted by `guide models convert`.
STYLEGANS = (
    Model(
        "mini-stylegan",
        "mini-stylegan",
        "style_edit of portraits at 64 pixels, no download needed",
        None,
        PACKAGE_LICENSE,
        3,
        kind="stylegan",
    ),
)
#: Models that find parts of images by words, in the format of transformers. Sizes are four bytes
#: for each parameter. Licenses are summaries; the repository's text is the valid one.
SEGMENTERS = (
    Model(
        "mini-regions",
        "mini-clip",
        "--segmenter mini: coarse parts of drawn persons",
        None,
        PACKAGE_LICENSE,
        1,
        kind="segmenter",
    ),
    Model(
        "clipseg",
        "clip",
        "--segmenter clipseg: parts of photos, coarse masks of 352 pixels",
        Repository("CIDAS/clipseg-rd64-refined"),
        "Apache-2.0",
        603,
        kind="segmenter",
    ),
    Model(
        "grounding-dino-tiny",
        "grounding-dino",
        "--segmenter grounded-sam, with sam-vit-base: boxes of what a text names",
        Repository("IDEA-Research/grounding-dino-tiny"),
        "Apache-2.0",
        690,
        kind="segmenter",
    ),
    Model(
        "sam-vit-base",
        "sam",
        "--segmenter grounded-sam, with grounding-dino-tiny: sharp masks of boxes",
        Repository("facebook/sam-vit-base"),
        "Apache-2.0",
        375,
        kind="segmenter",
    ),
    Model(
        "sam3",
        "sam3",
        "--segmenter sam3: sharp masks of all instances of a short text",
        Repository("facebook/sam3"),
        "SAM License: commercial use allowed, some uses prohibited (accept it on the hub first)",
        3440,
        kind="segmenter",
    ),
)
#: Models of motions, without pictures.
MOTIONS = (
    Model(
        "mini-tmr",
        "mini-tmr",
        "judging text2motion by the joints",
        None,
        PACKAGE_LICENSE,
        1,
        kind="motion",
    ),
    Model(
        "mini-motion",
        "mini-motion",
        "the generator noise of text2motion",
        None,
        PACKAGE_LICENSE,
        1,
        kind="motion",
    ),
)
#: Causal language models. Any other of transformers works by its folder or repository.
LANGUAGE = (
    Model(
        "mini-lm",
        "mini-lm",
        "guide caption --method context and fast, no download needed",
        None,
        PACKAGE_LICENSE,
        4,
        kind="language",
    ),
)
