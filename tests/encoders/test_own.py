"""Encoders that a user writes."""

from __future__ import annotations

import ast
import inspect
import textwrap

import pytest
import torch

from guidance.encoders import Encoder, load_encoder
from guidance.errors import InputError


def example() -> type[Encoder]:
    """The class in the docstring of `Encoder`, executed as printed."""
    text = inspect.getdoc(Encoder)
    assert text is not None
    code = textwrap.dedent(text[text.index("    import torch") :])
    ast.parse(code)
    scope: dict[str, type[Encoder]] = {}
    exec(code, scope)
    return scope["Colors"]


def solid(*color: float) -> torch.Tensor:
    return torch.tensor(color, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 16, 16)


@pytest.mark.parametrize("instance", [False, True])
def test_the_documented_example_is_an_encoder(instance: bool) -> None:
    colors = example()
    encoder = load_encoder(colors() if instance else colors)
    assert (encoder.name, encoder.family, encoder.image_size) == ("colors", "colors", 16)
    assert not encoder.training
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    images = solid(1, 0, 0).clone().requires_grad_()
    vectors = encoder.encode_image(images)
    texts = encoder.encode_text(["a red apple", "a green apple"])
    assert (vectors @ texts.T)[0].tolist() == [1, 0]
    vectors[0, 1].backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    encoder.free_text_tower()
    assert encoder.logit_scale == 100 and encoder.logit_bias is None
    assert "{}" in encoder.templates and encoder.alternatives


def test_a_class_is_loaded_once_and_an_instance_is_itself() -> None:
    colors = example()
    first = load_encoder(colors)
    assert load_encoder(colors) is first
    mine = colors()
    assert load_encoder(mine) is mine


def test_what_an_encoder_has_to_define() -> None:
    class Nameless(Encoder):
        family, image_size = "mine", 8

        def encode_image(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

        def encode_text(self, texts: list[str]) -> torch.Tensor:
            return torch.zeros(len(texts), 3)

    class Textless(Nameless):
        name = "textless"
        encode_text = Encoder.encode_text

    class Sized(Nameless):
        name = "sized"

        def __init__(self, size: int) -> None:
            super().__init__()

    with pytest.raises(InputError, match="Nameless: expected an attribute 'name'"):
        load_encoder(Nameless)
    with pytest.raises(InputError, match="Textless: expected a method encode_text"):
        load_encoder(Textless)
    with pytest.raises(InputError, match="Sized: cannot be constructed without arguments"):
        load_encoder(Sized)
    assert load_encoder(Sized(3)).name == "sized"
    with pytest.raises(InputError, match="precision applies only to encoders"):
        load_encoder(Sized(3), precision="bf16")
    with pytest.raises(InputError, match="sized: gives no feature maps"):
        load_encoder(Sized(3)).image_maps(solid(1, 0, 0))
