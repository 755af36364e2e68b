"""The words after `guide style directions`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guidance.commands.arguments import Arguments, number
from guidance.errors import InputError

METHODS = ("dictionary", "joint", "verified", "instant", "full", "pca", "sefa")
WORDLESS = ("pca", "sefa")
WITH_TABLE = ("dictionary", "joint", "verified", "full")


@dataclass(frozen=True)
class Request:
    """What `guide style directions` is asked for."""

    network: str
    method: str
    prompt: str | None
    source: str | None
    subject: str | None
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


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide style directions`.

    Raises:
        InputError: no network, an unknown flag, or flags that do not go together.
    """
    parser = Arguments("style")
    parser.add_argument("network", metavar="NETWORK")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0])
    for name in ("prompt", "source", "subject"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--keep", action="append", default=[])
    for name in ("count", "latents"):
        parser.add_argument(f"--{name}", type=whole)
    parser.add_argument("--beta", type=number)
    parser.add_argument("--isolation", type=number, default=0.3)
    parser.add_argument("--encoder", default="mini-people")
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
    if method in ("instant", "verified", "joint") and request.prompt is None:
        raise InputError(f"style: --method {method} needs --prompt")
    if request.table is not None and method not in WITH_TABLE:
        raise InputError(f"style: --method {method} has no table; remove --table")
    if request.export is not None and method != "full":
        raise InputError("style: --export belongs to --method full")
    if request.output is not None and request.prompt is None and method not in WORDLESS:
        raise InputError("style: --output is the file of a direction; add --prompt, or use --table")
