"""What losses declare: their names, and the frozen models that they use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest
from torch import Tensor

from guidance.errors import InputError
from guidance.loop.optimize import optimize
from guidance.outputs import Images
from guidance.types import Loss, StepContext
from tests.diffusion.stand_ins import Mixture
from tests.losses.stand_ins import Linear
from tests.stand_ins import Canvas, Target


@dataclass(frozen=True)
class Tower:
    encoder: Linear


class Secretive(Target):
    """Holds a model without declaring it."""

    def prepare(self, start: Images) -> None:
        self.held = self.hold(Linear())

    def hold(self, encoder: Linear) -> object:
        return (Tower(encoder),)


class InModule(Secretive):
    def hold(self, encoder: Linear) -> object:
        return encoder


class OnlyItsMethod(Secretive):
    def hold(self, encoder: Linear) -> object:
        return encoder.encode_image


class OnlyPartOfItsMethod(Secretive):
    def hold(self, encoder: Linear) -> object:
        return partial(encoder.encode_text, [""])


class Misspelt(Secretive):
    def prepare(self, start: Images) -> None:
        super().prepare(start)
        self.encodrs = ("stand-in",)


class OfDenoiser(Target):
    def prepare(self, start: Images) -> None:
        self.held = {"network": [Mixture()]}


class Within(Loss):
    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def prepare(self, start: Images) -> None:
        self.loss.prepare(start)

    def forward(self, rendering: Images, context: StepContext) -> Tensor:
        return self.loss(rendering, context)


@pytest.mark.parametrize(
    "kind", [Secretive, InModule, OnlyItsMethod, OnlyPartOfItsMethod, Misspelt]
)
def test_a_loss_must_declare_its_encoders(kind: type[Secretive]) -> None:
    message = rf"{kind.__name__}: uses the model 'stand-in' .* self.encoders = \('stand-in',\)"
    with pytest.raises(InputError, match=message):
        optimize(Canvas(), kind([0.1, 0.9]), steps=1)
    with pytest.raises(InputError, match="Within: uses the model"):
        optimize(Canvas(), Within(kind([0.1, 0.9])), steps=1)


def test_a_loss_must_declare_its_denoisers() -> None:
    with pytest.raises(InputError, match=r"self.denoisers = \('mixture',\)"):
        optimize(Canvas(), OfDenoiser([0.1, 0.9]), steps=1)


@pytest.mark.parametrize("declared", ["stand-in", Linear()])
def test_declared_models_may_be_names_or_models(declared: str | Linear) -> None:
    class Declares(Target):
        def prepare(self, start: Images) -> None:
            self.encoders = (declared,)
            self.held = Linear() if isinstance(declared, str) else declared

    optimize(Canvas(), Declares([0.1, 0.9]), steps=1)


def test_losses_are_named_after_their_classes() -> None:
    class TwoWords(Loss): ...

    class Renamed(TwoWords):
        name = "other"

    class OfRenamed(Renamed): ...

    names = [kind.name for kind in (TwoWords, Renamed, OfRenamed, Within, Misspelt)]
    assert names == ["two_words", "other", "other", "within", "target"]
