"""Writes the head of regions by words, with its card, license and evaluation.

    python -m recipes.publish_regions --data DATA --work WORK [--styles FILE]

The card contains the mean IoU of each part on images that the training has not seen, and on styles
of avatars that it has not seen (`avatar_parts.mjs 60 8 adventurer micah`). Weights are in float16.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from guidance.encoders import load_encoder
from guidance.localize.parts import face_areas, segment_part
from guidance.meshes import Mesh
from guidance.segmenters.files.head import RegionHead
from guidance.segmenters.mini import MiniSegmenter
from recipes import mini_regions
from recipes.data import part_pools, part_words
from recipes.publish import SOURCES, WEIGHTS, licence

COUNT = 40  # images of each pool in the evaluation
FOLDER = WEIGHTS / "mini_regions"


def publish(data: Path, work: Path, name: str, styles: Path | None) -> dict[str, Any]:
    """Writes the folder and returns the card."""
    stored = torch.load(work / f"regions_{name}.pt")
    head = RegionHead(part_words.known_words())
    head.load_state_dict({key: each.half().float() for key, each in stored["head"].items()})
    encoder = load_encoder(name)
    evaluation: dict[str, Any] = {
        kind: mini_regions.evaluate(head.eval(), encoder, pool, COUNT)
        for kind, pool in mini_regions.pools(data, work, train=False).items()
    }
    if styles is not None:
        unseen = part_pools.cached(work / "styles.npz", lambda: part_pools.avatars(styles))
        evaluation["styles_that_training_has_not_seen"] = mini_regions.evaluate(
            head, encoder, unseen, COUNT
        )
    evaluation["faces_of_meshes"] = faces(MiniSegmenter(head, encoder))
    card = {
        "family": "mini-clip",
        "what": "Finds parts of drawn persons and of simple meshes by words, on the feature maps "
        f"of {name}.",
        "encoder": name,
        "training": {
            "recipe": "recipes/mini_regions.py",
            "seed": mini_regions.SEED,
            "steps": stored["step"],
            "minutes": round(stored["seconds"] / 60, 1),
            "parameters": sum(each.numel() for each in head.parameters()),
        },
        "words": list(head.words),
        "data": [
            each
            for each in SOURCES
            if "avatars" in each["what"] or "Noto" in each["what"] or "Blob" in each["what"]
            or "FxEmoji" in each["what"]
        ]
        + [
            {"what": "the cow, the body and primitives, rendered by this package",
             "from": "recipes/assets, recipes/body.py", "licence": "Apache-2.0; CC0 (the body)"},
        ],
        "evaluation": {"mean_iou": evaluation, "images_of_a_pool": COUNT},
    }  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    tensors = {key: each.half().contiguous() for key, each in head.state_dict().items()}
    save_file(tensors, FOLDER / "model.safetensors")
    (FOLDER / "guidance.json").write_text(json.dumps(card, indent=1) + "\n")
    (FOLDER / "LICENSE.md").write_text(licence("mini_regions", card["data"]))
    return card


def faces(segmenter: MiniSegmenter) -> dict[str, dict[str, float]]:
    """The IoU, by area, of the faces of the grey cow and body that `segment_part` finds."""
    found = {}
    for kind, (vertices, triangles, parts, names) in {
        "cow": part_pools.cow_parts(),
        "body": part_pools.body_parts(),
    }.items():
        mesh = Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(triangles))
        areas, scores = face_areas(mesh), {}
        for index, name in enumerate(names):
            truth = torch.from_numpy(np.asarray(parts) == index)
            inside = segment_part(mesh, f"the {name}", segmenter).faces
            union = areas[inside | truth].sum()
            scores[name] = round(float(areas[inside & truth].sum() / union), 4)
        found[kind] = scores
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish the head of regions by words")
    parser.add_argument("--data", type=Path, required=True, help="where avatar_parts.jsonl lies")
    parser.add_argument("--work", type=Path, required=True, help="where pools and checkpoint lie")
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--styles", type=Path, help="avatars of other styles")
    given = parser.parse_args()
    done = publish(given.data, given.work, given.encoder, given.styles)
    print(json.dumps(done["evaluation"], indent=1))
