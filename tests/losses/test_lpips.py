"""LPIPS against its authors' own code, by hand, and what it says where something is missing."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from guidance import models
from guidance.encoders.towers import perceptual
from guidance.encoders.towers.perceptual import LAYOUTS, Perceptual, load_perceptual
from guidance.errors import InputError, MissingWeights
from guidance.loop.optimize import optimize
from guidance.losses.lpips import Lpips
from guidance.models.catalogue import find_model
from guidance.models.torch_hub import read_tensors
from guidance.models.torchvision import import_torchvision
from guidance.outputs import Rendering
from guidance.views import Windows
from tests.losses.hub import play_hub
from tests.losses.stand_ins import context
from tests.stand_ins import Canvas

pytest.importorskip("scipy")
HAS_EXTRA = importlib.util.find_spec("lpips") is not None
EXTRA = pytest.mark.skipif(not HAS_EXTRA, reason="the extra [lpips] is not installed")
CPU = torch.device("cpu")


def pictures(n: int = 2, v: int = 1, size: int = 48, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(n, v, 3, size, size, generator=random)


def value(loss: Lpips, image: Tensor) -> Tensor:
    return loss(Rendering(image), context(len(image)))


@EXTRA
@pytest.mark.parametrize("network", LAYOUTS)
def test_it_is_what_its_authors_compute(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = play_hub(monkeypatch, tmp_path, network)
    import_torchvision()
    import lpips

    theirs = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
    stored = {
        name.removeprefix("features."): tensor
        for name, tensor in read_tensors(path).items()
        if name.startswith("features.")
    }
    for index in range(1, 6):
        stage = getattr(theirs.net, f"slice{index}")
        # Their slices keep the numbers that layers have in torchvision.
        stage.load_state_dict({n: t for n, t in stored.items() if n in stage.state_dict()})
    ours, wanted = pictures(2, 2), pictures(2, 2, seed=1)
    found = value(Lpips(wanted, network), ours)
    with torch.no_grad():
        distances = theirs(ours.flatten(0, 1), wanted.flatten(0, 1), normalize=True)
    assert torch.allclose(found, distances.view(2, 2).mean(1), rtol=1e-4)
    assert (found > 0.01).all()


def test_value_by_hand() -> None:
    """Maps (1, 2) and (2, 0) at one place: unit vectors (1, 2) / sqrt 5 and (1, 0)."""

    def maps(images: Tensor) -> list[Tensor]:
        return [images[:, :2, :1, :1]]

    image, reference = torch.zeros(2, 1, 1, 3, 4, 4).unbind(0)
    image = image.clone()
    image[..., 0, 0] = torch.tensor([0.1, 0.2, 0.9])
    reference = reference.clone()
    reference[..., 0, 0] = torch.tensor([0.2, 0.0, 0.3])
    weights = (torch.tensor([0.5, 2.0]),)
    wanted = 0.5 * (1 - 5**-0.5) ** 2 + 2 * 4 / 5
    assert value(Lpips(reference, Perceptual(maps, weights)), image).item() == pytest.approx(wanted)
    halved = ((1 - 5**-0.5) ** 2 + 4 / 5) / 2
    assert value(Lpips(reference, Perceptual(maps)), image).item() == pytest.approx(halved)


@EXTRA
def test_the_reference_itself_costs_nothing_and_draws_pictures_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_hub(monkeypatch, tmp_path)
    photo = tmp_path / "photo.png"
    Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(photo)
    loss = Lpips(photo)
    canvas = Canvas(2, 40)
    before = value(loss, canvas().image).detach()
    optimize(canvas, loss, steps=20)
    after = value(loss, canvas().image).detach()
    assert (after < 0.7 * before).all()
    same = pictures()
    assert value(Lpips(same), same).abs().max() < 1e-6


@EXTRA
def test_it_holds_still_where_all_channels_are_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_hub(monkeypatch, tmp_path)
    network = load_perceptual("alex", CPU)
    dark = Perceptual(lambda x: [0 * maps for maps in network.maps(x)], network.weights)
    image = pictures().requires_grad_()
    value(Lpips(pictures(seed=1), dark), image).sum().backward()
    assert image.grad is not None and image.grad.abs().max() == 0


def test_only_windows_of_the_whole_count() -> None:
    flat = Perceptual(lambda images: [images])
    sides = torch.tensor([[1.0, 0.5]])
    zeros = torch.zeros(1, 2)
    image = pictures(1, 2, 8)
    rendering = Rendering(image, windows=Windows(zeros, zeros, sides, 8))
    loss = Lpips(pictures(1, 1, 8, seed=1), flat)
    alone = value(Lpips(pictures(1, 1, 8, seed=1), flat), image[:, :1])
    assert torch.equal(loss(rendering, context(1)), alone)


def test_transparent_pictures_lie_on_white() -> None:
    loss = Lpips(torch.ones(1, 1, 3, 8, 8), Perceptual(lambda images: [images]))
    clear = Rendering(torch.zeros(1, 1, 3, 8, 8), torch.zeros(1, 1, 1, 8, 8))
    assert loss(clear, context(1)).item() < 1e-9


def test_missing_weights_name_path_size_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not HAS_EXTRA:
        monkeypatch.setattr(perceptual, "_channel_weights", lambda network, layout: ())
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for network, size in (("alex", 233), ("vgg", 528)):
        with pytest.raises(MissingWeights) as told:
            Lpips(pictures(), network).prepare(Rendering(pictures()))
        known = find_model(f"lpips-{network}")
        assert known is not None and known.file is not None and not known.is_here
        assert known.file.path.parent == tmp_path / "hub" / "checkpoints"
        assert str(told.value) == (
            f"lpips-{network}: no weights at {known.file.path}; fetch them once ({size} MB): "
            f"guide models fetch lpips-{network}"
        )


def test_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    perceptual._channel_weights.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"not installed; run: pip install 'guidance-by-gra.*\[lpips\]"
    ):
        load_perceptual("alex", CPU)


@EXTRA
def test_linear_layers_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    perceptual._channel_weights.cache_clear()
    monkeypatch.setattr(perceptual, "file_sha256", lambda path: "0" * 64)
    with pytest.raises(InputError, match=r"alex.pth: expected the linear layers of lpips 0.1.4"):
        load_perceptual("alex", CPU)


@EXTRA
def test_damaged_weights_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = play_hub(monkeypatch, tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    for work in (lambda: load_perceptual("alex", CPU), lambda: models.verify("lpips-alex")):
        with pytest.raises(InputError, match=r"SHA-256 is .*delete it and fetch it again"):
            work()


def test_a_file_of_other_layers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_hub(monkeypatch, tmp_path, "alex")
    known = find_model("lpips-alex")
    assert known is not None and known.file is not None
    with pytest.raises(
        InputError, match="lpips-vgg: its file does not contain the layers of vgg16"
    ):
        perceptual._built(LAYOUTS["vgg"], (), lambda _: known.file.read("lpips-alex"), CPU)


class Evil:
    def __reduce__(self) -> tuple:
        return print, ("run",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Dear diary", "cannot be read as weights"),
        (pickle.dumps({"a": Evil()}), "cannot be read as weights"),
        (b"", "cannot be read as weights"),
    ],
    ids=["text", "code", "empty"],
)
def test_nothing_but_tensors_is_read(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as told:
        read_tensors(path)
    assert "\n" not in str(told.value) and capsys.readouterr().out == ""


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list.pth: expected named tensors, got list"):
        read_tensors(tmp_path / "list.pth")


def test_fetching_and_verifying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = play_hub(monkeypatch, tmp_path, published=True)
    known = find_model("lpips-alex")
    assert known is not None and not known.is_here and known.folder is None
    with pytest.raises(MissingWeights, match=r"lpips-alex: no weights at .* \(233 MB\)"):
        models.verify("lpips-alex")
    path = models.fetch("lpips-alex")
    assert path.read_bytes() == published.read_bytes() and known.is_here
    published.unlink()
    assert models.fetch("lpips-alex") == path  # it is here, so nothing is asked
    assert [item.against for item in models.verify("lpips-alex")] == ["its name"]
    path.unlink()
    with pytest.raises(MissingWeights, match=r"lpips-alex: could not fetch file:.*No such file"):
        models.fetch("lpips-alex")
    published.write_bytes(b"something else")
    with pytest.raises(MissingWeights, match="invalid hash"):
        models.fetch("lpips-alex")
    assert not path.exists()


def test_addresses_are_torchvisions_own() -> None:
    import_torchvision()
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    for network, weights in (("alex", AlexNet_Weights), ("vgg", VGG16_Weights)):
        known = find_model(f"lpips-{network}")
        assert known is not None and known.file is not None
        published = weights.IMAGENET1K_V1
        assert known.file.url == published.url
        assert known.megabytes == round(published.meta["_file_size"])


def test_other_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="network: expected alex or vgg, got 'squeeze'"):
        Lpips(pictures(), "squeeze").prepare(Rendering(pictures()))
    with pytest.raises(InputError, match=r"reference .*nowhere.png: no such file"):
        Lpips(tmp_path / "nowhere.png")
    small = Perceptual(lambda images: [images], min_size=31)
    with pytest.raises(InputError, match="at least 31 pixels per side, got 16 x 16; use a larger"):
        Lpips(None, small).prepare(Rendering(pictures(size=16)))
    loss = Lpips(pictures(2), Perceptual(lambda images: [images]))
    loss.prepare(Rendering(pictures(2)))
    with pytest.raises(InputError, match=r"expected 2 images of \[48, 48\] like the reference"):
        value(loss, pictures(3))


@EXTRA
@pytest.mark.parametrize("network", LAYOUTS)
def test_least_sizes_leave_something_of_the_last_maps(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_hub(monkeypatch, tmp_path, network)
    loaded = load_perceptual(network, CPU)
    side = loaded.min_size
    assert all(maps.numel() for maps in loaded.maps(torch.rand(1, 3, side, side)))
    with pytest.raises(RuntimeError):
        loaded.maps(torch.rand(1, 3, side - 1, side - 1))
