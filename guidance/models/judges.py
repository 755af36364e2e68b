"""Which model may judge which losses."""

from __future__ import annotations

from collections.abc import Iterable

from guidance.errors import InputError
from guidance.models.catalogue import Model, find_model

#: For pictures made with real models, the most trusted first; the mini judge knows drawings and
#: simple shapes only and comes last.
REAL_JUDGES = ("PE-Core-B-16/meta", "ViT-B-16-SigLIP2-384/webli", "ViT-B-32/openai")
MINI_JUDGE = "mini-judge"
MINI_FAMILIES = {"mini-clip", "mini-judge"}


def judge_for(loss_families: Iterable[str]) -> str:
    """The name of a judge, on this machine, of a family that no loss uses.

    Losses on the mini models alone are judged by the mini judge. Where a real model is among the
    losses, the first real judge whose weights are here is taken, and the mini judge if none is:
    results name their judge, so the two are never mixed up.

    Raises:
        InputError: every judge on this machine is of a family that a loss uses.
    """
    used = set(loss_families)
    order = (MINI_JUDGE, *REAL_JUDGES) if used <= MINI_FAMILIES else (*REAL_JUDGES, MINI_JUDGE)
    fit = [judge for judge in map(_known, order) if judge.family not in used]
    for judge in fit:
        if judge.is_here:
            return judge.name
    families = ", ".join(sorted(used))
    if not fit:
        raise InputError(f"no judge is left for losses of the families {families}: use fewer")
    raise InputError(
        f"no judge for losses of the families {families} is on this machine; fetch one: "
        f"guide models fetch {fit[0].name}"
    )


def _known(name: str) -> Model:
    model = find_model(name)
    assert model is not None
    return model
