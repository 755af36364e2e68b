"""`guide eval`: scores finished runs by a judge that none of their losses used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from guidance.commands.arguments import Arguments
from guidance.errors import InputError
from guidance.runs.folder import DONE, existing_folder
from guidance.streams import say

T = TypeVar("T")
HELP = """\
usage: guide eval RUN... [--against FILE] [--judge NAME] [--json FILE]

Scores finished runs by a judge whose family none of their losses used. Runs that are not finished
are left out, with a note. For each sample:

  similarity  cosine of the image (or of 8 views of the mesh) and the prompt
  rank        of the prompt among the prompts of all RUNs
  gap         how much the similarity falls after blur, JPEG or a shift by one pixel; a large gap
              means that the image exploits its encoder

and for meshes also the similarity of the shape in plain grey, the share of self-intersecting faces,
the variation of edge lengths and, for the modes deform and stylize, of area changes; and whether
the front also appears on the back (Janus): the share of the views from the back, and of those from
the front, for which the judge prefers "front view of ..." to "back view of ...". If the two shares
are equal, the mesh has no sides, or the judge does not know these phrases.

  --against FILE   more texts to rank each prompt among, one per line
  --judge NAME     the model that judges; by default the most trusted one on this machine
  --json FILE      also writes all scores to a file
"""


@dataclass(frozen=True)
class Request:
    """The arguments of `guide eval`."""

    runs: tuple[Path, ...]
    against: Path | None = None
    judge: str | None = None
    json: Path | None = None


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide eval`.

    Raises:
        InputError: no run, or an unknown or repeated flag.
    """
    parser = Arguments("eval")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--against", type=Path)
    parser.add_argument("--judge")
    parser.add_argument("--json", type=Path)
    found = parser.parse_intermixed_args(list(words))
    return Request(tuple(found.runs), found.against, found.judge, found.json)


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    for line in evaluate(parse(words)):
        print(line, flush=True)
    return 0


def evaluate(request: Request) -> Iterator[str]:
    """Scores runs and yields the output line by line.

    Runs that are not finished, or whose files are damaged, are left out with a note.

    Raises:
        InputError: a folder that is not a run, no run that can be scored, or no judge of a family
            that no loss used.
        MissingWeights: the weights of the judge are not on this machine.
    """
    finished = _finished(request.runs)

    from guidance.evaluate.families import load_judge_for
    from guidance.evaluate.finished import read_run, read_texts
    from guidance.evaluate.scoring import SampleScore, score_samples
    from guidance.evaluate.table import as_json, last_lines, sample_line
    from guidance.runs.atomic import write_text

    others = read_texts(request.against) if request.against else []
    runs = _each(finished, read_run)
    families = {name: family for run in runs for name, family in run.families.items()}
    names = [name for run in runs for name in run.losses]
    judge = load_judge_for(names, request.judge, families)
    scores: list[SampleScore] = []
    for score in score_samples(judge, [s for run in runs for s in run.samples], others):
        scores.append(score)
        yield sample_line(score)
    if request.json is not None:
        write_text(request.json, as_json(scores, judge.name))
    yield from last_lines(scores, judge.name)


def _finished(folders: Sequence[Path]) -> list[Path]:
    """The folders of finished runs; checked before anything heavy is imported."""
    return _each([existing_folder(folder) for folder in dict.fromkeys(folders)], _check_finished)


def _check_finished(folder: Path) -> Path:
    if not (folder / DONE).is_file():
        raise InputError(f"{folder}: is not finished; resume it: guide run --resume {folder}")
    return folder


def _each(folders: Sequence[Path], read: Callable[[Path], T]) -> list[T]:
    """What is read from each folder; a note about each of several that cannot be read.

    Raises:
        InputError: none can be read.
    """
    found: list[T] = []
    errors: list[InputError] = []
    for folder in folders:
        try:
            found.append(read(folder))
        except InputError as error:
            errors.append(error)
    if not found:
        several = f"none of the {len(folders)} runs can be scored: " if len(folders) > 1 else ""
        raise InputError(f"{several}{errors[0]}")
    for each in errors:
        say(f"guide: not scored: {each}")
    return found
