"""The methods of score distillation at the same number of denoiser evaluations.

    python benchmarks/variants.py [--prompts 20] [--evaluations 600] [--generator latent]

Each method runs for as many steps as `--evaluations` of the denoiser allow, with one crop per step
and its own guidance scale. Samples of the denoiser, with at most as many evaluations, are the
reference. The embedded judge, which no loss uses, measures R-Precision (among the prompts of the
list, and among all concepts that it was trained on) and the diversity of the seeds of a prompt.
Saturation is the mean of S in HSV over the pixels. Prompts are spaced evenly over `prompts.txt`.
Writes a table, `--out`, and a contact sheet with one row for each method.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from jaxtyping import Float
from kornia.color import rgb_to_hsv
from measure import machine
from quality import names_of
from torch import Tensor

from guidance.commands.memory import keep_freed_memory
from guidance.config.commandline import task_of
from guidance.diffusion import Denoiser, load_denoiser
from guidance.diffusion.sampling import sample
from guidance.evaluate.families import load_judge_for
from guidance.evaluate.finished import read_texts
from guidance.evaluate.judge import PromptRanking
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.sds.methods import METHODS
from guidance.media.contact_sheet import contact_sheet
from guidance.media.pixels import to_uint8
from guidance.models.judges import MINI_JUDGE
from guidance.tasks.text2image import TextToImage

HERE = Path(__file__).parent
SHOWN = 10  # images in each row of the contact sheet


@dataclass(frozen=True)
class Row:
    """The scores of one method."""

    method: str
    steps: int
    evaluations: float  # of the denoiser, for each sample
    seconds: float
    r_precision: float
    of_all_concepts: float
    similarity: float
    diversity: float | None  # None for a single seed
    saturation: float


@dataclass(frozen=True)
class Made:
    """The images of one method, ordered by prompt, then by seed."""

    name: str
    images: Float[Tensor, "n 3 h w"]
    steps: int
    evaluations: float
    seconds: float


@dataclass(frozen=True)
class Judge:
    """The held-out judge with its rankings."""

    listed: PromptRanking  # among the prompts of the list
    everything: PromptRanking  # among all concepts


class Counter:
    """Counts the evaluations of a denoiser until it is closed."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.count, self.original = denoiser, 0, denoiser.output
        denoiser.output = self  # type: ignore[method-assign,assignment]

    def __call__(self, noisy: Tensor, *rest: Any) -> Tensor:
        self.count += len(noisy)
        return self.original(noisy, *rest)

    def close(self) -> None:
        del self.denoiser.output


def distilled(
    method: str, prompts: list[str], options: argparse.Namespace, steps: int
) -> tuple[Float[Tensor, "n 3 h w"], list[int]]:
    """The images of a run, and the number of evaluations after each step."""
    denoiser = load_denoiser(options.denoiser)
    counter, counts = Counter(denoiser), [0]
    values = {
        "prompt": prompts,
        "samples": options.seeds,
        "loss": method,
        "denoiser": options.denoiser,
        "generator": options.generator,
        "crops": 1,
        "steps": steps,
        "device": "cpu",
        **options.set,
    }
    plan = task_of(TextToImage, "text2image", [], values)[0].build()

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            counts.append(counter.count)

    settings = Settings(**{**vars(plan.settings), "validations": 1})
    result = optimize(plan.generator, plan.losses, settings, views=plan.views, listeners=[listen])
    counter.close()
    return result.images[:, 0], counts


def measure(made: Made, prompts: list[str], options: argparse.Namespace, judge: Judge) -> Row:
    """The judge's scores of one method's images."""
    vectors = judge.listed.embed(made.images)
    texts = [prompt for prompt in prompts for _ in range(options.seeds)]
    pairs = list(zip(vectors, texts, strict=True))
    scores = [judge.listed.score(one[None], text) for one, text in pairs]
    of_all = [judge.everything.score(one[None], text).retrieved for one, text in pairs]
    of_prompt = vectors.view(len(prompts), options.seeds, -1)
    cosines = (of_prompt @ of_prompt.mT).sum((1, 2)) - options.seeds
    pairs = options.seeds * (options.seeds - 1)
    return Row(
        made.name,
        made.steps,
        round(made.evaluations, 1),
        round(made.seconds, 1),
        round(fmean(score.retrieved for score in scores), 3),
        round(fmean(of_all), 3),
        round(fmean(score.similarity for score in scores), 3),
        round(1 - float(cosines.mean()) / pairs, 3) if pairs else None,
        round(float(rgb_to_hsv(made.images)[:, 1].mean()), 3),
    )


def own_samples(prompts: list[str], options: argparse.Namespace) -> Made:
    """Samples of the denoiser."""
    started = time.perf_counter()
    texts = [prompt for prompt in prompts for _ in range(options.seeds)]
    seeds = list(range(options.seeds)) * len(prompts)
    steps = min(options.sampler_steps, options.evaluations // 2)
    images = sample(load_denoiser(options.denoiser), texts, seeds, steps=steps)
    return Made("its own samples", images, steps, 2.0 * steps, time.perf_counter() - started)


def by_method(method: str, prompts: list[str], options: argparse.Namespace) -> Made:
    """Images of a method with the same number of evaluations."""
    alone = argparse.Namespace(**{**vars(options), "seeds": 1})
    _, counts = distilled(method, ["a heart"], alone, 3)
    per_step = counts[2] - counts[1]
    steps = max(1, options.evaluations // per_step)
    started = time.perf_counter()
    images, _ = distilled(method, prompts, options, steps)
    seconds = time.perf_counter() - started
    return Made(method, images, steps, float(steps * per_step), seconds)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=20, help="how many of the list")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--evaluations", type=int, default=600, help="evaluations of the denoiser for each sample"
    )
    parser.add_argument("--methods", nargs="+", default=None, help="default: all suitable ones")
    parser.add_argument("--denoiser", default="mini-diffusion")
    parser.add_argument("--generator", default="latent")
    of_task = "any other option of text2image, e.g. guidance_scale=20; may be repeated"
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help=of_task)
    parser.add_argument(
        "--sampler-steps", type=int, default=50, help="of the samples of the denoiser"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results" / "variants.json")
    parser.add_argument("--sheet", type=Path, default=Path("outputs/variants.png"))
    options = parser.parse_args()
    options.set = {
        name: yaml.safe_load(value)
        for name, _, value in (pair.partition("=") for pair in options.set)
    }
    return options


def main() -> None:
    options = parse()
    keep_freed_memory()
    named = load_judge_for((), MINI_JUDGE)
    listed = read_texts(HERE / "prompts.txt")
    prompts = listed[:: max(1, len(listed) // options.prompts)][: options.prompts]
    every_name = [*listed, *named.alternatives, *names_of(named.name)]
    judge = Judge(PromptRanking(named, listed), PromptRanking(named, every_name))
    denoiser = load_denoiser(options.denoiser)
    flow = denoiser.prediction == "flow"
    generating = [name for name, method in METHODS.items() if not method.edits]
    methods = options.methods or [name for name in generating if (name == "rfds") <= flow]
    rows, tiles, captions = [], [], []
    for name in ("", *methods):
        made = by_method(name, prompts, options) if name else own_samples(prompts, options)
        rows.append(measure(made, prompts, options, judge))
        print(json.dumps(vars(rows[-1])), flush=True)
        shown = made.images[:: options.seeds][:SHOWN]
        tiles += [to_uint8(image) for image in shown]
        captions += [f"{made.name}: {prompt}" for prompt in prompts[: len(shown)]]
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    options.sheet.write_bytes(contact_sheet(tiles, captions, min(SHOWN, len(prompts))))
    content = {
        **{name: vars(options)[name] for name in ("denoiser", "generator", "set", "seeds")},
        "prompts": prompts,
        "judge": named.name,
        "machine": machine(),
        "rows": [vars(row) for row in rows],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=2) + "\n")
    print(f"see {options.out} and {options.sheet}")


if __name__ == "__main__":
    main()
