"""The judge of motions: ranks, distractors that mean the same, and refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch

from guidance.body.skeleton import canonical
from guidance.errors import InputError
from guidance.evaluate.motion import MotionJudge
from guidance.motion.bank import load_bank
from guidance.motion.joining import repeated
from guidance.motion.motion import Motion
from guidance.motion.networks.encoder import MotionTextEncoder, load_encoder
from guidance.motion.output import MotionOutput
from guidance.tasks.motion.artifacts import MotionFiles
from guidance.tasks.motion.rules import Rules


class Fixed(MotionTextEncoder):
    """An encoder with given vectors: of a motion by its name, of texts by their first letter."""

    VECTORS: ClassVar = {"a": [1.0, 0], "b": [0, 1.0], "c": [0.6, 0.8], "d": [0.95, 0.3122499],
                         "": [0.6, 0.8]}  # fmt: skip

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def bags(self, texts):  # type: ignore[no-untyped-def]
        return torch.tensor([[float(text != "unknown")] for text in texts])

    def encode_text(self, texts):  # type: ignore[no-untyped-def]
        return torch.tensor([self.VECTORS[text[0]] for text in texts])

    def encode_motion(self, motion):  # type: ignore[no-untyped-def]
        return torch.tensor(self.VECTORS[motion.name])


def named(name: str) -> Motion:
    return Motion(torch.eye(3).expand(4, 22, 3, 3), torch.zeros(4, 3), 30.0, name)


def test_similarity_and_rank_among_distractors() -> None:
    judge = MotionJudge(Fixed(), ["bends", "climbs"])
    first, second = judge.scores([named("a"), named("c")], ["aims", "bows"])
    assert first.similarity == pytest.approx(1) and (first.rank, first.out_of) == (1, 4)
    # Of "bows", "bends" has the same vector and does not compete, nor does "climbs" (0.8).
    assert second.similarity == pytest.approx(0.8) and (second.rank, second.out_of) == (1, 2)


def test_a_distractor_that_means_the_same_does_not_compete() -> None:
    far = MotionJudge(Fixed(), ["climbs"])
    same = MotionJudge(Fixed(), ["dances"])
    assert far.scores([named("c")], ["aims"])[0].rank == 2
    found = same.scores([named("d")], ["aims"])[0]
    assert (found.rank, found.out_of) == (1, 1) and not found.similarity > 0.96


def test_refusals() -> None:
    judge = MotionJudge(Fixed(), [])
    with pytest.raises(InputError, match="one prompt for each of 1 motions, got 2"):
        judge.scores([named("a")], ["aims", "bows"])
    assert judge.knows("aims") and not judge.knows("unknown")
    with pytest.raises(InputError, match="knows none of its words"):
        judge.scores([named("a")], ["unknown"])


def test_the_embedded_judge_knows_the_bank() -> None:
    bank, judge = load_bank(), MotionJudge()
    names = ["walk", "wave", "kick", "sit_down", "jumping_jacks", "cartwheel", "clap", "crawl"]
    prompts = ["a man strolling", "somebody waving", "she kicks a ball", "taking a seat",
               "a star jump workout", "doing cartwheels", "people applauding", "crawling on all "
               "fours"]  # fmt: skip
    found = judge.scores([bank.clips[name] for name in names], prompts)
    assert sum(score.rank <= 3 for score in found) >= 7
    similarity = judge.similarity([bank.clips[name] for name in names], prompts)
    assert similarity.tolist() == pytest.approx([score.similarity for score in found], abs=1e-5)
    taller = MotionJudge(pelvis_height=2 * float(canonical().rest[0, 1]))
    scaled = [replace(bank.clips[name], root=2 * bank.clips[name].root) for name in names]
    assert torch.allclose(taller.similarity(scaled, prompts), similarity, atol=1e-5)
    wrong = judge.scores([bank.clips[name] for name in names[::-1]], prompts)
    assert all(a.similarity > b.similarity for a, b in zip(found, wrong, strict=True))
    assert not any(parameter.requires_grad for parameter in load_encoder().parameters())


def test_a_long_motion_is_read_in_parts() -> None:
    walk = load_bank().clips["walk"]
    encoder = load_encoder()
    short, long = (encoder.encode_motion(repeated(walk, n, loop=True)) for n in (2, 9))
    assert float(short @ long) > 0.9


def test_done_json_has_the_similarity_before_and_after() -> None:
    judge = MotionJudge(Fixed(), [])
    files = MotionFiles(Rules(), judge, (named("b"),))
    output = MotionOutput.of_motions([named("c")])
    found = files.scores(output, 0, ["aims"])
    assert found == {"motion_judge_before": 0.0, "motion_judge": 0.6}
    assert files.scores(output, 0, ["unknown"]) == {}
    assert MotionFiles(Rules()).scores(output, 0, ["aims"]) == {}
