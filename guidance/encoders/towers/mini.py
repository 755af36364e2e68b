"""The image towers of the embedded models, registered with timm.

Importing this module registers the values of `timm_model_name` in `open_clip_config.json` of the
mini CLIP and of the mini judge. The two towers share no code, so that the judge does not share the
weaknesses of the model that images are optimized against. Runs load the embedded models without
timm; see `guidance.encoders.towers.embedded`.
"""

from __future__ import annotations

from typing import Any

from guidance.models.torchvision import import_torchvision

import_torchvision()  # before timm, which imports torchvision

from timm.models import register_model  # noqa: E402
from timm.models.resnet import BasicBlock, ResNet  # noqa: E402

from guidance.encoders.towers.mini_tower import MINI, MiniTower  # noqa: E402


@register_model
def guidance_mini_clip(
    pretrained: bool = False, pretrained_cfg: Any = None, **unused: Any
) -> MiniTower:
    """The mini CLIP's image tower, 3.5 M parameters; timm's factory passes unused arguments."""
    return MiniTower(**MINI)


@register_model
def guidance_mini_judge(
    pretrained: bool = False, pretrained_cfg: Any = None, **unused: Any
) -> ResNet:
    """The judge's image tower for 80-pixel images: timm's ResNet-D with squeeze-excitation.

    Deep stem, ReLU, max and average pooling between stages; open_clip adds an attention pool on the
    last map, which is 3x3.
    """
    network = ResNet(
        BasicBlock,  # type: ignore[arg-type]  # timm means the class
        layers=(1, 1, 1, 1),
        channels=(48, 96, 192, 320),
        stem_width=24,
        stem_type="deep",
        avg_down=True,
        block_args={"attn_layer": "se"},
    )
    network.default_cfg = {"pool_size": (3, 3)}  # type: ignore[assignment]  # timm does
    return network
