"""Links that a model may have, and names that lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guidance.encoders import load_encoder
from guidance.errors import InputError
from guidance.models.foreign import places
from guidance.models.foreign.places import check_places, check_subfolder
from guidance.models.store import Repository, hub_folder
from tests.encoders.tiny import CLIP, build, save, snapshot


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snapshot whose files are links to blobs, as huggingface_hub writes it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = save(snapshot(tmp_path / "hub", "someone/clip"), build(CLIP), CLIP)
    blobs = folder.parent.parent / "blobs"
    blobs.mkdir()
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / f"{index}")
        path.symlink_to(os.path.relpath(blobs / f"{index}", folder))
    return folder


@pytest.mark.parametrize("local", [False, True])
def test_a_snapshot_links_to_the_blobs_of_its_repository(cached: Path, local: bool) -> None:
    name = f"local-dir:{cached}" if local else "hf-hub:someone/clip"
    assert load_encoder(name).image_size == 32
    other = cached.parent.parent.parent / "models--someone--else"
    other.mkdir()
    (cached / "more.json").symlink_to(other)
    with pytest.raises(InputError, match=r"more\.json: is a link that leads out of the folder"):
        check_places(cached)


def test_a_folder_may_itself_be_a_link_and_hold_links_within(tmp_path: Path) -> None:
    model = save(tmp_path / "model", build(CLIP), CLIP)
    (model / "weights").mkdir()
    weights = model / "open_clip_model.safetensors"
    weights.rename(model / "weights" / weights.name)
    weights.symlink_to(Path("weights") / weights.name)
    (tmp_path / "link").symlink_to(model)
    assert load_encoder(f"local-dir:{tmp_path / 'link'}").image_size == 32


def test_parts_are_inside_too(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    model = tmp_path / "model"
    model.mkdir()
    (model / "unet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="unet: is a link that leads out"):
        check_subfolder(model, "unet")
    assert check_subfolder(model, "vae") == model / "vae"  # missing: reported by the reader


def test_the_models_of_the_package_may_be_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some installers link the files of packages from a cache."""
    packaged, cache = tmp_path / "weights", tmp_path / "cache"
    packaged.mkdir()
    cache.write_text("{}")
    (packaged / "a.json").symlink_to(cache)
    with pytest.raises(InputError, match="leads out"):
        check_places(packaged)
    monkeypatch.setattr(places, "PACKAGED", packaged)
    check_places(packaged)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_ENTRIES", 3)
    for name in "abcd":
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="has more than 3 files"):
        check_places(tmp_path)


@pytest.mark.parametrize("text", ["../../etc", "/etc", "a/b", "", "x\ny"])
def test_references_of_the_cache_are_commits(cached: Path, text: str) -> None:
    reference = cached.parent.parent / "refs" / "main"
    reference.write_text(text)
    with pytest.raises(InputError, match="refs/main: is not a commit; delete the folder"):
        hub_folder(Repository("someone/clip"), "hf-hub:someone/clip")


@pytest.mark.parametrize(
    "text", ["a/b@/etc", "a/b@..", "a/b@x/../y", "/etc", "a/b\n", "~/x", "a b"]
)
def test_names_of_repositories_are_no_paths(text: str) -> None:
    with pytest.raises(InputError, match="expected hf-hub:org/repository"):
        Repository.parse(text)
    assert Repository.parse("org/name.x-1@refs/pr/1") == Repository("org/name.x-1", "refs/pr/1")
