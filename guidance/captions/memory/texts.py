"""The memory: texts that retrieval finds, with broader nouns of each, and their vectors.

A memory is a text file with a noun phrase in each line, and broader nouns after "|":

    red apple | fruit, food
    lighthouse

The embedded memory holds what the embedded encoders know; the vectors of mini are stored beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.files import refuse_special_file
from guidance.language.words import with_article
from guidance.models.foreign.places import PACKAGED
from guidance.texts import is_encodable, is_visible

FOLDER = PACKAGED / "mini_lm"
EMBEDDED = FOLDER / "memory.txt"
VECTORS = FOLDER / "memory.safetensors"
MAX_BYTES, MAX_LINES, MAX_CHARACTERS = 2**22, 50_000, 200


@dataclass(frozen=True)
class Entry:
    """A noun phrase of the memory, and broader nouns that are true of what it names."""

    text: str
    broader: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """Texts with the vectors of one encoder."""

    entries: tuple[Entry, ...]
    vectors: Float[Tensor, "m d"]


def read_memory(path: Path | None) -> tuple[Entry, ...]:
    """The entries of a file, or of the embedded memory.

    Raises:
        InputError: no such file, not UTF-8, empty, or beyond the limits on bytes, lines and length.
    """
    name = f"memory {path}" if path else "the embedded memory"
    path = path or EMBEDDED
    refuse_special_file(path, name)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        lines = content.decode().splitlines()
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; write one phrase per line") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{name}: is not UTF-8 text; write one phrase per line") from None
    if len(content) > MAX_BYTES or len(lines) > MAX_LINES:
        raise InputError(
            f"{name}: has more than {MAX_BYTES // 2**20} MB or {MAX_LINES} lines; use fewer"
        )
    entries = dict.fromkeys(_entry(line, name) for line in lines if line.strip())
    if not entries:
        raise InputError(f'{name}: is empty; write lines such as "red apple | fruit"')
    return tuple(entries)


def _entry(line: str, name: str) -> Entry:
    text, _, rest = line.partition("|")
    text = " ".join(text.split())
    if not text or len(line) > MAX_CHARACTERS or not (is_visible(text) and is_encodable(text)):
        raise InputError(
            f"{name}: {line[:40]!r}: expected a phrase of at most {MAX_CHARACTERS} characters"
        )
    return Entry(text, tuple(word.strip() for word in rest.split(",") if word.strip()))


def load_memory(path: Path | None, encoder: Encoder) -> Memory:
    """A memory with the vectors of an encoder, which are computed if they are not stored.

    Raises:
        InputError: see `read_memory`.
    """
    entries = read_memory(path)
    stored = _stored(encoder) if path is None else None
    vectors = embed(encoder, [entry.text for entry in entries]) if stored is None else stored
    return Memory(entries, vectors)


def embed(encoder: Encoder, phrases: list[str]) -> Float[Tensor, "m d"]:
    """Unit vectors of noun phrases: the mean over the templates of an encoder."""
    templates = encoder.templates
    filled = [t.replace("{}", with_article(p)) for p in phrases for t in templates]
    vectors = encoder.encode_text(filled).view(len(phrases), len(templates), -1)
    return F.normalize(vectors.mean(1), dim=-1)


def _stored(encoder: Encoder) -> Float[Tensor, "m d"] | None:
    """The stored vectors of the embedded memory, if they are those of this encoder."""
    from safetensors import safe_open

    if encoder.name != "mini" or not VECTORS.is_file():
        return None
    with safe_open(VECTORS, "pt") as file:
        made_of = (file.metadata() or {}).get("memory")
        vectors: Tensor = file.get_tensor("vectors")
    if made_of != digest():
        raise InputError(f"{VECTORS}: does not belong to {EMBEDDED.name}; reinstall the package")
    device = encoder.encode_text(["a"]).device
    return F.normalize(vectors.to(device, torch.float32), dim=-1)


def digest() -> str:
    """The hash of the embedded memory, which its vectors name."""
    return hashlib.sha256(EMBEDDED.read_bytes()).hexdigest()
