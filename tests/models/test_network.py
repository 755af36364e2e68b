"""Only `guidance/models/fetch.py` downloads; models load without a socket."""

from __future__ import annotations

import ast
import socket
from pathlib import Path

import pytest
import torch

import guidance

PACKAGE = Path(guidance.__file__).parent
#: Names that open connections.
OPENERS = {
    "HfApi",
    "create_connection",
    "download_url_to_file",
    "hf_hub_download",
    "httpx",
    "list_repo_files",
    "load_state_dict_from_url",
    "requests",
    "snapshot_download",
    "urlopen",
    "urlretrieve",
}


def _names(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name.partition(".")[0] for alias in node.names}
    return found


def test_only_one_file_opens_connections() -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if _names(ast.parse(path.read_text())) & OPENERS
    }
    assert users == {"models/fetch.py"}


def test_pretrained_parts_are_read_from_local_files_only() -> None:
    calls = [
        (path.name, node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
    ]
    assert calls
    for name, call in calls:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        local = given.get("local_files_only")
        assert isinstance(local, ast.Constant) and local.value is True, name


def test_embedded_models_load_without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    from guidance.diffusion.pipeline import Pipeline
    from guidance.encoders.openclip import OpenClip

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    cpu = torch.device("cpu")
    for name in ("mini", "mini-judge"):
        assert OpenClip.load(name, cpu).encode_text(["an apple"]).shape[0] == 1
    denoiser = Pipeline.load("mini-diffusion", cpu, "fp32", "full")
    assert len(denoiser.encode_text(["an apple"])) == 1
