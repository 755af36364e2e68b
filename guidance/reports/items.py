"""The samples of a page, with their thumbnails and files."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guidance.errors import InputError
from guidance.media.pixels import untiled
from guidance.media.read_image import read_png
from guidance.reports.media import (
    FACES,
    FULL_QUALITY,
    FULL_SIDE,
    Budget,
    Kind,
    Medium,
    encode,
    kind_of,
    pixels_of,
    read_medium,
    thumbnail,
)
from guidance.runs.folder import CONFIG
from guidance.runs.summary import RunSummary, SampleSummary, shown

#: Files by the names that runs give them, in the order in which a page shows them.
TITLES = {
    "mesh.glb": "3D",
    "image.png": "Image",
    "cutout.png": "Cutout",
    "before_after.png": "Side by side",
    "strengths.png": "Strengths",
    "contact.png": "Views",
    "region.png": "Region",
    "region_mask.png": "Region mask",
    "mask.png": "Mask",
    "turntable.mp4": "Turntable",
    "animation.mp4": "Animation",
    "video.mp4": "Video",
    "strengths.mp4": "Strengths (video)",
    "normals.mp4": "Normals",
    "progress.mp4": "Progress",
}
PREVIEW = "preview"


@dataclass
class Shown:
    """A file of a sample, or a note that the page does not contain it."""

    title: str
    name: str
    kind: Kind | str  # or "slider"
    medium: Medium | None = None
    before: Medium | None = None  # of a slider
    id: str = ""  # of the element of the page with its content


@dataclass
class Item:
    """One sample as a page shows it."""

    id: str
    run: RunSummary
    index: int  # of the sample in its run
    sample: SampleSummary
    files: list[Shown] = field(default_factory=list)
    thumb: Medium | None = None
    values: Mapping[str, str] = field(default_factory=dict)  # by axis of a sweep

    @property
    def all_files(self) -> list[Path]:
        """Its files; with the first sample, also those of the run as a whole."""
        return [*self.sample.files, *(self.run.files if self.index == 0 else ())]

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        return f"guide rerun {shlex.quote(shown(str(self.run.folder / CONFIG)))}"

    @property
    def gain(self) -> float | None:
        """By how much the judge's similarity has risen."""
        if self.sample.before is None or self.sample.after is None:
            return None
        return self.sample.after - self.sample.before

    @property
    def rank(self) -> float:
        """What the leaderboard is sorted by; results that are not judged come last."""
        return -2.0 if self.sample.after is None else self.sample.after

    @property
    def place(self) -> str:
        """The main file of the sample, for people."""
        names = [path.relative_to(self.run.folder.parent).as_posix() for path in self.sample.files]
        return shown(names[0]) if names else shown(self.run.folder.name)

    @property
    def kinds(self) -> list[str]:
        """What the sample has beside images."""
        return [name for name in ("glb", "video") if any(f.kind == name for f in self.files)]


def make_items(runs: Iterable[RunSummary]) -> list[Item]:
    """An item for each sample of the runs."""
    found: list[Item] = []
    for run in runs:
        for index, sample in enumerate(run.samples):
            found.append(Item(f"i{len(found)}", run, index, sample))
    return found


def add_thumbnails(items: Sequence[Item], budget: Budget, problems: list[str]) -> None:
    """Gives items their thumbnails; these come before all other files."""
    for item in items:
        try:
            thumb = _thumbnail(item)
        except InputError as error:
            problems.append(shown(str(error)))
            continue
        if thumb is not None and budget.takes(thumb, f"thumbnail of {_where(item, thumb.name)}"):
            item.thumb = thumb


def _thumbnail(item: Item) -> Medium | None:
    by_name = {path.name: path for path in item.sample.files if kind_of(path) in ("image", "video")}
    path = next((by_name[name] for name in FACES if name in by_name), None)
    if path is None:
        path = next(iter(by_name.values()), None)
    if path is not None:
        return thumbnail(
            pixels_of(item.run.folder, path), path.relative_to(item.run.folder).as_posix()
        )
    frames = _previews(item.run.folder)
    if not frames:
        return None
    frame = untiled(read_png(frames[-1]), item.index, len(item.run.samples))
    return thumbnail(frame, f"{PREVIEW}/{frames[-1].name}")


def add_files(items: Sequence[Item], budget: Budget, problems: list[str], *, embed: bool) -> None:
    """Gives items their files: images of all items first, then meshes, then videos."""
    for item in items:
        item.files = [
            Shown(TITLES.get(path.name, path.stem.replace("_", " ")), _name(item, path), kind)
            for path in sorted(item.all_files, key=_order)
            if (kind := kind_of(path)) is not None and not path.name.startswith("mesh_")
        ]
        if item.run.task != "text2image" and len(_previews(item.run.folder)) > 1:
            item.files.insert(0, Shown("Before / after", PREVIEW, "slider"))
    if not embed:
        return
    for kinds in (("image", "slider"), ("glb",), ("video",)):
        for item in items:
            for file in item.files:
                if file.kind in kinds:
                    _embed(item, file, budget, problems)


def _embed(item: Item, file: Shown, budget: Budget, problems: list[str]) -> None:
    folder = item.run.folder
    try:
        if file.kind == "slider":
            first, last = _ends(item)
            if budget.takes(first, f"before of {_where(item, PREVIEW)}") and budget.takes(
                last, f"after of {_where(item, PREVIEW)}"
            ):
                file.before, file.medium = first, last
            return
        medium = read_medium(folder, folder / file.name, item.run.hashes)
    except InputError as error:
        problems.append(shown(str(error)))
        return
    if budget.takes(medium, _where(item, file.name)):
        file.medium = medium


def _ends(item: Item) -> tuple[Medium, Medium]:
    """The first and the last preview of a sample."""
    frames = _previews(item.run.folder)
    made: Callable[[Path], Medium] = lambda path: encode(  # noqa: E731
        untiled(read_png(path), item.index, len(item.run.samples)),
        f"{PREVIEW}/{path.name}",
        FULL_SIDE,
        FULL_QUALITY,
    )
    return made(frames[0]), made(frames[-1])


def _previews(folder: Path) -> list[Path]:
    paths = (folder / PREVIEW).glob("*.png")
    return sorted(path for path in paths if path.stem.isdecimal() and not path.is_symlink())


def _name(item: Item, path: Path) -> str:
    return path.relative_to(item.run.folder).as_posix()


def _order(path: Path) -> tuple[int, str]:
    names = list(TITLES)
    return (names.index(path.name) if path.name in names else len(names), path.name)


def _where(item: Item, name: str) -> str:
    return f"{item.run.folder.name}/{name}"
