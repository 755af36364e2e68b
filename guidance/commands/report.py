"""`guide report`: one HTML page that shows runs or a sweep, and pages that ask people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guidance.commands.arguments import Arguments, number
from guidance.errors import InputError
from guidance.streams import say, say_meanwhile

HELP = """\
usage: guide report RUN... [--out page.html] [--embed all|thumbs] [--megabytes 25]
       guide report --vote RUN... [--out vote.html] [--seed 0]

Writes one HTML file that shows finished runs, or a sweep. It opens from the disk in any browser and
needs no network: images, meshes and videos are inside. RUN is the folder of a run, a folder with
runs, or the folder of a sweep. Damaged and unfinished runs are listed as such.

  --out FILE         the page; by default report.html, or vote.html, in the current folder
  --embed all        images, meshes and videos in full, as far as --megabytes goes; what is left out
                     is listed on the page
  --embed thumbs     small images only
  --megabytes N      the most megabytes of images, meshes and videos; by default 25
  --vote             a page with pairs of results of the same prompt, in random order and without
                     names, that collects a person's votes; `guide eval RUN... --votes votes.json`
                     compares them with the judge
  --seed N           of the order of the pairs
"""


@dataclass(frozen=True)
class Request:
    """The arguments of `guide report`."""

    runs: tuple[Path, ...]
    out: Path
    embed: str = "all"
    megabytes: float = 25.0
    vote: bool = False
    seed: int = 0


def parse(words: Sequence[str]) -> Request:
    """Reads the words after `guide report`.

    Raises:
        InputError: no run, or an unknown or repeated flag.
    """
    parser = Arguments("report")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--embed", choices=("all", "thumbs"), default="all")
    parser.add_argument("--megabytes", type=number, default=25.0)
    parser.add_argument("--vote", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    found = parser.parse_intermixed_args(list(words))
    if not 0.1 <= found.megabytes <= 2000:
        raise InputError(
            f"report: --megabytes: expected 0.1 to 2000, got {found.megabytes:g}; 25 is usual"
        )
    out = found.out or Path("vote.html" if found.vote else "report.html")
    if out.is_dir():
        raise InputError(f"report: --out {out}: is a folder; give the name of a file")
    if out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"report: --out {out}: expected a name that ends with .html")
    return Request(tuple(found.runs), out, found.embed, found.megabytes, found.vote, found.seed)


def run(words: list[str]) -> int:
    """Runs the command and returns its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0 if words else InputError.exit_code
    request = parse(words)
    say_meanwhile("reading runs ...")

    from guidance.reports.page import read_source, report
    from guidance.runs.atomic import write_text

    source = read_source(request.runs)
    for each in source.runs:
        if each.status != "done":
            say(f"guide: {each.folder}: {each.problem or 'is not finished'}")
    if not source.done:
        raise InputError("report: none of the runs is finished; nothing to show")
    if request.vote:
        from guidance.reports.vote import vote_page

        text = vote_page(source, request.seed, request.megabytes)
    else:
        text = report(source, embed=request.embed, megabytes=request.megabytes)
    write_text(request.out, text)
    size = len(text.encode()) / 1e6
    print(f"{request.out} ({size:.1f} MB)")
    return 0
