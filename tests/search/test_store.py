"""The folder of an index: what is stored, and that a kill at any moment leaves it valid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guidance.errors import InputError
from guidance.search import shards
from guidance.search import store as stores
from guidance.search.manifest import NAME, EncoderId
from guidance.search.store import Store, locked
from guidance.search.verify import healed, verify
from tests.search.stand_ins import DIMENSION, ENCODER, ids, image, store, video

#: What the audit hook counts: everything by which files change.
EVENTS = {"open", "os.rename", "os.remove", "os.chmod", "tempfile.mkstemp"}
POINTS = 30


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 5 vectors."""
    monkeypatch.setattr(shards, "MAX_VECTORS", 5)
    monkeypatch.setattr(stores, "MAX_VECTORS", 5)


def test_an_index_from_elsewhere_chooses_no_folder(tmp_path: Path) -> None:
    """The folder of an encoder is used only in an index that this user made at this place."""
    encoder = EncoderId("local-dir:/models/mine", "0" * 64)
    Store.create(tmp_path / "index", encoder, DIMENSION)
    assert Store.open(tmp_path / "index").manifest.encoder == encoder
    shutil.copytree(tmp_path / "index", tmp_path / "other")
    with pytest.raises(InputError, match="cannot choose folders; build it again"):
        Store.open(tmp_path / "other")
    manifest = Store.open(tmp_path / "index").manifest
    swapped = replace(manifest, encoder=EncoderId("local-dir:/etc", "0" * 64))
    swapped.write(tmp_path / "index")
    with pytest.raises(InputError, match="cannot choose folders"):
        Store.open(tmp_path / "index")


def test_what_is_stored_is_read_again(tmp_path: Path, small_shards: None) -> None:
    files = [image(1), video(2, image(7).vectors.repeat(3, 0)), image(3), image(4), image(5)]
    made = store(tmp_path / "index").changed(files)
    assert made == made.changed()  # no change
    again = Store.open(tmp_path / "index")
    assert len(again.shards) == 2
    assert len(again) == 7
    found = [each for shard in again.shards for each in shard.embedded()]
    assert [each.item for each in found] == [each.item for each in files]
    for one, other in zip(found, files, strict=True):
        assert np.array_equal(one.vectors, other.vectors)
        assert np.array_equal(one.spans, other.spans)
    rows = np.array([0, 6, 3, 99])
    assert again.positions(rows).tolist() == [0, 6, 3, -1]


def test_ids_and_rows_are_never_used_again(tmp_path: Path, small_shards: None) -> None:
    made = store(tmp_path / "index", 12)
    made = made.changed(remove={2, 12}).changed([image(13)], remove={6, 7, 8, 9, 10})
    assert ids(made) == [1, 3, 4, 5, 11, 13]
    rows = np.concatenate([shard.rows for shard in made.shards])
    assert sorted(rows) == [0, 2, 3, 4, 10, 12]
    assert made.manifest.next_item == 14
    assert ids(Store.open(made.folder)) == ids(made)
    left = {path.name for path in made.folder.iterdir()}
    assert left == {NAME, *(entry.file for entry in made.manifest.shards)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_a_kill_at_any_point_leaves_a_valid_index(tmp_path: Path, small_shards: None) -> None:
    """An add, a removal and an add with a removal, killed before each step that changes a file."""
    start = tmp_path / "start"
    store(start, 7)
    valid = [[*range(1, 8)], [*range(1, 10)], [1, 3, 4, 5, 7, 8, 9], [1, 4, 5, 7, 8, 9, 10]]
    _changes(shutil.copytree(start, tmp_path / "first"))  # imports what the children need
    total = _steps(shutil.copytree(start, tmp_path / "whole"))
    assert total >= 2 * POINTS
    seen = set()
    for point in np.linspace(0, total - 1, POINTS).astype(int).tolist():
        folder = shutil.copytree(start, tmp_path / f"{point}")
        assert _steps(folder, point) is None
        assert not [p for p in verify(folder) if p.what == "damaged"]
        now = ids(Store.open(folder))
        assert now in valid, f"killed at point {point}"
        seen.add(valid.index(now))
        _changes(folder, after=valid.index(now))  # continued, with what the kill has left
        assert ids(Store.open(folder)) == valid[-1]
    assert seen == {0, 1, 2, 3}, "a kill was tried in each state"


def _changes(folder: Path, after: int = 0) -> None:
    with locked(folder):
        made = Store.open(folder)
        made = made.changed([image(8), image(9)]) if after < 1 else made
        made = made.changed(remove={2, 6}) if after < 2 else made
        made = made.changed([image(10)], {3}) if after < 3 else made


def _steps(folder: Path, kill_at: int = -1) -> int | None:
    """The number of steps of the changes, in a child; None if it was killed before one of them."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        count = 0

        def hook(event: str, arguments: tuple) -> None:
            nonlocal count
            if event in EVENTS:
                if count == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.addaudithook(hook)
        try:
            _changes(folder)
            os.write(writing, str(count).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        written = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (-signal.SIGKILL if kill_at >= 0 else 0)
    return int(written) if written else None


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InputError, match="another process"), locked(tmp_path):
        pass


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        Store.create(tmp_path, ENCODER, DIMENSION)


def _damaged(folder: Path, how: str) -> None:
    path = next(folder.glob("shard-*"))
    content = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(content[:-3])
    elif how == "missing":
        path.unlink()
    else:
        content[-1] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("how", ["cut", "missing", "flipped"])
def test_damage_is_found_and_healed(tmp_path: Path, small_shards: None, how: str) -> None:
    made = store(tmp_path / "index", 7)
    _damaged(made.folder, how)
    assert [p.what for p in verify(made.folder)].count("damaged") == 1
    if how != "flipped":
        with pytest.raises(InputError, match="shard-"):
            Store.open(made.folder)
    assert healed(made.folder) == 1
    assert len(ids(Store.open(made.folder))) in (2, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../elsewhere.safetensors"},
        {"vectors": 6},
        {"vectors": -1},
        {"files": "many"},
        {"sha256": "no"},
        {"more": 1},
    ],
)
def test_a_manifest_that_lies_is_refused(tmp_path: Path, change: dict) -> None:
    """With the right mark: as somebody would write it on purpose."""
    from guidance.config.marks import MARK, marked_values

    made = store(tmp_path / "index", 4)
    path = made.folder / NAME
    values = json.loads(path.read_text())
    values.pop(MARK)
    values["shards"][0] |= change
    path.write_text(json.dumps(marked_values(values)))
    with pytest.raises(InputError, match=r"damaged|the manifest says"):
        Store.open(made.folder)
