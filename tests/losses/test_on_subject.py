"""A loss that sees one part: its value is that of its views, and no other view has a gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from guidance.augment import Augment
from guidance.errors import InputError
from guidance.losses.clip import Clip
from guidance.losses.laplacian import Laplacian
from guidance.losses.on_subject import OnSubject
from guidance.outputs import Rendering
from guidance.views import WHOLE
from tests.losses.stand_ins import Linear, context, everything


def scene() -> Rendering:
    """Two views of the whole, then two of each of two parts."""
    one = everything()
    assert one.cameras is not None and one.alpha is not None
    two = one.cameras.some(slice(0, 2))
    found = {name: value for name, value in vars(two).items() if isinstance(value, torch.Tensor)}
    again = {name: torch.cat([value] * 3, 1) for name, value in found.items()}
    subject = torch.tensor([WHOLE, WHOLE, 0, 0, 1, 1]).expand(2, -1)
    pictures = torch.cat([one.image[:, :2] * factor for factor in (1.0, 0.7, 0.4)], 1)
    alpha = torch.cat([one.alpha[:, :2]] * 3, 1)
    cameras = replace(two, **again, subject=subject)
    return Rendering(pictures.detach(), alpha.detach(), cameras=cameras).leaf()


def clip() -> Clip:
    return Clip("a red apple", encoder=Linear(), augment=Augment(crops=6))


@pytest.mark.parametrize(("subject", "views"), [(WHOLE, (0, 2)), (0, (2, 4)), (1, (4, 6))])
def test_its_value_is_that_of_its_views(subject: int, views: tuple[int, int]) -> None:
    rendering, (start, stop) = scene(), views
    loss = OnSubject(clip(), subject, "it")
    loss.prepare(rendering.detach())
    value = loss(rendering, context())
    assert rendering.alpha is not None and rendering.cameras is not None
    alone = Rendering(
        rendering.image[:, start:stop],
        rendering.alpha[:, start:stop],
        cameras=rendering.cameras.some(slice(start, stop)),
    )
    assert torch.equal(value, clip()(alone, context()))
    (gradient,) = torch.autograd.grad(value.sum(), [rendering.image])
    touched = gradient.abs().amax((0, 2, 3, 4)) > 0
    assert touched.nonzero()[:, 0].tolist() == list(range(start, stop))


def test_micro_batches_add_up() -> None:
    rendering, loss = scene(), OnSubject(clip(), 1, "it")
    loss.prepare(rendering.detach())
    (whole,) = torch.autograd.grad(loss(rendering, context()).sum(), [rendering.image])
    sums = torch.zeros_like(whole)
    for part in loss.parts(rendering, context(), micro_batch=2):
        sums += torch.autograd.grad(part.sum(), [rendering.image])[0]
    assert torch.allclose(sums, whole, atol=1e-9)


def test_what_it_is_called_and_who_looks() -> None:
    loss = OnSubject(clip(), 1, "hat")
    assert loss.name == "clip of hat" and [type(one) for one in loss.encoders] == [Linear]


def test_what_has_no_such_views_is_told() -> None:
    with pytest.raises(InputError, match="no view shows part 7 alone; give views of a scene"):
        scene().showing(7)
    with pytest.raises(InputError, match="no view shows part 0 alone; give views of a scene"):
        everything().showing(0)
    only = scene()
    assert only.cameras is not None
    parts = replace(only, cameras=replace(only.cameras, subject=torch.zeros(2, 6).long()))
    with pytest.raises(InputError, match="no view shows the whole scene"):
        parts.whole()
    with pytest.raises(InputError, match="OnSubject: Laplacian reads the scene and no images"):
        OnSubject(Laplacian(), 0)
