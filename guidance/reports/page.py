"""`guide report`: one HTML file that shows runs, without any network request."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guidance.errors import InputError
from guidance.reports.boards import Board, places, read_board
from guidance.reports.curves import Curves, judge_chart, loss_chart, read_curves
from guidance.reports.differences import Difference, differences
from guidance.reports.items import Item, add_files, add_thumbnails, make_items
from guidance.reports.media import Budget
from guidance.reports.sweeps import Sweep, is_sweep, read_sweep
from guidance.runs.folder import CONFIG, METRICS
from guidance.runs.summary import RunSummary, find_runs, shown, summarize_run
from guidance.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PLACE = Path(__file__).parent
VIEWER = "model-viewer.min.js"
#: The size of a page, without its scripts and texts.
MEGABYTES = 25.0
#: Runs of which curves and options are shown.
MOST_RUNS = 500
#: Runs of a task whose options are compared.
MOST_COLUMNS = 60


@dataclass
class Source:
    """What a page shows: runs, and how those of sweeps are arranged."""

    runs: list[RunSummary]
    sweep: Sweep | None = None
    problems: list[str] = field(default_factory=list)
    board: Board | None = None  # of a sweep with --best-of, --halve or --archive

    @property
    def done(self) -> list[RunSummary]:
        """The runs that have results."""
        return [run for run in self.runs if run.status == "done"]


def read_source(paths: Sequence[Path]) -> Source:
    """The runs in these folders. Damaged runs are kept, with their reason.

    Raises:
        InputError: a folder does not exist or holds no runs, or several sweeps are given.
    """
    sweeps = [path.expanduser() for path in paths if is_sweep(path.expanduser())]
    if len(sweeps) > 1 or (sweeps and len(paths) > 1):
        raise InputError("report: a sweep is shown alone; give one sweep folder, or runs")
    if not sweeps:
        return Source([summarize_run(folder) for folder in find_runs(paths)])
    sweep = read_sweep(sweeps[0])
    missing = [folder for folder in sweep.runs if not (folder / CONFIG).is_file()]
    runs = [summarize_run(folder) for folder in sweep.runs if folder not in missing]
    problems = list(sweep.problems)
    if missing:
        problems.append(f"{len(missing)} of {len(sweep.runs)} runs of the sweep have not begun")
    if not runs:
        raise InputError(f"{sweeps[0]}: has no run yet; run the sweep first")
    try:
        board = read_board(sweep.folder)
    except InputError as error:
        board = None
        problems.append(shown(str(error)))
    return Source(runs, sweep, problems, board)


def report(source: Source, *, embed: str = "all", megabytes: float = MEGABYTES) -> str:
    """The page of these runs.

    Args:
        embed: "all" for full images, meshes and videos as far as the budget goes, or "thumbs".
        megabytes: the budget of all images, meshes and videos.
    """
    items = make_items(source.done)
    if source.sweep is not None:
        _arrange(items, source.sweep)
    budget, problems = Budget(round(megabytes * 1e6)), list(source.problems)
    add_thumbnails(items, budget, problems)
    add_files(items, budget, problems, embed=embed == "all")
    contents = _numbered(items)
    has_glb = any(f.kind == "glb" and f.medium is not None for item in items for f in item.files)
    listed = source.runs[:MOST_RUNS]
    curves = []
    for run in listed:
        read = Curves() if run.status == "damaged" else read_curves(run.folder / METRICS)
        problems += [read.problem] if read.problem else []
        if read.loss or read.judge:
            curves.append((run, loss_chart(read), judge_chart(read), read.skipped))
    return render(
        "report.html",
        ["base.css", "report.css"],
        ([VIEWER] if has_glb else []) + ["media.js", "report.js"],
        title=_title(source),
        source=source,
        items=items,
        contents=contents,
        curves=curves,
        listed=listed,
        config_texts={str(run.folder): _config_text(run) for run in listed},
        differing=_differing([run for run in listed if run.config]),
        has_viewer=has_glb,
        tasks=sorted({item.run.task for item in items}),
        omitted=budget.omitted,
        problems=list(dict.fromkeys(problems)),
        embed=embed,
        megabytes=megabytes,
        data=_data(items, source.sweep),
        places=places(items, source.sweep),
    )


def _title(source: Source) -> str:
    if source.sweep is not None:
        return f"Sweep {shown(source.sweep.folder.name)}"
    done = len(source.done)
    return source.runs[0].folder.name if len(source.runs) == 1 else f"{done} runs"


def _arrange(items: Sequence[Item], sweep: Sweep) -> None:
    """Gives items the values of their trials."""
    places = {(trial.folder, trial.sample): trial.values for trial in sweep.trials}
    for item in items:
        item.values = places.get((item.run.folder, item.index), {})


def _numbered(items: Sequence[Item]) -> list[tuple[str, str, str]]:
    """Ids, MIME types and contents of all files that the page contains."""
    found = []
    for item in items:
        for number, file in enumerate(item.files):
            if file.medium is not None:
                file.id = f"{item.id}f{number}"
                found.append((file.id, file.medium.mime, file.medium.base64))
                if file.before is not None:
                    found.append((f"{file.id}b", file.before.mime, file.before.base64))
    return found


def _data(items: Sequence[Item], sweep: Sweep | None) -> dict[str, Any]:
    """What the script of the page needs to know."""
    return {
        "axes": {} if sweep is None else {k: list(v) for k, v in sweep.axes.items() if len(v) > 1},
        "items": [
            {
                "id": item.id,
                "prompt": item.sample.prompt,
                "task": item.run.task,
                "seed": item.sample.seed,
                "before": item.sample.before,
                "after": item.sample.after,
                "run": shown(item.run.folder.name),
                "folder": shown(item.run.folder),
                "command": item.command,
                "values": dict(item.values),
                "notes": list(item.run.notes),
                "files": [
                    {
                        "id": file.id,
                        "title": file.title,
                        "kind": file.kind,
                        "name": file.name,
                        "pixels": max(file.medium.width, file.medium.height) if file.medium else 0,
                    }
                    for file in item.files
                ],
            }
            for item in items
        ],
    }


@dataclass(frozen=True)
class TaskDifferences:
    """The options that differ between the runs of one task."""

    task: str
    runs: list[RunSummary]
    options: list[Difference]


def _differing(runs: Sequence[RunSummary]) -> list[TaskDifferences]:
    found = []
    for task in dict.fromkeys(run.task for run in runs):
        same = [run for run in runs if run.task == task][:MOST_COLUMNS]
        options = differences([run.config for run in same]) if len(same) > 1 else []
        if options:
            found.append(TaskDifferences(task, same, options))
    return found


def _config_text(run: RunSummary) -> str:
    from guidance.config.files import as_yaml

    return as_yaml(run.config).rpartition("# sha256")[0] if run.config else ""


def render(template: str, styles: Sequence[str], scripts: Sequence[str], **values: Any) -> str:
    """A page from a template, with style sheets and scripts that only their hashes allow."""
    style = "".join(_asset(name) for name in styles)
    sources = [_asset(name) for name in scripts]
    allowed = " ".join(map(_source_hash, sources))
    allowed_styles = _source_hash(style)
    if VIEWER in scripts:  # its own style sheet, and decoders in WebAssembly that it contains
        allowed += " 'wasm-unsafe-eval'"
        allowed_styles += "".join(f" {_source_hash(each)}" for each in _styles_of(_asset(VIEWER)))
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {allowed_styles}; "
        "img-src data: blob:; media-src data: blob:; connect-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    page = environment().get_template(template)
    return page.render(
        policy=policy,
        style=_markup(style),
        scripts=list(map(_markup, sources)),
        version=__version__,
        **values,
    )


@cache
def environment() -> Environment:
    """Jinja2 with autoescape for every template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(PLACE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["score"] = lambda value: "–" if value is None else f"{value:.3f}"
    made.filters["signed"] = lambda value: "" if value is None else f"{value:+.3f}"
    made.filters["duration"] = duration
    made.filters["json"] = lambda values: _markup(as_json(values))
    return made


def duration(seconds: float | None) -> str:
    """Seconds as a short text."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@cache
def _asset(name: str) -> str:
    text = (PLACE / "assets" / name).read_text(encoding="utf-8")
    text = text.replace("//# sourceMappingURL=model-viewer-umd.min.js.map", "")
    # A comment followed by "<script" would hide the end of the element; see the HTML standard.
    forbidden = ("</style",) if name.endswith(".css") else ("</script", "<script")
    if any(each in text.lower() for each in forbidden):
        raise AssertionError(f"{name} would end its element")
    return text.replace("\r\n", "\n")


def _styles_of(script: str) -> list[str]:
    """The style sheets that a script adds to the page as elements."""
    return re.findall(r"<style>(.*?)</style>", script, re.DOTALL)


def _source_hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _markup(text: str) -> Markup:
    """A style sheet or script of this package as it is."""
    from markupsafe import Markup

    return Markup(text)  # files of this package


def as_json(values: Mapping[str, Any]) -> str:
    """JSON that is safe inside of a script element."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
