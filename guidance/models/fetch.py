"""Fetching weights into the local cache: the only file of the package that downloads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from guidance.errors import InputError, MissingWeights
from guidance.models.catalogue import find_model
from guidance.models.denoisers import files_to_fetch
from guidance.models.store import (
    EMBEDDED,
    PACKAGED,
    Repository,
    choose_checkpoint,
    hub_cache,
    missing,
)

#: What a model needs beside its checkpoint.
SMALL_FILES = (
    "open_clip_config.json",
    "guidance.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def fetch(name: str) -> Path:
    """Downloads a model's checkpoint, configuration and tokenizer into the hub's cache.

    Only safetensors are fetched, but for files of torch's hub. The embedded models are here
    already.

    Args:
        name: as `load_encoder` or `load_denoiser` takes it.

    Returns:
        The folder where the model now lies, or its file.

    Raises:
        InputError: an unknown name; or the repository holds nothing but pickles.
        MissingWeights: it could not be fetched: no connection, no such repository or revision.
    """
    if name in EMBEDDED:
        folder = PACKAGED / EMBEDDED[name]
        if not folder.is_dir():
            raise missing(name, folder)
        return folder
    known = find_model(name)
    if known is not None and known.file is not None:
        return known.file.fetch(name)
    # Tags are open_clip's business; encoders know how to ask it, and fetching knows encoders
    # only by the configuration that they would read.
    repository, filename, text = describe(name)
    folder = _download(repository, name, checkpoint=filename)
    stored = folder / "open_clip_config.json"
    if text is None and stored.is_file():
        text = json.loads(stored.read_text()).get("model_cfg", {}).get("text_cfg", {})
    for other in _other_repositories(text or {}, folder):
        _download(other, name, small_only=True)
    return folder


def describe(name: str) -> tuple[Repository, str | None, Mapping[str, Any] | None]:
    """The repository behind a name, its checkpoint's file and its `text_cfg` where known.

    Raises:
        InputError: no such architecture or tag; or it is only published as a pickle.
    """
    from guidance.models.tags import tag_repository

    known = find_model(name)
    if known is not None and known.kind == "denoiser" and known.repository is not None:
        return known.repository, None, {}
    if name.startswith("hf-hub:"):
        return Repository.parse(name.removeprefix("hf-hub:")), None, None
    if name.startswith("local-dir:"):
        raise InputError(f"{name}: is a folder on this machine; there is nothing to fetch")
    return tag_repository(name)


def _other_repositories(text: Mapping[str, Any], folder: Path) -> Iterator[Repository]:
    """Where the tokenizer's and the text tower's configurations lie, if not in the folder."""
    if (tokenizer := text.get("hf_tokenizer_name")) and not (
        folder / "tokenizer_config.json"
    ).is_file():
        yield Repository.parse(tokenizer)
    if tower := text.get("hf_model_name"):
        yield Repository.parse(tower)


def _download(
    repository: Repository, name: str, checkpoint: str | None = None, small_only: bool = False
) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # The hub's own error is one of its HTTP library's; that library's base class is needed for
    # failed connections, and which library it is changes with the version.
    network_error = HfHubHTTPError.__base__
    assert network_error is not None and issubclass(network_error, Exception)
    patterns = [*SMALL_FILES, "config.json"]
    try:
        if not small_only:
            files = HfApi().list_repo_files(repository.name, revision=repository.revision)
            if "model_index.json" in files:
                patterns = files_to_fetch(files, repository.name)
            else:
                patterns.append(choose_checkpoint(files, repository.name, checkpoint))
        return Path(
            snapshot_download(
                repository.name,
                revision=repository.revision,
                cache_dir=hub_cache(),
                allow_patterns=patterns,
            )
        )
    except (OSError, network_error) as error:
        reason = str(error).strip().splitlines()[0]
        raise MissingWeights(
            f"{name}: could not fetch {repository.name} at {repository.revision} into "
            f"{hub_cache()}: {reason}"
        ) from error
