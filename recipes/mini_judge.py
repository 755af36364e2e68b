"""The mini judge: another tower, size, seed, split and mix, and no attack. Never a loss.

python -m recipes.mini_judge --data DIR --work DIR --minutes 60
"""

from __future__ import annotations

from recipes.train import Recipe, main

RECIPE = Recipe(
    name="mini_judge",
    tower="guidance_mini_judge",
    size=80,
    text_width=64,
    embed_dim=192,
    seed=23,
    mix={
        "pictograms": 0.40,
        "recoloured": 0.05,
        "groups": 0.05,
        "shapes": 0.06,
        "faces": 0.16,
        "portraits": 0.05,
        "meshes": 0.07,
        "solids": 0.02,
        "people": 0.12,
        "clipart": 0.05,
    },
    styles=("emojione", "fluent-emoji"),
    unseen_style="twemoji",
    restyled=0.4,
)

if __name__ == "__main__":
    main(RECIPE)
