"""Models of transformers that are read from a folder by their own classes, after a check.

The configurations of these models have hundreds of keys, which change with each version, so there
is no list of them. Instead, whatever could execute code, fetch something or choose a file is
refused, numbers are bounded, and the model may not be larger than its weights.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from guidance.errors import InputError
from guidance.models.compiler import without_compiler
from guidance.models.foreign.configuration import read_json
from guidance.models.foreign.libraries import library_errors
from guidance.models.foreign.places import check_places
from guidance.models.foreign.tensors import PICKLES, pickle_refused, read_headers
from guidance.models.foreign.tokenizers import MAX_TOKENIZER_BYTES

#: Keys by which a library executes code, or reads other files than those of the folder.
REFUSED = ("auto_map", "custom_pipelines", "custom_generate", "chat_template_file")
#: Keys that name another model, which must be absent, false or empty.
OTHERS = ("backbone", "use_pretrained_backbone", "use_timm_backbone", "quantization_config")
LARGEST, LAYERS, LONGEST = 10_000_000, 256, 100_000
#: Parameters that a model may have beside those in its files: tied ones, and buffers.
ALLOWANCE = 1.3
SMALL = 5_000_000


def model_type(folder: Path, kinds: Collection[str]) -> str:
    """The kind of model in a folder whose configurations are checked.

    Raises:
        InputError: another kind; a key or a number that is refused; a link out of the folder.
    """
    check_places(folder)
    stored = read_json(folder / "config.json")
    kind = stored.get("model_type") if isinstance(stored, dict) else None
    if kind not in kinds:
        raise InputError(
            f"{folder / 'config.json'}: expected model_type {' or '.join(sorted(kinds))}, got "
            f"{kind!a:.60}"
        )
    for path in sorted(folder.glob("*.json")):
        if path.name in {"tokenizer.json", "vocab.json"}:
            read_json(path, MAX_TOKENIZER_BYTES)
        elif not path.name.endswith(".index.json"):
            _check(read_json(path), path, "")
    for path in folder.glob("*.py"):
        raise InputError(f"{path}: code of a model is never executed; remove the file")
    return str(kind)


def _check(value: Any, path: Path, key: str) -> None:
    """Checks a value and what it contains. Raises InputError."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name in REFUSED or (name in OTHERS and item not in (None, False, "")):
                raise InputError(f"{path}: key {name!a:.60} is not supported; remove it")
            _check(item, path, str(name))
    elif isinstance(value, list):
        if len(value) > LONGEST:
            raise InputError(f"{path}: {key!a:.60} has {len(value)} entries, too many")
        for item in value:
            _check(item, path, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        limit = LAYERS if "layers" in key or key == "depth" else LARGEST
        is_size = isinstance(value, int) and not key.endswith(
            ("_length", "max_pixels", "longest_edge")
        )
        if is_size and abs(value) > limit:
            raise InputError(f"{path}: {key!a:.60} is {value}; at most {limit} is supported")


def load_model(auto_class: Any, folder: Path, device: str) -> Any:
    """A frozen model of a checked folder, in float32, from safetensors files only.

    Args:
        auto_class: the class of transformers that reads it.
        folder: checked by `model_type`.

    Raises:
        InputError: pickles, damaged or missing tensors, or a configuration of a larger model.
    """
    import torch
    from transformers import AutoConfig

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        for path in folder.iterdir():
            if path.name.endswith(PICKLES):
                raise pickle_refused(path)
        raise InputError(f"{folder}: has no safetensors file")
    stored = sum(tensor.count for tensor in read_headers(files).values())
    config = folder / "config.json"
    with library_errors(config, "is not a model that transformers can build"), without_compiler():
        with torch.device("meta"):
            built = auto_class.from_config(
                AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            ) if hasattr(auto_class, "from_config") else auto_class(
                auto_class.config_class.from_pretrained(folder, local_files_only=True)
            )  # fmt: skip
        count = sum(each.numel() for each in built.state_dict().values())
    if count > ALLOWANCE * stored + SMALL:
        raise InputError(f"{config}: asks for {count:,} parameters, the weights have {stored:,}")
    with library_errors(folder, f"does not match {config.name}"), _quiet():
        model, found = auto_class.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    missing = sorted(found["missing_keys"])
    if missing:
        raise InputError(f"{folder}: tensor {missing[0]!a:.100} is missing from the weights")
    return model.eval().requires_grad_(False).to(device)


def load_processor(processor_class: Any, folder: Path) -> Any:
    """The processor of a checked folder. Raises InputError if it cannot be read."""
    with library_errors(folder, "has no processor that transformers can read"), _quiet():
        return processor_class.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )


class _quiet:  # noqa: N801 - used as a function
    """Without the warnings and progress bars of transformers."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self.before = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *unused: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self.before)


def folders(name: str) -> Iterator[tuple[str, Path]]:
    """The name and the folder on this machine of each part of a name with "+".

    Raises:
        InputError: an unknown name.
        MissingWeights: the weights are not on this machine.
    """
    import re

    from guidance.models.catalogue import find_model
    from guidance.models.store import Repository, hub_folder, missing

    for part in re.split(r"\+(?=hf-hub:|local-dir:|sam)", name):
        schema, _, rest = part.partition(":")
        known = find_model(part)
        if schema == "local-dir" and rest:
            folder = Path(rest).expanduser()
            if not folder.is_dir():
                raise missing(part, folder)
            yield part, folder
        elif schema == "hf-hub" and rest:
            yield part, hub_folder(Repository.parse(rest), part)
        elif known is not None and known.repository is not None:
            yield part, hub_folder(known.repository, part, known.megabytes)
        else:
            raise InputError(
                f"{part!r:.60} is unknown; see guide models list, or use "
                "hf-hub:org/repository or local-dir:PATH"
            )
