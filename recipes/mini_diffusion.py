"""The mini diffusion model: a Stable Diffusion of 64 pixels, for score distillation offline.

python -m recipes.mini_diffusion --data DIR --work DIR --minutes 150
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from recipes import autoencoder, denoiser, tokens
from recipes.captions import GROUPS, TEMPLATES
from recipes.corpus import Corpus
from recipes.data import meshes
from recipes.publish import WEIGHTS

from transformers import CLIPTokenizer  # isort: skip

MIX = {
    "pictograms": 0.54,
    "recoloured": 0.07,
    "groups": 0.03,
    "shapes": 0.05,
    "faces": 0.07,
    "meshes": 0.04,
    "solids": 0.1,
    "people": 0.07,
    "clipart": 0.03,
}
#: Flat styles: fewer styles are easier to learn; the effect was not measured separately.
STYLES = ("twemoji", "fluent-emoji-flat")
SEED = 37
AUTOENCODER_SHARE = 0.15  # of the minutes
IMAGES = "mini_diffusion_images.pt"  # the autoencoder's checkpoint
SHOWN = (
    "a red apple", "a watermelon", "a frog", "a smiling face", "a blue heart", "a pizza",
    "a house", "a rocket", "a red car", "a sunflower", "a cat", "a green tree", "a strawberry",
    "a red cube", "a face with red hair and glasses", "a star", "an owl", "a guitar",
    "a cup of coffee", "a snowman", "a purple frog", "a penguin", "a key", "an umbrella",
)  # fmt: skip


def words(corpus: Corpus) -> list[str]:
    """Every English text that training can meet."""
    found = {c for pool in corpus.pools for each in pool.captions for c in each}
    found.update(corpus.names)
    found.update(template.replace("{a}", "an {}") for template in TEMPLATES)
    found.update(word for group in GROUPS for word in group)
    return sorted([*found, *meshes.WORDS, "on a background"])


def save_sheet(pictures: torch.Tensor, path: Path, columns: int = 8) -> None:
    """Images `[b, 3, h, w]` in rows of `columns`, twice their size."""
    grid = torch.cat([torch.cat(list(row), 2) for row in pictures.split(columns)], 1)
    pixels = (grid.permute(1, 2, 0).cpu().numpy() * 255).astype(np.uint8)
    Image.fromarray(pixels).resize((pixels.shape[1] * 2, pixels.shape[0] * 2)).save(path)


def begin(corpus: Corpus, work: Path, minutes: float, device: torch.device) -> denoiser.Drawer:
    """A trained autoencoder and an untrained denoiser; writes `autoencoder.png`.

    Its upper half shows the images, its lower half their reconstructions.
    """
    tokens.write(words(corpus), work / "tokenizer")
    tokenizer = CLIPTokenizer(
        str(work / "tokenizer" / "vocab.json"),
        str(work / "tokenizer" / "merges.txt"),
        model_max_length=tokens.CONTEXT,
    )
    images = autoencoder.train(corpus, work / IMAGES, minutes, device)
    given, _ = corpus.framed(autoencoder.SIZE, 24, 1)
    back = autoencoder.decode(images, autoencoder.encode(images, given.to(device))).clamp(0, 1)
    save_sheet(torch.cat([given, back.cpu()]), work / "autoencoder.png")
    torch.manual_seed(SEED)
    tower = denoiser.build_tower(tokenizer, WEIGHTS / "mini_clip")
    return denoiser.Drawer(denoiser.build_network(), tower, tokenizer, images)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the mini diffusion model; resumes")
    parser.add_argument("--data", type=Path, required=True, help="folder with emoji/ and meshes/")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and cached pools")
    parser.add_argument("--minutes", type=float, default=150.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start-from", type=Path, help="published folder to begin with")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, work = torch.device(arguments.device), arguments.work
    corpus = Corpus(arguments.data, work / "pools", MIX, SEED, styles=STYLES)

    minutes = arguments.minutes
    if arguments.start_from:
        drawer, earlier = denoiser.published(arguments.start_from)
    else:
        first, minutes = AUTOENCODER_SHARE * minutes, (1 - AUTOENCODER_SHARE) * minutes
        drawer = begin(corpus, work, first, device)
        earlier = {"steps": 0, "minutes": autoencoder.minutes_of(work / IMAGES)}
    drawer.tokenizer.save_pretrained(work / "tokenizer")
    training = denoiser.Training(drawer, work / "mini_diffusion.pt", minutes, device, earlier)
    training.resume()
    denoiser.train(
        training,
        corpus,
        lambda averaged: save_sheet(averaged.sample(list(SHOWN), 0), work / "mini_diffusion.png"),
    )


if __name__ == "__main__":
    main()
