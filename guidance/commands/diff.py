"""`guide diff`: what differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from guidance.commands.arguments import Arguments
from guidance.errors import InputError
from guidance.runs.summary import RunSummary, find_runs, summarize_run

HELP = """\
usage: guide diff RUN RUN

Prints what differs between two runs: options, files of weights, versions, and the judge's scores of
samples with the same prompt and seed. Places (output, device) are left out.
"""
MISSING = "-"


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    parser = Arguments("diff")
    parser.add_argument("runs", nargs=2, type=Path, metavar="RUN")
    first, second = (_summary(path) for path in parser.parse_args(words).runs)
    for line in lines(first, second):
        print(line)
    return 0


def _summary(path: Path) -> RunSummary:
    found = find_runs([path])
    if found != [path.expanduser()]:
        raise InputError(f"diff: {path}: holds {len(found)} runs; name the folder of one run")
    summary = summarize_run(found[0])
    if summary.status == "damaged":
        raise InputError(f"diff: {summary.problem}")
    return summary


def lines(first: RunSummary, second: RunSummary) -> Iterator[str]:
    """The differences of two runs, group by group."""
    from guidance.reports.differences import differences

    yield f"- {first.folder}  {first.status}  {first.when}"
    yield f"+ {second.folder}  {second.status}  {second.when}"
    groups: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
        "options": (first.config, second.config),
        "weights": (_weights(first), _weights(second)),
        "versions": (_versions(first), _versions(second)),
        "scores": (_scores(first), _scores(second)),
    }
    same = []
    for title, values in groups.items():
        found = differences(values) if title == "options" else differences(values, ())
        if not found:
            same.append(title)
            continue
        yield f"\n{title}:"
        for each in found:
            before, after = (MISSING if value is None else value for value in each.values)
            yield f"  {each.option}: {before} -> {after}"
    if same:
        yield f"\nthe same: {', '.join(same)}"


def _weights(run: RunSummary) -> dict[str, str]:
    """The hashes of the files of weights, shortened, by model."""
    models = run.environment.get("models")
    found = {}
    for name, hashes in (models if isinstance(models, Mapping) else {}).items():
        values = hashes.items() if isinstance(hashes, Mapping) else ()
        found[str(name)] = " ".join(f"{key} {str(value)[:12]}" for key, value in values)
    return found


def _versions(run: RunSummary) -> dict[str, Any]:
    packages = run.environment.get("versions")
    own = {key: run.environment.get(key) for key in ("guidance", "python", "device_name")}
    return {**own, **(packages if isinstance(packages, Mapping) else {})}


def _scores(run: RunSummary) -> dict[str, str]:
    """The judge's similarity of each sample by prompt and seed."""
    return {
        f"{sample.prompt!r}, seed {sample.seed}": f"{sample.after:.3f}"
        for sample in run.samples
        if sample.after is not None
    }
