r"""mini-portraits: the mini CLIP, trained further on the portraits of the mini StyleGAN2.

python -m recipes.mini_portraits --data DIR --work DIR --minutes 15 \
    --start-from guidance/models/weights/mini_clip
"""

from __future__ import annotations

from dataclasses import replace

from recipes.mini_clip import RECIPE as MINI_CLIP
from recipes.train import main

RECIPE = replace(
    MINI_CLIP,
    name="mini_portraits",
    mix={
        "pictograms": 0.36,
        "recoloured": 0.07,
        "groups": 0.05,
        "shapes": 0.06,
        "faces": 0.17,
        "portraits": 0.18,
        "meshes": 0.07,
        "solids": 0.04,
    },
)

if __name__ == "__main__":
    main(RECIPE)
