"""Edits of unseen portraits of the mini StyleGAN2: what changed, and what stayed.

    python benchmarks/style_edits.py [--faces 50] [--latent 8] [--methods latent] [--out FILE]

Eight edits by four methods. A classifier of attributes, which no edit uses, reads each portrait
before and after. "Wanted" is the share of the portraits that did not have the attribute and have it
afterwards; "kept" the mean share of portraits whose other attributes are the same. "Correlated" is
kept for the attribute that depends most on the edited one in the training data. The strength of a
method (and the component of PCA and SeFa) is the best of a few on 24 other portraits. Samples have
truncation 1. Latent optimization takes minutes, so it is measured on `--latent` portraits only.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from measure import machine
from torch import Tensor

from guidance.directions.dictionary import StyleDictionary
from guidance.directions.direction import StyleDirection
from guidance.directions.instant import Sentence
from guidance.directions.joint import refined_direction
from guidance.directions.samples import sample_ws
from guidance.directions.wordless import pca_direction, sefa_direction
from guidance.evaluate.attributes import load_attributes
from guidance.loop.optimize import optimize
from guidance.stylegan import as_images, load_stylegan
from guidance.tasks.style_edit import StyleEdit

ENCODER = "mini-people"
STRENGTHS = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
COMPONENTS = range(1, 13)
#: Kept apart from these when they are edited: they describe the same thing.
SAME = {"hair_length": {"hair_style"}, "hair_style": {"hair_length"}}
Images = Tensor


@dataclass(frozen=True)
class Edit:
    """A wanted value of an attribute, in words."""

    attribute: str
    values: tuple[str, ...]
    prompt: str
    opposite: str
    correlated: str


EDITS = (
    Edit("mouth", ("smile", "grin"), "a smiling person", "a serious person", "age"),
    Edit("glasses", ("glasses",), "a person with glasses", "a person without glasses", "age"),
    Edit("hair_color", ("red",), "a person with red hair", "a person with brown hair", "skin"),
    Edit("hair_length", ("long",), "a person with long hair", "a person with short hair", "beard"),
    Edit("skin", ("dark",), "a person with dark skin", "a person with light skin", "hair_color"),
    Edit("mouth", ("surprised",), "a surprised person", "a serious person", "age"),
    Edit("eyes", ("closed",), "a person with closed eyes", "a person with open eyes", "age"),
    Edit("clothes_color", ("red",), "a person in a red shirt", "a person in a white shirt", "skin"),
)


class Faces:
    """Portraits, their styles and their attributes."""

    def __init__(self, ws: Tensor) -> None:
        self.network, self.classifier = load_stylegan("mini-stylegan"), load_attributes()
        with torch.no_grad():
            self.styles = self.network.synthesis.styles(ws)
        self.before = self.names(self.images(self.styles))

    def images(self, styles: Sequence[Tensor]) -> Images:
        """In [0, 1]."""
        with torch.no_grad():
            return as_images(self.network.synthesis.from_styles(styles)).clamp(0, 1)

    def names(self, images: Images) -> list[dict[str, str]]:
        """The attributes of images."""
        return self.classifier.names(images)

    def judged(self, edit: Edit, images: Images) -> dict[str, float]:
        """Shares of portraits that changed as wanted, and whose other attributes stayed."""
        pairs = [
            (before, after)
            for before, after in zip(self.before, self.names(images), strict=True)
            if before[edit.attribute] not in edit.values
        ]
        skipped = {edit.attribute} | SAME.get(edit.attribute, set())
        kept = {
            name: fmean(before[name] == after[name] for before, after in pairs)
            for name in self.before[0]
            if name not in skipped
        }
        wanted = fmean(after[edit.attribute] in edit.values for _, after in pairs)
        return {
            "wanted": wanted,
            "kept": fmean(kept.values()),
            "correlated": kept[edit.correlated],
            "faces": len(pairs),
        }


Found = tuple[StyleDirection, float]


def best(faces: Faces, edit: Edit, directions: Iterator[StyleDirection]) -> Found:
    """The direction and strength with the best of the lower of both shares."""

    def score(found: Found) -> float:
        direction, strength = found
        judged = faces.judged(edit, faces.images(direction.apply(faces.styles, strength)))
        return min(judged["wanted"], judged["kept"])

    return max(((d, s) for d in directions for s in STRENGTHS), key=score)


def by_method(table: StyleDictionary) -> dict[str, Callable[[Edit], Iterator[StyleDirection]]]:
    """The directions among which each method chooses."""
    network = load_stylegan("mini-stylegan")

    def plain(edit: Edit) -> Iterator[StyleDirection]:
        yield table.direction(edit.prompt, edit.opposite, count=40)

    def refined(edit: Edit) -> Iterator[StyleDirection]:
        sentence = Sentence(edit.prompt, edit.opposite)
        yield refined_direction(network, next(plain(edit)), sentence, ENCODER, quiet=True)

    def wordless(make: Any) -> Callable[[Edit], Iterator[StyleDirection]]:
        def both_ways(_: Edit) -> Iterator[StyleDirection]:
            for component in COMPONENTS:
                direction = make(network, component)
                yield from (direction, -direction)

        return both_ways

    return {
        "dictionary": plain,
        "refined": refined,
        "pca": wordless(pca_direction),
        "sefa": wordless(sefa_direction),
    }


def optimized(edit: Edit, faces: int, seed: int) -> dict[str, float]:
    """Latent optimization in W+ by the task, with its defaults."""
    task = StyleEdit(
        prompt=edit.prompt, method="latent", seed=seed, samples=faces, truncation=1.0, judge=False
    )
    plan = task.build()
    with torch.no_grad():
        before = plan.generator(None).image[:, 0].clamp(0, 1)
    result = optimize(plan.generator, plan.losses, plan.settings, views=plan.views, quiet=True)
    portraits = Faces(torch.zeros(1, load_stylegan("mini-stylegan").config.w_dim))
    portraits.before = portraits.names(before)
    return portraits.judged(edit, result.rendering.image[:, 0].clamp(0, 1))


def sheet(faces: Faces, found: dict[str, Found], path: Path) -> None:
    """Rows of four portraits: before, then after each edit."""
    from guidance.media.write_image import save_png

    rows = [faces.images([style[:4] for style in faces.styles])]
    for direction, strength in found.values():
        rows.append(faces.images(direction.apply([style[:4] for style in faces.styles], strength)))
    grid = torch.cat([torch.cat(list(row), dim=-1) for row in rows], dim=-2)
    save_png(path, torch.nn.functional.interpolate(grid[None], scale_factor=2)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=50)
    parser.add_argument("--latent", type=int, default=8)
    parser.add_argument("--methods", default="dictionary,refined,pca,sefa,latent")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    network = load_stylegan("mini-stylegan")
    chosen = Faces(sample_ws(network, 24, 777, 1.0))
    faces = Faces(sample_ws(network, options.faces, 12345, 1.0))
    wanted = options.methods.split(",")
    methods = {}
    if wanted != ["latent"]:
        made = by_method(StyleDictionary.build(network, ENCODER, subject="a person"))
        methods = {name: each for name, each in made.items() if name in wanted}
    rows: dict[str, dict[str, Any]] = {name: {} for name in (*methods, "latent")}
    refined: dict[str, Found] = {}
    for edit in EDITS:
        for name, directions in methods.items():
            direction, strength = best(chosen, edit, directions(edit))
            judged = faces.judged(edit, faces.images(direction.apply(faces.styles, strength)))
            rows[name][edit.prompt] = judged | {"strength": strength}
            if name == "refined":
                refined[edit.prompt] = (direction, strength)
        if "latent" in wanted and options.latent:
            rows["latent"][edit.prompt] = optimized(edit, options.latent, 500)
        for name, row in rows.items():
            if edit.prompt in row:
                told = {key: round(value, 2) for key, value in row[edit.prompt].items()}
                print(f"{edit.prompt:<28}{name:<12}{told}", flush=True)
    means = {
        name: {key: fmean(each[key] for each in row.values()) for key in ("wanted", "kept")}
        for name, row in rows.items()
        if row
    }
    result = {"name": "edits of portraits", "means": means, "edits": rows, "machine": machine()}
    print(json.dumps({"means": means}))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    if options.sheet and refined:
        sheet(faces, refined, options.sheet)


if __name__ == "__main__":
    main()
