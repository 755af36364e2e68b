"""`guide list runs`: the runs in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from guidance.commands.arguments import Arguments
from guidance.runs.summary import RunSummary, find_runs, summarize_run

OUTPUTS = Path("outputs")
HEADS = ("status", "when", "task", "seed", "score", "prompt", "folder")
PROMPT_LENGTH = 40


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    parser = Arguments("list")
    parser.add_argument("folder", nargs="?", type=Path, default=OUTPUTS, metavar="FOLDER")
    folder = parser.parse_args(words).folder
    for line in table([summarize_run(each) for each in find_runs([folder])]):
        print(line)
    return 0


def table(runs: Sequence[RunSummary]) -> Iterator[str]:
    """Aligned lines, the newest run last; damaged runs have their reason below."""
    ordered = sorted(runs, key=lambda each: (each.when, str(each.folder)))
    rows = [HEADS, *(_row(each) for each in ordered)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    for index, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if index and ordered[index - 1].problem:
            yield f"  {ordered[index - 1].problem}"
    done = [each.status for each in ordered].count("done")
    yield f"{len(ordered)} run{'s' if len(ordered) != 1 else ''}, {done} done"


def _row(run: RunSummary) -> tuple[str, ...]:
    prompts = list(dict.fromkeys(sample.prompt for sample in run.samples))
    prompt = " | ".join(prompts)
    if len(prompt) > PROMPT_LENGTH:
        prompt = f"{prompt[: PROMPT_LENGTH - 1]}…"
    seeds = sorted({sample.seed for sample in run.samples}) if run.status == "done" else []
    first, last = (seeds[0], seeds[-1]) if seeds else ("-", "-")
    seed = str(first) if first == last else f"{first}..{last}"
    score = "-" if run.score is None else f"{run.score:.3f}"
    return (run.status, run.when or "-", run.task or "-", seed, score, prompt, str(run.folder))
