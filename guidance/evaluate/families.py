"""The judge of finished runs, chosen by the names of the models of their losses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from guidance.encoders.base import Encoder
from guidance.evaluate.judge import check_judge
from guidance.models.catalogue import find_model
from guidance.models.families import DIFFUSION, family_of


@dataclass(frozen=True)
class LossModel:
    """A model that a loss of a finished run used; it need not be on this machine."""

    name: str  # as in the configuration of the run
    family: str

    @classmethod
    def of(cls, name: str) -> LossModel:
        """Finds the family of a model without loading its weights.

        Raises:
            InputError: an unknown name.
            MissingWeights: the family depends on the model's folder, which is not on this machine.
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


def load_judge_for(
    losses: Iterable[str], name: str | None = None, families: Mapping[str, str] | None = None
) -> Encoder:
    """A judge of a family that none of these models has, in float32.

    Args:
        losses: names of the models of the losses of all runs that are compared.
        name: the name of the judge; by default the preferred one on this machine.
        families: those that are known from the records of the runs, by name.

    Raises:
        InputError: no judge is left, or `name` has the family of one of the models.
        MissingWeights: the weights of the judge are not on this machine.
    """
    from guidance.encoders import load_encoder
    from guidance.models.judges import judge_for

    known = families or {}
    used = [
        LossModel(loss, known[loss]) if loss in known else LossModel.of(loss)
        for loss in dict.fromkeys(losses)
    ]
    if name is None:
        name = judge_for({model.family for model in used})
    else:
        check_judge(LossModel.of(name), used)  # before anything is loaded
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # In float32, so that the rank of a prompt does not depend on rounding.
    judge = load_encoder(name, device, "fp32")
    check_judge(judge, used)
    return judge
