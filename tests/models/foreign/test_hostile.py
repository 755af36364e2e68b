"""Nothing in a folder with a model executes, connects, or leaves the folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers", reason="the extra [diffusion] is not installed")

from tests.diffusion import tiny
from tests.encoders.tiny import CLIP, build, save, snapshot
from tests.models.foreign.hostile import Foundry

SMALL = CLIP | {"text_cfg": CLIP["text_cfg"] | {"vocab_size": 49408, "width": 8}}
#: Artefacts that load, because what is hostile in them is not read.
HARMLESS = ("pickle", "beside")


def test_no_artefact_executes_connects_or_leaves_its_folder(tmp_path: Path) -> None:
    good, root = tmp_path / "good", tmp_path / "artefacts"
    encoder = save(good / "encoder", build(SMALL), SMALL)
    denoiser = tiny.save("StableDiffusionPipeline", good / "denoiser")
    secret, canary = tmp_path / "secret.txt", tmp_path / "canary"
    secret.write_text("{}")
    hub = tmp_path / "hub"
    for name in ("someone/tokens", "someone/tower"):
        snapshot(hub, name)
    root.mkdir()
    artefacts = Foundry(root, encoder, denoiser, canary, secret).all()
    given = {
        "root": str(tmp_path),
        "secret": str(secret),
        "allowed": [("encoder", f"local-dir:{encoder}"), ("denoiser", f"local-dir:{denoiser}")],
        "artefacts": artefacts,
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    environment = os.environ | {
        "HF_HUB_CACHE": str(hub), "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    environment.pop("HF_HUB_OFFLINE", None)
    # As a module, so that it imports the package that is tested.
    script = ["-m", "tests.models.foreign.audited", str(tmp_path / "given.json")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *script],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=Path(__file__).parents[3],
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["events"] == []
    assert not canary.exists()
    assert len(found["outcomes"]) == len(artefacts) > 200
    wrong = {}
    for name, outcome in found["outcomes"].items():
        harmless = all(word in name for word in HARMLESS)
        if (outcome == "loaded") != harmless or outcome.startswith("traceback"):
            wrong[Path(name).name] = outcome
        assert "\n" not in outcome
    assert wrong == {}
