"""Writes the mini diffusion model as a folder of diffusers, with its card and licenses.

    python -m recipes.publish_diffusion --work DIR

`StableDiffusionPipeline.from_pretrained` reads it like any other. Weights are stored in float16.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from recipes import autoencoder, denoiser, mini_diffusion
from recipes.publish import SOURCES, WEIGHTS, licence

# isort: split
from diffusers import DDIMScheduler, StableDiffusionPipeline
from transformers import CLIPTokenizer

LARGEST = 30e6  # bytes; what the package may carry
NAME = "mini_diffusion"


def load(work: Path) -> tuple[denoiser.Drawer, dict[str, Any]]:
    """The model from the checkpoints, and the state of the denoiser's training."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    state = torch.load(work / f"{NAME}.pt", weights_only=True, map_location="cpu")
    images = autoencoder.build()
    images.load_state_dict(state["images"])
    tower = denoiser.build_tower(tokenizer, WEIGHTS / "mini_clip")
    drawer = denoiser.Drawer(denoiser.build_network(), tower, tokenizer, images.eval())
    parts = torch.nn.ModuleList([drawer.network, drawer.tower])
    parts.load_state_dict(state["average"])
    parts.eval().requires_grad_(False)
    return drawer, state


def pipeline(drawer: denoiser.Drawer) -> StableDiffusionPipeline:
    """The parts as a pipeline of diffusers."""
    return StableDiffusionPipeline(
        vae=drawer.images,
        text_encoder=drawer.tower,
        tokenizer=drawer.tokenizer,
        unet=drawer.network,
        scheduler=DDIMScheduler(
            **denoiser.SCHEDULE, clip_sample=False, timestep_spacing="trailing"
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def publish(work: Path) -> Path:
    """Writes the folder beside the old one and puts it in its place.

    Raises:
        ValueError: the folder would be larger than the package may carry.
    """
    drawer, state = load(work)
    folder = WEIGHTS / NAME
    partial = WEIGHTS / f"{NAME}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    pipeline(drawer).to(torch.float16).save_pretrained(partial, safe_serialization=True)
    _leave_out(partial / "vae" / "config.json", "block_out_channels")
    size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    if size > LARGEST:
        raise ValueError(f"expected at most {LARGEST / 1e6:.0f} MB, got {size / 1e6:.1f} MB")
    (partial / "guidance.json").write_text(json.dumps(card(state), indent=1) + "\n")
    (partial / "LICENSE.md").write_text(licence(NAME))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


def _leave_out(path: Path, key: str) -> None:
    """What AutoencoderTiny writes by itself, and warns of when it reads it."""
    stored = json.loads(path.read_text())
    del stored[key]
    path.write_text(json.dumps(stored, indent=2) + "\n")


def card(state: dict[str, Any]) -> dict[str, Any]:
    """The data and the training of the model; evaluate_diffusion.py adds the metrics."""
    return {
        "family": "mini-diffusion",
        "training": {
            "recipe": f"recipes/{NAME}.py",
            "seed": mini_diffusion.SEED,
            "mix": mini_diffusion.MIX,
            "styles": ["noto", "blob", "fx", *mini_diffusion.STYLES],
            "steps": state["step"],
            "minutes": round(state["spent_seconds"] / 60, 1),
            "earlier": state["earlier"],
        },
        "data": SOURCES,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish the mini diffusion model")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoints lie")
    print(publish(parser.parse_args().work))
