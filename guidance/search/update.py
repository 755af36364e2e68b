"""Adding the files of folders to an index, and removing them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError, Interrupted
from guidance.models.digest import file_sha256
from guidance.runs.signals import Signals
from guidance.search.embedding import BATCH, embed_images, embed_video, fitted, in_half
from guidance.search.found import find, kind_of, normalized
from guidance.search.items import IMAGE, Embedded, Item
from guidance.search.progress import FileProgress
from guidance.search.store import Store

T = TypeVar("T")
#: After so many files or seconds, what is embedded is written.
FILES_KEPT, SECONDS_KEPT = 4096, 20.0


@dataclass
class Report:
    """What has happened to the files of some folders."""

    added: int = 0
    changed: int = 0  # whose content is another one than before
    moved: int = 0  # recognized by their content at another place
    unchanged: int = 0
    others: int = 0  # files in folders that are neither images nor videos
    failed: list[str] = field(default_factory=list)  # a line about each file that was left out

    def __str__(self) -> str:
        parts = [f"{self.added} added"]
        parts += [f"{self.changed} changed"] if self.changed else []
        parts += [f"{self.moved} moved"] if self.moved else []
        parts += [f"{self.unchanged} unchanged"] if self.unchanged else []
        parts += [f"{len(self.failed)} cannot be read"] if self.failed else []
        return ", ".join(parts)


def add(store: Store, places: Sequence[Path], encoder: Encoder) -> tuple[Store, Report]:
    """Embeds the files that an index does not have yet, and writes it from time to time.

    The caller holds the lock of the index. A file that cannot be read is reported, and left out.

    Raises:
        InputError: a place does not exist.
        Interrupted: a signal arrived; what was embedded until then is in the index.
    """
    found = find(places)
    work = _Work(store, {normalized(place) for place in places})
    with Signals() as signals, FileProgress("embedding", len(found)) as progress:
        for batch in _batches(found, BATCH):
            work.take(batch, encoder, progress)
            if work.is_due() or signals.requested:
                work.write()
            if signals.requested:
                raise Interrupted(
                    f"{store.folder}: stopped after {progress.done} of {progress.total} files; "
                    "run the same command again to continue"
                )
        work.write()
    return work.store, work.report


def remove(store: Store, ids: Iterable[int]) -> Store:
    """Removes files from an index by their ids; the caller holds its lock."""
    gone = frozenset(ids)
    return store.changed(remove=gone) if gone else store


class _Work:
    """The state of an update: what is known, and what is embedded but not written yet."""

    def __init__(self, store: Store, named: set[Path]) -> None:
        self.store, self.report, self.named = store, Report(), named
        self.known = {item.path: item for item in store.items()}
        self.by_content = {item.sha256: item for item in self.known.values()}
        self.next_id = store.manifest.next_item
        self._waiting: list[Embedded] = []
        self._replaced: set[int] = set()
        self._written = time.monotonic()

    def take(self, paths: Sequence[Path], encoder: Encoder, progress: FileProgress) -> None:
        """Embeds the files of one batch that are new."""
        items = []
        for path in paths:
            item = self._guarded(lambda path=path: self._new_item(path), progress)  # type: ignore[misc]
            if item is not None:
                items.append(item)
        images = [item for item in items if item.kind == IMAGE]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            jobs = [pool.submit(fitted, encoder, Path(item.path)) for item in images]
            read = [
                (item, image)
                for item, job in zip(images, jobs, strict=True)
                if (image := self._guarded(job.result, progress)) is not None
            ]
        if read:
            self._keep_images(read, encoder, progress)
        for item in items:
            if item.kind != IMAGE:
                path = Path(item.path)
                scenes = self._guarded(lambda path=path: embed_video(encoder, path), progress)  # type: ignore[misc]
                if scenes is not None:
                    self._keep(Embedded(item, *scenes), progress)
        for _ in paths:
            progress.advance()

    def is_due(self) -> bool:
        """Whether enough is embedded to write it."""
        late = time.monotonic() - self._written > SECONDS_KEPT
        return len(self._waiting) >= FILES_KEPT or (late and bool(self._waiting))

    def write(self) -> None:
        """Writes what is embedded."""
        if self._waiting or self._replaced:
            self.store = self.store.changed(self._waiting, self._replaced)
        self._waiting, self._replaced = [], set()
        self._written = time.monotonic()

    def _new_item(self, path: Path) -> Item | None:
        """The item of a file that has to be embedded; None if it needs no work."""
        status = path.stat()
        before = self.known.get(str(path))
        same = before is not None and before.size == status.st_size
        if same and before is not None and before.modified == status.st_mtime_ns:
            self.report.unchanged += 1
            return None
        kind = kind_of(path)
        if kind is None and path in self.named:
            raise InputError(f"{path}: is neither an image nor a video")
        if kind is None:
            self.report.others += 1
            return None
        content = file_sha256(path)
        item = Item(0, str(path), kind, status.st_size, status.st_mtime_ns, content)
        twin = self.by_content.get(content)
        if twin is not None and self._reuse(item, twin, before):
            return None
        if before is not None:
            self.report.changed += 1
            self._replaced.add(before.id)
            return replace(item, id=before.id)
        self.next_id += 1
        return replace(item, id=self.next_id - 1)

    def _reuse(self, item: Item, twin: Item, before: Item | None) -> bool:
        """Keeps a file with the vectors of one with the same content, if it is written already."""
        vectors = self._vectors_of(twin)
        if vectors is None:
            return False
        if before is not None and before.sha256 == item.sha256:
            self.report.unchanged += 1
            number = before.id
        elif before is None and not Path(twin.path).exists():
            self.report.moved += 1
            number = twin.id
            self.known.pop(twin.path, None)
        else:
            self.report.changed += before is not None
            self.report.added += before is None
            number = self.next_id if before is None else before.id
            self.next_id += before is None
        if number < self.store.manifest.next_item:
            self._replaced.add(number)
        kept = replace(item, id=number)
        self.known[kept.path] = self.by_content[kept.sha256] = kept
        self._waiting.append(replace(vectors, item=kept))
        return True

    def _vectors_of(self, item: Item) -> Embedded | None:
        """The vectors of a file; None if it is still to be embedded."""
        waiting = (each for each in self._waiting if each.item.sha256 == item.sha256)
        if (found := next(waiting, None)) is not None:
            return found
        stored = self.store.owners.get(item.id)
        if stored is None or stored[0].item(stored[1]).sha256 != item.sha256:
            return None
        return stored[0].one(stored[1])

    def _keep_images(
        self, read: Sequence[tuple[Item, Tensor]], encoder: Encoder, progress: FileProgress
    ) -> None:
        vectors = in_half(embed_images(encoder, [image for _, image in read]))
        for (item, _), vector in zip(read, vectors, strict=True):
            self._keep(Embedded(item, vector[None], np.zeros((1, 2), np.float32)), progress)

    def _keep(self, each: Embedded, progress: FileProgress) -> None:
        if not np.isfinite(each.vectors).all():
            self._fail(f"{each.item.path}: the encoder gives NaN", progress)
            return
        if each.item.path not in self.known:
            self.report.added += 1
        self.known[each.item.path] = self.by_content[each.item.sha256] = each.item
        self._waiting.append(each)

    def _guarded(self, work: Callable[[], T], progress: FileProgress) -> T | None:
        """The result of work on one file; None, and a line, if it cannot be read."""
        try:
            return work()
        except InputError as error:
            self._fail(str(error), progress)
        except OSError as error:  # it was removed meanwhile, or may not be read
            self._fail(f"{error.filename}: {(error.strerror or str(error)).lower()}", progress)
        return None

    def _fail(self, line: str, progress: FileProgress) -> None:
        line = line.removeprefix("image ")
        self.report.failed.append(line)
        progress.say(f"guide: left out: {line}")


def _batches(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]
