"""Writes the encoder of motions and the diffusion of motions, with their cards and licenses.

    python -m recipes.publish_motion --work WORK

The cards contain the evaluation. Of the encoder: what it knows of paraphrases, clips and
augmentations that were not trained on. Of the diffusion: the quality of random samples, and that of
windows of the bank.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from guidance.generators.motion.param.decoding import spline_weights
from guidance.motion.metrics import quality
from guidance.motion.motion import Motion
from guidance.motion.networks.denoiser import STRIDE, WINDOW, MotionDenoiser, sample_motion
from guidance.motion.networks.encoder import MotionTextEncoder
from guidance.motion.networks.phrases import vocabulary
from guidance.motion.networks.pose_features import RATE, from_six, poses_of, six
from recipes import evaluate_tmr, mini_tmr, motion_diffusion
from recipes.publish import WEIGHTS, licence

HERE = Path(__file__).parents[1]
SOURCES = (
    {
        "what": "motions of the included bank (guidance/motion/clips), from Mesh2Motion",
        "from": "scottpetrovic/mesh2motion-app",
        "licence": "CC0 1.0",
    },
    {
        "what": "motions of the included bank made as key poses, labels and paraphrases",
        "from": "this project",
        "licence": "CC0 1.0",
    },
)
LARGEST = 2e6  # bytes of a folder
#: Samples of the evaluation, steps of the sampler, and the seed; training has another one.
SAMPLES, STEPS, SEED = 64, 8, 4321


def publish(work: Path) -> None:
    """Writes both folders."""
    encoder, training = trained_encoder(work, "all")
    split, before = trained_encoder(work, "split")
    prompts = [
        line
        for name in ("motions.txt", "motions_held_out.txt")
        for line in (HERE / "benchmarks" / name).read_text(encoding="utf-8").splitlines()
    ]
    card: dict[str, Any] = {
        "family": "mini-tmr",
        "what": "Encoder of motions (positions of 22 joints) and texts to a common space; "
        "the judge of text2motion. Its texts are bags of stems, synonyms and letters; it "
        "shares nothing with image-text models.",
        "training": {
            "recipe": "recipes/mini_tmr.py",
            "seed": mini_tmr.SEED,
            "without_the_held_out_clips": before,
            "then_with_all_clips": training,
        },
        "data": SOURCES,
        "evaluation": {
            "held_out_paraphrases": evaluate_tmr.held_out_paraphrases(encoder),
            "prompts_of_benchmarks": evaluate_tmr.prompts(encoder, prompts),
            "new_augmentations_to_label": evaluate_tmr.new_augmentations(encoder),
            "held_out_clips_before_they_were_trained_on": evaluate_tmr.held_out_clips(split),
        },
        "vocabulary": encoder.bags.weights,
    }
    write_folder("mini_tmr", encoder.state_dict(), card)
    network, training = trained_denoiser(work)
    card = {
        "family": "mini-motion",
        "what": "Unconditional diffusion of motions of two seconds at 20 frames a second "
        "(it predicts clean features); its noise is optimized by the generator noise of "
        "text2motion.",
        "training": {"recipe": "recipes/motion_diffusion.py", "seed": motion_diffusion.SEED}
        | training,
        "data": SOURCES,
        "evaluation": samples_and_bank(network, work),
    }
    write_folder("mini_motion", network.state_dict(), card)


def write_folder(name: str, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Writes the folder beside the old one and puts it in its place; weights are float16."""
    folder, partial = WEIGHTS / name, WEIGHTS / f"{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    half = {key: value.half().contiguous() for key, value in tensors.items()}
    save_file(half, partial / "model.safetensors")
    text = json.dumps(card, indent=1, ensure_ascii=False)
    (partial / "guidance.json").write_text(text + "\n", encoding="utf-8")
    (partial / "LICENSE.md").write_text(licence(name, SOURCES), encoding="utf-8")
    size = sum(path.stat().st_size for path in partial.iterdir())
    if size > LARGEST:
        raise ValueError(f"{name}: expected at most {LARGEST / 1e6} MB, got {size / 1e6:.1f} MB")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def trained_encoder(work: Path, kind: str) -> tuple[MotionTextEncoder, dict[str, Any]]:
    """The encoder of a checkpoint ("split" or "all"), and how it was trained."""
    stored = torch.load(work / f"tmr_{kind}.pt", weights_only=True)
    network = MotionTextEncoder(vocabulary(mini_tmr.phrases().seen.values()))
    network.load_state_dict(stored["network"])
    return network.eval().requires_grad_(False), _spent(stored)


def trained_denoiser(work: Path) -> tuple[MotionDenoiser, dict[str, Any]]:
    """The moving average of the denoiser, and how it was trained."""
    stored = torch.load(work / "motion_diffusion.pt", weights_only=True)
    network = MotionDenoiser()
    network.load_state_dict(stored["average"])
    return network.eval().requires_grad_(False), _spent(stored)


def _spent(stored: dict[str, Any]) -> dict[str, Any]:
    return {"steps": stored["step"], "minutes": round(stored["spent_seconds"] / 60, 1)}


def motions_of(features: Tensor) -> list[Motion]:
    """Motions at 30 frames a second of features at the rate of the diffusion."""
    rotations, root = poses_of(features)
    frames = features.shape[1]
    at = torch.arange(int((frames - 1) * 30 / RATE) + 1).double().numpy() * (RATE / 30)
    weights = spline_weights(frames, at)
    rotations = from_six((weights @ six(rotations).flatten(2)).unflatten(-1, (-1, 6)))
    return [Motion(*pose, 30.0) for pose in zip(rotations, weights @ root, strict=True)]


@torch.no_grad()
def samples_and_bank(network: MotionDenoiser, work: Path) -> dict[str, Any]:
    """Means of the measures of random samples, and of augmented windows of the bank."""
    draw = torch.Generator().manual_seed(SEED)
    sets = {
        "windows_of_the_bank": torch.load(work / "motion_pool.pt", weights_only=True)[:SAMPLES],
        "samples_of_2_s": sample_motion(
            network, torch.randn(SAMPLES, WINDOW, 136, generator=draw), STEPS
        ),
        "samples_of_5_s": sample_motion(
            network, torch.randn(SAMPLES // 4, WINDOW + 3 * STRIDE, 136, generator=draw), STEPS
        ),
    }
    result: dict[str, Any] = {"samples": SAMPLES, "sampler_steps": STEPS}
    for name, features in sets.items():
        found = [asdict(quality(motion)) for motion in motions_of(features.float())]
        result[name] = {
            key: round(statistics.mean(each[key] for each in found), 3) for key in found[0]
        }
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publish the models of motions")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoints are")
    torch.set_num_threads(1)
    publish(parser.parse_args().work)
