"""The held-out judge for losses of given families."""

from __future__ import annotations

from collections.abc import Iterable

from guidance.errors import InputError
from guidance.models.catalogue import find_model
from guidance.models.entries import CATALOGUE
from guidance.models.model import Model

#: Judges of results of large models, in order of preference. FARE is an adversarially robust CLIP:
#: images that fool a plain CLIP do not fool it. The mini judge knows only drawings and simple
#: shapes, and comes last.
REAL_JUDGES = (
    "PE-Core-B-16/meta",
    "ViT-B-16-SigLIP2-384/webli",
    "hf-hub:chs20/FARE4-ViT-B-16-laion2B-s34B-b88K",
    "ViT-B-32/openai",
)
MINI_JUDGE = "mini-judge"
MINI_FAMILIES = {"mini-clip", "mini-judge", "mini-diffusion"}


def judges_of(loss_families: Iterable[str]) -> tuple[Model, ...]:
    """The models that may judge losses of these families, in order of preference.

    The mini judge comes first if the losses use only mini models, and last otherwise.
    """
    used = set(loss_families)
    order = (MINI_JUDGE, *REAL_JUDGES) if used <= MINI_FAMILIES else (*REAL_JUDGES, MINI_JUDGE)
    return tuple(judge for judge in map(_known, order) if judge.family not in used)


def judge_for(loss_families: Iterable[str]) -> str:
    """The name of the first judge of `judges_of` that is on this machine.

    Results contain the name of their judge, so scores of two judges are never mixed.

    Raises:
        InputError: every judge on this machine belongs to a family that a loss uses.
    """
    used = set(loss_families)
    suitable = judges_of(used)
    for judge in suitable:
        if judge.is_here:
            return judge.name
    families = ", ".join(sorted(used))
    if not suitable:
        raise InputError(
            f"no judge is left for losses of the families {families}; use fewer families"
        )
    raise InputError(
        f"no judge for losses of the families {families} is on this machine; fetch one: "
        f"guide models fetch {suitable[0].name}"
    )


def table() -> list[tuple[str, tuple[str, ...]]]:
    """Each family of the catalogue with the names of its judges, in order of preference."""
    families = dict.fromkeys(model.family for model in CATALOGUE)
    return [(family, tuple(judge.name for judge in judges_of([family]))) for family in families]


def _known(name: str) -> Model:
    model = find_model(name)
    assert model is not None
    return model
