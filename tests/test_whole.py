"""Views as they are: nothing is cut off, squeezed or drawn."""

from __future__ import annotations

import pytest
import torch

from guidance.augment.whole import Whole
from guidance.errors import InputError
from guidance.outputs import Rendering
from guidance.types import StepContext


def test_every_view_is_shown_once_in_its_own_proportions_over_white() -> None:
    random = torch.Generator().manual_seed(3)
    image = torch.rand(2, 3, 3, 8, 20, generator=random)
    alpha = torch.rand(2, 3, 1, 8, 20, generator=random)
    augment = Whole.plain()
    for rendering, wanted in (
        (Rendering(image), image),
        (Rendering(image * alpha, alpha), image * alpha + (1 - alpha)),
    ):
        crops = augment.draw(StepContext((0, 1), 4), rendering, 16)
        assert crops.shape == (2, 3, 1)
        assert torch.equal(augment.apply(rendering, crops), wanted.flatten(0, 1))
        parts = [augment.apply(rendering, crops, part) for part in crops.parts(2)]
        assert max(map(len, parts)) == 2 and torch.equal(torch.cat(parts), wanted.flatten(0, 1))


def test_it_has_no_options() -> None:
    with pytest.raises(InputError, match="Whole: has no options; remove crops"):
        Whole(**{**vars(Whole.plain()), "crops": 4})
