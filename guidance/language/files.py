"""The files of a causal language model, checked before transformers reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from guidance.errors import InputError
from guidance.models.denoisers import choose_weights
from guidance.models.foreign.configuration import read_json
from guidance.models.foreign.fitting import check_layers, check_loaded, check_size
from guidance.models.foreign.libraries import library_errors
from guidance.models.foreign.places import PACKAGED, check_places
from guidance.models.foreign.tensors import PICKLES, check_finite, pickle_refused, read_headers
from guidance.models.foreign.tokenizers import MAX_TOKENIZER_BYTES
from guidance.models.store import EMBEDDED, Repository, hub_folder, missing
from guidance.models.torchvision import import_torchvision

MINI = "mini-lm"
#: Keys of a configuration that make transformers run code of a repository, or read other files.
REFUSED = ("auto_map", "quantization_config", "custom_pipelines", "base_model_name_or_path")
#: Keys that are of other libraries, or of where the file was saved.
IGNORED = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype")
#: The most layers and tokens of a model that is built.
MAX_LAYERS, MAX_VOCABULARY = 256, 2**20


def language_folder(name: str) -> Path:
    """The folder of a model: "mini-lm", a folder, "local-dir:PATH" or "hf-hub:org/repository".

    Raises:
        InputError: not a name of these.
        MissingWeights: the model is not on this machine.
    """
    if name in EMBEDDED:
        return PACKAGED / EMBEDDED[name]
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if name.startswith("local-dir:") or folder.is_dir():
        if not folder.is_dir():
            raise missing(name, folder)
        return folder
    return hub_folder(Repository.parse(name.removeprefix("hf-hub:")), name)


def load_model(folder: Path, device: str | torch.device) -> Any:
    """A causal language model of transformers in float32, from safetensors only.

    Raises:
        InputError: no causal model of transformers, its configuration asks for code or other files,
            or the weights are damaged, incomplete, or pickles.
    """
    check_places(folder)
    path = folder / "config.json"
    found = _checked(read_json(path), path)
    names = [file.name for file in folder.iterdir()]
    variant, chosen = choose_weights(names, prefer_half=False)
    if not chosen:
        pickles = [name for name in names if name.endswith(PICKLES)]
        if pickles:
            raise pickle_refused(folder / pickles[0])
        raise missing(str(folder), folder / "model.safetensors")
    files = [folder / name for name in chosen]
    header = read_headers(files)
    import_torchvision()
    import transformers

    kind = found.pop("model_type")
    with library_errors(path, "is not a causal language model that transformers can build"):
        if kind not in transformers.AutoConfig.for_model("gpt2").model_type and (
            kind not in transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        ):
            raise InputError(f"{path}: model_type {kind!r:.60} is no causal language model")
        config = transformers.AutoConfig.for_model(kind, **found)
        layers, tokens = config.num_hidden_layers, config.vocab_size
        if layers > MAX_LAYERS or tokens > MAX_VOCABULARY:
            raise InputError(f"{path}: asks for {layers} layers and {tokens} tokens, too many")
        check_layers(layers, header, path)
        with torch.device("meta"):
            skeleton = transformers.AutoModelForCausalLM.from_config(config)
        skeleton.tie_weights()
    check_size(skeleton, header, folder, path)
    check_finite(files)
    with _quiet(), library_errors(folder):
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            variant=variant,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    check_loaded(info, folder, path)
    return model.requires_grad_(False).eval().to(device)


def load_tokenizer(folder: Path, tokens: int) -> Any:
    """The tokenizer of a model, from its `tokenizer.json`.

    Args:
        tokens: the rows of the model's embedding.

    Raises:
        InputError: the file is missing, too large or damaged, or has tokens that the model has not.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{folder}: has no tokenizer.json; save its tokenizer with transformers")
    if path.stat().st_size > MAX_TOKENIZER_BYTES:
        raise InputError(f"{path}: has {path.stat().st_size} bytes, too many for a tokenizer")
    from tokenizers import Tokenizer

    with library_errors(path, "is not a tokenizer that can be read"):
        tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if tokenizer.get_vocab_size() > tokens:
        raise InputError(
            f"{path}: has {tokenizer.get_vocab_size()} tokens, but the model has {tokens}; they do "
            "not belong together"
        )
    return tokenizer


def _checked(found: Any, path: Path) -> dict[str, Any]:
    """A configuration without the keys that are ignored."""
    if not isinstance(found, dict) or not isinstance(found.get("model_type"), str):
        raise InputError(f"{path}: expected a configuration of transformers with a model_type")
    for key in REFUSED:
        if found.get(key):
            raise InputError(
                f"{path}: {key} is not supported, because it names code or other files; use a "
                "model that transformers itself can build, in full precision"
            )
    kept = {key: value for key, value in found.items() if not key.startswith("_")}
    return {key: value for key, value in kept.items() if key not in IGNORED}


@contextmanager
def _quiet() -> Iterator[None]:
    """Disables the progress bars of transformers, which would interrupt ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
