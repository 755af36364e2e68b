"""`guide tune`: changes the strength of a finished deformation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from guidance.commands.arguments import Arguments, number
from guidance.config.choices import KIND
from guidance.config.files import read_record, strip_header
from guidance.errors import InputError
from guidance.runs.folder import CONFIG, existing_folder

HELP = """\
usage: guide tune RUN --strength S

Writes the meshes of a finished `guide run text2mesh` in the modes stylize, deform or deform_normals
again, with their deformation scaled: 0 is the given mesh, 1 the result, 0.5 half way, and -1 the
opposite. Colors stay those of the result. Writes mesh-strength-S.glb, mesh-strength-S.obj and
contact-strength-S.png next to the results of each sample.

  --strength S   a number from -2 to 3
"""
#: The modes of text2mesh whose deformation can be scaled.
MODES = ("stylize", "deform", "deform_normals")


@dataclass(frozen=True)
class Request:
    """What `guide tune` is asked for."""

    run: Path
    strength: float


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    for path in tune(parse(words)):
        print(path, flush=True)
    return 0


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide tune`.

    Raises:
        InputError: no run, no strength, or an unknown or repeated flag.
    """
    parser = Arguments("tune")
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--strength", type=number, required=True, metavar="S")
    found = parser.parse_intermixed_args(list(words))
    return Request(found.run, found.strength)


def tune(request: Request) -> Iterator[Path]:
    """Writes each sample's mesh at a strength, and yields the files.

    All samples are read and checked before anything is written; each file is written atomically. A
    strength that was written before is written again.

    Raises:
        InputError: no such run, none that deformed a mesh, a damaged file, a strength out of range;
            another process writes to the run; no permission.
        OutOfResources: the disk is full.
    """
    folder = existing_folder(request.run)
    task, _, values = strip_header(read_record(folder / CONFIG), str(folder / CONFIG))
    _check_deforms(folder, task, values.get("mode", MODES[0]))

    from guidance.commands.scaled_meshes import write_scaled

    yield from write_scaled(folder, request.strength)


def _check_deforms(folder: Path, task: str | None, mode: object) -> None:
    """Raises InputError for a run whose task or mode deforms no mesh."""
    advice = f"has no deformation to scale; use a run of {', '.join(MODES[:-1])} or {MODES[-1]}"
    if task not in (None, "text2mesh"):
        raise InputError(f"{folder}: a run of {task} {advice} (modes of text2mesh)")
    kind = mode.get(KIND) if isinstance(mode, Mapping) else mode
    if kind not in MODES and not str(kind).endswith(".py"):
        raise InputError(f"{folder}: mode {kind} {advice}")
