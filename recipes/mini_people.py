r"""mini-people: the mini CLIP, trained further on people in costumes, portraits and Openclipart.

python -m recipes.mini_people --data DIR --work DIR --minutes 14 --learning-rate 2.5e-4 \
    --start-from guidance/models/weights/mini_people
"""

from __future__ import annotations

from dataclasses import replace

from recipes.mini_clip import RECIPE as MINI_CLIP
from recipes.train import main

RECIPE = replace(
    MINI_CLIP,
    name="mini_people",
    mix={
        "pictograms": 0.47,
        "recoloured": 0.05,
        "groups": 0.05,
        "shapes": 0.05,
        "faces": 0.13,
        "portraits": 0.05,
        "meshes": 0.05,
        "solids": 0.03,
        "people": 0.12,
        "clipart": 0.03,
    },
)

if __name__ == "__main__":
    main(RECIPE)
