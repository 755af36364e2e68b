"""Masks by words: the type, the embedded segmenter, the command, and the tasks that take a mask."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance import cli
from guidance.errors import InputError
from guidance.losses.images.regions import load_mask
from guidance.masks import Mask
from guidance.outputs import Rendering
from guidance.prompts import parse_region
from guidance.segmenters.files import loading
from guidance.segmenters.files.head import RegionHead
from guidance.segmenters.mini import load_mini, resized
from guidance.tasks.stylize import Stylize
from tests.tasks.options import flags


class Left:
    """Finds the left part of an image, as wide as the first word has letters; nothing for "sky"."""

    name = "left"

    def probabilities(self, image: Tensor, texts: list[str]) -> Tensor:
        found = torch.zeros(len(texts), *image.shape[1:])
        for mask, text in zip(found, texts, strict=True):
            if text != "sky":
                mask[:, : len(text.split()[0])] = 0.9
        return found


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "load_segmenter", lambda name, device="cpu": Left())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    levels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_masks_are_files_or_words() -> None:
    words = Mask.of("words: the  red hair")
    assert words.words == "the red hair" and words.written() == "words: the  red hair"
    assert not Mask.names_file("words:hair") and Mask.names_file("mask.png")
    assert Mask.of(Path("mask.png")).path == Path("mask.png")
    with pytest.raises(InputError, match=r"has no words; e\.g\."):
        Mask.of("words: ")
    with pytest.raises(InputError, match="is not the path of an image"):
        Mask.of(" ")


def test_the_command(
    left: None, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "hair.png"
    words = ["segment", str(photo), "--words", "hair and more", "--words", "eyebrows"]
    with pytest.raises(SystemExit) as end:
        cli.main([*words, "--out", str(out), "--device", "cpu"])
    assert end.value.code == 0
    mask = np.asarray(Image.open(out))
    assert mask.shape[:2] == (24, 32) and (mask[:, :8] == 255).all() and not mask[:, 8:].any()
    assert "25.0% of the image, by left" in capsys.readouterr().out
    overlay = np.asarray(Image.open(out.with_name("hair_overlay.png"))).astype(int)
    given = np.asarray(Image.open(photo)).astype(int)
    assert np.abs(overlay[:, 8:] - (given[:, 8:] * 0.75 + 63.75)).max() <= 1
    assert (overlay[:, :8, 0] >= 140).all()  # pink


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no words; say what to find"),
        (["--words", " "], "no words; say what to find"),
        (["--words", "sky"], "words:sky: left does not find this in .*photo.png; use other words"),
        (["--words", "hair", "--out", "a.jpg"], "expected a PNG file, e.g. mask.png"),
    ],
)
def test_errors_of_the_command(
    left: None, photo: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["segment", str(photo), *words])
    assert end.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_stylize_changes_only_the_words(left: None, photo: Path, tmp_path: Path) -> None:
    words = [
        "--image",
        str(photo),
        "--mask",
        "words:hairdo",
        "--prompt",
        "a mosaic",
        "--size",
        "16",
    ]
    plan = flags(Stylize, *words).build()
    assert plan.notes[0].startswith("mask words:hairdo: 18.8% of the image, found by mini")
    mask = plan.generator.mask
    assert (mask > 0).any() and not (mask[..., 5:] > 0).any()


def test_regional_prompts_by_words(left: None) -> None:
    region = parse_region('words:hairdo="red hair"')
    start = Rendering(torch.rand(1, 1, 3, 16, 24))
    found = load_mask(region, start)
    assert (found.rows, found.columns) == (slice(0, 16), slice(0, 16))
    assert found.mask[..., :6].all() and not found.mask[..., 6:].any()
    assert not type(region).names_file(region.text)


def test_the_embedded_segmenter_finds_the_background_and_repeats() -> None:
    """A bright ball on a plain ground."""
    row = torch.linspace(-1, 1, 90)
    ball = (row[:, None].square() + row[None].square()) < 0.3
    image = torch.where(ball, torch.tensor([0.9, 0.1, 0.1])[:, None, None], torch.tensor(0.8))
    segmenter = load_mini()
    one, other = (segmenter.probabilities(image, ["the background"]) for _ in range(2))
    assert one.shape == (1, 90, 90) and torch.equal(one, other)
    truth = ~ball
    assert ((one[0] > 0.5) & truth).sum() / ((one[0] > 0.5) | truth).sum() > 0.8


def test_any_size_is_read_at_about_the_same_area() -> None:
    for height, width in ((40, 40), (1000, 500), (64, 2000), (3, 3)):
        small = resized(torch.rand(1, 3, height, width))
        assert all(side % 16 == 0 and 48 <= side <= 512 for side in small.shape[-2:])


def test_the_head_knows_words_and_embeddings() -> None:
    torch.manual_seed(0)
    head = RegionHead(["hair", "red"])
    assert head.word_numbers(["The red HAIR!", "hats"]).tolist() == [[2, 1], [0, 0]]
    assert 30_000 < sum(each.numel() for each in head.parameters()) < 60_000
    embedding = torch.nn.functional.normalize(torch.rand(2, 256), dim=1)
    both = head.queries(embedding, head.word_numbers(["hair", "hat"]))
    plain = head.queries(embedding, torch.zeros(2, 1, dtype=torch.long))
    assert torch.equal(both[1], plain[1]) and (both[0] - plain[0]).abs().max() > 0
    pixels = torch.rand(1, 32, 4, 5)
    want = (pixels[0, :, 1, 2] * both[0, :32]).sum() + both[0, 32]
    torch.testing.assert_close(head.logits(pixels, both[None])[0, 0, 1, 2], want)


def test_maps_are_enlarged_where_their_strided_convolutions_lie() -> None:
    """Every fourth number of a ramp gives the ramp again."""
    from guidance.segmenters.files.head import _enlarged

    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    found = _enlarged(ramp[..., ::4, ::4], (32, 32))
    torch.testing.assert_close(found[..., :29], ramp[..., :29])
