"""The catalogue of weights: finding a model, and whether its weights are here."""

from __future__ import annotations

from pathlib import Path

from guidance.models.entries import (
    BACKBONES,
    CATALOGUE,
    DENOISERS,
    LANGUAGE,
    MOTIONS,
    SEGMENTERS,
    STYLEGANS,
)
from guidance.models.model import Model
from guidance.models.store import Repository, hub_folder, missing


def list_models() -> tuple[Model, ...]:
    """All models of the catalogue: encoders, denoisers, backbones, networks of other kinds."""
    return CATALOGUE + DENOISERS + BACKBONES + STYLEGANS + SEGMENTERS + MOTIONS + LANGUAGE


def find_model(name: str) -> Model | None:
    """The catalogue's entry of that name, or None."""
    return next((model for model in list_models() if model.name == name), None)


def check_is_here(name: str) -> None:
    """Raises where weights are missing, without importing torch or open_clip.

    open_clip tags outside the catalogue pass, since only open_clip knows their repositories.

    Raises:
        InputError: a name that is not valid for a repository.
        MissingWeights: the weights are not on this machine.
    """
    schema, _, rest = name.partition(":")
    known = find_model(name)
    if schema == "hf-hub":
        hub_folder(Repository.parse(rest), name, known.megabytes if known else None)
    elif schema == "local-dir":
        if not (folder := Path(rest).expanduser()).is_dir():
            raise missing(name, folder)
    elif known is not None and known.repository is not None:
        hub_folder(known.repository, name, known.megabytes)
