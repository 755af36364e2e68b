"""`guide search` and `guide classify` from the command line."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from guidance.cli import _code
from guidance.errors import InputError
from guidance.search.calibration import calibration_error, fit_temperature
from guidance.search.classifier import NONE, Classifier
from guidance.search.labels import Labels
from tests.search.stand_ins import COLORS, draw


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    draw(folder / 'a "b" <i>&c')
    assert _code(["search", "build", str(folder / "index"), str(folder)]) == 0
    return folder / "index"


def guide(*words: object) -> int:
    return _code([str(word) for word in words])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def test_a_page_of_hits_loads_nothing(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = 'a red ball <script>alert(1)</script> "onload="x'
    words = ("--page", tmp_path / "p.html", "--copy", tmp_path / "copies", "--count", 3)
    assert guide("search", "query", index, prompt, *words) == 0
    page = (tmp_path / "p.html").read_text()
    tags = _Tags()
    tags.feed(page)
    names = [tag for tag, _ in tags.found]
    assert "script" not in names and "link" not in names and "i" not in names
    assert names.count("img") == 3
    assert all(not name.startswith("on") for _, attributes in tags.found for name in attributes)
    sources = [a["src"] or "" for _, a in tags.found if "src" in a]
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    policy = next(a["content"] or "" for _, a in tags.found if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert not re.search(r"https?:|url\(|@import", page)
    assert prompt.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in page
    copies = sorted((tmp_path / "copies").iterdir())
    assert [path.name[:4] for path in copies] == ["001-", "002-", "003-"]
    assert guide("search", "query", index, "red", "--copy", tmp_path / "copies", "--count", 3) == 0
    assert "3 files copied" in capsys.readouterr().err


def test_output_of_a_query(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guide("search", "query", index, "a red ball", "a blue square", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(each["hits"]) for each in found] == [len(COLORS)] * 2
    best = found[0]["hits"][0]
    assert best["kind"] == "image" and best["score"] >= found[0]["hits"][1]["score"]
    assert "--generator pyramid --start '" in best["commands"]["text2image"]
    least = found[0]["hits"][2]["score"] - 1e-4
    assert guide("search", "query", index, "a red ball", "--least", least, "--commands") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 * 4 and "guide run style_edit --image" in lines[3]


def test_verify_dedupe_and_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw(tmp_path / "in")
    (tmp_path / "in/again.png").write_bytes((tmp_path / "in/red.png").read_bytes())
    index = tmp_path / "index"
    assert guide("search", "build", index, tmp_path / "in") == 0
    assert guide("search", "verify", index, "--content") == 0
    (tmp_path / "in/gray.png").unlink()
    (tmp_path / "in/blue.png").write_bytes(b"other")
    capsys.readouterr()
    assert guide("search", "verify", index, "--json") == 1
    problems = json.loads(capsys.readouterr().out)
    assert [(p["what"], Path(p["path"]).name) for p in problems] == [
        ("changed", "blue.png"),
        ("missing", "gray.png"),
    ]
    assert guide("search", "remove", index, "--missing") == 0
    assert "1 removed" in capsys.readouterr().out
    assert guide("search", "dedupe", index, "--least", "0.9999", "--drop", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert guide("search", "remove", index, tmp_path / "in") == 0
    assert "has 0 files" in capsys.readouterr().out
    assert guide("search", "query", index, "red") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "expected one of build, add"),
        (["query", "nowhere", "a"], "nowhere: is not a search index; make one"),
        (["build", "index", "nowhere"], "nowhere: no such file or folder"),
        (["query", "index", "a", "--server", "http://x"], "belongs to --backend qdrant"),
        (["query", "index", "a", "--count", "0"], "expected at least 1"),
        (["remove", "index"], "needs files or --missing"),
        (["dedupe", "index", "--least", "2"], "expected a cosine"),
        (["classify", "nowhere", "--labels", "a,b"], "nowhere: no such file"),
        (["classify", "."], "give --labels a,b,c, or --truth"),
        (["classify", ".", "--labels", "a,a"], "'a' is given twice"),
        (["classify", ".", "--labels", "none.txt"], "no such file"),
        (["classify", ".", "--labels", "a,b", "--threshold", "2"], "expected 0 < P < 1"),
        (["classify", ".", "--labels", "a,b", "--json", "--csv"], "give either"),
    ],
)
def test_mistakes(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guide("search", *words) == InputError.exit_code
    assert message in capsys.readouterr().err


def test_only_files_that_should_be_images_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text files in folders are ignored; damaged images and other named files are reported."""
    draw(tmp_path / "in")
    (tmp_path / "in/labels.json").write_text("{}")
    (tmp_path / "in/broken.png").write_bytes(b"no picture")
    for words in (["classify"], ["search", "build", tmp_path / "a"]):
        labels = ["--labels", "red,blue"] if words == ["classify"] else []
        assert guide(*words, tmp_path / "in", tmp_path / "in/broken.png", *labels) == 0
        told = capsys.readouterr()
        assert "labels.json" not in told.err and "kind" not in told.out + told.err
        assert told.err.count("left out") == 1 and "broken.png: is not a readable" in told.err
        assert guide(*words, tmp_path / "in", tmp_path / "in/labels.json", *labels) == 0
        assert "left out: " + str(tmp_path / "in/labels.json") in capsys.readouterr().err


def test_classify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in draw(tmp_path / "in"):
        (tmp_path / path.stem).mkdir()
        path.rename(tmp_path / path.stem / "picture.png")
    words = [tmp_path / "red", tmp_path / "blue", tmp_path / "green", "--truth"]
    assert guide("classify", *words, "--labels", "red,blue,green") == 0
    out = capsys.readouterr().out
    assert "accuracy 1.000 (3 of 3)" in out
    assert len(out.splitlines()) == 3 + 1 + 4
    assert guide("classify", *words, "--csv", "--calibrate", tmp_path) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0] == "path,label,probability,truth"
    assert re.search(r"temperature [\d.]+ from 3 examples; calibration error", shown.err)
    few = ["--labels", "a tractor,an umbrella", "--threshold", "0.9", "--json"]
    assert guide("classify", tmp_path / "red", *few) == 0
    assert json.loads(capsys.readouterr().out)["images"][0]["label"] == NONE


def test_labels_with_wordings() -> None:
    labels = Labels.of(["cat = a cat's face", "dog", "cat = a kitten"])
    assert labels.names == ("cat", "dog")
    classifier = Classifier(labels, templates=("{}", "a photo of {}"))
    texts = ["a cat's face", "a photo of a cat's face", "a kitten", "a photo of a kitten"]
    one, two, three, four = classifier.encoder.encode_text(texts)
    pairs = [torch.nn.functional.normalize(a + b, dim=0) for a, b in ((one, two), (three, four))]
    expected = torch.nn.functional.normalize(pairs[0] + pairs[1], dim=0)
    assert torch.allclose(classifier.vectors[0], expected, atol=1e-6)


def test_the_temperature_is_found_again() -> None:
    draw_ = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4000, 5, generator=draw_)
    truth = torch.multinomial((logits / 2.5).softmax(-1), 1, generator=draw_)[:, 0]
    assert abs(fit_temperature(logits, truth) - 2.5) < 0.2
    assert fit_temperature(torch.eye(3), torch.arange(3)) < 0.06  # all right: as certain as it gets


def test_the_calibration_error_by_hand() -> None:
    # Bins of 1/15: 0.61 and 0.65 fall into one bin, 0.9 into another.
    error = calibration_error(torch.tensor([0.61, 0.65, 0.9]), [True, False, True])
    assert error == pytest.approx((abs(1 - 0.61 - 0.65) + abs(1 - 0.9)) / 3, abs=1e-6)
