"""The judge: hand-made scores and ranks, and that it may never be the loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.encoders import load_judge
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.evaluate.held_out import held_out_judge
from guidance.evaluate.judge import Score, check_judge, embed_texts, judge_scores, legible
from guidance.loop.settings import Settings
from guidance.prompts import Prompt
from guidance.runs.plan import Plan
from tests.stand_ins import Canvas, Target

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0)}


class ColorJudge(Encoder):
    """Images are their mean colour, texts the colour that they name."""

    name, family, image_size = "color", "color", 4
    logit_scale, logit_bias = 10.0, None
    templates, alternatives = ("{}", "very {}"), ()

    def encode_image(self, images: Tensor) -> Tensor:
        return F.normalize(images.mean((2, 3)), dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        return F.normalize(torch.tensor([COLORS[t.split()[-1]] for t in texts]).float(), dim=-1)

    def free_text_tower(self) -> None:
        pass


class OtherFamily(ColorJudge):
    family = "another"


def plain(*color: float) -> Tensor:
    return torch.tensor(color, dtype=torch.float32).view(3, 1, 1).expand(3, 4, 4)


def test_similarity_and_rank() -> None:
    pictures = torch.stack([plain(1, 0, 0), plain(1, 0.1, 0), plain(0, 0, 1)])[:, None]
    scores = judge_scores(ColorJudge(), pictures, ["red", "green", "blue"], ["yellow", "red"])
    assert [score.rank for score in scores] == [1, 3, 1]
    assert [score.out_of for score in scores] == [4, 4, 4]
    assert scores[0].similarity == pytest.approx(1.0)
    assert scores[1].similarity == pytest.approx(0.1 / (1 + 0.01) ** 0.5)
    assert scores[0].retrieved and not scores[1].retrieved


def test_views_count_alike() -> None:
    pictures = torch.stack([plain(1, 0, 0), plain(0, 1, 0)])[None]
    assert judge_scores(ColorJudge(), pictures, ["red"]) == [Score(0.5, 1, 1)]


def test_a_prompt_given_twice_does_not_compete_with_itself() -> None:
    pictures = torch.stack([plain(1, 0, 0), plain(1, 0, 0)])[:, None]
    scores = judge_scores(ColorJudge(), pictures, ["red", "red"])
    assert [(score.rank, score.out_of) for score in scores] == [(1, 1), (1, 1)]


def test_a_family_used_as_a_loss_may_not_judge() -> None:
    with pytest.raises(InputError, match="family 'color', which a loss uses"):
        check_judge(ColorJudge(), [OtherFamily(), ColorJudge()])
    check_judge(ColorJudge(), [OtherFamily()])


def test_prompts_and_samples_must_agree() -> None:
    with pytest.raises(InputError, match="expected one prompt for each of 1 samples, got 2"):
        judge_scores(ColorJudge(), plain(1, 0, 0)[None, None], ["red", "blue"])


def test_a_judge_reads_the_start_of_a_long_prompt() -> None:
    judge = load_judge("cpu", set())
    text = "a red apple on a table, " * 20
    start = legible(judge, text)
    assert text.startswith(start)
    assert start.rstrip(",").endswith(("a", "red", "apple", "on", "table"))
    with pytest.raises(InputError, match="longer than"):
        judge.encode_text([text])
    longer = text[: len(start) + 12]
    assert torch.equal(embed_texts(judge, [longer]), embed_texts(judge, [start]))
    assert legible(judge, "a red apple") == "a red apple"
    canvas = Canvas()
    prompts = (Prompt.parse(text), Prompt.parse("an apple"), Prompt.parse(text))
    plan = Plan(canvas, Target([0.5]), Settings(), prompts)
    (note,) = held_out_judge(plan, [], []).notes
    assert note.startswith("judge mini-judge: reads only the start of 'a red apple")
    assert note.endswith(f"the words from {' '.join(text[len(start) :].split()[:3])!r} on")
