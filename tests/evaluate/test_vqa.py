"""`guide eval --vlm`: a tiny random vision-language model as a second judge."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml

from guidance.encoders.vlm.model import load_vlm, question_about
from guidance.errors import InputError
from guidance.evaluate import families
from guidance.evaluate.atoms import find_atoms
from guidance.evaluate.vqa import check_independent, question_of, vlm_score
from guidance.media.read_image import load_image
from tests.encoders import tiny_vlm
from tests.evaluate.stand_ins import ColorJudge, plain, write_run
from tests.test_cli import guide, refused

PROMPT = "a red apple"


def test_columns_are_the_models_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(families, "load_judge_for", lambda *_: ColorJudge())
    name = f"local-dir:{tiny_vlm.llava(tmp_path / 'llava')}"
    pictures = [plain(1, 0, 0, side=40), plain(0, 0.2, 0, side=40)]
    run = write_run(tmp_path / "run", pictures, [PROMPT, "fire"])
    words = ["--vlm", name, "--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv"]
    assert guide("eval", run, *words) == 0
    assert "VQA atoms: geometric mean of its answers" in capsys.readouterr().out
    rows = {row["prompt"]: row for row in csv.DictReader((tmp_path / "a.csv").open())}

    vlm = load_vlm(name)
    image = load_image(run / "samples/000/image.png")
    color, thing = (question_of(atom, PROMPT) for atom in find_atoms(PROMPT))
    assert thing == question_about("apple")
    assert color.startswith('Somebody describes this figure as "a red apple". Is the color "red"')
    ask = lambda question: float(vlm.log_probability(image, question).exp())  # noqa: E731
    with torch.no_grad():
        whole, both = ask(question_about(PROMPT)), (ask(color) * ask(thing)) ** 0.5
    assert float(rows[PROMPT]["VQA"]) == pytest.approx(whole, rel=1e-4)
    assert float(rows[PROMPT]["VQA atoms"]) == pytest.approx(both, rel=1e-4)
    assert rows["fire"]["VQA"] != rows[PROMPT]["VQA"] and rows["fire"]["VQA atoms"] == ""
    samples = json.loads((tmp_path / "a.json").read_text())["samples"]
    stored = {each["prompt"]: each["vlm"] for each in samples}
    assert stored[PROMPT]["vqa"] == pytest.approx(whole, rel=1e-4)
    assert stored["fire"]["atoms"] is None

    config = yaml.safe_load((run / "config.yaml").read_text())
    config["loss"] = [{"kind": "vqa", "vlm": name}]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert "a run has the loss vqa with" in refused(capsys, "eval", run, "--vlm", name)


def test_views_are_averaged_and_families_are_told_apart() -> None:
    class Brightness:
        """Says yes to bright images."""

        def log_probability(self, image: torch.Tensor, question: str, answer: str = "Yes"):
            return image.mean().log()

    views = torch.stack([plain(0.2, 0.2, 0.2), plain(0.6, 0.6, 0.6)])
    found = vlm_score(Brightness(), views, PROMPT)
    assert (found.vqa, found.atoms) == pytest.approx((0.4, 0.4))
    others = [{"loss": {"vlm": "local-dir:y", "kind": "vqa"}}, {"vlm": ""}]
    check_independent("local-dir:x", "llava", others)
    with pytest.raises(InputError, match="of the same family"):
        check_independent("local-dir:x", "llava", [{"a": [{"vlm": "local-dir:x"}]}])
