"""Download of weights into the local caches: the only file of the package that downloads."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from guidance.errors import InputError, MissingWeights
from guidance.models.catalogue import find_model
from guidance.models.denoisers import files_to_fetch
from guidance.models.foreign.places import PACKAGED
from guidance.models.store import (
    EMBEDDED,
    Repository,
    choose_checkpoint,
    hub_cache,
    missing,
)
from guidance.models.tags import find_repository
from guidance.models.torch_hub import TorchFile

#: Seconds to resolve a host and connect to it, and for the hub to list a repository's files.
CONNECT_SECONDS, LIST_SECONDS = 3.0, 10.0
#: The small files that a model needs beside its checkpoint. Code is never among them.
SMALL_FILES = (
    "open_clip_config.json",
    "guidance.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def fetch(name: str) -> Path:
    """Downloads the checkpoint, configuration and tokenizer of a model into the local cache.

    Only safetensors files are fetched, except for files of torch's hub, whose hashes are checked.
    Embedded models need no download.

    Args:
        name: a name for `load_encoder` or `load_denoiser`, or a backbone of the catalogue.

    Returns:
        The model's folder, or its file.

    Raises:
        InputError: an unknown name, or the repository contains only pickles.
        MissingWeights: the download failed: no connection, no such repository or revision.
    """
    if name in EMBEDDED:
        folder = PACKAGED / EMBEDDED[name]
        if not folder.is_dir():
            raise missing(name, folder)
        return folder
    known = find_model(name)
    if known is not None and known.file is not None:
        return _fetch_file(known.file, name)
    if known is None and "/" not in name:
        raise InputError(
            f"model {name!r:.80} is unknown; `guide models list` lists the names, and other "
            "encoders and denoisers have the form hf-hub:org/repository"
        )
    if name.startswith(("hf-hub:", "local-dir:")):
        find_repository(name)  # a malformed name is reported before the missing connection
    _check_hub(name)
    repository, filename, text = find_repository(name)
    folder = _download(repository, name, checkpoint=filename)
    stored = folder / "open_clip_config.json"
    if text is None and stored.is_file():
        from guidance.models.foreign.openclip import read_openclip

        text = read_openclip(stored)[0]["text_cfg"]
    for other in _other_repositories(text or {}, folder):
        _download(other, name, small_only=True)
    return folder


def _other_repositories(text: Mapping[str, Any], folder: Path) -> Iterator[Repository]:
    """The repositories of the tokenizer and of the text tower's configuration, if they differ."""
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

    # A failed connection raises an error of the hub's HTTP library. Which library that is changes
    # with the version, but its base class is always one of the bases of the hub's own error.
    errors: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OSError, ValueError)
    patterns = [*SMALL_FILES, "config.json"]
    where = repository.name
    try:
        if not small_only:
            # Not `list_repo_files`: it repeats failed requests for half a minute.
            found = HfApi().model_info(where, revision=repository.revision, timeout=LIST_SECONDS)
            files = [file.rfilename for file in found.siblings or ()]
            if "model_index.json" in files:
                patterns = files_to_fetch(files, where)
            else:
                patterns.append(choose_checkpoint(files, where, checkpoint))
        return Path(
            snapshot_download(
                where,
                revision=repository.revision,
                cache_dir=hub_cache(),
                allow_patterns=patterns,
            )
        )
    except InputError:  # of the checks above; it is a ValueError
        raise
    except errors as error:
        raise MissingWeights(
            f"{name}: could not fetch {where} at {repository.revision} into {hub_cache()}: "
            f"{_reason(error, where)}"
        ) from error


def _reason(error: BaseException, repository: str) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return (
            f"accept the license at {constants.ENDPOINT}/{repository} and log in once with: "
            "hf auth login"
        )
    if isinstance(error, RevisionNotFoundError):
        return "there is no such revision"
    if isinstance(error, RepositoryNotFoundError):
        return "there is no such repository, or it is private"
    return first_line(error)


def _fetch_file(file: TorchFile, name: str) -> Path:
    """Downloads a file of torch's hub and checks that its hash matches its name."""
    path = file.path
    if path.is_file():
        return path
    _check_connection(file.url, name)
    import torch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            file.url, str(path), hash_prefix=file.sha256_start, progress=False
        )
    # torch raises RuntimeError for a wrong hash; the system and urllib raise OSError.
    except (OSError, RuntimeError) as error:
        raise MissingWeights(
            f"{name}: could not fetch {file.url} into {path}: {first_line(error)}"
        ) from error
    return path


def _check_hub(name: str) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise MissingWeights(
            f"{name}: cannot be fetched while HF_HUB_OFFLINE is set; unset it and run again: guide "
            f"models fetch {name}"
        )
    _check_connection(constants.ENDPOINT, name)


def _check_connection(url: str, name: str) -> None:
    """Raises MissingWeights within seconds if the server of a URL cannot be reached.

    Without this, the libraries that download retry for half a minute. The attempt runs in a thread
    because no timeout applies to resolving a host name.
    """
    if urlsplit(url).scheme == "file":
        return
    outcome: list[str] = []

    def connect() -> None:
        try:
            socket.create_connection(_first_hop(url), timeout=CONNECT_SECONDS).close()
            outcome.append("")
        except (
            OSError,
            ValueError,
        ) as error:  # ValueError: a malformed URL of an endpoint or proxy
            outcome.append(first_line(error))

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    reason = outcome[0] if outcome else f"no answer within {CONNECT_SECONDS:g} seconds"
    if reason:
        raise MissingWeights(
            f"{name}: could not connect to {url} ({reason}); check the internet connection and run "
            f"again: guide models fetch {name}"
        )


def _first_hop(url: str) -> tuple[str, int]:
    """Host and port to connect to: those of the URL, or of the proxy for it."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    usual = {"http": 80, "https": 443}.get(parts.scheme, 1080)  # 1080: SOCKS
    return parts.hostname or "", parts.port or usual


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the error's name if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
