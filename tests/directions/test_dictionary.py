"""The dictionary: effects with known answers, sentences, what stays, and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import guidance as gd
from guidance.directions.effects import mean_effects
from guidance.directions.phrases import packaged_phrases, text_basis
from guidance.directions.samples import embeddings_of, sample_ws
from guidance.errors import InputError
from guidance.stylegan import StyleGAN
from tests.directions.test_direction import tiny
from tests.directions.toy import WORDS, ToyEncoder, ToySynthesis, known_mix, toy_network

PHRASES = [f"a face with {word}" for word in WORDS]


def built(network: StyleGAN | None = None, **options: int) -> gd.StyleDictionary:
    settings = {"latents": 3, "rank": 64} | options
    return gd.StyleDictionary.build(
        network or toy_network(), ToyEncoder(), phrases=PHRASES, **settings
    )  # type: ignore[arg-type]


def test_the_table_is_the_known_effect_of_one_standard_deviation() -> None:
    dictionary = built()
    true = torch.cat(known_mix(), dim=1).T / 2 * torch.cat(dictionary.stds)[:, None]
    torch.testing.assert_close(dictionary.table @ dictionary.basis.T, true)
    eye = dictionary.basis.T @ dictionary.basis
    torch.testing.assert_close(eye, torch.eye(len(eye)))


def test_deviations_are_those_of_random_styles() -> None:
    network = toy_network()
    stds = built(network).stds
    styles = network.synthesis.styles(sample_ws(network, 5000, 7, truncation=1.0))
    for std, style in zip(stds, styles, strict=True):
        torch.testing.assert_close(std, style.std(dim=0), rtol=0.1, atol=0)


def test_a_sentence_finds_exactly_its_channels() -> None:
    dictionary = built()
    direction = dictionary.direction("a face with tie", beta=0.0, isolation=0.0)
    mix = torch.cat(known_mix(), dim=1)[WORDS.index("tie")]
    assert torch.equal(direction.flat != 0, mix != 0)
    expected = mix * torch.cat(dictionary.stds)  # the effects, without isolation
    torch.testing.assert_close(direction.flat, expected / expected.abs().max())
    assert not direction.notes and direction.text == "a face -> a face with tie"


def test_the_edit_moves_images_along_the_sentence() -> None:
    network = toy_network()
    dictionary = built(network)
    direction = dictionary.direction("a face with tie", beta=0.0, isolation=0.0)
    styles = network.synthesis.styles(sample_ws(network, 4, 3))
    before = embeddings_of(network.synthesis, ToyEncoder(), styles)
    moved = embeddings_of(network.synthesis, ToyEncoder(), direction.apply(styles, 2.0)) - before
    unit = F.one_hot(torch.tensor(WORDS.index("tie")), 8).float()
    torch.testing.assert_close(F.cosine_similarity(moved, unit.expand(4, 8)), torch.ones(4))
    deviation = dictionary.embeddings @ unit
    predicted = dictionary.predict(direction, "a face with tie") * float(deviation.std())
    torch.testing.assert_close(moved @ unit, torch.full((4,), 2 * predicted), rtol=1e-3, atol=0)


def test_what_is_kept_does_not_change() -> None:
    """The channels of "beard" move "glasses" too; others of "glasses" compensate."""
    dictionary = built()
    plain = dictionary.direction("a face with beard", count=4)
    kept = dictionary.direction("a face with beard", keep=["a face with glasses"], count=4)
    assert abs(dictionary.predict(plain, "a face with glasses")) > 0.05
    assert abs(dictionary.predict(kept, "a face with glasses")) < 1e-5
    assert dictionary.predict(kept, "a face with beard") > 0.5
    assert kept.count <= 4
    with pytest.raises(InputError, match="nothing is left"):
        dictionary.direction("a face with tie", keep=["a face with tie"])
    with pytest.raises(InputError, match="2 phrases need more than 2 channels"):
        dictionary.direction("a face with beard", keep=PHRASES[2:4], count=2)


def test_renders_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as promised for a network, and none for a sentence."""
    network = toy_network()
    synthesis = network.synthesis
    assert isinstance(synthesis, ToySynthesis)
    calls: list[tuple[int, int]] = []
    dictionary = gd.StyleDictionary.build(
        network, ToyEncoder(), latents=20, phrases=PHRASES, progress=lambda *c: calls.append(c)
    )
    assert synthesis.rendered + synthesis.differentiated == dictionary.renders == 20 * (8 + 1)
    assert calls[-1] == (180, 180) and calls == sorted(calls)
    dictionary.direction("a face with tie", keep=["a face with hat"])
    assert synthesis.rendered + synthesis.differentiated == dictionary.renders
    assert 32 * (64 + 1) <= 4096  # of the default settings


def test_effects_equal_finite_differences() -> None:
    network = tiny()
    encoder = Smooth()
    ws = sample_ws(network, 5, 0)
    basis = torch.linalg.qr(torch.randn(6, 3))[0]
    effects = mean_effects(network, encoder, ws, basis)
    styles = [style.double() for style in network.synthesis.styles(ws)]
    synthesis = tiny().double().synthesis
    for channel, (layer, at) in ((0, (0, 0)), (7, (1, 1)), (13, (2, 1))):
        moved = []
        for step in (1e-4, -1e-4):
            edited = [style.clone() for style in styles]
            edited[layer][:, at] += step
            moved.append(
                encoder.encode_image((synthesis.from_styles(edited) / 2 + 0.5).clamp(0, 1))
            )
        slope = (moved[0] - moved[1]).mean(dim=0) / 2e-4 @ basis.double()
        torch.testing.assert_close(effects.table[channel], slope.float(), rtol=1e-3, atol=1e-6)


class Smooth(ToyEncoder):
    """A nonlinear embedding of images."""

    def encode_image(self, images: Tensor) -> Tensor:
        parts = F.adaptive_avg_pool2d(images, (1, 2)).flatten(1)
        return F.normalize(torch.sin(3 * parts), dim=1)


def test_prompts_with_weights_and_several_phrases() -> None:
    dictionary = built()
    tie, hat = (
        dictionary.direction(f"a face with {w}", beta=0.0, isolation=0.0) for w in ("tie", "hat")
    )
    both = dictionary.direction("a face with tie:2 | a face with hat:-1", beta=0.0, isolation=0.0)
    expected = 2 * tie.flat / tie.flat.norm() * _size(tie, dictionary, "tie")
    expected = expected - hat.flat / hat.flat.norm() * _size(hat, dictionary, "hat")
    torch.testing.assert_close(both.flat, expected / expected.abs().max())
    with pytest.raises(InputError, match="no stops"):
        dictionary.direction("a face with tie:1:0.5")
    with pytest.raises(InputError, match="mean the same"):
        dictionary.direction("a face")
    with pytest.raises(InputError, match="either count or beta"):
        dictionary.direction("a face with tie", count=1, beta=0.1)


def _size(direction: gd.StyleDirection, dictionary: gd.StyleDictionary, word: str) -> float:
    """The norm of the effects of a word."""
    mix = torch.cat(known_mix(), dim=1)[WORDS.index(word)]
    return float((mix * torch.cat(dictionary.stds)).norm())


def test_a_meaning_outside_the_basis_gets_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guidance.directions.dictionary.packaged_phrases", lambda: ())
    dictionary = gd.StyleDictionary.build(
        toy_network(), ToyEncoder(), latents=1, phrases=PHRASES[:2]
    )
    inside = dictionary.direction("a face with hat")
    outside = dictionary.direction("a face with hat | a face with tie:3")
    assert not inside.notes and "only 10% of the meaning" in outside.notes[0]


def test_packaged_phrases_span_a_basis() -> None:
    pairs = packaged_phrases()
    assert len(pairs) > 300 and all(subject and phrase for subject, phrase in pairs)
    assert ("a face", "a smiling face") in pairs
    encoder = gd.load_encoder("mini")
    basis = text_basis(encoder, 64, pairs)
    torch.testing.assert_close(basis.T @ basis, torch.eye(64), atol=1e-5, rtol=0)
    unseen = encoder.encode_text(["a sad woman with red hair", "a person"])
    difference = F.normalize(unseen[0] - unseen[1], dim=0)
    assert float((basis.T @ difference).square().sum()) > 0.5


def test_round_trip_of_a_file(tmp_path: Path) -> None:
    network = toy_network()
    dictionary = built(network)
    path = dictionary.save(tmp_path / "d.safetensors")
    loaded = gd.StyleDictionary.load(path, network, ToyEncoder())
    assert torch.equal(loaded.table, dictionary.table)
    assert torch.equal(
        loaded.direction("a face with tie").flat, dictionary.direction("a face with tie").flat
    )
    assert (loaded.renders, loaded.subject) == (dictionary.renders, "a face")
    assert set(load_file(path)) >= {"table", "basis", "probe", "std.b8.l0"}


def test_another_network_or_encoder_is_refused(tmp_path: Path) -> None:
    path = built().save(tmp_path / "d.safetensors")
    with pytest.raises(InputError, match="built with the encoder 'toy'"):
        gd.StyleDictionary.load(path, toy_network(), Mirrored())
    with pytest.raises(InputError, match="another network, with other weights"):
        gd.StyleDictionary.load(path, _with_other_weights(), ToyEncoder())
    with pytest.raises(InputError, match="other layers"):
        gd.StyleDictionary.load(path, tiny(), ToyEncoder())
    with pytest.raises(InputError, match="is not a style-direction"):
        gd.StyleDirection.load(path)


class Mirrored(ToyEncoder):
    """The same texts, and other images."""

    def encode_image(self, images: Tensor) -> Tensor:
        return super().encode_image(images).flip(1)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = built().save(tmp_path / "d.safetensors")
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    for name, wrong in (("basis", torch.zeros(9, 3)), ("probe", torch.zeros(6, 7))):
        save_file(tensors | {name: wrong}, path, about)
        with pytest.raises(InputError, match="sizes of its tables"):
            gd.StyleDictionary.load(path, encoder=ToyEncoder())
    save_file({name: x for name, x in tensors.items() if name != "table"}, path, about)
    with pytest.raises(InputError, match="expected a tensor 'table' of 2 dimensions"):
        gd.StyleDictionary.load(path, encoder=ToyEncoder())


def _with_other_weights() -> StyleGAN:
    network = toy_network()
    with torch.no_grad():
        next(iter(network.synthesis.parameters())).add_(1e-3)
    return network
