"""Instant, verified, joint and complete directions, and those without words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import guidance as gd
from guidance.directions.fs3 import export_fs3, import_fs3
from guidance.directions.full import ChannelTable
from guidance.directions.instant import Sentence, instant_direction
from guidance.directions.joint import refined_direction
from guidance.directions.keeping import Choice, solved
from guidance.directions.samples import images_of, sample_ws, style_deviations
from guidance.directions.verified import verified_direction
from guidance.directions.wordless import affine_weights, pca_direction, sefa_direction
from guidance.errors import InputError
from guidance.stylegan import StyleGAN
from tests.directions.test_dictionary import built
from tests.directions.test_direction import tiny
from tests.directions.toy import KINDS, WIDTHS, WORDS, ToyEncoder, ToySynthesis, known_mix
from tests.directions.toy import toy_network as toy
from tests.stylegan.small import small_stylegan2, small_stylegan3

NETWORKS_OF_STYLEGAN3 = pytest.mark.parametrize(
    "options", [{}, {"kernel": 1, "radial": True}], ids=["t", "r"]
)
TIE = Sentence("a face with tie")


def effects_of(network: StyleGAN, word: str) -> Tensor:
    """The known effect of one standard deviation of each channel."""
    mix = torch.cat(known_mix(), dim=1)[WORDS.index(word)]
    return mix * torch.cat(style_deviations(network))


def relative(flat: Tensor) -> Tensor:
    return flat / flat.abs().max()


def test_instant_finds_exactly_the_channels() -> None:
    network = toy()
    direction = instant_direction(network, TIE, encoder=ToyEncoder(), latents=3)
    torch.testing.assert_close(direction.flat, relative(effects_of(network, "tie")))
    synthesis = network.synthesis
    assert isinstance(synthesis, ToySynthesis)
    assert synthesis.rendered == synthesis.differentiated == 3


def test_instant_keeps_what_is_kept() -> None:
    network = toy()
    sentence = Sentence("a face with beard", keep=("a face with glasses",))
    direction = instant_direction(network, sentence, encoder=ToyEncoder(), latents=2)
    change = float(effects_of(network, "glasses") @ direction.flat)
    assert abs(change) < 1e-7 < float(effects_of(network, "beard") @ direction.flat)


def test_isolation_avoids_other_changes() -> None:
    """The solution is the minimum of its definition, and its other changes become smaller."""
    torch.manual_seed(0)
    table, wanted = torch.randn(12, 5), F.one_hot(torch.tensor(0), 5).float()
    kept = torch.eye(5)[:, 1:2]
    others = []
    for isolation in (0.0, 0.3, 10.0):
        x = solved(table, wanted, kept, isolation)
        assert abs(float(table[:, 1] @ x)) < 1e-5
        others.append(float((table[:, 2:].T @ x).norm() / (table[:, 0] @ x)))
        q = isolation / float((table.T @ table).diagonal().mean())

        def cost(x: Tensor, q: float = q) -> float:
            change = table.T @ x
            return float(x.square().sum() + q * change.square().sum() - 2 * change[0])

        for _ in range(20):
            step = 0.05 * torch.randn(12)
            step -= table[:, 1] * (table[:, 1] @ step) / table[:, 1].square().sum()
            assert cost(x + step) > cost(x)
    assert others[0] > others[1] > others[2]


def test_verified_drops_channels_that_disagree() -> None:
    """One predicted sign is wrong, and one size is."""
    network = toy()
    dictionary = built(network)
    first = dictionary.direction("a face with tie", beta=0.0, isolation=0.0)
    right = first.flat.nonzero()[:, 0].tolist()
    table = dictionary.table.clone()
    table[right[0]] *= -1
    wrong = replace(dictionary, table=table)
    flat = first.flat.clone()
    flat[0] = 0.7  # moves "hat" and "glasses", as the table says
    checked, found = wrong.verified(network, first.with_flat(flat), latents=2)
    assert (found.checked, found.dropped) == (len(right) + 1, 1)
    expected = effects_of(network, "tie").clone()
    expected[right[0]] = 0
    direction = checked.direction("a face with tie", beta=0.0, isolation=0.0)
    torch.testing.assert_close(direction.flat, relative(expected), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(checked.table[0], dictionary.table[0], rtol=1e-3, atol=1e-6)
    table[0] *= 100
    assert replace(dictionary, table=table).verified(network, first.with_flat(flat))[1].dropped == 2
    with pytest.raises(InputError, match="no channel of 1 has the predicted effect"):
        wrong.verified(network, first.with_flat(F.one_hot(torch.tensor(right[0]), 20).float()))


def test_verified_computes_only_the_layers_from_the_channel_on() -> None:
    network = toy()
    synthesis = network.synthesis
    assert isinstance(synthesis, ToySynthesis)
    dictionary = built(network)
    first = dictionary.direction("a face with tie", beta=0.0, isolation=0.0)
    channels = first.flat.nonzero()[:, 0].tolist()
    layer_of = [index for index, width in enumerate(WIDTHS) for _ in range(width)]
    last = max(layer_of[c] for c in channels)
    synthesis.layers_run = 0
    _, found = dictionary.verified(network, first, latents=2)
    suffixes = sum(len(WIDTHS) - layer_of[c] for c in channels)
    assert synthesis.layers_run == 2 * (last + len(WIDTHS) + suffixes)
    assert found.renders == 2 * (1 + len(channels))


def test_verified_without_a_dictionary() -> None:
    network = toy()
    direction, found = verified_direction(
        network, TIE, encoder=ToyEncoder(), gradients=2, candidates=6, latents=2
    )
    torch.testing.assert_close(
        direction.flat, relative(effects_of(network, "tie")), rtol=1e-3, atol=1e-5
    )
    assert found.checked == len(direction.flat.nonzero()) and not found.dropped


def test_joint_refinement_removes_a_side_effect() -> None:
    """The direction of "beard" also moves "glasses"; one of its channels can compensate."""
    network = toy()
    dictionary = built(network)
    flat = dictionary.direction("a face with beard", beta=0.0, isolation=0.0).flat.clone()
    glasses = 3  # the first channel that moves "glasses" alone
    flat[glasses] = 0.3 * effects_of(network, "glasses")[glasses].sign()
    first = dictionary.direction("a face with beard", beta=0.0).with_flat(flat)
    sentence = Sentence("a face with beard", keep=("a face with glasses",))
    refined = refined_direction(
        network, first, sentence, ToyEncoder(), faces=3, steps=60, strength=20.0
    )

    def off(direction: gd.StyleDirection) -> float:
        wanted = float(effects_of(network, "beard") @ direction.flat)
        return abs(float(effects_of(network, "glasses") @ direction.flat)) / wanted

    assert off(refined) < 0.3 * off(first)
    assert torch.equal(refined.flat != 0, first.flat != 0)


def test_the_complete_table_and_its_file(tmp_path: Path) -> None:
    network, encoder = toy(), ToyEncoder()
    table = ChannelTable.empty(network, encoder, images=2)
    assert len(table.rows) == sum(
        w for w, kind in zip(WIDTHS, KINDS, strict=True) if kind == "conv"
    )
    with pytest.raises(InputError, match="13 channels are missing"):
        table.direction(TIE, Choice())
    path = tmp_path / "table.safetensors"
    complete = table.computed(path)
    is_conv = torch.tensor(
        [k == "conv" for k, w in zip(KINDS, WIDTHS, strict=True) for _ in range(w)]
    )
    expected = F.normalize(torch.cat(known_mix(), dim=1).T[is_conv], dim=1)
    torch.testing.assert_close(complete.rows, expected, rtol=1e-4, atol=1e-4)
    direction = complete.direction(TIE, Choice())
    assert torch.equal(direction.flat != 0, is_conv & (effects_of(network, "tie") != 0))
    again = ChannelTable.load(path, network, encoder)
    assert torch.equal(again.rows, complete.rows) and again.renders == 0 and again.images == 2
    with pytest.raises(InputError, match="another network"):
        ChannelTable.load(path, tiny(), encoder)


def test_the_complete_table_resumes(tmp_path: Path) -> None:
    network, encoder, path = toy(), ToyEncoder(), tmp_path / "table.safetensors"
    synthesis = network.synthesis
    assert isinstance(synthesis, ToySynthesis)

    def interrupt(done: int, total: int) -> None:
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ChannelTable.empty(network, encoder, 2).computed(path, progress=interrupt)
    partial = ChannelTable.load(path, network, encoder)
    assert int(partial.done.sum()) == 6 and partial.renders == 2 * 2 * 7
    before = synthesis.rendered
    complete = partial.computed(path)
    assert synthesis.rendered - before == 2 * 2 * 7 + 2  # and the unedited images
    whole = ChannelTable.empty(network, encoder, 2).computed()
    assert torch.equal(complete.rows, whole.rows)


def test_fs3_of_styleclip(tmp_path: Path) -> None:
    network, encoder = toy(), ToyEncoder()
    table = ChannelTable.empty(network, encoder, images=2).computed()
    path = export_fs3(table, tmp_path / "fs3.npy")
    assert np.array_equal(np.load(path), table.rows.numpy())
    imported = import_fs3(path, network, encoder)
    assert torch.equal(imported.direction(TIE, Choice()).flat, table.direction(TIE, Choice()).flat)
    with pytest.raises(InputError, match="incomplete"):
        export_fs3(replace(table, done=torch.zeros_like(table.done)), path)


@pytest.mark.parametrize("last", [8, 16])
def test_rows_of_fs3_are_those_of_styleclip(last: int, tmp_path: Path) -> None:
    """Its style tensors, numbered by resolution: the first convolution and the image at 4 pixels,
    then two convolutions and the image at each. Rows are the channels of the convolutions one after
    the other; a table may end before the largest resolution.
    """
    network, encoder = small_stylegan2().frozen(), ToyEncoder()
    wanted = encoder.encode_text(["a face with tie"])[0] - encoder.encode_text(["a face"])[0]
    stored, expected = [], []
    for side, before, width in ((4, 0, 12), (8, 12, 10), (16, 10, 8), (32, 8, 6)):
        for name, channels in ((f"b{side}.conv0", before), (f"b{side}.conv1", width)):
            if channels:
                effects = torch.rand(channels) + 0.1 if side <= last else torch.zeros(channels)
                expected.append((name, effects))
                stored += [effects[:, None] * wanted] if side <= last else []
        expected.append((f"b{side}.torgb", torch.zeros(width)))
    assert [name for name, _ in expected] == [layer.name for layer in network.synthesis.layers]
    path = tmp_path / "fs3.npy"
    np.save(path, torch.cat(stored).numpy())
    direction = import_fs3(path, network, encoder).direction(TIE, Choice(isolation=0.0))
    most = max(float(effects.max()) for _, effects in expected)
    for step, (name, effects) in zip(direction.steps, expected, strict=True):
        torch.testing.assert_close(step, effects / most, msg=name)
    np.save(path, torch.cat(stored)[:-1].numpy())
    with pytest.raises(InputError, match="has the shape"):
        import_fs3(path, network, encoder)


@NETWORKS_OF_STYLEGAN3
def test_directions_of_stylegan3(options: dict[str, Any], tmp_path: Path) -> None:
    """The strongest channels of a dictionary do what it predicts, and files are read again."""
    network, encoder = small_stylegan3(**options).frozen(), ToyEncoder()
    layers = network.synthesis.layers
    dictionary = gd.StyleDictionary.build(network, encoder, latents=4, rank=8)
    assert dictionary.renders == 4 * (dictionary.table.shape[1] + 1)
    direction = dictionary.direction("a face with tie", count=6, isolation=0.0)
    assert len(direction.flat.nonzero()) == 6 and len(direction.steps) == len(layers)
    styles = network.synthesis.styles(sample_ws(network, 4, 0))
    images = [
        images_of(network.synthesis, direction.apply(styles, strength)).detach()
        for strength in (-0.02, 0.02)
    ]
    before, after = (encoder.encode_image(each)[:, WORDS.index("tie")].mean() for each in images)
    assert after > before and images[0].shape == (4, 3, 32, 32)
    _, found = dictionary.verified(network, direction, latents=2)
    assert found.checked == 6 and found.dropped < 6
    path = dictionary.save(tmp_path / "d.safetensors")
    again = gd.StyleDictionary.load(path, network, encoder)
    assert torch.equal(
        again.direction("a face with tie").flat, dictionary.direction("a face with tie").flat
    )
    table = ChannelTable.empty(network, encoder)
    assert len(table.rows) == sum(layer.channels for layer in layers[:-1])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{"a": 1}], dtype=object), "not an array of numbers"),
        (np.zeros((3, 8)), r"has the shape \(3, 8\); this network has 13 channels"),
        (np.zeros((13, 8), dtype=np.int64), "floating-point"),
        (np.full((13, 8), np.nan), "NaN"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = tmp_path / "fs3.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        import_fs3(path, toy(), ToyEncoder())
    path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': "
                     b"(99999999999, 8)}".ljust(118) + b"\n")  # fmt: skip
    with pytest.raises(InputError, match="not an array"):
        import_fs3(path, toy(), ToyEncoder())


def test_pca_finds_the_axis_of_most_variance() -> None:
    network = tiny()
    ws = sample_ws(network, 2000, 0, truncation=1.0)
    _, vectors = torch.linalg.eigh(torch.cov(ws.T))
    for component in (1, 3):
        direction = pca_direction(network, component)
        axis = vectors[:, -component] * (ws @ vectors[:, -component]).std()
        for vector, weight in zip(
            direction.vectors, affine_weights(network.synthesis), strict=True
        ):
            expected = weight @ axis
            expected = expected * (expected @ vector).sign()
            torch.testing.assert_close(vector, expected, rtol=1e-3, atol=1e-4)
    styles = network.synthesis.styles(ws)
    whitened = torch.cat([x / x.std(dim=0) for x in styles], 1)
    first = pca_direction(network, 1, space="s").flat
    assert float((whitened @ F.normalize(first, dim=0)).var()) >= float(whitened.var(dim=0).max())
    with pytest.raises(InputError, match="component 9: expected 1 to 8"):
        pca_direction(network, 9)


def test_sefa_changes_styles_most() -> None:
    network = tiny()
    weights = torch.cat(affine_weights(network.synthesis))
    gains = []
    for component in (1, 2, 8):
        vector = torch.cat(sefa_direction(network, component).vectors)
        axis = torch.linalg.lstsq(weights, vector[:, None]).solution[:, 0]
        torch.testing.assert_close(weights @ axis, vector, rtol=1e-3, atol=1e-4)
        gains.append(float(vector.norm() / axis.norm()))
    values = torch.linalg.svdvals(weights)
    torch.testing.assert_close(torch.tensor(gains), values[[0, 1, 7]], rtol=1e-3, atol=1e-4)
    late = sefa_direction(network, 1, layers=[4, 5])
    assert late.first_layer == 4 and not late.steps[6].any()
    with pytest.raises(InputError, match="layers: expected numbers from 0 to 7"):
        sefa_direction(network, 1, layers=[8])
