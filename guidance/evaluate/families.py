"""The judge for finished runs, whose losses are known by the names of their encoders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from guidance.encoders.base import Encoder
from guidance.evaluate.judge import check_judge
from guidance.models.catalogue import find_model
from guidance.models.families import family_of

#: The family of denoisers that the catalogue does not know; no judge is of it.
DIFFUSION = "diffusion"


@dataclass(frozen=True)
class LossModel:
    """A model that a finished run was optimized against; it need not be on this machine."""

    name: str  # as the run's configuration says it
    family: str

    @classmethod
    def of(cls, name: str) -> LossModel:
        """View the family up where `load_encoder` finds it, without loading weights.

        Raises:
            InputError: an unknown name.
            MissingWeights: only the model's own folder can tell its family, and it is not here.
        """
        known = find_model(name)
        if known is not None:
            return cls(name, known.family)
        if name.startswith(("local-dir:", "hf-hub:")):
            from guidance.diffusion.files.source import find_folder
            from guidance.encoders.files.card import read_card
            from guidance.encoders.files.source import find_source

            if (find_folder(name) / "model_index.json").is_file():
                return cls(name, DIFFUSION)
            source = find_source(name)
            return cls(name, read_card(source.folder).family or source.family)
        return cls(name, family_of(name))


def judge_of(losses: Iterable[str], name: str | None = None) -> Encoder:
    """A judge that none of these encoders has bargained with, in float32.

    Args:
        losses: names of the encoders of all runs that are to be compared.
        name: of the judge; by default the most trusted one on this machine.

    Raises:
        InputError: no judge is left, or `name` is of a family that a loss used.
        MissingWeights: the judge's weights are not here.
    """
    from guidance.encoders import load_encoder
    from guidance.models.judges import judge_for

    used = [LossModel.of(loss) for loss in dict.fromkeys(losses)]
    if name is None:
        name = judge_for({model.family for model in used})
    else:
        check_judge(LossModel.of(name), used)  # before anything is loaded
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # In float32: the rank of a prompt should not depend on roundings.
    judge = load_encoder(name, device, "fp32")
    check_judge(judge, used)
    return judge
