"""Total variation along a surface: a known value, and scenes without texels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from guidance.errors import InputError
from guidance.losses.texel_variation import SOFT, TexelVariation
from tests.losses.stand_ins import context, everything


def test_it_is_the_mean_difference_of_pairs() -> None:
    rendering = everything()
    texels, pairs = rendering.scene.texels, rendering.scene.texel_pairs
    expected = torch.zeros(2, dtype=texels.dtype)
    for first, second in pairs.tolist():
        squared = (texels[:, first] - texels[:, second]).square().sum(-1)
        expected += ((squared + SOFT**2).sqrt() - SOFT) / len(pairs)
    assert torch.allclose(TexelVariation()(rendering, context()), expected)


def test_a_scene_needs_texels() -> None:
    rendering = everything()
    without = replace(rendering, scene=replace(rendering.scene, texels=None))
    with pytest.raises(InputError, match="TexelVariation: applies only"):
        TexelVariation()(without, context())
