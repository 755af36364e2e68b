"""The catalogue, judges and hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from guidance import models
from guidance.errors import InputError, MissingWeights
from guidance.models import catalogue, hashes
from guidance.models.catalogue import find_model
from guidance.models.entries import CATALOGUE
from guidance.models.families import family_of
from guidance.models.judges import REAL_JUDGES, judge_for, table
from guidance.models.model import Model
from guidance.models.store import Repository, choose_checkpoint, hub_cache
from tests.encoders.tiny import snapshot


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return hub_cache()


def test_names_in_the_catalogue_are_unique_and_tags_are_open_clips() -> None:
    from guidance.models.tags import tag_repository

    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        if model.repository and not model.name.startswith("hf-hub:"):
            assert tag_repository(model.name)[0] == model.repository
    assert {model.name for model in models.list_models()} >= {"mini", "mini-judge", *REAL_JUDGES}


def test_presence_is_told(cache: Path) -> None:
    name = "PE-Core-B-16/meta"
    assert not _model(name).is_here
    snapshot(cache, "timm/PE-Core-B-16")
    assert _model(name).is_here
    assert _model(name).folder is None
    assert _model("mini").folder.name == "mini_clip"


def _model(name: str) -> Model:
    model = find_model(name)
    assert model is not None
    return model


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (("ViT-B-32/openai",), "clip"),
        (("hf-hub:timm/ViT-B-16-SigLIP2-384",), "siglip"),
        (("local-dir:/models/mine", "vit_pe_core_base_patch16_224"), "pe"),
        (("hf-hub:chs20/fare4-clip",), "clip"),
    ],
)
def test_families_by_name(names: tuple[str, ...], family: str) -> None:
    assert family_of(*names) == family


def test_a_judge_is_of_another_family_and_here(cache: Path) -> None:
    assert judge_for(["mini-clip"]) == "mini-judge"
    assert judge_for([]) == "mini-judge"
    assert judge_for(["clip"]) == "mini-judge"  # no real one is here
    snapshot(cache, "timm/ViT-B-16-SigLIP2-384")
    assert judge_for(["clip"]) == "ViT-B-16-SigLIP2-384/webli"
    snapshot(cache, "timm/PE-Core-B-16")
    assert judge_for(["clip", "mini-clip"]) == "PE-Core-B-16/meta"
    assert judge_for(["pe"]) == "ViT-B-16-SigLIP2-384/webli"
    assert judge_for(["mini-clip"]) == "mini-judge"


@pytest.mark.parametrize(
    "name", ["ViT-B-32/openai", "hf-hub:someone/else", "hf-hub:someone/else@v1", "local-dir:/none"]
)
def test_missing_weights_are_known_without_loading(cache: Path, name: str) -> None:
    with pytest.raises(MissingWeights, match=f"{name}: no weights at"):
        catalogue.check_is_here(name)


def test_what_is_here_or_unknown_is_left_to_loading(cache: Path, tmp_path: Path) -> None:
    for name in ("mini", "ViT-B-16/nonsense", f"local-dir:{tmp_path}"):
        catalogue.check_is_here(name)


def test_the_table_of_judges_names_no_family_as_its_own_judge() -> None:
    judges = dict(table())
    assert judges["mini-clip"][0] == "mini-judge"
    assert judges["siglip"][:2] == (
        "PE-Core-B-16/meta",
        "hf-hub:chs20/FARE4-ViT-B-16-laion2B-s34B-b88K",
    )
    families = {model.name: model.family for model in catalogue.CATALOGUE}
    assert set(judges) == set(families.values())
    for family, names in judges.items():
        assert names
        assert family not in {families[name] for name in names}


def test_no_judge_is_left(cache: Path) -> None:
    with pytest.raises(InputError, match="fetch one: guide models fetch PE-Core-B-16/meta"):
        judge_for(["mini-judge", "mini-clip", "clip"])
    with pytest.raises(InputError, match="no judge is left"):
        judge_for(["mini-judge", "clip", "pe", "siglip"])


def test_the_checkpoint_among_a_repositorys_files() -> None:
    usual = "open_clip_model.safetensors"
    assert choose_checkpoint(["model.safetensors", usual, "a.bin"], "here") == usual
    assert choose_checkpoint(["own.safetensors", "a.bin"], "here") == "own.safetensors"
    assert choose_checkpoint(["m.bin", "m.safetensors"], "here", "m.bin") == "m.safetensors"
    with pytest.raises(InputError, match=r"here: open_clip_pytorch_model.bin: is a pickle"):
        choose_checkpoint(["README.md", "open_clip_pytorch_model.bin"], "here")
    with pytest.raises(InputError, match="is a pickle"):
        choose_checkpoint(["m.bin"], "here", "m.bin")


@pytest.mark.parametrize("text", ["a/b/c", "/b", "../x", "a/../b"])
def test_a_repositorys_name(text: str) -> None:
    with pytest.raises(InputError, match="expected hf-hub:org/repository"):
        Repository.parse(text)


def test_every_model_is_listed_with_size_and_licence() -> None:
    for model in models.list_models():
        assert model.megabytes > 0
        assert len(model.license) >= len("MIT")
        if model.is_here and model.folder is not None:
            size = sum(file.stat().st_size for file in model.folder.rglob("*") if file.is_file())
            assert model.megabytes == max(1, round(size / 1e6))
    limited = {model.name for model in models.list_models() if "non-commercial" in model.license}
    assert limited == {"sd3-medium", "lpips-alex", "lpips-vgg"}


def test_diffusion_models_are_no_encoders(cache: Path) -> None:
    from guidance.encoders import load_encoder

    listed = {model.name: model for model in models.list_models() if model.kind == "denoiser"}
    assert {"sd-1.5", "sdxl", "sd3-medium"} <= set(listed)
    with pytest.raises(InputError, match=r"encoder 'sd-1.5' is unknown"):
        load_encoder("sd-1.5")


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one embedded model of two files, and its list of hashes."""
    folder = tmp_path / "weights"
    (folder / "mini_clip").mkdir(parents=True)
    (folder / "mini_clip" / "a.safetensors").write_bytes(b"weights")
    (folder / "mini_clip" / "b.json").write_text("{}")
    monkeypatch.setattr(hashes, "PACKAGED", folder)
    monkeypatch.setattr("guidance.models.model.PACKAGED", folder)
    monkeypatch.setattr(hashes, "HASHES", folder / "sha256.json")
    assert hashes.write_hashes() == folder / "sha256.json"
    return folder


def test_embedded_models_are_verified(packaged: Path) -> None:
    checked = models.verify("mini")
    assert [each.path.name for each in checked] == ["a.safetensors", "b.json"]
    assert {each.against for each in checked} == {"the package"}
    (packaged / "mini_clip" / "a.safetensors").write_bytes(b"Weights")
    with pytest.raises(InputError, match=r"a.safetensors: hash is .*the file was changed"):
        models.verify("mini")
    (packaged / "mini_clip" / "a.safetensors").unlink()
    with pytest.raises(InputError, match=r"a.safetensors: is missing"):
        models.verify("mini")


def test_all_that_is_here_is_verified(packaged: Path, cache: Path) -> None:
    assert {each.model for each in models.verify()} == {"mini"}
    with pytest.raises(MissingWeights, match="part of the package"):
        models.verify("mini-judge")


def test_cached_models_are_verified_by_the_hubs_names(cache: Path) -> None:
    folder = snapshot(cache, "someone/clip")
    blobs = folder.parent.parent / "blobs"
    blobs.mkdir()
    small, large = b'{"a": 1}', b"weights" * 1000
    names = {
        "open_clip_config.json": hashlib.sha1(b"blob 8\0" + small).hexdigest(),
        "open_clip_model.safetensors": hashlib.sha256(large).hexdigest(),
    }
    for (file, name), content in zip(names.items(), (small, large), strict=True):
        (blobs / name).write_bytes(content)
        (folder / file).symlink_to(blobs / name)
    checked = models.verify("hf-hub:someone/clip")
    assert [each.path.name for each in checked] == sorted(names)
    assert {each.against for each in checked} == {"the hub"}
    for name, content in zip(names.values(), (small, large), strict=True):
        (blobs / name).write_bytes(content[:-1] + b"?")
        with pytest.raises(InputError, match="delete it and fetch it again"):
            models.verify("hf-hub:someone/clip")
        (blobs / name).write_bytes(content)


def test_a_hash_of_the_catalogue_goes_first(cache: Path) -> None:
    folder = snapshot(cache, "timm/ViT-B-16-SigLIP")
    (folder / "open_clip_model.safetensors").write_bytes(b"something else")
    with pytest.raises(InputError, match="expected 81942ea8c09b"):
        models.verify("ViT-B-16-SigLIP/webli")


def test_nothing_to_verify_with(cache: Path) -> None:
    folder = snapshot(cache, "someone/clip")
    (folder / "copied.safetensors").write_bytes(b"by hand")
    with pytest.raises(InputError, match="no hash is known"):
        models.verify("hf-hub:someone/clip")
    with pytest.raises(MissingWeights):
        models.verify("hf-hub:someone/else")


@pytest.mark.parametrize("name", ["mini", "mini-judge"])
def test_the_weights_that_ship_are_those_that_were_published(name: str) -> None:
    checked = {item.path.name for item in hashes.verify(name)}
    assert {"open_clip_model.safetensors", "open_clip_config.json", "guidance.json"} <= checked
