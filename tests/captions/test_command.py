"""`guide caption` and `gd.caption`: images, videos, folders, arithmetic, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

import guidance as gd
from guidance import cli
from guidance.captions.arithmetic import Shift
from guidance.captions.journal import Journal
from guidance.captions.sources import read_sources
from guidance.errors import InputError
from guidance.media.write_image import save_png
from tests.captions.stand_ins import Bag, picture


def guide(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["caption", *map(str, words)])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain circles in two colors, and a damaged file."""
    folder = tmp_path_factory.mktemp("images")
    axis = torch.linspace(-1, 1, 64)
    inside = (axis[:, None] ** 2 + axis**2 < 0.6).float()
    for name, color in (("blue", (0.2, 0.4, 0.85)), ("red", (0.86, 0.16, 0.16))):
        image = inside * torch.tensor(color).view(3, 1, 1) + (1 - inside)
        save_png(folder / f"{name}.png", image)
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    return folder


def test_captions_of_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guide(folder / "red.png", "--judge") == 0
    text = capsys.readouterr().out
    assert text.startswith("a ") and "(CLIPScore " in text
    assert gd.caption(folder / "red.png") == text.partition("  (")[0]


def test_folders_resume_and_bad_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "captions.jsonl"
    assert guide(folder, "--jsonl", path) == 2
    out, err = capsys.readouterr()
    assert "damaged.png: not a readable image" in err and "1 of 3 files could not be read" in err
    assert len(out.splitlines()) == 2
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [Path(line["file"]).name for line in lines] == ["blue.png", "red.png"]
    assert all(line["caption"] and 0 < line["similarity"] < 1 for line in lines)
    path.write_text(path.read_text() + '{"file": "half')  # a crash
    assert guide(folder, "--jsonl", path) == 2
    out, err = capsys.readouterr()
    assert out == "" and "2 of 3 files have captions already" in err
    assert [json.loads(line) for line in path.read_text().splitlines()] == lines
    assert guide(folder / "red.png", "--jsonl", path, "--method", "fast") == 2
    assert "was made with 'memory mini'" in capsys.readouterr().err


def test_journals_refuse_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"other": 1}\n')
    with pytest.raises(InputError, match="line 1 is not a caption"):
        Journal(path, "memory mini")


def test_segments_of_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = [Image.new("RGB", (32, 32), c) for c in ["red"] * 4 + ["blue"] * 4]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=250)
    mini = gd.load_encoder("mini")
    first, second = read_sources(path, mini, 1.0)
    assert (first.start, first.end, second.start) == (0, 1, 1) and second.end == pytest.approx(2)
    red = mini.encode_text(["a red square", "a blue square"])
    assert (first.vector @ red.T).argmax() == 0 and (second.vector @ red.T).argmax() == 1
    assert guide(path, "--segment", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("0.0-1.0 s  ") and lines[1].startswith("1.0-2.0 s  ")


def test_arithmetic(tmp_path: Path) -> None:
    encoder = Bag()
    path = save_png(tmp_path / "star.png", picture("star")[0])
    shift = Shift.of(["red:2", f"image:{path}"], ["apple"], encoder)
    start = encoder.encode_image(picture("apple"))
    red, star = encoder.encode_text(["red"])[0], encoder.encode_image(picture("star"))[0]
    slow = start[0] + 2 * red + star - encoder.encode_text(["apple"])[0]
    assert torch.allclose(shift(start)[0], slow / slow.norm(), atol=1e-5)
    assert Shift.of([], [], encoder)(start) is start
    with pytest.raises(InputError, match="takes away all of an image"):
        Shift.of([], ["apple"], encoder)(encoder.encode_text(["apple"]))
    with pytest.raises(InputError, match="give one number"):
        Shift.of(["red:0 -> 1"], [], encoder)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["absent.png"], "absent.png: no such file or folder"),
        (["a.png", "--beams", "3"], "--beams belongs to --method context and fast"),
        (["a.png", "--method", "contxt"], "did you mean 'context'?"),
        (["a.png", "--segment", "0"], "at least 0.1 seconds"),
        (["a.png", "--length", "x"], "expected a whole number"),
        (["a.png", "--method", "context", "--beams", "99"], "beams"),
        (["."], "has no images or videos"),
        ([], ""),
    ],
)
def test_mistakes(
    words: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if words[:1] == ["a.png"]:
        save_png(tmp_path / "a.png", torch.zeros(3, 8, 8))
    assert guide(*words) == 2
    err = capsys.readouterr().err
    assert problem in err and len(err.splitlines()) <= 2 and "Traceback" not in err
