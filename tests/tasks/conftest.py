"""Small diffusion models with random weights, and images, for all tests of tasks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.losses.hub import play_hub


@pytest.fixture(scope="session")
def denoisers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Diffusion models of 16 pixels that read long prompts, by name.

    "one" and "other" are Stable Diffusion 1; "flow" and "other flow" predict a velocity, and scale
    their latents differently.
    """
    pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")
    from tests.diffusion import tiny

    root = tmp_path_factory.mktemp("denoisers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "LENGTH", 96)
        tiny.save("StableDiffusionPipeline", root / "one")
        tiny.save("StableDiffusionPipeline", root / "other", prediction_type="v_prediction")
        tiny.save("StableDiffusion3Pipeline", root / "flow")
        config = tiny.save("StableDiffusion3Pipeline", root / "other flow") / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"scaling_factor": 0.5}))
    return {path.name: f"local-dir:{path}" for path in root.iterdir()}


@pytest.fixture
def tiny_autoencoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small autoencoder for `--vae tiny` in the cache of the hub."""
    from guidance.diffusion.files.source import TINY
    from tests.diffusion import tiny
    from tests.encoders.tiny import snapshot

    for kind, channels in (("StableDiffusionPipeline", 4), ("StableDiffusion3Pipeline", 16)):
        name = TINY[kind].removeprefix("hf-hub:")
        tiny.tiny_vae(snapshot(tmp_path / "hub", name), channels)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def perceptual_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks of LPIPS with random weights."""
    pytest.importorskip("lpips", reason="the extra [lpips] is not installed")
    for network in ("alex", "vgg"):
        play_hub(monkeypatch, tmp_path / "torch", network)


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """StyleGAN networks of 32 pixels, and what belongs to them, by name.

    NETWORK and OTHER NETWORK are folders; LATENTS is a file of latents of the first, DIRECTION a
    direction that adds 1 to each style, and MASK OF 32 a mask in the size of its images, which is
    white in the middle.
    """
    import torch

    from guidance.directions.direction import StyleDirection
    from guidance.generators.image.param.latents import draw_latents
    from guidance.stylegan import load_stylegan
    from guidance.stylegan.files.save import save_stylegan
    from guidance.stylegan.latents import Latents
    from guidance.tasks.stylegan.latent_file import save_latents
    from tests.stylegan.small import small_stylegan2

    root = tmp_path_factory.mktemp("networks")
    for seed, name in enumerate(("NETWORK", "OTHER NETWORK")):
        save_stylegan(small_stylegan2(seed), root / name)
    network = load_stylegan(str(root / "NETWORK"))
    ws = draw_latents(network, (77,), 1.0)
    latents = Latents.of(network.synthesis, ws)
    save_latents(root / "latents.safetensors", latents, network)
    ones = [torch.ones(layer.channels) for layer in network.synthesis.layers]
    StyleDirection.of(network, ones, [one.clone() for one in ones]).save(root / "direction.safetensors")
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    Image.fromarray(mask).save(root / "mask.png")
    return {
        "NETWORK": root / "NETWORK",
        "OTHER NETWORK": root / "OTHER NETWORK",
        "DIRECTION": root / "direction.safetensors",
        "LATENTS": root / "latents.safetensors",
        "MASK OF 32": root / "mask.png",
    }


@pytest.fixture
def small_dictionaries(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Dictionaries of few latents and phrases, in a cache of the tests."""
    from functools import partial

    from guidance.directions.dictionary import StyleDictionary

    if not (folder := tmp_path_factory.getbasetemp() / "cache").exists():
        folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    small = partial(StyleDictionary.build, latents=1, rank=3)
    monkeypatch.setattr(StyleDictionary, "build", small)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By name: PHOTO and OTHER of 48 x 36 pixels, WIDE of 40 x 16, MASK and SQUARE, a square mask.

    Masks are white in the middle.
    """
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for name, size in (("photo", (48, 36)), ("other", (48, 36)), ("wide", (40, 16))):
        coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
        coarse.resize(size, Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    for name, width in (("mask", 48), ("square", 36)):
        mask = np.zeros((36, width), np.uint8)
        mask[9:27, 12 : width - 12] = 255
        Image.fromarray(mask).save(folder / f"{name}.png")
    return {path.stem.upper(): path for path in folder.iterdir()}
