"""The basis of text differences in which a dictionary measures effects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError

#: Singular values below this part of the largest one are rounding errors.
NEGLIGIBLE = 1e-4


@cache
def packaged_phrases() -> tuple[tuple[str, str], ...]:
    """The pairs (subject, phrase) of `phrases.txt`."""
    subject, found = "", []
    text = files("guidance.directions").joinpath("phrases.txt").read_text(encoding="utf-8")
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            subject = line.strip("[]")
        elif line and not line.startswith("#"):
            found += [(subject, phrase.strip()) for phrase in line.split(";")]
    return tuple(found)


def text_basis(
    encoder: Encoder, rank: int, pairs: Sequence[tuple[str, str]]
) -> Float[Tensor, "d r"]:
    """Orthonormal columns that span most of the differences of phrases from their subjects.

    Args:
        encoder: a frozen image-text model.
        rank: the number of columns; fewer if the differences span fewer dimensions.
        pairs: (subject, phrase); each difference counts alike, whatever its length.

    Raises:
        InputError: the rank is below 1, or all phrases mean the same to the encoder.
    """
    if rank < 1:
        raise InputError(f"rank {rank}: expected 1 or more")
    subjects = list(dict.fromkeys(subject for subject, _ in pairs))
    embedded = encoder.encode_text([*subjects, *(phrase for _, phrase in pairs)]).float()
    row = {subject: index for index, subject in enumerate(subjects)}
    origins = embedded[[row[subject] for subject, _ in pairs]]
    differences = F.normalize(embedded[len(subjects) :] - origins, dim=1)
    _, sizes, directions = torch.linalg.svd(differences, full_matrices=False)
    if sizes[0] == 0:
        raise InputError(f"{encoder.name}: embeds all phrases alike; use another encoder")
    rank = min(rank, int((sizes > NEGLIGIBLE * sizes[0]).sum()))
    basis: Tensor = directions[:rank].T.contiguous()
    return basis
