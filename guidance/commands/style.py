"""`guide style`: directions that edit the images of a StyleGAN network, and their files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guidance.commands.arguments import Arguments, number
from guidance.errors import InputError

HELP = """\
usage: guide style directions NETWORK [options]
       guide style list FILE

directions  the direction of a prompt, for `guide run style_edit` and gd.StyleDirection. NETWORK is
            mini-stylegan, hf-hub:ORG/REPO, or a folder of `guide models convert`
list        what a file contains: the strongest channels of a direction, layer by layer

  --method M       dictionary (default): one table for a network, then any prompt at once;
                   instant: gradients of this prompt; verified: the strongest channels, checked
                   by finite steps; full: StyleCLIP's table, hours on a GPU, resumes where it
                   stopped; pca, sefa: without words
  --prompt P       what the images should show; without it, only the table is built
  --source S       what they show (default: a face)
  --keep P         what should not change, e.g. "a face with glasses"; may be repeated
  --count N        how many channels change (default: 40); or
  --beta B         the smallest step, as a part of the largest one
  --isolation X    weight against all other changes (default: 0.1)
  --encoder E      (default: mini)
  --table FILE     the table of dictionary and full, read if it exists (default:
                   NETWORK-METHOD.safetensors); .npy: a table of StyleCLIP, fs3.npy
  --export FILE    writes the table of full as fs3.npy
  --component N    of pca and sefa, from 1
  --latents N      how many random images (default: 32; instant and full: 100; verified: 8)
  --seed N         of these images (default: 0)
  --device D       cpu, cuda, mps or auto (default)
  --output FILE    where the direction is written (default: after the prompt)
"""
METHODS = ("dictionary", "instant", "verified", "full", "pca", "sefa")
WORDLESS = ("pca", "sefa")
WITH_TABLE = ("dictionary", "verified", "full")
SHOWN = 24  # channels in a list


@dataclass(frozen=True)
class Request:
    """What `guide style directions` is asked for."""

    network: str
    method: str
    prompt: str | None
    source: str | None
    keep: tuple[str, ...]
    count: int | None
    beta: float | None
    isolation: float
    encoder: str
    table: Path | None
    export: Path | None
    component: int
    latents: int | None
    seed: int
    device: str
    output: Path | None


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    match words:
        case [] | ["-h"] | ["--help"] | [_, "-h"] | [_, "--help"]:
            print(HELP, end="")
            return 0 if words else InputError.exit_code
        case ["directions", *rest]:
            from guidance.commands.style_directions import write_directions

            for path in write_directions(parse(rest)):
                print(path, flush=True)
        case ["list", file]:
            _list(Path(file))
        case _:
            raise InputError("style: expected `directions NETWORK [options]` or `list FILE`")
    return 0


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide style directions`.

    Raises:
        InputError: no network, an unknown flag, or flags that do not go together.
    """
    parser = Arguments("style")
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0])
    for name in ("prompt", "source"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--keep", action="append", default=[])
    for name in ("count", "latents"):
        parser.add_argument(f"--{name}", type=whole)
    parser.add_argument("--beta", type=number)
    parser.add_argument("--isolation", type=number, default=0.1)
    parser.add_argument("--encoder", default="mini")
    for name in ("table", "export", "output"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--component", type=whole, default=1)
    parser.add_argument("--seed", type=whole, default=0)
    parser.add_argument("--device", default="auto")
    found = vars(parser.parse_intermixed_args(list(words)))
    found.pop("_given", None)
    request = Request(**{**found, "keep": tuple(found["keep"])})
    _check(request)
    return request


def whole(text: str) -> int:
    """The type of an argument that is a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r:.40}") from None


def _check(request: Request) -> None:
    """Checks that flags go together. Raises InputError."""
    method = request.method
    if request.count is not None and request.beta is not None:
        raise InputError("style: give either --count or --beta")
    if method in WORDLESS and (request.prompt or request.keep):
        raise InputError(f"style: --method {method} takes no words; remove --prompt and --keep")
    if method in ("instant", "verified") and request.prompt is None:
        raise InputError(f"style: --method {method} needs --prompt")
    if request.table is not None and method not in WITH_TABLE:
        raise InputError(f"style: --method {method} has no table; remove --table")
    if request.export is not None and method != "full":
        raise InputError("style: --export belongs to --method full")
    if request.output is not None and request.prompt is None and method not in WORDLESS:
        raise InputError("style: --output is the file of a direction; add --prompt, or use --table")


def _list(path: Path) -> None:
    from guidance.directions.direction import StyleDirection

    direction = StyleDirection.load(path)
    print(f"{direction.text or 'a direction'}: {direction.count} channels")
    for note in direction.notes:
        print(f"note: {note}")
    strongest = direction.flat.abs().topk(min(SHOWN, direction.count)).values
    least = float(strongest[-1]) if len(strongest) else 0.0
    for layer, steps in zip(direction.layers, direction.steps, strict=True):
        found = [(i, s) for i, s in enumerate(steps.tolist()) if s and abs(s) >= least]
        if found:
            found.sort(key=lambda pair: -abs(pair[1]))
            print(f"  {layer:<14} " + "  ".join(f"{index}: {step:+.2f}" for index, step in found))
