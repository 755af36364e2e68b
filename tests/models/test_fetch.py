"""Fetching from a hub that the test replaces, and fetching without a connection."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest

from guidance import models
from guidance.errors import InputError, MissingWeights
from guidance.models.store import hub_cache
from tests.encoders.tiny import snapshot

#: The module; its name in the package is that of the function.
FETCH = sys.modules["guidance.models.fetch"]
#: A hub name, an open_clip tag, a tag outside the catalogue, a denoiser, a file of torch's hub.
NAMES = (
    "hf-hub:someone/clip",
    "PE-Core-B-16/meta",
    "ViT-B-16/laion2b_s34b_b88k",
    "sd-1.5",
    "lpips-alex",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return hub_cache()


def _play_hub(
    monkeypatch: pytest.MonkeyPatch, files: list[str], content: Callable[[str], str] = str
) -> list[dict]:
    """Replaces the hub by a list of files; returns what was asked of it."""
    import huggingface_hub

    asked: list[dict] = []

    def model_info(self: object, repo_id: str, **_: object) -> SimpleNamespace:
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in files])

    def snapshot_download(repo_id: str, **options: object) -> str:
        asked.append({"repository": repo_id, **options})
        folder = snapshot(Path(str(options["cache_dir"])), repo_id)
        if text := content(repo_id):
            (folder / "open_clip_config.json").write_text(text)
        return str(folder)

    monkeypatch.setattr(FETCH, "_check_hub", lambda name: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_only_what_is_needed_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin", "model.safetensors"]
    asked = _play_hub(monkeypatch, files)
    folder = models.fetch("ViT-B-32/openai")
    assert folder.parent.parent == cache / "models--timm--vit_base_patch32_clip_224.openai"
    assert len(asked) == 1
    assert asked[0]["revision"] == "main"
    patterns = asked[0]["allow_patterns"]
    assert {"open_clip_model.safetensors", "open_clip_config.json", "tokenizer*.json"} <= set(
        patterns
    )
    assert not any(fnmatch("tokenizer.py", pattern) for pattern in patterns)
    assert not {"open_clip_pytorch_model.bin", "model.safetensors"} & set(patterns)


def test_a_tokenizer_from_elsewhere_is_fetched_too(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"embed_dim": 16, "vision_cfg": {}, "text_cfg": {"hf_tokenizer_name": "someone/tokens"}}
    config = {"model_cfg": model}
    asked = _play_hub(monkeypatch, ["model.safetensors"], lambda _: json.dumps(config))
    models.fetch("hf-hub:someone/siglip@v2")
    assert [each["repository"] for each in asked] == ["someone/siglip", "someone/tokens"]
    assert asked[0]["revision"] == "v2"
    assert not any("safetensors" in pattern for pattern in asked[1]["allow_patterns"])


def test_pickles_are_not_even_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _play_hub(monkeypatch, ["open_clip_pytorch_model.bin"])
    with pytest.raises(InputError, match="only safetensors files are read"):
        models.fetch("hf-hub:someone/old")
    assert not asked


def test_of_a_diffusion_model_only_what_is_read_is_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        "model_index.json",
        "v1-5-pruned.ckpt",
        "v1-5-pruned.safetensors",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "text_encoder/config.json",
        "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json",
        "safety_checker/model.safetensors",
        "tokenizer/vocab.json",
        "tokenizer/tokenizer.py",
        "scheduler/scheduler_config.json",
    ]
    asked = _play_hub(monkeypatch, files)
    models.fetch("sd-1.5")
    assert asked[0]["repository"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert sorted(asked[0]["allow_patterns"]) == sorted(
        [
            "model_index.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "text_encoder/config.json",
            "text_encoder/model-00001-of-00002.safetensors",
            "text_encoder/model-00002-of-00002.safetensors",
            "text_encoder/model.safetensors.index.json",
            "tokenizer/vocab.json",
            "scheduler/scheduler_config.json",
        ]
    )


def test_a_diffusion_model_of_pickles_or_nothing_is_not_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["model_index.json", "unet/diffusion_pytorch_model.bin"]
    asked = _play_hub(monkeypatch, files)
    with pytest.raises(InputError, match=r"unet/diffusion_pytorch_model.bin: is a pickle"):
        models.fetch("hf-hub:someone/old")
    files[1:] = ["other/model.safetensors"]
    with pytest.raises(InputError, match="someone/old: has no weights in unet, transformer"):
        models.fetch("hf-hub:someone/old")
    assert not asked


def test_a_small_autoencoder_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = "diffusion_pytorch_model.safetensors"
    files = ["config.json", weights, "taesd_decoder.safetensors"]
    asked = _play_hub(monkeypatch, files, lambda _: "")
    models.fetch("hf-hub:madebyollin/taesd")
    patterns = asked[0]["allow_patterns"]
    assert {weights, "config.json"} <= set(patterns)
    assert "taesd_decoder.safetensors" not in patterns


@pytest.mark.parametrize("name", NAMES)
def test_without_a_connection_fetch_is_one_line_and_exit_code_3(name: str, tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9"  # the discard port: refuses connections
    environment = os.environ | {
        "HF_HUB_CACHE": str(tmp_path),
        "TORCH_HOME": str(tmp_path),
        "HTTPS_PROXY": closed,
        "https_proxy": closed,
        "NO_PROXY": "",
        "no_proxy": "",
    }
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-m", "guidance.cli", "models", "fetch", name],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert done.returncode == MissingWeights.exit_code
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"guide: {name}: could not connect to https://")
    assert line.endswith(f"guide models fetch {name}")


def _never_resolve(*_: object, **__: object) -> None:
    time.sleep(5)
    raise OSError("no name server")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_server_that_does_not_answer_is_not_waited_for(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(FETCH, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", _never_resolve)
    start = time.perf_counter()
    with pytest.raises(MissingWeights, match=r"no answer within 0.2 seconds"):
        models.fetch(name)
    assert time.perf_counter() - start < 4


@pytest.mark.parametrize("name", NAMES[:-1])
def test_offline_mode_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="while HF_HUB_OFFLINE is set"):
        models.fetch(name)


def test_the_proxy_is_tried_in_place_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    from guidance.models.fetch import _first_hop

    for variable in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert _first_hop("https://huggingface.co/a") == ("huggingface.co", 443)
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert _first_hop("https://huggingface.co/a") == ("proxy.example", 3128)
    monkeypatch.setenv("no_proxy", "huggingface.co")
    assert _first_hop("https://huggingface.co/a") == ("huggingface.co", 443)


def _raise(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def _hub_error(name: str) -> Exception:
    """An error of the hub without the response that it usually carries."""
    from huggingface_hub import errors

    kind = getattr(errors, name)
    error = kind.__new__(kind)
    error.args = ("403 Client Error.\n\nMore lines",)
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionError("Connection reset\nwith more lines"), "Connection reset$"),
        (ValueError("Expecting value: line 1"), "Expecting value"),  # a login page, not JSON
        (ConnectionError(), "ConnectionError$"),
        ("HfHubHTTPError", "403 Client Error.$"),
        ("GatedRepoError", r"accept the license at https://.*someone/clip and log in"),
        ("RepositoryNotFoundError", "no such repository, or it is private"),
        ("RevisionNotFoundError", "no such revision"),
    ],
)
def test_failures_of_the_hub_are_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | str, reason: str
) -> None:
    import huggingface_hub

    _play_hub(monkeypatch, [])
    error = _hub_error(error) if isinstance(error, str) else error
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", _raise(error))
    with pytest.raises(MissingWeights, match=f"could not fetch someone/clip at main .*{reason}"):
        models.fetch("hf-hub:someone/clip")


def test_a_failed_connection_of_the_hubs_http_library_is_caught(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library changes with the version of the hub; its base error is one of the hub's bases."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    _play_hub(monkeypatch, [])
    library = next(base for base in HfHubHTTPError.__bases__ if base is not OSError)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", _raise(library("no route to host")))
    with pytest.raises(MissingWeights, match="no route to host"):
        models.fetch("hf-hub:someone/clip")


def test_what_cannot_be_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="nothing to fetch"):
        models.fetch("local-dir:/models/mine")
    with pytest.raises(
        InputError, match="model 'nonsense' is unknown; `guide models list` lists the names"
    ):
        models.fetch("nonsense")
    with pytest.raises(InputError, match="expected hf-hub:org/repository"):
        models.fetch("hf-hub:a/b/c")
    _play_hub(monkeypatch, [])
    with pytest.raises(InputError, match="has no such tag"):
        models.fetch("ViT-B-32/nonsense")
    with pytest.raises(InputError, match="has no safetensors file"):
        models.fetch("hf-hub:someone/empty")
