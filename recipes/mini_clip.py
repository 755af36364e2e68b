"""The mini CLIP: a 64-pixel tower trained with an L2 attack, for gradients without noise.

python -m recipes.mini_clip --data DIR --work DIR --minutes 80
"""

from __future__ import annotations

from recipes.attack import Attack
from recipes.train import Recipe, main

RECIPE = Recipe(
    name="mini_clip",
    tower="guidance_mini_clip",
    size=64,
    text_width=128,
    embed_dim=256,
    seed=11,
    mix={
        "pictograms": 0.42,
        "recoloured": 0.08,
        "groups": 0.05,
        "shapes": 0.07,
        "faces": 0.27,
        "meshes": 0.07,
        "solids": 0.04,
    },
    styles=("twemoji", "fluent-emoji", "fluent-emoji-flat"),
    unseen_style="emojione",
    attack=Attack(eps=2.0, start=0.25, full=0.55, steps=1),
)

if __name__ == "__main__":
    main(RECIPE)
