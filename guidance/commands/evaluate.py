"""`guide eval`: scores finished runs by a judge that none of their losses used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from guidance.commands.arguments import Arguments
from guidance.errors import InputError
from guidance.runs.folder import CONFIG, DONE, existing_folder
from guidance.runs.summary import find_runs
from guidance.streams import say, say_meanwhile

if TYPE_CHECKING:
    from guidance.encoders.vlm.model import VisionLanguageModel
    from guidance.evaluate.scoring import Sample

T = TypeVar("T")
HELP = """\
usage: guide eval RUN... [--against FILE] [--judge NAME] [--vlm NAME] [--json FILE]
                  [--csv FILE] [--votes FILE] [--top N --copy FOLDER]

Scores finished runs by a judge whose family none of their losses used, and prints a table, the best
first, and the means with bootstrap intervals of 95%. RUN is the folder of a run, or a folder with
runs. Runs that are not finished are left out, with a note. For each sample:

  similarity   cosine of the image (or of 8 views of the mesh) and the prompt
  rank         of the prompt among a fixed list of 476 texts and the prompts of all RUNs;
               R-precision is 1 if the prompt comes first
  atoms        the judge's probability of the prompt's objects, colors, counts, attributes and
               relations: the mean, and the geometric mean ("all atoms")
  blur, jpeg, shift, gap   the similarity after small changes, and how much it falls at most; a
               large gap means that the image exploits its encoder
  seconds, GFLOPs   of the run, per sample; the operations of its image encoders, where known

and for meshes also the similarity of the shape in plain grey, the share of self-intersecting faces,
the variation of edge lengths and, for the modes deform and stylize, of area changes; and whether
the front also appears on the back (Janus): the share of the views from the back, and of those from
the front, for which the judge prefers "front view of ..." to "back view of ...". If the two shares
are equal, the mesh has no sides, or the judge does not know these phrases.

  --against FILE   more texts to rank each prompt among, one per line
  --judge NAME     the model that judges; by default the most trusted one on this machine
  --vlm NAME       a vision-language model, hf-hub:org/repository or local-dir:PATH, for the columns
                   VQA, its probability that the image shows the prompt, and VQA atoms
  --json FILE      also writes all scores and intervals to a file
  --csv FILE       also writes the table to a file
  --votes FILE     compares the judge with people: votes.json of a page of `guide report --vote`
  --top N          shows and copies only the best N
  --copy FOLDER    copies the files of the results that are shown into a new folder
"""


@dataclass(frozen=True)
class Request:
    """The arguments of `guide eval`."""

    runs: tuple[Path, ...]
    against: Path | None = None
    judge: str | None = None
    json: Path | None = None
    csv: Path | None = None
    votes: Path | None = None
    top: int | None = None
    copy: Path | None = None
    vlm: str | None = None


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide eval`.

    Raises:
        InputError: no run, or an unknown or repeated flag.
    """
    parser = Arguments("eval")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    for name in ("against", "json", "csv", "votes", "copy"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--judge")
    parser.add_argument("--vlm")
    parser.add_argument("--top", type=int)
    found = parser.parse_intermixed_args(list(words))
    if found.top is not None and found.top < 1:
        raise InputError(f"eval: --top: expected 1 or more, got {found.top}")
    if found.copy is not None and found.copy.exists():
        raise InputError(f"eval: --copy {found.copy}: exists; name a new folder")
    return Request(
        tuple(found.runs),
        found.against,
        found.judge,
        found.json,
        found.csv,
        found.votes,
        found.top,
        found.copy,
        found.vlm,
    )


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

    from guidance.evaluate.best import copy_samples
    from guidance.evaluate.families import load_judge_for
    from guidance.evaluate.finished import read_run, read_texts
    from guidance.evaluate.hard_list import NAME, hard_list
    from guidance.evaluate.rows import as_csv, sorted_scores
    from guidance.evaluate.scoring import score_samples
    from guidance.evaluate.table import as_json, table_lines, vote_lines
    from guidance.evaluate.votes import read_votes
    from guidance.runs.atomic import write_text

    others = [*hard_list(), *(read_texts(request.against) if request.against else [])]
    votes = read_votes(request.votes) if request.votes else []
    runs = _each(finished, read_run)
    families = {name: family for run in runs for name, family in run.families.items()}
    names = [name for run in runs for name in run.losses]
    judge = load_judge_for(names, request.judge, families)
    samples = [sample for run in runs for sample in run.samples]
    vlm = None if request.vlm is None else _independent_vlm(request.vlm, samples)
    say_meanwhile(f"scoring {len(samples)} samples by {judge.name} ...")
    scores = sorted_scores(list(score_samples(judge, samples, others, atoms=True, vlm=vlm)))
    best = scores[: request.top]
    if request.json is not None:
        write_text(request.json, as_json(scores, judge.name, NAME))
    if request.csv is not None:
        write_text(request.csv, as_csv(scores))
    yield from table_lines(best, scores, judge.name)
    if votes:
        yield from vote_lines(votes, scores)
    if request.copy is not None:
        for path in copy_samples(best, request.copy):
            yield str(path)


def _independent_vlm(name: str, samples: Sequence[Sample]) -> VisionLanguageModel:
    """A vision-language model that no loss of the samples used."""
    import torch

    from guidance.encoders.vlm.model import load_vlm
    from guidance.evaluate.vqa import check_independent

    vlm = load_vlm(name, "cuda" if torch.cuda.is_available() else "cpu")
    check_independent(name, vlm.kind, [sample.config for sample in samples])
    return vlm


def _finished(folders: Sequence[Path]) -> list[Path]:
    """The folders of finished runs; checked before anything heavy is imported."""
    given = dict.fromkeys(folder.expanduser() for folder in folders)
    inside: list[Path] = []
    for folder in given:
        is_run = (folder / CONFIG).is_file() or not folder.is_dir()
        inside += [folder] if is_run else find_runs([folder])
    return _each([existing_folder(folder) for folder in dict.fromkeys(inside)], _check_finished)


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
