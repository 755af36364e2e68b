"""Seconds and renders of a dictionary of styles, of a sentence, and of one verified direction.

    PYTHONPATH=. python benchmarks/style_dictionary.py [small] [large] [--json FILE]

`small`: the dictionary of the mini StyleGAN2 (of a random network of its size, if it is not on this
machine), a new sentence, and an edit against a forward pass. `large`: one direction of a random
StyleGAN2 in configuration F at 256 pixels, by gradients and verified by finite steps.

Renders count images: forward passes, and backward passes through them. StyleCLIP's table takes
6,048 channels x 100 images x 2 steps. Seconds depend on what else the machine does; the results
have its load, the number of processes that wanted a core in the last minute.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measure import machine, ratio_of_alternating, report

import guidance as gd
from guidance.directions.instant import Sentence
from guidance.directions.keeping import Choice
from guidance.directions.samples import sample_ws
from guidance.directions.verified import verified_direction
from guidance.encoders import load_encoder
from guidance.errors import MissingWeights
from guidance.stylegan import StyleGAN, StyleGAN2Config, load_stylegan

SMALL = StyleGAN2Config(
    channels=(128, 128, 128, 64, 32), z_dim=64, w_dim=128, mapping_widths=(128,) * 3
)
CONFIG_F = StyleGAN2Config(channels=(512,) * 5 + (256, 128))
STYLECLIP = 6048 * 100 * 2
SENTENCES = ["a smiling face", "a face with glasses", "a face with red hair", "a sad old face"]
GRADIENTS = 16  # images of the first direction of the large network
Results = list[dict[str, Any]]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """A result, and its wall-clock seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def note(results: Results, name: str, value: float, unit: str, bar: float) -> None:
    """Prints and keeps a result; lower is better."""
    holds = report(name, value, unit, bar)
    results.append(
        {"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "holds": holds}
    )


def small(results: Results) -> None:
    """The dictionary of the mini network, sentences, and an edit."""
    try:
        network, name = load_stylegan("mini-stylegan"), "mini-stylegan"
    except MissingWeights:
        torch.manual_seed(0)
        network, name = StyleGAN(SMALL).frozen(), "random network of 64 px"
    load_encoder("mini")
    before = time.process_time()
    dictionary, seconds = timed(lambda: gd.StyleDictionary.build(network))
    note(results, f"dictionary of {name}", seconds, "s", 10.0)
    used = time.process_time() - before
    note(results, f"dictionary of {name}, on all cores together", used, "core s", 20.0)
    note(results, "renders of a dictionary", dictionary.renders, "renders", 4096)
    taken = [timed(lambda s=s: dictionary.direction(s))[1] for s in SENTENCES]  # type: ignore[misc]
    note(results, "a new sentence, the slowest of four", max(taken), "s", 0.2)
    direction, synthesis = dictionary.direction(SENTENCES[0]), network.synthesis
    ws = sample_ws(network, 4, 0)

    @torch.no_grad()
    def edited() -> None:
        synthesis.from_styles(direction.apply(synthesis.styles(ws), 3.0))

    @torch.no_grad()
    def plain() -> None:
        synthesis(ws)

    note(results, "edited / plain images", ratio_of_alternating(edited, plain, 8), "ratio", 2.0)


def large(results: Results) -> None:
    """One verified direction of a network in configuration F at 256 pixels."""
    torch.manual_seed(0)
    network = StyleGAN(CONFIG_F).frozen()
    sentence, encoder = Sentence("a smiling face"), load_encoder("mini")
    (_, found), seconds = timed(
        lambda: verified_direction(
            network, sentence, Choice(count=24), encoder=encoder, gradients=GRADIENTS
        )
    )
    note(results, "verified direction, config F, 256 px", seconds, "s", 300.0)
    renders = 2 * GRADIENTS + found.renders
    note(results, "renders of a verified direction", renders, "renders", STYLECLIP / 1000)


def main(words: list[str]) -> None:
    """Runs the chosen parts and writes the results."""
    output = Path(words[words.index("--json") + 1]) if "--json" in words else None
    chosen = [word for word in words if word in ("small", "large")] or ["small", "large"]
    results: Results = []
    if "small" in chosen:
        small(results)
    if "large" in chosen:
        large(results)
    if output is not None:
        content = {
            "machine": machine(),
            "load": round(os.getloadavg()[0], 1),
            "styleclip_renders": STYLECLIP,
            "results": results,
        }
        output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
