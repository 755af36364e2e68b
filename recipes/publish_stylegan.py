"""Writes the mini StyleGAN2 and the classifier of attributes, with their cards and licenses.

    python -m recipes.publish_stylegan --data DATA --work WORK

The cards contain the evaluation: which attributes the classifier recognizes in drawings, in what
the network makes of the same attributes, and in samples of z. Weights are stored in float16.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from guidance.evaluate.attributes import AttributeClassifier
from guidance.stylegan.networks.network import StyleGAN
from guidance.stylegan.networks.synthesis import as_images
from recipes import mini_attributes, mini_stylegan
from recipes.data import portrait_factors as factors
from recipes.data.portraits import Portraits
from recipes.publish import WEIGHTS, licence

LARGEST = {"mini_stylegan": 12e6, "mini_attributes": 1e6}  # bytes of a folder
COUNT, SEED = 1000, 4321  # of the images of the evaluation; training has other seeds
SOURCE = {
    "what": "portraits in the style personas, changed: larger features, other colors, no blend "
    "modes, new mouths, a new beard",
    "from": "DiceBear 9, after Personas by Draftbit (personas.draftbit.com)",
    "licence": "CC BY 4.0; code MIT",
}


def publish(data: Path, work: Path) -> tuple[Path, Path]:
    """Writes both folders."""
    network, training = trained_network(work)
    classifier, taught = trained_classifier(work)
    figures = evaluate(Portraits(data / "portraits.json"), network, classifier, work)
    card = {
        "family": "mini-stylegan",
        "what": "StyleGAN2 of portraits of 64 pixels. It was trained as a regression from "
        "attributes that are correlated as in life, not by adversarial training. The first two of "
        "its six mapping layers were computed, not trained: they map z to attributes. It has no "
        "noise inputs.",
        "training": training,
        "attributes": factors.ATTRIBUTES,
        "data": [SOURCE],
        "evaluation": figures["mini_stylegan"],
    }
    config = network.config.model_dump()
    first = _write("mini_stylegan", network.state_dict(), card, {"config.json": config})
    card = {
        "family": "mini-attributes",
        "what": "Classifier of the attributes of the portraits of the mini StyleGAN2.",
        "training": taught,
        "attributes": classifier.values,
        "data": [SOURCE],
        "evaluation": figures["mini_attributes"],
    }
    return first, _write("mini_attributes", classifier.state_dict(), card, {})


def trained_network(work: Path) -> tuple[StyleGAN, dict[str, Any]]:
    """The network from the checkpoints, and how it was trained."""
    network = mini_stylegan.trained(work).network
    training: dict[str, Any] = {"recipe": "recipes/mini_stylegan.py", "seed": mini_stylegan.SEED}
    for phase in ("regress", "latents"):
        path = work / f"{phase}.pt"
        if path.exists():
            stored = torch.load(path, weights_only=True)
            minutes = round(stored["spent_seconds"] / 60, 1)
            training[phase] = {"steps": stored["step"], "minutes": minutes}
    return network.eval().requires_grad_(False), training


def trained_classifier(work: Path) -> tuple[AttributeClassifier, dict[str, Any]]:
    """The classifier from its checkpoint, and how it was trained."""
    stored = torch.load(work / "attributes.pt", weights_only=True)
    classifier = AttributeClassifier(mini_attributes.VALUES)
    classifier.load_state_dict(stored["network"])
    training = {"recipe": "recipes/mini_attributes.py", "seed": mini_attributes.SEED}
    training |= {"steps": stored["step"], "minutes": stored["minutes"]}
    return classifier.eval().requires_grad_(False), training


@torch.no_grad()
def evaluate(
    portraits: Portraits, network: StyleGAN, classifier: AttributeClassifier, work: Path
) -> dict[str, dict[str, Any]]:
    """The figures of both cards: accuracies for each attribute, and distances."""
    random = np.random.default_rng(SEED)
    known = mini_stylegan.trained(work).attributes
    drawn, rare = factors.sample(COUNT, random), factors.sample(COUNT, random, 1.0)
    z = torch.randn(COUNT, network.mapping.z_dim, generator=torch.Generator().manual_seed(SEED))
    meant = mini_stylegan.latents(z)

    def shown(w: Tensor) -> Tensor:
        synthesis = network.synthesis
        return torch.cat([as_images(synthesis(part)) for part in w.split(128)]).clamp(0, 1)

    def accuracy(images: Tensor, true: dict[str, np.ndarray]) -> dict[str, float]:
        return mini_attributes.accuracy(classifier, images, true)

    pictures, rare_pictures = portraits.images(drawn), portraits.images(rare)
    again = shown(known(torch.from_numpy(factors.vectors(drawn))))
    rare_again = shown(known(torch.from_numpy(factors.vectors(rare))))
    samples = shown(network.mapping(z))
    worn = mini_attributes.worn(rare_pictures, torch.Generator().manual_seed(SEED))
    sure = [p.amax(1) for p in classifier.probabilities(samples).values()]
    return {
        "mini_stylegan": {
            "images": COUNT,
            "absolute_difference": round((again - pictures).abs().mean().item(), 4),
            "reconstructions": accuracy(again, drawn),
            "reconstructions_of_independent_attributes": accuracy(rare_again, rare),
            "samples": accuracy(samples, meant),
            "unambiguous_attributes_of_samples": round(
                (torch.stack(sure) > 0.8).float().mean().item(), 4
            ),
        },
        "mini_attributes": {
            "images": COUNT,
            "drawings": accuracy(pictures, drawn),
            "drawings_of_independent_attributes": accuracy(rare_pictures, rare),
            "the_same_moved_blurred_and_noisy": accuracy(worn, rare),
            "reconstructions_by_mini_stylegan": accuracy(rare_again, rare),
        },
    }


def _write(
    name: str, tensors: dict[str, Tensor], card: dict[str, Any], more: dict[str, Any]
) -> Path:
    """Writes the folder beside the old one and puts it in its place.

    Raises:
        ValueError: the folder would be larger than the package may carry.
    """
    folder, partial = WEIGHTS / name, WEIGHTS / f"{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    half = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in tensors.items()
    }
    save_file(half, partial / "model.safetensors")
    for file, content in {"guidance.json": card, **more}.items():
        (partial / file).write_text(json.dumps(content, indent=1) + "\n")
    (partial / "LICENSE.md").write_text(licence(name, [SOURCE]))
    size = sum(path.stat().st_size for path in partial.iterdir())
    if size > LARGEST[name]:
        raise ValueError(f"expected at most {LARGEST[name] / 1e6:.0f} MB, got {size / 1e6:.1f} MB")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish the mini StyleGAN2 and its classifier")
    parser.add_argument("--data", type=Path, required=True, help="where portraits.json lies")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoints lie")
    arguments = parser.parse_args()
    print(*publish(arguments.data, arguments.work))
