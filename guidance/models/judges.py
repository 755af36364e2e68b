"""Which model may judge which losses."""

from __future__ import annotations

from collections.abc import Iterable

from guidance.errors import InputError, MissingWeights
from guidance.models.store import PACKAGED, Repository, hub_folder

#: Judges with their families, the most trusted first. The mini judge knows drawings and simple
#: shapes only: it comes first where the mini CLIP was optimized, and last elsewhere.
REAL_JUDGES = (
    ("hf-hub:timm/PE-Core-B-16", "pe"),
    ("hf-hub:timm/ViT-B-16-SigLIP2", "siglip"),
    ("ViT-B-32/openai", "clip"),
)
MINI_JUDGE = ("mini-judge", "mini-judge")


def judge_for(loss_families: Iterable[str]) -> str:
    """The name of a judge, on this machine, of a family that no loss uses.

    Losses on the mini models alone are judged by the mini judge. Where a real model is among the
    losses, the first real judge whose weights are here is taken, and the mini judge if none is:
    results name their judge, so the two are never mixed up.

    Raises:
        InputError: every judge on this machine is of a family that a loss uses.
    """
    used = set(loss_families)
    mini_only = used <= {"mini-clip", "mini-judge"}
    for name, family in (MINI_JUDGE, *REAL_JUDGES) if mini_only else (*REAL_JUDGES, MINI_JUDGE):
        if family not in used and _is_here(name):
            return name
    raise InputError(
        f"no judge is left: the losses use the families {', '.join(sorted(used))}; fetch one of "
        f"another family, e.g. guide models fetch {_other(used)}"
    )


def _other(used: set[str]) -> str:
    return next((name for name, family in REAL_JUDGES if family not in used), MINI_JUDGE[0])


def _is_here(name: str) -> bool:
    if name == MINI_JUDGE[0]:
        return (PACKAGED / "mini_judge").is_dir()
    try:
        hub_folder(Repository.parse(name.removeprefix("hf-hub:")), name)
    except MissingWeights:
        return False
    return True
