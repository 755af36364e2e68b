"""The task style_edit: its sources, methods, files, what it keeps, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from guidance import cli
from guidance.directions.dictionary import StyleDictionary
from guidance.errors import InputError, InputWarning
from guidance.generators.image.param.bisection import largest_share
from guidance.generators.image.style_direction import StyleDirectionImages
from guidance.generators.image.param.latents import draw_latents
from guidance.generators.image.param.layers import FreeLayers, LayerRange
from guidance.generators.image.stylegan import StyleGANImages
from guidance.loop.events import Event, StepEvent
from guidance.loop.optimize import optimize
from guidance.losses.latent_distance import LatentDistance
from guidance.losses.noise_correlation import NoiseCorrelation
from guidance.media.write_image import save_png
from guidance.outputs import Rendering
from guidance.runs.checkpoint import DATA
from guidance.stylegan import StyleGAN, load_stylegan
from guidance.stylegan.latents import Latents, NoiseMapsScene
from guidance.segmenters.files import loading
from guidance.tasks.style_edit import StyleEdit
from guidance.tasks.stylegan.inversion import Inversion, invert, residual_layer
from guidance.tasks.stylegan.kept import FeatureDistance, KeptShare
from guidance.tasks.stylegan.latent_file import load_latents, save_latents
from guidance.tasks.stylegan.source import from_seeds
from guidance.tasks.text2image import TextToImage
from tests.losses.stand_ins import context
from tests.stylegan.small import small_stylegan2, small_stylegan3
from tests.tasks.options import flags, made

Files = dict[str, Path]


@pytest.fixture(scope="module")
def network(networks: Files) -> StyleGAN:
    return load_stylegan(str(networks["NETWORK"]))


@pytest.fixture
def small(networks: Files, small_dictionaries: None) -> dict[str, Any]:
    return {"network": str(networks["NETWORK"]), "device": "cpu", "frames": 2, "prompt": "a heart"}


def start_of(network: StyleGAN, n: int = 2) -> Latents:
    return Latents.of(network.synthesis, draw_latents(network, tuple(range(n)), 1.0))


def pixels(path: Path) -> Tensor:
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy())


# --- what is kept ---


def test_the_largest_share_is_that_of_a_known_curve() -> None:
    """Kept is 1 - slope * share: at a floor of 0.75 the share is 0.25 / slope, at most 1."""
    slope = torch.tensor([1.0, 0.5, 0.2, 100.0])
    found = largest_share(lambda share: 1 - slope * share, 0.75, 4)
    exact = (0.25 / slope).clamp_max(1)
    assert (found <= exact).all() and (exact - found < 1 / 1024).all()
    assert found[2] == 1


def test_a_change_that_keeps_enough_asks_once() -> None:
    asked: list[Tensor] = []

    def kept(share: Tensor) -> Tensor:
        asked.append(share)
        return torch.ones_like(share)

    assert largest_share(kept, 0.9, 3).tolist() == [1, 1, 1] and len(asked) == 1


def test_equal_images_keep_everything_and_another_sample_about_nothing(network: StyleGAN) -> None:
    distance = FeatureDistance("mini", "cpu")
    images = from_seeds(network, tuple(range(24)), 0.7).images
    share = KeptShare(distance, network, images)
    assert torch.allclose(share(images), torch.ones(24), atol=1e-5)
    assert abs(float(share(images.roll(1, 0)).mean())) < 0.35
    darker = KeptShare(distance, network, images)(0.9 * images)
    assert (darker < 1).all() and (darker > 0.5).all()


def test_the_distance_outside_a_mask_does_not_see_the_inside(network: StyleGAN) -> None:
    distance = FeatureDistance("mini", "cpu")
    image = from_seeds(network, (0,), 0.7).images
    mask = torch.zeros(1, 32, 32)
    mask[:, :, :16] = 1
    other = torch.where(mask > 0, 1 - image, image)
    maps, others = distance.maps(image), distance.maps(other)
    everywhere, outside = distance.between(maps, others), distance.between(maps, others, mask)
    assert outside < 0.5 * everywhere and float(distance.between(maps, maps, mask).abs()) < 1e-5


@pytest.mark.parametrize("method", ["direction", "latent"])
def test_the_floor_is_reached_from_above(method: str, small: dict[str, Any]) -> None:
    given = {**small, "method": method, "keep": 0.9, "samples": 2}
    given |= {"strength": 1} if method == "direction" else {"steps": 6, "learning_rate": 4.0}
    if method == "latent":
        del given["frames"]
    plan = made(StyleEdit, **given).build()
    generator = plan.generator
    assert isinstance(generator, StyleGANImages) and generator.kept is not None
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(3.0)
    generator.advance(1.0)
    share, floor = generator.kept.share, generator.kept.floor
    assert (share(generator.images()) < floor).all(), "nothing to reduce"
    notes = generator.finish()
    left = share(generator.images())
    assert (left >= floor - 1e-4).all() and (left < floor + 0.05).all()
    assert len(notes) == 2 and "of the change, which keeps 0.9" in notes[0]


# --- latents ---


@pytest.mark.parametrize("space", ["w", "w+", "s"])
def test_only_the_free_layers_move(space: Any, network: StyleGAN) -> None:
    start = start_of(network)
    generator = StyleGANImages(network, start, space=space, layers=[LayerRange(2, 3)])
    assert torch.allclose(generator.images(), start.images(network.synthesis), atol=1e-5)
    with torch.no_grad():
        generator.latents[0].add_(0.5)
    moved = generator.latents_at()
    for layer, style, before in zip(
        network.synthesis.layers, moved.styles, start.styles, strict=True
    ):
        stays = torch.allclose(style, before, atol=1e-6)
        assert stays == (layer.w_index not in (2, 3)), layer.name
    half = generator.latents_at(torch.tensor([0.5, 0.0]))
    for style, before, whole in zip(half.styles, start.styles, moved.styles, strict=True):
        assert torch.allclose(style[0], (before[0] + whole[0]) / 2, atol=1e-5)
        assert torch.allclose(style[1], before[1])


def test_the_latent_distance_is_the_sum_over_latents_of_all_layers(network: StyleGAN) -> None:
    generator = StyleGANImages(network, start_of(network), space="w")
    change = torch.randn(generator.latents[0].shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        generator.latents[0].add_(change)
    found = LatentDistance()(generator(), context())
    expected = network.synthesis.num_ws * change.square().sum(1)
    assert torch.allclose(found, expected, rtol=1e-4)
    gradient = torch.autograd.grad(found.sum(), generator.latents[0])[0]
    assert torch.allclose(gradient, 2 * network.synthesis.num_ws * change, rtol=1e-3, atol=1e-5)
    plain = Rendering(torch.zeros(2, 1, 3, 8, 8))
    with pytest.raises(InputError, match="applies only to the generator StyleGANImages"):
        LatentDistance()(plain, context())


def test_a_direction_adds_its_strength_times_its_vectors(network: StyleGAN) -> None:
    start = start_of(network)
    vectors = [torch.full((layer.channels,), 0.1) for layer in network.synthesis.layers]
    generator = StyleDirectionImages(network, start, [vectors] * 2, strength=3.0, ramp=True)
    assert torch.equal(generator.images(), start.images(network.synthesis))
    generator.advance(0.5)
    for style, before in zip(generator.latents_at().styles, start.styles, strict=True):
        assert torch.allclose(style, before + 0.15)


def test_seeds_draw_the_same_latents_alone_and_together(network: StyleGAN) -> None:
    together = draw_latents(network, (5, 9), 0.5)
    assert torch.allclose(together[1:], draw_latents(network, (9,), 0.5), atol=1e-6)
    mean = network.mapping.w_avg
    assert torch.allclose(draw_latents(network, (9,), 0.0)[0], mean.expand(together.shape[1], -1))


def test_a_conditional_network_is_refused() -> None:
    with pytest.raises(InputError, match="the network is conditional"):
        draw_latents(small_stylegan2(c_dim=3), (0,))


@pytest.mark.parametrize(
    ("space", "layers", "message"),
    [
        ("w+", [LayerRange(0, 99)], "the network has layers 0-"),
        ("w+", [LayerRange(3, 2)], "the network has layers 0-"),
        ("s", [LayerRange(3, 4), LayerRange(0, 3)], "layer 3 is named twice"),
        ("w", [LayerRange(0, 1), LayerRange(2, 3)], "one latent moves all layers"),
    ],
)
def test_layers_that_cannot_be_used_are_refused(
    space: Any, layers: list[LayerRange], message: str, network: StyleGAN
) -> None:
    with pytest.raises(InputError, match=message):
        StyleGANImages(network, start_of(network), space=space, layers=layers)


@pytest.mark.parametrize("space", ["w+", "s"])
def test_layers_learn_at_their_own_rates(space: Any, network: StyleGAN) -> None:
    """The first step of Adam moves every number by its learning rate, whatever the gradient."""
    start = start_of(network)
    layers = [LayerRange(4, 7, 0.5), LayerRange(0, 2, 2.0)]
    generator = StyleGANImages(network, start, space=space, layers=layers, learning_rate=0.01)
    adam = torch.optim.Adam(generator.param_groups(), eps=1e-30)
    target = 1 - start.images(network.synthesis)
    (generator.images() - target).square().sum().backward()  # type: ignore[no-untyped-call]
    adam.step()
    moved, rates = generator.latents_at(), [*[0.02] * 3, 0, *[0.005] * 4]
    if space == "w+":
        assert moved.ws is not None and start.ws is not None
        sizes = (moved.ws - start.ws).abs().amax((0, 2))
        torch.testing.assert_close(sizes, torch.tensor(rates), rtol=1e-3, atol=1e-6)
    for layer, style, before in zip(
        network.synthesis.layers, moved.styles, start.styles, strict=True
    ):
        stays = torch.allclose(style, before, atol=1e-6)
        assert stays == (layer.w_index == 3), layer.name
        if space == "s":
            expected = torch.tensor(float(rates[layer.w_index]))
            torch.testing.assert_close((style - before).abs().max(), expected, rtol=1e-3, atol=1e-6)
    before = [part.detach().clone() for part in generator.latents]
    generator.reduce(torch.tensor([0.5, 1.0]))
    for part, whole, at_first in zip(generator.latents, before, generator._free(start), strict=True):
        torch.testing.assert_close(part[0], (whole[0] + at_first[0]) / 2)
        assert torch.equal(part[1], whole[1])


def test_styles_have_no_latents_w(network: StyleGAN) -> None:
    start = start_of(network)
    with pytest.raises(InputError, match="use --space s"):
        StyleGANImages(network, start.with_styles(start.styles))


# --- files of latents ---


def whole_latents(network: StyleGAN) -> Latents:
    start = start_of(network, 1)
    layer = residual_layer(network)
    after = network.synthesis.activations(start.styles, [layer + 1])[layer + 1].features
    noise = network.synthesis.draw_noise(1, torch.Generator().manual_seed(0))
    return Latents(start.styles, start.ws, {layer: torch.full_like(after, 0.2)}, noise)


def test_latents_are_read_as_they_were_written(network: StyleGAN, tmp_path: Path) -> None:
    latents = whole_latents(network)
    path = save_latents(tmp_path / "l.safetensors", latents, network)
    found = load_latents(path, network)
    assert torch.equal(found.images(network.synthesis), latents.images(network.synthesis))
    assert found.ws is not None and latents.ws is not None and torch.equal(found.ws, latents.ws)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("w", (3, 3), r"its latents W\+ have the shape"),
        ("style.b4.conv1", (99,), "has no style of"),
        ("addition.1", (2, 2, 2), "tensor addition.1 has the shape"),
        ("noise.0", (1, 99, 4), "tensor noise.0 has the shape"),
        ("noise.99", (1, 4, 4), "has a tensor 'noise.99' that latents do not have"),
        ("nonsense", (4,), "has a tensor 'nonsense' that latents do not have"),
    ],
)
def test_other_tensors_are_refused(
    name: str, shape: tuple[int, ...], message: str, network: StyleGAN, tmp_path: Path
) -> None:
    path = save_latents(tmp_path / "l.safetensors", start_of(network, 1), network)
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(path) | {name: torch.zeros(shape)}, path, metadata)
    with pytest.raises(InputError, match=message):
        load_latents(path, network)


def test_latents_of_another_network_are_refused(network: StyleGAN, networks: Files) -> None:
    other = load_stylegan(str(networks["OTHER NETWORK"]))
    with pytest.raises(InputError, match="belong to another network; give --network"):
        load_latents(networks["LATENTS"], other)


# --- inversion ---


def test_a_sample_of_the_network_is_found_again() -> None:
    network = small_stylegan2(3).frozen()
    before = {name: x.clone() for name, x in network.state_dict().items()}
    target = from_seeds(network, (123,), 0.7).images[0]
    found = invert(network, target, steps=40)
    assert found.rms <= found.latents_rms < 0.1 and found.distance < 0.5
    image = found.latents.images(network.synthesis)
    assert float((image[0] - target).square().mean().sqrt()) == pytest.approx(found.rms, rel=1e-3)
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())
    assert not found.is_unlike and len(found.notes) == 1


@pytest.mark.slow
def test_the_residual_reaches_what_latents_do_not() -> None:
    network = small_stylegan2(3).frozen()
    target = from_seeds(network, (123,), 0.7).images[0].roll(9, -1)
    found = invert(network, target, steps=30)
    assert found.rms < 0.9 * found.latents_rms
    without = invert(network, target, steps=2, residual=False)
    assert not without.latents.additions and without.rms == without.latents_rms
    other = small_stylegan3(1).frozen()
    (layer,) = invert(other, target, steps=2).latents.additions
    assert layer == residual_layer(other)


def test_an_image_that_the_latents_do_not_reach_is_reported(network: StyleGAN) -> None:
    latents, image = start_of(network, 1), torch.zeros(1, 3, 32, 32)
    far = Inversion(network, latents, image, image, 0.3, 0.1, 0.9, 0.1, 9)
    assert far.is_unlike and "crop and align it" in far.notes[1]
    near = Inversion(network, latents, image, image, 0.1, 0.1, 0.2, 0.1, 9)
    assert not near.is_unlike and "inverted in 9 steps" in near.notes[0]


def correlation_of(noise: Tensor) -> Tensor:
    return NoiseCorrelation()(Rendering(torch.zeros(len(noise), 1, 3, 2, 2), scene=NoiseMapsScene((noise,))), context())


def test_the_correlation_of_noise_is_that_of_its_definition() -> None:
    noise = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    small = nn.functional.avg_pool2d(noise, 2) * 2
    expected = torch.zeros(2)
    for each in (noise, small):
        n = each.shape[-1]
        for sample in range(2):
            for dy, dx in ((1, 0), (0, 1)):
                found = sum(
                    float(each[sample, 0, y, x] * each[sample, 0, (y - dy) % n, (x - dx) % n])
                    for y in range(n)
                    for x in range(n)
                )
                expected[sample] += (found / n**2) ** 2
    torch.testing.assert_close(correlation_of(noise), expected, rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="applies only to generators that optimize noise maps"):
        NoiseCorrelation()(Rendering(torch.zeros(1, 1, 3, 2, 2)), context())


@pytest.mark.slow
def test_noise_maps_are_fitted_and_stay_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the regularizer, their values correlate."""
    network = small_stylegan2(3).frozen()
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    target = from_seeds(network, (5,), 0.7).images[0].roll(5, -1)
    found = invert(network, target, steps=30, residual=False, noise=True)
    monkeypatch.setattr("guidance.tasks.stylegan.inversion.NOISE_WEIGHT", 0.0)
    free = invert(network, target, steps=30, residual=False, noise=True)
    for one, other in zip(found.latents.noise or (), free.latents.noise or (), strict=True):
        if one is not None and other is not None:
            assert float(one.mean().abs()) < 1e-4
            assert float(one.square().mean()) == pytest.approx(1, abs=1e-3)
            assert float(correlation_of(one)) < 0.1 * float(correlation_of(other))
    loaded = load_latents(save_latents(tmp_path / "a.safetensors", found.latents, network), network)
    assert torch.equal(loaded.images(network.synthesis), found.latents.images(network.synthesis))


@pytest.mark.slow
def test_a_tuned_copy_reaches_the_image(images: Files, networks: Files, small_dictionaries: None, tmp_path: Path) -> None:
    """The network itself and what computes its styles do not change; the copy is a network."""
    network = small_stylegan2(3).frozen()
    before = {name: x.clone() for name, x in network.state_dict().items()}
    target = from_seeds(network, (123,), 0.7).images[0].roll(9, -1)
    found = invert(network, target, steps=10, tuning_steps=40)
    assert found.rms < 0.97 * found.latents_rms and not found.latents.additions
    assert "its weights are no longer those of the network" in found.notes[1]
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())
    changed = {n for n, x in found.network.state_dict().items() if not torch.equal(x, before[n])}
    assert changed and not any("affine" in name or "mapping" in name for name in changed)

    given: dict[str, Any] = {"network": str(networks["NETWORK"]), "image": images["SQUARE"]}
    given |= {"method": {"kind": "direction", "frames": 2}, "tuning_steps": 2}
    given |= {"inversion_steps": 2, "device": "cpu", "judge": False}
    first = StyleEdit(prompt="a heart", output=tmp_path, **given).run()
    tuned = load_stylegan(str(first.folder / "network"))
    loaded = load_latents(first.folder / "latents.safetensors", tuned)
    written = torch.from_numpy(np.asarray(Image.open(first.folder / "image.png")).copy())
    made_again = loaded.images(tuned.synthesis)[0].permute(1, 2, 0) * 255
    assert float((made_again - written).abs().max()) <= 1
    with pytest.raises(InputError, match="belong to another network"):
        load_latents(first.folder / "latents.safetensors", load_stylegan(str(networks["NETWORK"])))


def test_an_oblong_image_is_cropped_with_a_warning(images: Files, network: StyleGAN) -> None:
    with pytest.warns(InputWarning, match="the middle 36 x 36 of 48 x 36 pixels are used"):
        invert(network, images["PHOTO"], steps=2)
    with pytest.raises(InputError, match="expected at least 2 steps"):
        invert(network, torch.zeros(3, 9, 9), steps=1)


# --- the dictionary ---


def test_a_dictionary_is_built_once(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built: list[Any] = []
    real = StyleDictionary.build
    monkeypatch.setattr(
        StyleDictionary, "build", lambda *args, **kwargs: (built.append(0), real(*args, **kwargs))[1]
    )
    first = made(StyleEdit, **small).build()
    again = made(StyleEdit, **small).build()
    assert len(built) == 1 and not any("again" in note for note in first.notes)
    one, other = (plan.generator.get_buffer("direction") for plan in (first, again))
    assert torch.allclose(one, other, atol=1e-5)
    (file,) = (tmp_path / "guidance" / "directions").iterdir()
    file.write_bytes(b"\x80\x04damaged")
    plan = made(StyleEdit, **small).build()
    assert len(built) == 2 and "the dictionary is built again" in plan.notes[0]
    made(StyleEdit, **small).build()
    assert len(built) == 2, "the damaged file was replaced"


def test_a_cache_that_cannot_be_written_is_said(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "guidance").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = made(StyleEdit, **small).build()
    assert "the dictionary is not kept for the next run" in plan.notes[0]


def test_phrases_have_their_own_directions_with_their_weights(small: dict[str, Any]) -> None:
    def vector(prompt: str, **more: Any) -> Tensor:
        generator = made(StyleEdit, **{**small, "prompt": prompt}, **more).build().generator
        assert isinstance(generator, StyleDirectionImages)
        return generator.get_buffer("direction")[0]

    heart, pizza = vector("a heart"), vector("a pizza")
    assert torch.allclose(vector("a heart | a pizza:0.5"), heart + 0.5 * pizza, atol=1e-6)
    assert torch.allclose(vector("a heart", negative=["a pizza"]), heart - 0.3 * pizza, atol=1e-6)
    assert torch.allclose(vector("a heart:-1"), -heart)


def test_directions_of_files_are_added(small: dict[str, Any], networks: Files) -> None:
    files = [networks["DIRECTION"], networks["DIRECTION"]]
    generator = made(StyleEdit, **small, directions=files).build().generator
    assert isinstance(generator, StyleDirectionImages)
    assert bool((generator.get_buffer("direction") == 2).all())


def test_an_image_is_a_target(small: dict[str, Any], images: Files) -> None:
    plan = made(StyleEdit, **{**small, "prompt": f"image:{images['PHOTO']}"}).build()
    optimize(plan.generator, plan.losses, plan.settings)


# --- runs ---


def test_a_run_writes_its_files(
    small: dict[str, Any], networks: Files, network: StyleGAN, tmp_path: Path
) -> None:
    mask = networks["MASK OF 32"]
    run = made(StyleEdit, **small, mask=mask, seed=4, output=tmp_path).run()
    names = {path.name for path in run.samples[0].files}
    assert names == {
        "image.png", "before_after.png", "strengths.png", "strengths.mp4", "latents.safetensors",
        "progress.mp4",
    }  # fmt: skip
    (sample,) = json.loads((run.folder / "DONE.json").read_text())["samples"]
    assert sample["facts"]["strength"] == 4 and sample["facts"]["pixels_outside_mask_are_equal"]
    assert sample["facts"]["kept"] < 1 and sample["facts"]["pixels_rms"] > 0
    before = from_seeds(network, (4,), 0.7).images[0]
    save_png(tmp_path / "before.png", before)
    changed = (pixels(run.folder / "image.png") != pixels(tmp_path / "before.png")).any(-1)
    inside = pixels(mask)[..., 0] > 0
    assert changed[inside].any() and not changed[~inside].any()
    # The strip has a tile for each strength, and the middle one is the image before the edit.
    with Image.open(run.folder / "strengths.png") as strip:
        assert strip.width > 7 * 256 and strip.height > 256


def test_the_outside_of_words_is_bit_identical(
    small: dict[str, Any], network: StyleGAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are found in the image of each sample."""

    class Bright:
        name = "bright"

        def probabilities(self, image: Tensor, texts: list[str]) -> Tensor:
            assert texts == ["the hair"]
            return (image.mean(0, keepdim=True) > image.mean()).float()

    monkeypatch.setattr(loading, "load_segmenter", lambda name, device="cpu": Bright())
    words = "words:the hair"
    run = made(StyleEdit, **small, mask=words, seed=4, samples=2, output=tmp_path).run()
    masks = pixels(run.folder / "mask.png")[..., 0] > 0
    assert masks.shape == (64, 32)
    for index, sample in enumerate(run.samples):
        before = from_seeds(network, (sample.seed,), 0.7).images[0]
        save_png(tmp_path / "before.png", before)
        inside = masks[32 * index : 32 * (index + 1)]
        assert (inside == (before.mean(0) > before.mean()).numpy()).all()
        changed = (pixels(sample.folder / "image.png") != pixels(tmp_path / "before.png")).any(-1)
        assert changed[inside].any() and not changed[~inside].any()
    facts = json.loads((run.folder / "DONE.json").read_text())["samples"]
    assert all(each["facts"]["pixels_outside_mask_are_equal"] for each in facts)


def test_attributes_that_changed_are_named() -> None:
    """A portrait against itself, and against one whose hair is painted blue."""
    from guidance.evaluate.attributes import load_attributes
    from guidance.tasks.stylegan.report import attribute_changes

    network = load_stylegan("mini-stylegan")
    portrait = from_seeds(network, (3,), 0.7).images
    same, other = attribute_changes(
        portrait.expand(2, -1, -1, -1), torch.cat([portrait, 1 - portrait])
    )
    names = list(load_attributes().values)
    assert same == {"changed": {}, "kept": names}
    assert other["changed"] and not set(other["changed"]) & set(other["kept"])
    assert set(other["changed"]) | set(other["kept"]) == set(names)


def test_an_edit_continues_from_the_latents_of_another(
    small: dict[str, Any], network: StyleGAN, tmp_path: Path
) -> None:
    run = made(StyleEdit, **small, output=tmp_path).run()
    second = made(StyleEdit, **small, latents=run.folder / "latents.safetensors").build()
    assert isinstance(second.generator, StyleGANImages)
    shown = second.generator.images_at(torch.zeros(1))
    save_png(tmp_path / "start.png", shown[0])
    assert torch.equal(pixels(tmp_path / "start.png"), pixels(run.folder / "image.png"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["direction", "latent"])
def test_a_killed_run_resumes_to_the_same_bits(
    method: str, small: dict[str, Any], tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, StepEvent) and event.step == 6:
            raise Killed

    given = {**small, "method": method, "samples": 2, "keep": 0.8}
    del given["frames"]
    given |= {"frames": 8} if method == "direction" else {"steps": 8}
    whole = made(StyleEdit, **given, output=tmp_path / "whole").run()
    with pytest.raises(Killed):
        made(StyleEdit, **given, output=tmp_path / "killed").run([kill])
    (folder,) = (tmp_path / "killed" / "style-edit").iterdir()
    with pytest.raises(SystemExit) as end:
        cli.main(["run", "--resume", str(folder)])
    assert not end.value.code
    assert (folder / DATA).read_bytes() == (whole.folder / DATA).read_bytes()
    for sample in ("000", "001"):
        name = Path("samples") / sample / "latents.safetensors"
        assert (folder / name).read_bytes() == (whole.folder / name).read_bytes()


# --- mistakes ---


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "PHOTO", "latents": "LATENTS"}, "--latents: the image gives the latents"),
        ({"inversion_steps": 9}, "--inversion-steps: applies only to --image; remove it"),
        ({"inversion": "lpips"}, "--inversion: applies only to --image"),
        ({"latents": "LATENTS", "truncation": 0.1}, "--truncation: applies only to samples"),
        ({"steps": 9}, "--steps: --method direction optimizes nothing; remove it, or add"),
        ({"learning_rate": 2}, "--learning-rate: --method direction optimizes nothing"),
        ({"optimizer": "sgd"}, "--optimizer: --method direction optimizes nothing"),
        ({"normalize": True}, "--normalize: --method direction optimizes nothing"),
        ({"mask": "MASK"}, "expected the image's 32 x 32 pixels, got 48 x 36"),
        ({"source": "a heart"}, "mean the same"),
        ({"directions": "DIRECTION", "channels": 3}, "--channels: applies to directions of the"),
        ({"directions": "DIRECTION", "network": "OTHER"}, "belongs to another network"),
        ({"latents": "MASK"}, "is not a safetensors file"),
    ],
)
def test_mistakes_are_reported(
    given: dict[str, Any], message: str, small: dict[str, Any], networks: Files, images: Files
) -> None:
    files: dict[str, Any] = images | networks
    if given.get("network"):
        files["OTHER"] = str(networks["OTHER NETWORK"])
    values = {k: files.get(v, v) if isinstance(v, str) else v for k, v in given.items()}
    with pytest.raises(InputError, match=message):
        made(StyleEdit, **{**small, **values}).build()


@pytest.mark.parametrize("text", ["", "x", "3-", "9-4", "-3", "1-2-3", "4-9:", "4-9:0", "4:-1", "1,"])
def test_layers_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="layers"):
        flags(StyleEdit, "--prompt", "a", "--method", "latent", "--layers", text)


def test_layers_are_written_as_they_are_read() -> None:
    for text, ranges in (
        ("all", ()),
        ("5", (LayerRange(5, 5),)),
        ("4-9", (LayerRange(4, 9),)),
        ("0-3:0.1,4-9", (LayerRange(0, 3, 0.1), LayerRange(4, 9))),
    ):
        assert FreeLayers.parse(text).ranges == ranges
        assert FreeLayers.parse(text).written() == text


def test_options_of_the_other_method_are_refused() -> None:
    with pytest.raises(InputError, match="^--strength belongs to --method direction"):
        flags(StyleEdit, "--prompt", "a", "--method", "latent", "--strength", "1")
    with pytest.raises(InputError, match="^--space belongs to --method latent"):
        flags(StyleEdit, "--prompt", "a", "--space", "w")


def test_text2image_takes_the_size_of_the_network(networks: dict[str, Path]) -> None:
    """Other sizes are refused; without one, the images are those of the seeds."""
    generator = {"kind": "stylegan", "network": str(networks["NETWORK"]), "truncation": 0.5}
    made = TextToImage(prompt="a face", samples=2, seed=3, generator=generator).build().generator
    network = load_stylegan(str(networks["NETWORK"]))
    expected = network.synthesis(draw_latents(network, (3, 4), 0.5))
    torch.testing.assert_close(made().image[:, 0], (expected / 2 + 0.5).clamp(0, 1))
    with pytest.raises(InputError, match=r"--size: the network makes images of \d+ x \d+ pixels"):
        TextToImage(prompt="a face", size="40", generator=generator).build()
