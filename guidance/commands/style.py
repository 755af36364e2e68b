"""`guide style`: directions that edit the images of a StyleGAN network, and their files."""

from __future__ import annotations

from pathlib import Path

from guidance.errors import InputError

HELP = """\
usage: guide style directions NETWORK [options]
       guide style list FILE

directions  the direction of a prompt, for `guide run style_edit` and gd.StyleDirection. NETWORK is
            mini-stylegan, hf-hub:ORG/REPO, or a folder of `guide models convert`
list        what a file contains: the strongest channels of a direction, layer by layer

  --method M       dictionary (default): one table for a network, then any prompt at once;
                   joint: its channels optimized together, in seconds to minutes; verified: the
                   strongest channels, checked by finite steps; instant: gradients of this prompt;
                   full: StyleCLIP's table, hours on a GPU, resumes where it stopped; pca, sefa:
                   without words
  --prompt P       what the images should show; without it, only the table is built
  --source S       what changes, e.g. the opposite of the prompt (default: the subject)
  --subject S      what the images of the network show (default: a face)
  --keep P         what should not change, e.g. "a face with glasses"; may be repeated
  --count N        how many channels change (default: 100); or
  --beta B         the smallest step, as a part of the largest one
  --isolation X    weight against all other changes (default: 0.3)
  --encoder E      (default: mini-people)
  --table FILE     the table of dictionary and full, read if it exists (default:
                   NETWORK-METHOD.safetensors); .npy: a table of StyleCLIP, fs3.npy
  --export FILE    writes the table of full as fs3.npy
  --component N    of pca and sefa, from 1
  --latents N      how many random images (default: 32; joint: 16; verified: 8; others: 100)
  --seed N         of these images (default: 0)
  --device D       cpu, cuda, mps or auto (default)
  --output FILE    where the direction is written (default: after the prompt)
"""
SHOWN = 24  # channels in a list


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    match words:
        case [] | ["-h"] | ["--help"] | [_, "-h"] | [_, "--help"]:
            print(HELP, end="")
            return 0 if words else InputError.exit_code
        case ["directions", *rest]:
            from guidance.commands.style_directions import write_directions
            from guidance.commands.style_request import parse

            for path in write_directions(parse(rest)):
                print(path, flush=True)
        case ["list", file]:
            _list(Path(file))
        case _:
            raise InputError("style: expected `directions NETWORK [options]` or `list FILE`")
    return 0


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
