"""Conversion of checkpoints: values, and that nothing of a file is executed."""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.commands import models
from guidance.errors import InputError
from guidance.models.foreign.pickled_tensors import PickledTensor, Storage, load_tensors
from guidance.models.foreign.pickles import PickleProblem, read_pickle
from guidance.stylegan import StyleGAN, load_stylegan
from guidance.stylegan.convert.files import convert
from guidance.stylegan.files.save import save_stylegan
from tests.stylegan import slow
from tests.stylegan.pickles import Persistent, nvlabs_modules, nvlabs_pickle, rosinality_checkpoint
from tests.stylegan.small import small_stylegan2, small_stylegan3

NETWORKS = {
    "stylegan2": small_stylegan2,
    "clamped": lambda: small_stylegan2(clamp=0.8, c_dim=3, embedding=5),
    "without noise and skips": lambda: small_stylegan2(use_noise=False, skips=False),
    "stylegan3-t": small_stylegan3,
    "stylegan3-r": lambda: small_stylegan3(kernel=1, radial=True, critical_layers=1),
}


@pytest.mark.parametrize(
    ("name", "protocol"), [*((name, 4) for name in NETWORKS), ("stylegan3-t", 3), ("clamped", 5)]
)
def test_nvlabs_pickles(name: str, protocol: int, tmp_path: Path) -> None:
    network, canary, file = NETWORKS[name](), tmp_path / "canary", tmp_path / "network.pkl"
    file.write_bytes(nvlabs_pickle(network, canary, protocol))
    assert models.run(["convert", str(file)]) == 0
    again = load_stylegan(str(tmp_path / "network"))
    assert not canary.exists()
    found, expected = again.config.model_dump(), network.config.model_dump()
    if "taps" in expected:  # they are stored with a sum of one
        assert found.pop("taps") == pytest.approx([x / 8 for x in expected.pop("taps")])
    assert found == expected
    _check_equal(again, network)
    assert torch.equal(again.mapping.w_avg, network.mapping.w_avg)


def test_pickles_of_python_2(tmp_path: Path) -> None:
    """Their bytes are texts, which a function decodes."""
    file = tmp_path / "network.pkl"
    file.write_bytes(nvlabs_pickle(small_stylegan2(), tmp_path / "canary", protocol=2))
    with pytest.raises(InputError, match=r"asks for _codecs\.encode"):
        convert(file)


def _check_equal(found: StyleGAN, expected: StyleGAN) -> None:
    torch.manual_seed(1)
    z = torch.randn(2, expected.config.z_dim)
    labels = torch.eye(expected.config.c_dim)[:2] if expected.config.c_dim else None
    torch.testing.assert_close(
        found(z, 0.8, labels), expected(z, 0.8, labels), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("is_old", [True, False])
@pytest.mark.parametrize("has_mean", [True, False])
def test_rosinality_checkpoints(is_old: bool, has_mean: bool, tmp_path: Path) -> None:
    network = small_stylegan2(mapping_widths=(9, 7), z_dim=7)
    checkpoint, file = rosinality_checkpoint(network, has_mean), tmp_path / "network.pt"
    torch.save(checkpoint, file, _use_new_zipfile_serialization=not is_old)
    converted = convert(file, tmp_path / "out")
    again = load_stylegan(str(tmp_path / "out"))
    ws = torch.randn(2, network.synthesis.num_ws, 7)
    torch.testing.assert_close(again.synthesis(ws), network.synthesis(ws), atol=1e-5, rtol=1e-5)
    expected = slow_rosinality(checkpoint["g_ema"], ws)
    torch.testing.assert_close(again.synthesis(ws), expected, atol=1e-5, rtol=1e-5)
    z = torch.randn(2, 7)
    torch.testing.assert_close(again.mapping(z), network.mapping(z), atol=1e-5, rtol=1e-5)
    if has_mean:
        assert torch.equal(again.mapping.w_avg, network.mapping.w_avg)
        assert not converted.notes
    else:
        w = network.mapping(torch.randn(20_000, 7))
        torch.testing.assert_close(again.mapping.w_avg, w.mean(dim=0), atol=0.05, rtol=0)
        assert "the mean of w is not stored" in converted.notes[0]


def slow_rosinality(state: dict[str, Tensor], ws: Tensor) -> Tensor:
    """The generator of stylegan2-pytorch, one sample at a time, with its stored noise."""
    return torch.cat([_slow_sample(state, each[None]) for each in ws])


def _slow_sample(state: dict[str, Tensor], ws: Tensor) -> Tensor:
    def modulated(name: str, x: Tensor, w: Tensor, demodulate: bool) -> Tensor:
        affine = state[f"{name}.conv.modulation.weight"]
        style = w @ affine.T / math.sqrt(affine.shape[1]) + state[f"{name}.conv.modulation.bias"]
        weight = state[f"{name}.conv.weight"][0]
        weight = weight / math.sqrt(weight[0].numel()) * style[0][None, :, None, None]
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if f"{name}.conv.blur.kernel" in state:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            return slow.fast_upfirdn(x, state[f"{name}.conv.blur.kernel"], 1, 1, (1, 1), gain=1.0)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)

    def styled(name: str, x: Tensor, w: Tensor, noise: int) -> Tensor:
        x = modulated(name, x, w, True)
        x = x + state[f"{name}.noise.weight"] * state[f"noises.noise_{noise}"]
        return F.leaky_relu(x + state[f"{name}.activate.bias"][:, None, None], 0.2) * math.sqrt(2)

    def to_rgb(name: str, x: Tensor, w: Tensor, skip: Tensor | None) -> Tensor:
        x = modulated(name, x, w, False) + state[f"{name}.bias"]
        if skip is not None:
            kernel = state[f"{name}.upsample.kernel"]
            x = x + slow.fast_upfirdn(skip, kernel, 2, 1, (2, 1), gain=1.0)
        return x

    x = styled("conv1", state["input.input"], ws[:, 0], 0)
    image = to_rgb("to_rgb1", x, ws[:, 1], None)
    index = 0
    while f"to_rgbs.{index}.bias" in state:
        at = 2 * index
        x = styled(f"convs.{at}", x, ws[:, at + 1], at + 1)
        x = styled(f"convs.{at + 1}", x, ws[:, at + 2], at + 2)
        image = to_rgb(f"to_rgbs.{index}", x, ws[:, at + 3], image)
        index += 1
    return image


def test_a_folder_is_converted_to_itself(tmp_path: Path) -> None:
    network = small_stylegan2()
    save_stylegan(network, tmp_path / "in")
    for number, source in enumerate(("in", "in/model.safetensors")):
        assert (
            convert(tmp_path / source, tmp_path / f"out{number}").network.config == network.config
        )
        _check_equal(load_stylegan(str(tmp_path / f"out{number}")), network)
    with pytest.raises(InputError, match="is not an empty folder"):
        convert(tmp_path / "in", tmp_path / "out0")


class Command:
    """Executes a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def _persistent_command(canary: Path) -> bytes:
    with nvlabs_modules(canary):
        return pickle.dumps({"G_ema": Persistent("A", {"x": Command(canary)}, canary)})


def _cut(canary: Path) -> bytes:
    whole = nvlabs_pickle(small_stylegan2(), canary)
    return whole[: len(whole) // 2]


#: A pickle, or how it is made, and the message about it.
HOSTILE: dict[str, tuple[bytes | Callable[[Path], bytes], str]] = {
    "command": (
        lambda canary: pickle.dumps({"G_ema": Command(canary)}), r"asks for posix\.system"
    ),
    "command in a persistent object": (_persistent_command, r"asks for posix\.system"),
    "eval": (b"\x80\x04c__builtin__\neval\n\x8c\x011\x85R.", r"asks for __builtin__\.eval"),
    "attribute of a listed name": (
        b"\x80\x04cbuiltins\ngetattr\ncbuiltins\nset\n\x8c\x03pop\x86R.",
        r"asks for builtins\.getattr",
    ),
    "state of a list": (b"\x80\x04]}\x8c\x01a\x8c\x01bsb.", "gives a state to something"),
    "call of a text": (b"\x80\x04\x8c\x01a)R.", "calls something that is not on the list"),
    "call of data": (b"\x80\x04cnumpy\nndarray\n)R.", "calls numpy.ndarray, which is data only"),
    "extension": (b"\x80\x04\x82\x01.", "uses the opcode EXT1"),
    "instance": (b"\x80\x04(ios\nsystem\n.", "uses the opcode INST"),
    "large text": (b"\x80\x04\x8d" + (2**50).to_bytes(8, "little") + b"a.", "is damaged"),
    "large memo": (b"\x80\x04]r\xff\xff\xff\x7f.", "expected a dictionary with the network G_ema"),
    "key of a list": (b"\x80\x04}]]s.", "has a dictionary whose keys are neither"),
    "cut": (_cut, "is damaged"),
    "many arguments": (
        b"\x80\x04cbuiltins\nset\n(" + b"K\x01" * 17 + b"tR.", "with too many arguments"
    ),
    "numbers": (pickle.dumps([1, 2, 3]), "expected a dictionary with the network G_ema"),
    "marks": (b"\x80\x04" + b"(" * 100, "is damaged"),
    "two objects": (b"\x80\x04]].", "does not end with one object"),
    "tensorflow": (
        b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81.", r"legacy\.py of stylegan2-ada-pytorch"
    ),
    "empty": (b"", "expected a network pickle"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles_are_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "network.pkl"
    content, message = HOSTILE[kind]
    file.write_bytes(content if isinstance(content, bytes) else content(canary))
    with pytest.raises(InputError, match=message) as error:
        models.run(["convert", str(file), "--output", str(tmp_path / "out")])
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400
    assert not canary.exists()
    assert not (tmp_path / "out").exists()


def test_long_pickles_are_refused() -> None:
    with pytest.raises(PickleProblem, match="has more than 100 opcodes"):
        read_pickle(io.BytesIO(b"\x80\x04" + b"]0" * 60 + b"N."), {}, max_opcodes=100)


def test_tensors_outside_of_their_storage_are_refused() -> None:
    storage = Storage("float32", 4, 6, bytes(24))
    good = PickledTensor(storage, 1, (2, 2), (3, 1))
    assert good.load().shape == (2, 2)
    for offset, shape, stride in (
        (3, (2, 2), (3, 1)),
        (0, (2**20,), (0,)),  # many elements from one
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (2,), ()),
        (0, (1,) * 9, (1,) * 9),
    ):
        with pytest.raises(PickleProblem, match="is damaged"):
            PickledTensor(storage, offset, shape, stride)
    large = PickledTensor(Storage("float32", 4, 2**28), 0, (2**28,), (1,))
    with pytest.raises(PickleProblem, match="more than 268435456 elements"):
        load_tensors({"a": large, "b": large})
    with pytest.raises(PickleProblem, match="does not have the bytes"):
        storage.fill(bytes(20))


def test_hostile_checkpoints_are_refused(tmp_path: Path) -> None:
    canary, file = tmp_path / "canary", tmp_path / "network.pt"
    for is_old in (True, False):
        torch.save(
            {"g_ema": {"a": Command(canary)}}, file, _use_new_zipfile_serialization=not is_old
        )
        with pytest.raises(InputError, match=r"asks for posix\.system"):
            convert(file)
    torch.save({"model": {}}, file)
    with pytest.raises(InputError, match="with the generator g_ema"):
        convert(file)
    torch.save({"g_ema": {"a.weight": torch.ones(2)}}, file)
    with pytest.raises(InputError, match=r"tensor 'a.weight' is not one of StyleGAN2"):
        convert(file)
    checkpoint = rosinality_checkpoint(small_stylegan2(mapping_widths=(7,), z_dim=7))
    checkpoint["g_ema"]["conv1.conv.weight"] = torch.ones(1, 5, 12, 3, 3)
    torch.save(checkpoint, file)
    with pytest.raises(InputError, match="does not match the layers of this network"):
        convert(file)
    del checkpoint["g_ema"]["conv1.conv.weight"]
    torch.save(checkpoint, file)
    with pytest.raises(InputError, match=r"is not supported|is missing"):
        convert(file)
    assert not canary.exists()


def test_archives_that_claim_too_much_are_refused(tmp_path: Path) -> None:
    network = small_stylegan2(mapping_widths=(7,), z_dim=7)
    good, bad = tmp_path / "good.pt", tmp_path / "bad.pt"
    torch.save(rosinality_checkpoint(network), good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(InputError, match="is a compressed archive"):
        convert(bad)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data + b"\0" * 4 if "/data/" in name else data)
    with pytest.raises(InputError, match="is damaged: a file in it is larger"):
        convert(bad)
    data = bytearray(good.read_bytes())
    at = data.rfind(b"PK\x06\x06") if b"PK\x06\x06" in data else None
    end = data.rfind(b"PK\x05\x06")
    where = slice(at + 40, at + 48) if at is not None else slice(end + 12, end + 16)
    data[where] = (2**31 - 1).to_bytes(where.stop - where.start, "little")
    bad.write_bytes(data)
    with pytest.raises(InputError, match="an archive of too many files"):
        convert(bad)
    bad.write_bytes(good.read_bytes()[:-30])
    with pytest.raises(InputError, match="is an incomplete archive"):
        convert(bad)


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        convert(tmp_path / "missing.pkl")
    (tmp_path / "a.pkl").write_bytes(b"hello, this is a text")
    with pytest.raises(InputError, match="expected a network pickle"):
        convert(tmp_path / "a.pkl")
    with (tmp_path / "large.pkl").open("wb") as file:
        file.truncate(2**31 + 1)
    with pytest.raises(InputError, match="more than the"):
        convert(tmp_path / "large.pkl")
    os.mkfifo(tmp_path / "pipe.pkl")
    with pytest.raises(InputError, match="a named pipe"):
        convert(tmp_path / "pipe.pkl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activation": "relu"}, "its activation is 'relu'"),
        ({"conv_clamp": -1.0}, "clamp: input should be greater than 0"),
        ({"conv_clamp": "a"}, "clamp: "),
    ],
)
def test_networks_that_are_not_supported(
    change: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.stylegan import pickles

    original = pickles._persistent

    def changed(module: Any, path: str, *rest: Any) -> Any:
        found = original(module, path, *rest)
        if path.endswith("b4.conv1"):
            found.state |= change
        return found

    monkeypatch.setattr(pickles, "_persistent", changed)
    file = tmp_path / "network.pkl"
    file.write_bytes(nvlabs_pickle(small_stylegan2(), tmp_path / "canary"))
    with pytest.raises(InputError, match=message):
        convert(file)


def test_other_filters_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.stylegan import pickles

    original = pickles._arguments
    monkeypatch.setattr(pickles, "_arguments", lambda config: original(config) | {
        "_init_kwargs": original(config)["_init_kwargs"] | {"first_stopband": 3.9}
    })  # fmt: skip
    file = tmp_path / "network.pkl"
    file.write_bytes(nvlabs_pickle(small_stylegan3(), tmp_path / "canary"))
    with pytest.raises(InputError, match=r"its filter .* differs|does not match"):
        convert(file)
