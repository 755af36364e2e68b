"""The files of a diffusion model, by its name, checked before they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guidance.errors import InputError, MissingWeights
from guidance.models.catalogue import find_model
from guidance.models.denoisers import choose_weights
from guidance.models.foreign.configuration import read_json
from guidance.models.foreign.diffusers import Index
from guidance.models.foreign.places import PACKAGED, check_places, check_subfolder
from guidance.models.foreign.schedulers import read_scheduler
from guidance.models.foreign.tensors import PICKLES, pickle_refused, read_header
from guidance.models.store import EMBEDDED, Repository, hub_folder, missing
from guidance.texts import one_line

#: Supported pipelines, with the folders of the network and of the text encoders. Other parts in
#: `model_index.json` (safety checkers, image encoders) are ignored.
NETWORKS = {
    "StableDiffusionPipeline": ("unet", ("text_encoder",)),
    "StableDiffusionXLPipeline": ("unet", ("text_encoder", "text_encoder_2")),
    "StableDiffusion3Pipeline": (
        "transformer",
        ("text_encoder", "text_encoder_2", "text_encoder_3"),
    ),
    "FluxPipeline": ("transformer", ("text_encoder", "text_encoder_2")),
    "IFPipeline": ("unet", ("text_encoder",)),
}
#: Small autoencoders for the latents of each pipeline.
TINY = {
    "StableDiffusionPipeline": "hf-hub:madebyollin/taesd",
    "StableDiffusionXLPipeline": "hf-hub:madebyollin/taesdxl",
    "StableDiffusion3Pipeline": "hf-hub:madebyollin/taesd3",
    "FluxPipeline": "hf-hub:madebyollin/taef1",
}
#: Accepted classes of each part, and the library that the index must name with them.
TOWERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel")
TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast", "T5Tokenizer", "T5TokenizerFast")
CLASSES = {
    "unet": ("diffusers", ("UNet2DConditionModel",)),
    "transformer": ("diffusers", ("SD3Transformer2DModel", "FluxTransformer2DModel")),
    "vae": ("diffusers", ("AutoencoderKL", "AutoencoderTiny")),
    "text": ("transformers", TOWERS),
    "tokenizer": ("transformers", TOKENIZERS),
}


@dataclass(frozen=True)
class Source:
    """A folder with a diffusion model, whose index and weights have been checked."""

    name: str  # as given by the user
    folder: Path
    kind: str  # the class of the pipeline, a key of NETWORKS
    network: str  # "unet" or "transformer"
    towers: tuple[str, ...]  # the folders of the text encoders that exist
    vae: str | None  # the class of the autoencoder; None: the network works on pixels
    variants: Mapping[str, str | None]  # part -> "fp16" if it exists in half precision only
    classes: Mapping[str, str]  # part -> its class
    scheduler: Mapping[str, Any]  # the known keys of the scheduler's configuration


def find_source(name: str) -> Source:
    """Finds and checks the files of a diffusion model on this machine.

    Raises:
        InputError: an unknown name, an unsupported pipeline or part, or pickled weights.
        MissingWeights: weights are not on this machine.
    """
    folder = find_folder(name)
    check_places(folder)
    index = _read_json(folder / "model_index.json", name)
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in NETWORKS:
        raise InputError(
            f"{folder / 'model_index.json'}: expected one of {', '.join(NETWORKS)}, got "
            f"{one_line(str(kind)):.60}; other pipelines and custom pipelines are not supported"
        )
    index = Index.check(index, folder / "model_index.json")
    network, towers = NETWORKS[kind]
    present = tuple(tower for tower in towers if _is_named(index, tower))
    has_vae = _is_named(index, "vae")
    parts = [network, *present, *(["vae"] if has_vae else [])]
    for part in (*parts, *(tokenizer_of(tower) for tower in present)):
        _check_class(index, part, folder)
    if not present:
        raise InputError(f"{folder / 'model_index.json'}: expected at least one text encoder")
    path = check_subfolder(folder, "scheduler") / "scheduler_config.json"
    _read_json(path, name)  # reports a missing file
    scheduler = read_scheduler(path)
    variants = {part: check_weights(check_subfolder(folder, part), name) for part in parts}
    vae = index["vae"][1] if has_vae else None
    classes = {part: pair[1] for part, pair in index.items() if isinstance(pair, list)}
    return Source(name, folder, kind, network, present, vae, variants, classes, scheduler)


def tokenizer_of(tower: str) -> str:
    """The folder of the tokenizer of a text encoder."""
    return tower.replace("text_encoder", "tokenizer")


def find_folder(name: str) -> Path:
    """The folder of a model. Raises as `find_source` does."""
    schema, _, rest = name.partition(":")
    if schema == "local-dir":
        folder = Path(rest).expanduser()
        if not folder.is_dir():
            raise missing(name, folder)
        return folder
    if schema == "hf-hub":
        return hub_folder(Repository.parse(rest), name)
    known = find_model(name)
    if known is None or known.kind != "denoiser":
        raise InputError(
            f"denoiser {name!r} is unknown; use mini-diffusion, sd-1.5, sdxl, sd3-medium, "
            "hf-hub:org/repository or local-dir:PATH"
        )
    if known.repository is not None:
        return hub_folder(known.repository, name, known.megabytes)
    folder = PACKAGED / EMBEDDED[name]
    if not folder.is_dir():
        raise missing(name, folder)
    return folder


def autoencoder_folder(vae: str, source: Source) -> Path:
    """The folder of the autoencoder that replaces the model's own; see `load_denoiser`.

    Raises:
        InputError: an unknown name, or the model works on pixels.
        MissingWeights: the autoencoder is not on this machine.
    """
    if not source.vae:
        raise InputError(f"{source.name}: works on pixels and has no autoencoder; remove vae")
    if vae == "tiny" and source.vae == "AutoencoderTiny":
        raise InputError(f"{source.name}: already has a tiny autoencoder; remove vae")
    if vae == "tiny":
        vae = TINY[source.kind]
    elif not vae.startswith(("hf-hub:", "local-dir:")):
        raise InputError(
            f"vae {vae!r} is unknown; use full, tiny, hf-hub:org/repository or local-dir:PATH"
        )
    folder = find_folder(vae)
    check_places(folder)
    check_weights(folder, vae)
    return folder


def check_weights(folder: Path, name: str) -> str | None:
    """Checks the weights of a part; returns "fp16" if only half precision exists, else None.

    Raises:
        MissingWeights: there are no weights.
        InputError: there are only pickles, or a file is damaged.
    """
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    variant, chosen = choose_weights([path.name for path in files], prefer_half=False)
    if not chosen:
        for path in files:
            if path.suffix in PICKLES:
                raise pickle_refused(path)
        raise missing(name, folder)
    for file in chosen:
        read_header(folder / file)
    return variant


def _is_named(index: Mapping[str, Any], part: str) -> bool:
    named = index.get(part)
    return isinstance(named, list) and named[:1] != [None]


def _check_class(index: Mapping[str, Any], part: str, folder: Path) -> None:
    library, classes = CLASSES[part.split("_", maxsplit=1)[0]]
    named = index.get(part)
    if named not in [[library, name] for name in classes]:
        raise InputError(
            f"{folder / 'model_index.json'}: expected {part} to be {' or '.join(classes)} of "
            f"{library}, got {named!r:.80}; parts with custom code are not supported"
        )


def _read_json(path: Path, name: str) -> Mapping[str, Any]:
    if not path.is_file():
        if path.name == "model_index.json" and any(path.parent.glob("*.ckpt")):
            raise pickle_refused(next(path.parent.glob("*.ckpt")))
        raise MissingWeights(
            f"{name}: no {path.name} at {path.parent}; give a diffusers folder with a "
            "model_index.json, or fetch the model again"
        )
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise InputError(f"{path}: expected an object, got {type(stored).__name__}")
    return stored
