"""The precision of frozen networks: chosen by machine and network, and as good as float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from guidance.config.kinds import TASKS, find
from guidance.diffusion import load_denoiser
from guidance.diffusion.base import Level
from guidance.diffusion.pipeline import Pipeline
from guidance.encoders import load_encoder, load_judge
from guidance.encoders.openclip import OpenClip
from guidance.errors import InputError
from guidance.models import precision as rule
from guidance.models.precision import dtype_of, use_precision
from tests.diffusion import tiny

CPU = torch.device("cpu")
SMOOTH, KINKED = (
    nn.Sequential(nn.Linear(2, 2), nn.GELU()),
    nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
)


@pytest.fixture(autouse=True)
def automatic() -> Iterator[None]:
    """The suite computes in float32; here "auto" is what users get."""
    before = rule._chosen.set("auto")
    yield
    rule._chosen.reset(before)


def machine(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)


@pytest.mark.parametrize("unit", ["avx512_bf16", "amx_bf16"])
def test_auto_is_bf16_where_the_cpu_multiplies_in_it(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, **{unit: True})
    assert dtype_of("auto", CPU) == dtype_of("auto", CPU, SMOOTH) == torch.bfloat16
    assert dtype_of("auto", CPU, KINKED) == torch.float32
    assert dtype_of("fp32", CPU, SMOOTH) == torch.float32


def test_auto_is_fp32_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, avx512_f=True, avx512_bf16=False, amx_bf16=False)
    assert dtype_of("auto", CPU, SMOOTH) == dtype_of("auto", torch.device("mps")) == torch.float32
    assert dtype_of("bf16", CPU, KINKED) == torch.bfloat16


def test_an_unknown_precision_is_an_error() -> None:
    with pytest.raises(InputError, match="use auto, fp32 or bf16"):
        dtype_of("fp64", CPU)


def test_auto_means_the_precision_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, amx_bf16=True)
    with use_precision("fp32"):
        exact = load_encoder("mini")
        assert dtype_of("auto", CPU) == torch.float32
        assert exact is load_encoder("mini", precision="fp32")
        assert dtype_of("bf16", CPU) == torch.bfloat16
    assert dtype_of("auto", CPU) == torch.bfloat16
    assert load_encoder("mini") is not exact


def cosine(first: Tensor, second: Tensor) -> float:
    return float(F.cosine_similarity(first.flatten().float(), second.flatten().float(), 0))


def image_gradient(encode: object, images: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    found = encode(images)  # type: ignore[operator]
    weights = torch.linspace(-1, 1, found[0].numel()).view(found[0].shape)
    return torch.autograd.grad((found * weights).sum(), images)[0]


def test_the_gradient_of_the_mini_encoder_keeps_its_direction() -> None:
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    exact, rounded = (
        image_gradient(load_encoder("mini", precision=each).encode_image, images)
        for each in ("fp32", "bf16")
    )
    assert not torch.equal(exact, rounded)
    assert cosine(exact, rounded) >= 0.999


def test_the_mini_denoiser_keeps_its_direction() -> None:
    noisy = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    outputs = []
    for each in ("fp32", "bf16"):
        denoiser = load_denoiser("mini-diffusion", precision=each)
        half = torch.full((2, 1, 1, 1), 0.5)
        level = Level(torch.full((2,), 500.0), half, half, denoiser.prediction)
        with torch.no_grad():
            outputs.append(denoiser.output(noisy, level, denoiser.encode_text(["a cat", "a dog"])))
    assert not torch.equal(*outputs)
    assert cosine(*outputs) >= 0.999


def test_an_autoencoder_with_relu_stays_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, avx512_bf16=True)
    denoiser = load_denoiser("mini-diffusion")
    assert isinstance(denoiser, Pipeline) and denoiser.autoencoder is not None
    assert next(denoiser.network.parameters()).dtype == torch.bfloat16
    assert next(denoiser.autoencoder.parameters()).dtype == torch.float32


def test_the_gradient_of_a_smooth_autoencoder_keeps_its_direction(tmp_path: Path) -> None:
    folder = tiny.save("StableDiffusionPipeline", tmp_path / "sd")
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    exact, rounded = (
        image_gradient(load_denoiser(f"local-dir:{folder}", precision=each).encode_image, images)
        for each in ("fp32", "bf16")
    )
    assert cosine(exact, rounded) >= 0.999


def test_the_judge_is_in_fp32_whatever_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, amx_bf16=True)
    with use_precision("bf16"):
        judge = load_judge()
    assert next(judge.parameters()).dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_uses_its_precision(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = set()
    plain = OpenClip.encode_image

    def noted(self: OpenClip, images: Tensor) -> Tensor:
        used.add((self.name, next(self.visual.parameters()).dtype))
        return plain(self, images)

    monkeypatch.setattr(OpenClip, "encode_image", noted)
    cls = find(TASKS, "text2image")
    cls(prompt="a red apple", steps=1, size=64, precision=precision, output=tmp_path).run()
    assert used == {("mini", rule.DTYPES[precision]), ("mini-judge", torch.float32)}
