"""The held-out judge of a run: a model of a family that no loss uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from guidance.encoders import load_encoder, load_judge
from guidance.encoders.base import Encoder
from guidance.evaluate.families import LossModel
from guidance.evaluate.judge import check_judge, judge_scores, legible
from guidance.outputs import Output, as_images
from guidance.prompts import plain_text
from guidance.runs.plan import Judge, Plan
from guidance.types import Terms


def declared_encoders(plan: Plan) -> tuple[str, ...]:
    """The names of the encoders that the losses declare."""
    names = (each if isinstance(each, str) else each.name for each in _declared(plan))
    return tuple(dict.fromkeys(names))


def loss_encoders(plan: Plan) -> list[Encoder]:
    """The encoders that the losses declare, loaded; the losses then share these instances."""
    device = plan.settings.device
    loaded = [load_encoder(e, device) if isinstance(e, str) else e for e in _declared(plan)]
    return list(dict.fromkeys(loaded))


def held_out_judge(plan: Plan, encoders: Sequence[Encoder], denoisers: Sequence[str]) -> Judge:
    """The judge of a run, loaded before the run so that missing weights are reported at once.

    Args:
        encoders: those of the losses.
        denoisers: names of the diffusion models of the losses and of the generator.

    Raises:
        InputError: every judge is of a family that a loss uses.
        MissingWeights: the weights of the judge are not on this machine.
    """
    families = {encoder.family for encoder in encoders}
    families |= {LossModel.of(name).family for name in denoisers}
    judge = load_judge(plan.settings.device, families)
    check_judge(judge, encoders)
    texts = [plain_text(prompt) for prompt in plan.prompts]

    def scores(output: Output) -> list[dict[str, float | int]]:
        images = as_images(output).whole().over().clamp(0, 1)
        return [asdict(score) for score in judge_scores(judge, images, texts)]

    return Judge(judge.name, scores, _notes(judge, texts))


def _declared(plan: Plan) -> list[str | Encoder]:
    return [each for term in Terms.of(plan.losses) for each in term.loss.encoders]


def _notes(judge: Encoder, texts: Sequence[str]) -> tuple[str, ...]:
    """A line about each text that is too long for the judge."""
    notes = []
    for text in dict.fromkeys(texts):
        rest = text[len(legible(judge, text)) :].split()
        if rest:
            notes.append(
                f"judge {judge.name}: reads only the start of {text[:40]!r}...; it does not score "
                f"the words from {' '.join(rest[:3])!r} on"
            )
    return tuple(notes)
