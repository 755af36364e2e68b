"""archive.json: results of a prompt that are good and different from each other.

Source: MAP-Elites (Mouret and Clune, arXiv 1504.04909). The two measures are the first principal
components of the judge's embeddings of a prompt's results; each cell of a grid over them keeps the
result with the best score. Trials are those of the sweep: nothing is bred from the archive.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from guidance.encoders import load_encoder
from guidance.evaluate.judge import embed_images
from guidance.media.write_image import save_png
from guidance.runs.atomic import write_text
from guidance.runs.folder import slug
from guidance.sweeps.folder import SweepFolder
from guidance.sweeps.results import Images, Scored

ARCHIVE = "archive.json"
#: Cells per side; cells have as many results each as possible, so their borders are quantiles.
SIDE = 4
#: Pixels per side of a result in the picture of an archive.
PIXELS = 128


def write_archive(folder: SweepFolder, cells: dict[str, list[Scored]]) -> Iterator[str]:
    """Writes archive.json and a picture for each prompt; yields lines for the user."""
    by_prompt: dict[str, list[Scored]] = {}
    for found in cells.values():
        for scored in found:
            by_prompt.setdefault(scored.trial.prompt or "", []).append(scored)
    images, total = Images(folder), 0
    entries: list[dict[str, Any]] = []
    for number, (prompt, found) in enumerate(by_prompt.items()):
        if len(found) < 2:
            continue
        kept, places = _elites(images, found)
        name = f"archive-{number:03d}-{slug(prompt or 'run')}.png"
        save_png(folder.path / name, _picture(images, kept, places))
        results = [{**each.line(), "cell": place} for each, place in zip(kept, places, strict=True)]
        total += len(results)
        entries.append({"prompt": prompt, "picture": name, "of": len(found), "results": results})
    content: dict[str, Any] = {"schema_version": 1, "side": SIDE, "archives": entries}
    path = folder.path / ARCHIVE
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    yield f"{path}: {total} good and different results"


def _elites(images: Images, found: Sequence[Scored]) -> tuple[list[Scored], list[list[int]]]:
    judge = load_encoder(found[0].judge, "cuda" if torch.cuda.is_available() else "cpu", "fp32")
    vectors = torch.stack(
        [
            F.normalize(embed_images(judge, images.sample(each.trial).load().images).mean(0), dim=0)
            for each in found
        ]
    ).cpu()
    places = cells_of(measures(vectors))
    best: dict[tuple[int, ...], Scored] = {}
    for scored, place in zip(found, map(tuple, places.tolist()), strict=True):
        if place not in best or scored.score > best[place].score:
            best[place] = scored
    order = sorted(best)
    return [best[place] for place in order], [list(place) for place in order]


def measures(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
    """The first two principal components of unit vectors."""
    centered = (vectors - vectors.mean(0)).double()
    _, _, axes = torch.linalg.svd(centered, full_matrices=False)
    axes = axes[:2]
    # The sign of an axis is arbitrary: its largest entry becomes positive.
    signs = axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    found: Tensor = centered @ (axes * signs).T
    return F.pad(found, (0, 2 - found.shape[1]))


def cells_of(points: Float[Tensor, "n 2"]) -> Int[Tensor, "n 2"]:
    """The cell of each point in a grid whose borders are quantiles of each measure."""
    ranks: Tensor = points.argsort(dim=0, stable=True).argsort(dim=0, stable=True)
    return ranks * SIDE // len(points)


def _picture(
    images: Images, kept: Sequence[Scored], places: Sequence[Sequence[int]]
) -> Float[Tensor, "3 h w"]:
    """The results in the cells of the grid, on white."""
    picture = torch.ones(3, SIDE * PIXELS, SIDE * PIXELS)
    for scored, (column, row) in zip(kept, places, strict=True):
        image = images.sample(scored.trial).load().images[:1]
        fitted = F.interpolate(image.cpu(), (PIXELS, PIXELS), mode="bilinear", antialias=True)
        top, left = row * PIXELS, column * PIXELS
        picture[:, top : top + PIXELS, left : left + PIXELS] = fitted[0].clamp(0, 1)
    return picture
