"""Weights that are not on this machine: exit 3 with their place, within 2 s, and no connection.

The commands run in new interpreters, as users start them, with an audit hook.
"""

from __future__ import annotations

from functools import partial

from benchmarks.reliability.harness.children import start
from benchmarks.reliability.harness.outcome import Outcome, Trial
from benchmarks.reliability.harness.scene import Scene
from benchmarks.reliability.harness.warm import spread

RUN = ("run", "text2image", "--prompt", "a red heart", "--device", "cpu")
MESH = ("run", "text2mesh", "--prompt", "a pear", "--device", "cpu")
COMMANDS: tuple[tuple[str, ...], ...] = (
    (*RUN, "--encoder", "ViT-B-32/openai"),
    (*RUN, "--encoder", "hf-hub:nobody/nothing"),
    (*RUN, "--encoder", "hf-hub:nobody/nothing@c0ffee"),
    (*RUN, "--encoder", "local-dir:/nowhere/at/all"),
    (*RUN, "--encoder", "mini", "--encoder", "ViT-L-14/openai"),
    (*RUN, "--loss", "sds", "--denoiser", "sd-1.5"),
    (*RUN, "--loss", "fsd", "--denoiser", "sdxl"),
    (*RUN, "--loss", "clip,sds:0.5", "--denoiser", "hf-hub:nobody/nothing"),
    (*RUN, "--loss", "sds", "--denoiser", "local-dir:/nowhere/at/all"),
    (*RUN, "--loss", "sds", "--denoiser", "sd-1.5", "--vae", "tiny"),
    (*RUN, "--generator", "latent", "--denoiser", "sd3-medium"),
    (*MESH, "--mode", "generate", "--encoder", "ViT-B-32/openai"),
    (*MESH, "--mode", "generate", "--loss", "clip,sds", "--denoiser", "sd-1.5"),
)
FULL = len(COMMANDS)
MISSING, SECONDS = 3, 2.0
#: Writes each connection into stderr, where it is found.
HOOK = """
import os, sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(2, f"connected {event} {arguments}\\n".encode())
sys.addaudithook(hook)
"""


def run(scene: Scene, count: int) -> Outcome:
    """Runs that many of the commands; more than there are repeats none."""
    commands = list(COMMANDS)
    scene.draw("missing").shuffle(commands)
    found = spread(partial(_ask, scene), list(enumerate(commands[:count])))
    longest = max(found, key=lambda pair: pair[1])
    return Outcome.of((trial for trial, _ in found), longest_seconds=round(longest[1], 2))


def _ask(scene: Scene, command: tuple[int, tuple[str, ...]]) -> tuple[Trial, float]:
    number, words = command
    output = scene.fresh(f"missing-{number}")
    ended = start([*words, "--output", str(output)], code=HOOK).wait()
    wrong = ended.complaint(MISSING)
    if ended.cpu_seconds > SECONDS:
        wrong = f"{ended.cpu_seconds:.1f} s of a core ({ended.seconds:.1f} s), {ended.said()}"
    if "connected " in ended.errors:
        wrong = f"it tried to connect: {ended.errors[:300]}"
    if any(output.iterdir()):
        wrong = f"it left {next(output.iterdir()).name}"
    trial = Trial(f"exit {ended.code}", wrong and f"{' '.join(words[1:])}: {wrong}")
    return trial, ended.cpu_seconds
