"""A judge of colours, and run folders made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.media.write_image import save_png

COLORS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "grey": (1, 1, 1),
    "noise": (0, 0, 0),
}


class ColorJudge(Encoder):
    """Images are their mean colour and how different neighbours are, which is "noise"."""

    name, family, image_size = "color", "color", 4
    logit_scale, logit_bias = 10.0, None
    templates, alternatives = ("{}", "very {}"), ()

    def encode_image(self, images: Tensor) -> Tensor:
        rough = images.diff(dim=-1).abs().mean((1, 2, 3))[:, None]
        return F.normalize(torch.cat([images.mean((2, 3)), rough], -1), dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        words = [text.split()[-1].lower() for text in texts]
        rows = [(*COLORS.get(word, (0, 0, 0)), float(word == "noise")) for word in words]
        return F.normalize(torch.tensor(rows).float(), dim=-1)

    def free_text_tower(self) -> None:
        pass


def plain(*color: float, side: int = 8) -> Tensor:
    return torch.tensor(color, dtype=torch.float32).view(3, 1, 1).expand(3, side, side)


def checkered(side: int = 32) -> Tensor:
    """Detail of single pixels, and nothing else."""
    place = torch.arange(side)
    return ((place[:, None] + place) % 2).float().expand(3, side, side)


def write_run(
    folder: Path,
    pictures: Sequence[Tensor],
    prompts: Sequence[str],
    encoder: Sequence[str] = ("mini",),
) -> Path:
    """A finished run of these samples, with the least that its folder has to hold."""
    folder.mkdir(parents=True)
    config = {"schema_version": 1, "task": "dot", "encoder": list(encoder)}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    samples = []
    for index, (picture, prompt) in enumerate(zip(pictures, prompts, strict=True)):
        place = folder if len(pictures) == 1 else folder / "samples" / f"{index:03d}"
        place.mkdir(parents=True, exist_ok=True)
        save_png(place / "image.png", picture)
        samples.append({"prompt": prompt, "seed": index, "files": ["image.png"]})
    (folder / "DONE.json").write_text(json.dumps({"judge": None, "samples": samples}))
    return folder
