"""The text tower of CLIP models in numpy.

It agrees with open_clip's up to rounding, 1e-6 in each number. Only the rows of the table of tokens
that a text has are read from the checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guidance.models.foreign.tensors import read_header

TYPES = {"F32": np.float32, "F16": np.float16}
#: Keys of `text_cfg` that this module follows. With any other, open_clip builds the tower.
KNOWN = {"context_length", "vocab_size", "width", "heads", "layers"}
EPSILON = 1e-5  # of torch's layer norm


class TextTower:
    """A causal transformer over tokens, pooled at the end of the text.

    Args:
        checkpoint: a safetensors file of open_clip's CLIP.
        config: its `model_cfg`.
    """

    def __init__(self, checkpoint: Path, config: Mapping[str, Any]) -> None:
        text = config["text_cfg"]
        self.length, self.heads = text.get("context_length", 77), text.get("heads", 8)
        self.layers = text.get("layers", 12)
        self.quick = bool(config.get("quick_gelu", False))
        self._arrays = _mapped(checkpoint)

    @staticmethod
    def can_be(config: Mapping[str, Any], checkpoint: Path) -> bool:
        """Whether a model has such a tower."""
        given = {key for key, value in config["text_cfg"].items() if value is not None}
        header = read_header(checkpoint)
        own = {name: x for name, x in header.items() if not name.startswith("visual.")}
        return (
            given <= KNOWN
            and not config.get("custom_text")
            and not config.get("multimodal_cfg")
            and {"text_projection", "positional_embedding", "ln_final.weight"} <= own.keys()
            and all(x.dtype in TYPES for x in own.values())
        )

    def encode(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Unit vectors of tokenized texts: float32 [b, d].

        Attention is causal and the last token is pooled, so what fills up a row changes nothing.
        """
        length = max(map(len, texts))
        rows = np.array([[*tokens, *[0] * (length - len(tokens))] for tokens in texts])
        ends = np.array([len(tokens) - 1 for tokens in texts])
        x = self._arrays["token_embedding.weight"][rows].astype(np.float32)
        x += self._weight("positional_embedding")[:length]
        for layer in range(self.layers):
            name = f"transformer.resblocks.{layer}"
            x = x + self._attention(self._norm(x, f"{name}.ln_1"), f"{name}.attn")
            hidden = self._linear(self._norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")
            x = x + self._linear(self._activated(hidden), f"{name}.mlp.c_proj")
        pooled = self._norm(x[np.arange(len(rows)), ends], "ln_final")
        vectors: np.ndarray = pooled @ self._weight("text_projection")
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _attention(self, x: np.ndarray, name: str) -> np.ndarray:
        count, length, width = x.shape
        projected = x @ self._weight(f"{name}.in_proj_weight").T
        projected += self._weight(f"{name}.in_proj_bias")
        q, k, v = projected.reshape(count, length, 3, self.heads, -1).transpose(2, 0, 3, 1, 4)
        logits = q @ k.swapaxes(-1, -2) / np.float32((width // self.heads) ** 0.5)
        logits = np.where(np.tri(length, dtype=bool), logits, np.float32(-np.inf))
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        mixed = (powers / powers.sum(-1, keepdims=True)) @ v
        return self._linear(mixed.swapaxes(1, 2).reshape(x.shape), f"{name}.out_proj")

    def _activated(self, x: np.ndarray) -> np.ndarray:
        if self.quick:
            quick: np.ndarray = x / (1 + np.exp(-1.702 * x))
            return quick
        half: np.ndarray = x * np.float32(0.5)
        half *= 1 + _erf(x * np.float32(0.5**0.5))
        return half

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        centered = x - x.mean(-1, keepdims=True)
        scale = np.sqrt(np.square(centered).mean(-1, keepdims=True) + np.float32(EPSILON))
        normed: np.ndarray = centered / scale * self._weight(f"{name}.weight")
        normed += self._weight(f"{name}.bias")
        return normed

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        product: np.ndarray = x @ self._weight(f"{name}.weight").T + self._weight(f"{name}.bias")
        return product

    def _weight(self, name: str) -> np.ndarray:
        return self._arrays[name].astype(np.float32)


def _erf(x: np.ndarray) -> np.ndarray:
    """The error function, by the standard library: numpy has none, and scipy takes 50 ms."""
    import math

    flat = [math.erf(value) for value in x.ravel().tolist()]
    return np.array(flat, np.float32).reshape(x.shape)


def _mapped(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a checked safetensors file, without reading them."""
    read_header(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    whole = np.memmap(path, np.uint8, "r")
    arrays = {}
    for name, entry in header.items():
        if entry["dtype"] in TYPES and not name.startswith("visual."):
            begin, end = (8 + length + at for at in entry["data_offsets"])
            raw = whole[begin:end].view(TYPES[entry["dtype"]])
            arrays[name] = raw.reshape(entry["shape"])
    return arrays
