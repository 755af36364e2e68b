"""`guide eval`: scores finished runs by a judge that none of their losses used."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from guidance.errors import InputError

HELP = """\
usage: guide eval RUN... [--against FILE] [--judge NAME] [--json FILE]

Scores finished runs by a judge whose family none of their losses used. For each sample:

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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"eval: {message}; see `guide eval --help`")


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide eval`.

    Raises:
        InputError: no run, or an unknown flag.
    """
    parser = _Parser(prog="guide eval", add_help=False, allow_abbrev=False)
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

    Raises:
        InputError: a folder that is not a finished run, a damaged or missing result, or no judge of
            a family that no loss used.
        MissingWeights: the weights of the judge are not on this machine.
    """
    from guidance.evaluate.families import load_judge_for
    from guidance.evaluate.finished import read_run, read_texts
    from guidance.evaluate.scoring import SampleScore, score_samples
    from guidance.evaluate.table import as_json, last_lines, sample_line
    from guidance.runs.atomic import write_text

    runs = [read_run(folder) for folder in dict.fromkeys(request.runs)]
    others = read_texts(request.against) if request.against else []
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
