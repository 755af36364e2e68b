"""R-Precision of samples of the published mini diffusion model, by the judge.

    python -m recipes.evaluate_diffusion [--sheet samples.png]

Samples the prompts of `benchmarks/prompts.txt` with DDIM and classifier-free guidance, one seed
each. It is the upper bound for score distillation with this model. Writes the
figures on the model's card and into `recipes/results.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from guidance.encoders import load_encoder
from guidance.evaluate.judge import judge_scores
from guidance.models.torchvision import import_torchvision
from recipes import mini_diffusion
from recipes.publish import WEIGHTS

import_torchvision()  # before diffusers, which imports torchvision

from diffusers import StableDiffusionPipeline  # noqa: E402

FOLDER = WEIGHTS / "mini_diffusion"
RESULTS = Path(__file__).with_name("results.json")
PROMPTS = Path(__file__).parents[1] / "benchmarks" / "prompts.txt"
STEPS, SCALES = 25, (2.0, 4.0, 7.5)


@torch.no_grad()
def sample(texts: list[str], scale: float, seed: int = 0) -> torch.Tensor:
    """Images `[b, 3, 64, 64]` in [0, 1] by the pipeline of diffusers, as users call it."""
    pipe = StableDiffusionPipeline.from_pretrained(FOLDER, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    found = [
        pipe(
            texts[start : start + 25],
            num_inference_steps=STEPS,
            guidance_scale=scale,
            generator=torch.Generator().manual_seed(seed + start),
            output_type="pt",
        ).images
        for start in range(0, len(texts), 25)
    ]
    return torch.cat(found).float()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Judge samples of the mini diffusion model")
    parser.add_argument("--sheet", type=Path, help="writes the samples of the best scale there")
    arguments = parser.parse_args()
    prompts = [line for line in PROMPTS.read_text().splitlines() if line]
    judge = load_encoder("mini-judge")
    precision: dict[str, float] = {}
    best, shown = -1.0, torch.empty(0)
    for scale in SCALES:
        pictures = sample(prompts, scale)
        scores = judge_scores(judge, pictures[:, None], prompts)
        precision[f"{scale:g}"] = round(sum(s.retrieved for s in scores) / len(scores), 3)
        if precision[f"{scale:g}"] > best:
            best, shown = precision[f"{scale:g}"], pictures
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    figures = {
        "prompts": len(prompts),
        "r_precision_by_guidance_scale": precision,
        "steps": STEPS,
        "megabytes": round(size / 1e6, 1),
    }
    for path, name in ((RESULTS, "mini_diffusion"), (FOLDER / "guidance.json", "evaluation")):
        stored = json.loads(path.read_text())
        path.write_text(json.dumps({**stored, name: figures}, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    if arguments.sheet:
        mini_diffusion.save_sheet(shown, arguments.sheet, columns=10)


if __name__ == "__main__":
    main()
