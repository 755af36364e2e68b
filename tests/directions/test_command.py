"""`guide style`: from a network in a folder to the files of directions."""

from __future__ import annotations

from pathlib import Path

import pytest

import guidance as gd
from guidance import cli
from guidance.stylegan import StyleGAN, StyleGAN2Config
from guidance.stylegan.files.save import save_stylegan
from tests.directions.test_direction import tiny

SMALL = StyleGAN2Config(z_dim=6, w_dim=6, mapping_widths=(6,), channels=(5, 4, 4))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, in the current folder."""
    monkeypatch.chdir(tmp_path)
    save_stylegan(tiny(0, SMALL), tmp_path / "small")
    return tmp_path


def guide(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["style", *map(str, words)])
    return int(end.value.code or 0)


def loaded(path: Path) -> gd.StyleDirection:
    return gd.StyleDirection.load(path, network())


def network() -> StyleGAN:
    return tiny(0, SMALL)


def test_a_dictionary_is_built_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["directions", "small", "--latents", 2, "--device", "cpu", "--prompt", "a smiling face"]
    assert guide(*words, "--count", 5) == 0
    assert capsys.readouterr().out.split() == [
        "small-dictionary.safetensors", "a-smiling-face.safetensors",
    ]  # fmt: skip
    assert loaded(folder / "a-smiling-face.safetensors").count == 5
    assert guide(*words, "--keep", "a face with glasses", "--output", "new/smile.safetensors") == 0
    assert capsys.readouterr().out.split() == ["new/smile.safetensors"]
    dictionary = gd.StyleDictionary.load(folder / "small-dictionary.safetensors", network())
    kept = loaded(folder / "new" / "smile.safetensors")
    assert abs(dictionary.predict(kept, "a face with glasses")) < 1e-4
    assert guide("list", "new/smile.safetensors") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"a face -> a smiling face: {kept.count} channels\n")
    assert "b4.conv1" in shown


@pytest.mark.parametrize(
    ("method", "words", "text"),
    [
        ("instant", ["--prompt", "a sad face", "--latents", 2], "a face -> a sad face"),
        ("verified", ["--prompt", "a sad face", "--latents", 2], "a face -> a sad face"),
        ("joint", ["--prompt", "a sad face", "--latents", 2], "a face -> a sad face"),
        ("full", ["--prompt", "a sad face", "--latents", 1], "a face -> a sad face"),
        ("pca", ["--component", 2], "component 2 of w"),
        ("sefa", [], "eigenvector 1 of the weights"),
    ],
)
def test_every_method_writes_a_direction(
    folder: Path, method: str, words: list[object], text: str
) -> None:
    if method in ("joint", "verified"):  # a dictionary of few renders
        gd.StyleDictionary.build(network(), latents=1, rank=8).save(folder / "table.safetensors")
        words = [*words, "--table", "table.safetensors"]
    code = guide("directions", "small", "--method", method, *words, "--output", "d.safetensors")
    assert code == 0
    direction = loaded(folder / "d.safetensors")
    assert direction.text == text and direction.count


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["directions"], "NETWORK"),
        (["nonsense"], "expected `directions NETWORK"),
        (["directions", "small", "--method", "nonsense"], "invalid choice"),
        (["directions", "small", "--method", "pca", "--prompt", "a hat"], "takes no words"),
        (["directions", "small", "--method", "instant"], "needs --prompt"),
        (["directions", "small", "--count", "1", "--beta", "0.1"], "either --count or --beta"),
        (["directions", "small", "--count", "many"], "expected a whole number"),
        (["directions", "small", "--method", "sefa", "--table", "t"], "has no table"),
        (["directions", "small", "--export", "t"], "belongs to --method full"),
        (["directions", "small", "--output", "t"], "add --prompt"),
        (["directions", "small", "--method", "instant", "--prompt", "a hat", "--latents", "0"],
         "latents 0: expected 1"),
        (["directions", "small", "--method", "sefa", "--component", "7"], "expected 1 to 6"),
        (["list", "small/model.safetensors"], "was not written by this package"),
    ],
)  # fmt: skip
def test_mistakes_are_answered_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert guide(*words) == 2
    told = "".join(
        x for x in capsys.readouterr().err.splitlines(True) if not x.startswith("loading ")
    )
    assert message in told and told.startswith("guide: ") and told.count("\n") == 1
