"""ImageBind: a tiny random model in the published format, beside a slow definition of it."""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import guidance as gd
from guidance.cli import _code
from guidance.encoders import load_encoder
from guidance.encoders.imagebind import ImageBind
from guidance.encoders.sound.mel import mel_spectrogram
from guidance.encoders.text.embedding import embed_phrase
from guidance.errors import InputError, MissingWeights
from guidance.media.read_image import load_image
from guidance.media.read_sound import load_sound
from guidance.prompts import Prompt
from tests.search.stand_ins import draw

#: Width, layers, heads and positions of each tower; the space has 8 dimensions.
TOWERS = {"vision": (32, 2, 16, 5), "text": (32, 1, 16, 77), "audio": (24, 2, 12, 229)}
PATCH, DIMENSION = 14, 8


def checkpoint() -> dict[str, Tensor]:
    """The names of the published checkpoint, with tensors of another modality."""
    torch.manual_seed(0)
    found: dict[str, Tensor] = {"modality_heads.imu.3.weight": torch.ones(2, 2)}

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"] = 1 + 0.2 * torch.randn(width)
        found[f"{name}.bias"] = 0.2 * torch.randn(width)

    def linear(name: str, rows: int, columns: int, bias: str | None = "bias") -> None:
        found[f"{name}weight"] = torch.randn(rows, columns) / columns**0.5
        if bias:
            found[f"{name}{bias}"] = 0.2 * torch.randn(rows)

    for name, (width, layers, _, positions) in TOWERS.items():
        stem, trunk = f"modality_preprocessors.{name}", f"modality_trunks.{name}"
        for layer in range(layers):
            block = f"{trunk}.blocks.{layer}"
            linear(f"{block}.attn.in_proj_", 3 * width, width)
            linear(f"{block}.attn.out_proj.", width, width)
            if name == "audio":
                found[f"{block}.attn.bias_k"] = torch.randn(1, 1, width)
                found[f"{block}.attn.bias_v"] = torch.randn(1, 1, width)
            norm(f"{block}.norm_1", width)
            norm(f"{block}.norm_2", width)
            linear(f"{block}.mlp.fc1.", 4 * width, width)
            linear(f"{block}.mlp.fc2.", width, 4 * width)
        if name == "text":
            found[f"{stem}.pos_embed"] = torch.randn(1, positions, width)
            found[f"{stem}.token_embedding.weight"] = torch.randn(49408, width)
            found[f"{stem}.mask"] = torch.full((77, 77), -math.inf).triu(1)
        else:
            found[f"{stem}.cls_token"] = torch.randn(1, 1, width)
            found[f"{stem}.pos_embedding_helper.pos_embed"] = torch.randn(1, positions, width)
        head = "proj.0" if name == "text" else "0"
        norm(f"modality_heads.{name}.{head}", width)
        head = "proj.1" if name == "text" else "2"
        linear(f"modality_heads.{name}.{head}.", DIMENSION, width, None)
    kernel = torch.randn(32, 3, 2, PATCH, PATCH) / (6 * PATCH**2) ** 0.5
    found["modality_preprocessors.vision.rgbt_stem.proj.1.weight"] = kernel
    norm("modality_trunks.vision.pre_transformer_layer.0", 32)
    found["modality_preprocessors.audio.rgbt_stem.proj.weight"] = torch.randn(24, 1, 16, 16) / 16
    norm("modality_preprocessors.audio.rgbt_stem.norm_layer", 24)
    found["modality_postprocessors.text.1.log_logit_scale"] = torch.tensor(4.5)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("imagebind")
    torch.save(checkpoint(), path / "imagebind_huge.pth")
    return path


def layer_norm(x: Tensor, weights: dict[str, Tensor], name: str, eps: float = 1e-6) -> Tensor:
    centered = x - x.mean(-1, keepdim=True)
    scale = (centered.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return centered / scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def trunk(x: Tensor, weights: dict[str, Tensor], modality: str, causal: bool = False) -> Tensor:
    """The blocks for tokens of one sample, head by head and in float64."""
    width, layers, heads, _ = TOWERS[modality]
    each = width // heads
    for layer in range(layers):
        block = f"modality_trunks.{modality}.blocks.{layer}"
        y = layer_norm(x, weights, f"{block}.norm_1")
        y = y @ weights[f"{block}.attn.in_proj_weight"].T + weights[f"{block}.attn.in_proj_bias"]
        q, k, v = y.split(width, 1)
        if f"{block}.attn.bias_k" in weights:
            k = torch.cat([k, weights[f"{block}.attn.bias_k"][0]])
            v = torch.cat([v, weights[f"{block}.attn.bias_v"][0]])
        mixed = []
        for head in range(heads):
            part = slice(head * each, (head + 1) * each)
            logits = q[:, part] @ k[:, part].T / each**0.5
            if causal:
                later = torch.arange(len(k)) > torch.arange(len(q))[:, None]
                logits = logits.masked_fill(later, -math.inf)
            mixed.append(logits.softmax(-1) @ v[:, part])
        y = torch.cat(mixed, 1) @ weights[f"{block}.attn.out_proj.weight"].T
        x = x + y + weights[f"{block}.attn.out_proj.bias"]
        y = layer_norm(x, weights, f"{block}.norm_2")
        y = y @ weights[f"{block}.mlp.fc1.weight"].T + weights[f"{block}.mlp.fc1.bias"]
        y = y * 0.5 * (1 + torch.erf(y / 2**0.5))
        x = x + y @ weights[f"{block}.mlp.fc2.weight"].T + weights[f"{block}.mlp.fc2.bias"]
    return x


def slow_spectrogram(sound: np.ndarray) -> np.ndarray:
    """Kaldi's definition, band by band."""
    mel = lambda hertz: 1127 * math.log(1 + hertz / 700)  # noqa: E731
    width = (mel(8000) - mel(20)) / 129
    rows = []
    for start in range(0, len(sound) - 399, 160):
        frame = sound[start : start + 400].astype(np.float64)
        frame = frame - frame.mean()
        frame[1:], frame[0] = frame[1:] - 0.97 * frame[:-1], 0.03 * frame[0]
        frame *= 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        row = []
        for band in range(128):
            left = mel(20) + band * width
            total = 0.0
            for index in range(256):
                at = (mel(index * 16000 / 512) - left) / width
                total += power[index] * max(0.0, min(at, 2 - at))
            row.append(math.log(max(total, 2.0**-23)))
        rows.append(row)
    return np.array(rows)


def sound_of(seconds: float, seed: int = 0) -> Tensor:
    time = torch.arange(int(16000 * seconds)) / 16000
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(seed))
    return 0.3 * torch.sin(2 * math.pi * 440 * (1 + time) * time) + 0.01 * noise


def test_spectrogram_is_kaldis() -> None:
    sound = sound_of(0.06)
    found = mel_spectrogram(sound, 128)
    assert found.shape == (4, 128)
    assert np.abs(found.numpy() - slow_spectrogram(sound.numpy())).max() < 2e-3


def test_towers_are_the_published_ones(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = load_encoder(f"local-dir:{folder}", precision="fp32")
    assert isinstance(encoder, ImageBind) and encoder.family == "clip"
    assert capsys.readouterr().err.count("no commercial use") == 1
    assert encoder.logit_scale == pytest.approx(math.exp(4.5))
    weights = {name: tensor.double() for name, tensor in checkpoint().items()}

    image = torch.rand(1, 3, 28, 28)
    pixels = encoder._normalized(image).double()[0]
    stem = "modality_preprocessors.vision"
    kernel = weights[f"{stem}.rgbt_stem.proj.1.weight"]
    tokens = [weights[f"{stem}.cls_token"][0, 0]]
    for row in range(2):
        for column in range(2):
            patch = pixels[:, 14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
            twice = torch.stack([patch, patch], 1)  # a video of two equal frames
            tokens.append((kernel * twice).sum((1, 2, 3, 4)))
    x = torch.stack(tokens) + weights[f"{stem}.pos_embedding_helper.pos_embed"][0]
    x = layer_norm(x, weights, "modality_trunks.vision.pre_transformer_layer.0")
    x = layer_norm(trunk(x, weights, "vision")[0], weights, "modality_heads.vision.0")
    x = F.normalize(x @ weights["modality_heads.vision.2.weight"].T, dim=-1)
    assert (encoder.encode_image(image)[0] - x).abs().max() < 1e-5

    text = encoder._tokenizer(["a bird sings"])[0]
    x = weights["modality_preprocessors.text.token_embedding.weight"][text]
    x = trunk(x + weights["modality_preprocessors.text.pos_embed"][0], weights, "text", True)
    x = layer_norm(x[int(text.argmax())], weights, "modality_heads.text.proj.0")
    x = F.normalize(x @ weights["modality_heads.text.proj.1.weight"].T, dim=-1)
    assert (encoder.encode_text(["a bird sings"])[0] - x).abs().max() < 1e-5


def test_a_sound_is_the_mean_of_three_parts(folder: Path) -> None:
    encoder = load_encoder(f"local-dir:{folder}", precision="fp32")
    weights = {name: tensor.double() for name, tensor in checkpoint().items()}
    stem = "modality_preprocessors.audio"
    sound = sound_of(3.5)
    vectors = []
    for start in (0, 12000, 24000):
        mel = mel_spectrogram(sound[start : start + 32000], 128).T.double()
        mel = (torch.cat([mel, torch.zeros(128, 204 - mel.shape[1])], 1) + 4.268) / 9.138
        patches = mel.unfold(0, 16, 10).unfold(1, 16, 10).reshape(12 * 19, 256)
        x = patches @ weights[f"{stem}.rgbt_stem.proj.weight"].flatten(1).T
        x = layer_norm(x, weights, f"{stem}.rgbt_stem.norm_layer", 1e-5)
        x = torch.cat([weights[f"{stem}.cls_token"][0], x])
        x = trunk(x + weights[f"{stem}.pos_embedding_helper.pos_embed"][0], weights, "audio")[0]
        x = layer_norm(x, weights, "modality_heads.audio.0")
        vectors.append(F.normalize(x @ weights["modality_heads.audio.2.weight"].T, dim=-1))
    expected = F.normalize(torch.stack(vectors).mean(0), dim=-1)
    assert (encoder.encode_sound([sound])[0] - expected).abs().max() < 1e-5
    other = encoder.encode_sound([sound_of(0.5, seed=1)])[0]
    assert (other - expected).abs().max() > 1e-2
    with pytest.raises(InputError, match="too short"):
        encoder.encode_sound([sound[:399]])


def write_wav(path: Path, sound: Tensor, rate: int, channels: int = 1) -> Path:
    samples = (sound * 32767).round().short().numpy()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(samples, channels).tobytes())
    return path


def test_sounds_of_files(tmp_path: Path) -> None:
    sound = sound_of(1)
    same = load_sound(write_wav(tmp_path / "a.wav", sound, 16000, 2), 16000)
    assert same.shape == sound.shape and (same - sound).abs().max() < 1e-4
    time = torch.arange(44100) / 44100
    tone = 0.5 * torch.sin(2 * math.pi * 440 * time)
    resampled = load_sound(write_wav(tmp_path / "b.wav", tone, 44100), 16000)
    expected = 0.5 * torch.sin(2 * math.pi * 440 * torch.arange(16000) / 16000)
    assert abs(len(resampled) - 16000) < 64
    assert (resampled[100:15000] - expected[100:15000]).abs().max() < 2e-2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"RIFF\x24\0\0\0WAVEfmt ", "cannot be read|no sound"),
        (b"fLaC" + b"\xff" * 300, "cannot be read|no sound|samples per second"),
        (b"not a sound" * 30, "is no sound file"),
        (b"GIF89a" + b"\0" * 300, "is no sound file"),
    ],
)
def test_damaged_sounds(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_sound(tmp_path / "x.wav", 16000)


def test_rates_and_lengths_are_limited(tmp_path: Path) -> None:
    """A header of one sample per second would make 16,000 samples of each byte."""
    path = write_wav(tmp_path / "x.wav", torch.zeros(90_000), 1)
    with pytest.raises(InputError, match="1 samples per second"):
        load_sound(path, 16000)
    with pytest.raises(InputError, match="longer than 600 seconds"):
        load_sound(write_wav(tmp_path / "y.wav", torch.zeros(4_000_000), 6000), 16000)


def test_sounds_are_queries(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sound in the grammar of prompts, in an index and in a loss."""
    draw(tmp_path / "in")
    name, wav = f"local-dir:{folder}", write_wav(tmp_path / "bird.wav", sound_of(1), 16000)
    gd.Collection.build(tmp_path / "index", tmp_path / "in", encoder=name)
    prompt = f"audio:{wav}:2 | a bird:-0.5"
    assert _code(["search", "query", str(tmp_path / "index"), prompt]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    encoder = load_encoder(name)
    sound, text = Prompt.parse(prompt).phrases
    query = 2 * embed_phrase(encoder, sound)[0] - 0.5 * embed_phrase(encoder, text)[0]
    same = encoder.encode_sound([load_sound(wav, 16000)])[0]
    assert (embed_phrase(encoder, sound)[0] - same).norm() < 1e-6
    images = torch.cat([load_image(path)[None] for path in (tmp_path / "in").iterdir()])
    best = float((encoder.encode_image(images) @ query).max())
    assert float(first.split()[1]) == pytest.approx(best, abs=5e-3)
    with pytest.raises(InputError, match="mini: reads no sounds; use imagebind"):
        embed_phrase(load_encoder("mini"), sound)


def test_checkpoints_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "imagebind_huge.pth"
    name = f"local-dir:{tmp_path}"
    tensors = checkpoint()
    tensors["modality_heads.audio.2.weight"] = torch.ones(9, 24)
    torch.save(tensors, path)
    with pytest.raises(InputError, match=r"ImageBind: tensor 'sound.head.weight' has shape"):
        load_encoder(name)
    del tensors["modality_heads.audio.2.weight"]
    torch.save(tensors, path)
    with pytest.raises(InputError, match=r"'sound.head.weight' is missing"):
        load_encoder(name)
    torch.save({"a": torch.ones(2)}, path)
    with pytest.raises(InputError, match="is not a checkpoint of ImageBind"):
        load_encoder(name)
    torch.save({"a": Path("x")}, path)
    with pytest.raises(InputError, match="pathlib"):
        load_encoder(name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingWeights, match=r"checkpoints/imagebind_huge.pth; if their license"):
        load_encoder("imagebind")
