"""Imports of a run: no library that it does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.encoders.tiny import CLIP, build, save

SCRIPT = """
import sys
from guidance.cli import main
try:
    main(sys.argv[1:])
finally:
    heavy = ("transformers", "torch._dynamo", "trimesh", "numba", "diffusers", "scipy", "pandas")
    print("imported:", *(name for name in heavy if name in sys.modules))
"""


def imported(*words: object) -> str:
    """The heavy libraries that a command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, words)], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].removeprefix("imported:").strip()


def test_a_default_run_imports_neither_transformers_nor_the_compiler(tmp_path: Path) -> None:
    words = ("run", "text2image", "--prompt", "a red apple", "--size", 64, "--steps", 2)
    assert imported(*words, "--crops", 2, "--output", tmp_path) == ""


def test_torch_compiles_after_the_imports() -> None:
    """The stand-in of the compiler is gone, and torchvision's own check reaches the real one."""
    script = """
import sys
from guidance.encoders.files.library import import_open_clip
import_open_clip()
assert "torch._dynamo" not in sys.modules
from torchvision.ops import roi_align
import torch, torchvision.ops.roi_align
assert sys.modules["torchvision.ops.roi_align"].is_compile_supported("cpu") in (True, False)
assert torch._dynamo.utils.__file__
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item() == 2
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_text_encoder_of_transformers_is_built_after_a_model_without(tmp_path: Path) -> None:
    script = """
import sys
from guidance.encoders import load_encoder
load_encoder("mini")
from guidance.encoders.files.library import import_open_clip
import_open_clip()
assert "transformers" not in sys.modules
import_open_clip(transformers=True)
from open_clip.hf_model import HFTextEncoder
from transformers import BertConfig
config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
tower = HFTextEncoder("", 4, config=config, pooler_type="mean_pooler")
assert tower.config is config
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_model_is_built_with_its_weights_and_nothing_else(tmp_path: Path) -> None:
    """Weights are not drawn before they are read, and none is left undefined."""
    import torch
    from safetensors.torch import load_file

    from guidance.encoders import load_encoder

    folder = save(tmp_path, build(CLIP), CLIP)
    encoder = load_encoder(f"local-dir:{folder}", precision="fp32")
    stored = load_file(next(folder.glob("*.safetensors")))
    found = {f"visual.{name}": value for name, value in encoder.visual.state_dict().items()}
    common = found.keys() & stored.keys()
    assert len(common) > 5
    assert all(torch.equal(found[name], stored[name]) for name in common)
