"""Dictionaries of directions: built once for a network and an encoder, then kept in the cache."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path

from torch import Tensor

from guidance.directions.dictionary import StyleDictionary
from guidance.directions.digest import network_digest
from guidance.directions.direction import StyleDirection
from guidance.directions.instant import Sentence
from guidance.directions.joint import refined_direction
from guidance.encoders import load_encoder
from guidance.encoders.base import Encoder
from guidance.errors import InputError
from guidance.losses.text.arguments import negative_phrases, subtracted
from guidance.prompts import ONE, Phrase, Prompt
from guidance.stylegan import StyleGAN
from guidance.streams import say
from guidance.tasks.stylegan.method import EditJob
from guidance.version import __version__


def cache_folder() -> Path:
    """Where dictionaries are kept: `$XDG_CACHE_HOME/guidance/directions`, by default in ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if root and Path(root).is_absolute() else Path.home() / ".cache"
    return base / "guidance" / "directions"


def find_dictionary(
    network: StyleGAN, encoder: str | Encoder, subject: Prompt, notes: list[str]
) -> StyleDictionary:
    """The dictionary of a network and an encoder, from the cache or built now.

    A file of the cache is read as any other file: it must belong to this network and encoder. One
    that cannot be read is built again. If the cache cannot be written, that is said in a note.

    Args:
        network: the network.
        encoder: a name or an Encoder.
        subject: what the images of the network show.
        notes: notes for the user are added here.
    """
    loaded = load_encoder(encoder, network.device)
    path = cache_folder() / f"{_key(network, loaded, subject.text)}.safetensors"
    if path.is_file():
        try:
            return StyleDictionary.load(path, network, loaded)
        except InputError as error:
            notes.append(f"{error}; the dictionary is built again")
    say("building the dictionary of the network: once for each network and encoder ...")
    found = StyleDictionary.build(network, loaded, subject=subject.text)
    try:
        found.save(path)
    except InputError as error:
        notes.append(f"the dictionary is not kept for the next run: {error}")
    return found


@dataclass(frozen=True)
class Wanted:
    """How directions are chosen from a dictionary; see `StyleDictionary.direction`."""

    channels: int
    isolation: float
    unchanged: tuple[Prompt, ...]
    opposite: tuple[Prompt, ...]  # one for all prompts or for each; none: what the images show
    refined: bool


def prompt_vectors(
    job: EditJob, encoders: Sequence[str | Encoder], wanted: Wanted
) -> list[tuple[Tensor, ...]]:
    """What strength 1 adds to the style of each layer, for the prompt of each sample.

    It is the sum over phrases: each has its own direction, multiplied by its weight. Negatives
    count as in losses: with 0.3 times their weight, below 0.

    Raises:
        InputError: there are several opposites, but not one for each prompt.
    """
    prompts = list(dict.fromkeys(job.prompts))
    sources = list(wanted.opposite or (job.shown,))
    if len(sources) not in (1, len(prompts)):
        raise InputError(
            f"--opposite: expected one for all prompts, or one for each of {len(prompts)}, got "
            f"{len(sources)}"
        )
    sources = sources * len(prompts) if len(sources) == 1 else sources
    dictionaries = [find_dictionary(job.network, each, job.shown, job.notes) for each in encoders]
    others = [(phrase, job.shown) for phrase in subtracted(negative_phrases(job.negative))]
    found = {
        prompt: _summed(
            [
                edit[0].weight(1.0) / len(dictionaries) * _direction(each, edit, job, wanted)
                for edit in (*((phrase, source) for phrase in prompt.phrases), *others)
                for each in zip(dictionaries, encoders, strict=True)
            ]
        )
        for prompt, source in zip(prompts, sources, strict=True)
    }
    return [found[prompt] for prompt in job.prompts]


def read_vectors(paths: Sequence[Path], job: EditJob) -> tuple[Tensor, ...]:
    """What strength 1 adds to the style of each layer: the sum of the directions of files.

    Raises:
        InputError: a file that cannot be read, or of another network.
    """
    return _summed([StyleDirection.load(path, job.network) for path in paths])


def _direction(
    known: tuple[StyleDictionary, str | Encoder],
    edit: tuple[Phrase, Prompt],
    job: EditJob,
    wanted: Wanted,
) -> StyleDirection:
    """The direction from a prompt to a phrase, whatever its weight."""
    (dictionary, encoder), (phrase, source) = known, edit
    target = Prompt(phrase.text, (replace(phrase, weight=ONE),))
    most = sum(layer.channels for layer in job.network.synthesis.layers)
    found = dictionary.direction(
        target,
        source,
        keep=wanted.unchanged,
        count=min(wanted.channels, most),
        isolation=wanted.isolation,
    )
    job.notes.extend(note for note in found.notes if note not in job.notes)
    if not wanted.refined or phrase.image is not None:
        return found
    sentence = Sentence(target, source, wanted.unchanged, job.shown)
    say(f"refining the direction of {phrase.text!r} ...")
    return refined_direction(job.network, found, sentence, encoder, quiet=True)


def _summed(directions: Sequence[StyleDirection]) -> tuple[Tensor, ...]:
    return reduce(add, directions).vectors


def _key(network: StyleGAN, encoder: Encoder, subject: str) -> str:
    """The name of a file. Whether it belongs to this encoder is checked when it is read."""
    found = hashlib.sha256(network_digest(network).encode())
    found.update(f"{__version__} {encoder.name} {subject}".encode())
    return found.hexdigest()[:32]
