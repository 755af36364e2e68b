"""The mini CLIP: a 64-pixel tower trained against an L2 attack, so that its gradient draws.

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
    mix={"pictograms": 0.6, "recoloured": 0.1, "shapes": 0.1, "faces": 0.06, "meshes": 0.12},
    attack=Attack(eps=2.0, start=0.25, full=0.55, steps=1),
)

if __name__ == "__main__":
    main(RECIPE)
