"""The work of `guide style directions`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from guidance.commands.style_request import Request
from guidance.directions.dictionary import COUNT, SUBJECT, StyleDictionary
from guidance.directions.direction import StyleDirection
from guidance.directions.effects import Progress
from guidance.directions.fs3 import export_fs3, import_fs3
from guidance.directions.full import IMAGES, ChannelTable
from guidance.directions.instant import Sentence, instant_direction
from guidance.directions.joint import FACES, refined_direction
from guidance.directions.keeping import Choice
from guidance.directions.verified import CANDIDATES, LATENTS
from guidance.directions.wordless import pca_direction, sefa_direction
from guidance.encoders import load_encoder
from guidance.errors import InputError
from guidance.loop.progress import ProgressBar, is_terminal
from guidance.models.devices import find_device
from guidance.prompts import plain_text
from guidance.runs.folder import slug
from guidance.streams import say
from guidance.stylegan import StyleGAN, load_stylegan

RANDOM, GRADIENTS = 32, 100  # images of a dictionary, and of the method instant


def write_directions(request: Request) -> Iterator[Path]:
    """Does what is asked for, and yields the files that it writes.

    Raises:
        InputError: a network, prompt or file that cannot be used.
        MissingWeights: the network or the encoder is not on this machine.
    """
    network = load_stylegan(request.network, find_device(request.device))
    if request.method == "pca":
        yield _save(request, pca_direction(network, request.component, seed=request.seed))
    elif request.method == "sefa":
        yield _save(request, sefa_direction(network, request.component, seed=request.seed))
    elif request.method == "instant":
        yield _save(request, _instant(network, request))
    elif request.method == "full":
        yield from _full(network, request)
    else:
        yield from _dictionary(network, request)


def _dictionary(network: StyleGAN, request: Request) -> Iterator[Path]:
    """The methods dictionary, verified and joint."""
    path = _table_path(request, "dictionary")
    if path.exists():
        dictionary = StyleDictionary.load(path, network, request.encoder)
        if request.subject not in (None, dictionary.subject):
            raise InputError(
                f"{path}: is a dictionary of {dictionary.subject!r:.80}; remove --subject, or "
                "build another one with --table"
            )
        if request.latents is not None and request.method == "dictionary":
            say(f"note: {path} exists, so that --latents has no effect")
    else:
        latents = request.latents if request.method == "dictionary" else None
        with _progress("renders") as progress:
            dictionary = StyleDictionary.build(
                network,
                request.encoder,
                latents=_number(latents, RANDOM),
                seed=request.seed,
                subject=request.subject or SUBJECT,
                progress=progress,
            )
        yield dictionary.save(path)
    if request.prompt is None:
        return
    direction = _of_dictionary(dictionary, request, _choice(request))
    if request.method == "verified":
        first = _of_dictionary(dictionary, request, Choice(CANDIDATES, None, request.isolation))
        with _progress("channels") as progress:
            dictionary, found = dictionary.verified(
                network, first, latents=_number(request.latents, LATENTS), progress=progress
            )
        say(f"{found.dropped} of {found.checked} channels disagreed with their gradients; dropped")
        direction = _of_dictionary(dictionary, request, _choice(request))
    elif request.method == "joint":
        sentence = replace(_sentence(request), subject=dictionary.subject)
        faces = _number(request.latents, FACES)
        direction = refined_direction(
            network, direction, sentence, dictionary.encoder, faces=faces, seed=request.seed + 2
        )
    yield _save(request, direction)


def _of_dictionary(dictionary: StyleDictionary, request: Request, choice: Choice) -> StyleDirection:
    assert request.prompt is not None, "checked by the caller"
    return dictionary.direction(
        request.prompt,
        request.source,
        keep=request.keep,
        count=choice.count,
        beta=choice.beta,
        isolation=choice.isolation,
    )


def _instant(network: StyleGAN, request: Request) -> StyleDirection:
    with _progress("renders") as progress:
        return instant_direction(
            network, _sentence(request), _choice(request), request.encoder,
            latents=_number(request.latents, GRADIENTS), seed=request.seed, progress=progress,
        )  # fmt: skip


def _full(network: StyleGAN, request: Request) -> Iterator[Path]:
    encoder = load_encoder(request.encoder, network.device)
    path = _table_path(request, "full")
    if path.suffix == ".npy":
        table = import_fs3(path, network, encoder)
    else:
        table = ChannelTable.empty(network, encoder, _number(request.latents, IMAGES))
        if path.exists():
            table = ChannelTable.load(path, network, encoder)
        if table.renders:
            say(f"{table.renders} images to render; saved to {path} after every few channels")
            with _progress("channels", int(table.done.sum())) as progress:
                table = table.computed(path, seed=request.seed, progress=progress)
        yield path
    if request.export is not None:
        yield export_fs3(table, request.export)
    if request.prompt is not None:
        yield _save(request, table.direction(_sentence(request), _choice(request)))


def _choice(request: Request) -> Choice:
    count = COUNT if request.count is None and request.beta is None else request.count
    return Choice(count, request.beta, request.isolation)


def _number(given: int | None, default: int) -> int:
    return default if given is None else given


def _sentence(request: Request) -> Sentence:
    if request.prompt is None:
        raise InputError("style: --prompt is missing")
    return Sentence(request.prompt, request.source, request.keep, request.subject or SUBJECT)


def _table_path(request: Request, kind: str) -> Path:
    return request.table or Path(f"{slug(Path(request.network).name)}-{kind}.safetensors")


def _save(request: Request, direction: StyleDirection) -> Path:
    for note in direction.notes:
        say(f"note: {note}")
    name = plain_text(request.prompt) if request.prompt else direction.text
    return direction.save(request.output or Path(f"{slug(name)}.safetensors"))


@contextlib.contextmanager
def _progress(unit: str, done: int = 0) -> Iterator[Progress | None]:
    """A bar on terminals; nothing elsewhere."""
    if not is_terminal():
        yield None
        return
    bars: list[ProgressBar] = []

    def show(now: int, total: int) -> None:
        if not bars:
            bars.append(ProgressBar(unit, total, done))
            bars[0].start()
        bars[0].update(now, "")

    try:
        yield show
    finally:
        for bar in bars:
            bar.stop()
