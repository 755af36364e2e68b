"""Folders of models that try to run code, to connect, to leave their folder, to fill memory."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
Change = Callable[[Path], object]


class Canary:
    """An object whose pickle creates a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


class Foundry:
    """Copies of a good encoder and a good denoiser, each changed in one way.

    Args:
        root: the folder of all copies.
        encoder: a folder in the layout of open_clip.
        denoiser: a folder in the layout of diffusers.
        canary: the file that executed code creates.
        secret: a file outside, which must not be opened.
    """

    def __init__(
        self, root: Path, encoder: Path, denoiser: Path, canary: Path, secret: Path
    ) -> None:
        self.root, self.canary, self.secret = root, canary, secret
        self.good = {"encoder": encoder, "denoiser": denoiser}
        self.made: list[tuple[str, str]] = []

    def make(self, kind: str, name: str, change: Change) -> None:
        folder = self.root / f"{len(self.made):03}-{name}"
        shutil.copytree(self.good[kind], folder, copy_function=os.link)
        change(folder)
        self.made.append((kind, f"local-dir:{folder}"))

    def all(self) -> list[tuple[str, str]]:
        """All artefacts: pairs of a kind and a name for its loader."""
        for name, change in self._encoders():
            self.make("encoder", name, change)
        for name, change in self._denoisers():
            self.make("denoiser", name, change)
        for part, file in (
            ("", WEIGHTS),
            ("unet", "diffusion_pytorch_model.safetensors"),
            ("vae", "diffusion_pytorch_model.safetensors"),
            ("text_encoder", "model.safetensors"),
        ):
            for name, change in self._weights(Path(part) / file):
                kind = "denoiser" if part else "encoder"
                self.make(kind, f"{part or 'encoder'}-{name}", change)
        for kind, files in (
            ("encoder", [CONFIG, WEIGHTS]),
            ("denoiser", ["model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
                          "text_encoder/config.json", "tokenizer/tokenizer_config.json",
                          "tokenizer/tokenizer.json"]),
        ):  # fmt: skip
            for file in files:
                for name, change in self._files(file):
                    self.make(kind, f"{file.replace('/', '-')}-{name}", change)
        return self.made

    def code(self, folder: Path, *names: str) -> None:
        """Python files that create the canary, named as those that libraries import."""
        for name in names:
            (folder / name).write_text(f"import os\nopen({str(self.canary)!r}, 'w')\n")

    def _encoders(self) -> Iterator[tuple[str, Change]]:
        """Values of `open_clip_config.json`, and files beside it."""
        auto = {"AutoTokenizer": ["evil.Tokenizer", None], "AutoConfig": "evil.Config"}
        secret = str(self.secret)
        places = ("hf-hub:someone/evil", "https://127.0.0.1/evil", "local-dir:/tmp/evil", "../evil",
                  f"{secret}", "a/b@/etc", "a/b/c", "", 7, ["a"])  # fmt: skip
        changes: list[tuple[str, Any]] = [
            *(("text_cfg.hf_tokenizer_name", place) for place in places if place != ""),
            *(("text_cfg.hf_model_name", place) for place in places if place != ""),
            *(("vision_cfg.timm_model_name", place) for place in (*places[:-3], "no_such", 7)),
            *((f"text_cfg.tokenizer_kwargs.{key}", value) for key, value in (
                ("trust_remote_code", True), ("bpe_path", secret), ("cache_dir", "/tmp"),
                ("additional_special_tokens", ["(a+)+$"]), ("reduction_mask", "syntax"),
                ("tokenizer_file", secret), ("vocab_file", secret), ("gguf_file", secret),
                ("clean", "no"),
            )),
            *((key, auto) for key in ("auto_map", "text_cfg.auto_map", "vision_cfg.auto_map")),
            ("vision_cfg.timm_model_pretrained", secret), ("vision_cfg.checkpoint_path", secret),
            ("vision_cfg.pretrained_cfg", {"url": "https://127.0.0.1/x"}),
            ("text_cfg.hf_model_pretrained", "yes"), ("trust_remote_code", True),
            ("text_cfg._attn_implementation", "kernels-community/evil"), ("cast_dtype", "float16"),
            ("text_cfg.act_kwargs", {"inplace": True}),
            ("text_cfg.norm_kwargs", {"device": "cuda"}),
        ]  # fmt: skip
        for key in ("layers", "width", "heads", "context_length", "vocab_size", "eos_id"):
            changes += [(f"text_cfg.{key}", value) for value in (-7, 2**40, 1.5, "4", True, [3])]
        for key in ("layers", "width", "patch_size", "image_size", "head_width", "mlp_ratio"):
            changes += [(f"vision_cfg.{key}", value) for value in (0, -1, 2**40, "4", True)]
        for key, value in changes:
            shown = "".join(letter if letter.isalnum() else "_" for letter in f"{key}-{value}")[:60]
            yield shown, lambda folder, k=key, v=value: self._set_model(folder, k, v)

        def tokenizer(folder: Path, **more: Any) -> None:
            self._set_model(folder, "text_cfg.hf_tokenizer_name", "someone/tokens")
            self.code(folder, "evil.py", "tokenizer.py", "tokenization_evil.py")
            _write(folder / "tokenizer_config.json", json.dumps({"auto_map": auto} | more))

        yield "tokenizer-auto_map", tokenizer
        yield "tokenizer-auto_map-list", lambda f: tokenizer(f, auto_map=["evil.Tokenizer", None])
        yield "tokenizer-class", lambda f: tokenizer(f, auto_map=None, tokenizer_class="evil.X")

    def _set_model(self, folder: Path, key: str, value: Any) -> None:
        change(folder / CONFIG, f"model_cfg.{key}", value)
        self.code(folder, "evil.py", "open_clip_config.py", "__init__.py")

    def _denoisers(self) -> Iterator[tuple[str, Change]]:
        """Values of the configurations of a diffusion model."""
        auto = {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}
        kernel = "kernels-community/evil"
        index, unet, vae = "model_index.json", "unet/config.json", "vae/config.json"
        text, words = "text_encoder/config.json", "tokenizer/tokenizer_config.json"
        scheduler = "scheduler/scheduler_config.json"
        changes: list[tuple[str, str, Any]] = [
            (index, "custom_pipeline", "evil"), (index, "_class_name", ["evil", "Pipeline"]),
            (index, "_class_name", "evil.Pipeline"), (index, "unet", ["evil", "UNet"]),
            (index, "unet", ["diffusers", "DiffusionPipeline"]),
            (index, "controlnet", ["evil", "X"]),
            (index, "text_encoder", ["transformers", "AutoModel"]), (index, "vae", "evil"),
            (index, "tokenizer", ["evil", "CLIPTokenizer"]), (index, "trust_remote_code", True),
            *((file, "auto_map", auto) for file in (index, unet, vae, text, words, scheduler)),
            *((file, "quantization_config", {"quant_method": "x"}) for file in (unet, vae, text)),
            *((file, "_class_name", "Evil") for file in (unet, vae, scheduler)),
            *((text, key, kernel) for key in ("_attn_implementation", "attn_implementation",
                                              "_experts_implementation", "hidden_act")),
            *((words, key, str(self.secret)) for key in ("vocab_file", "merges_file", "spm_file",
                                                         "tokenizer_file", "gguf_file")),
            (words, "init_inputs", [str(self.secret)]), (words, "tokenizer_class", "Evil"),
            (words, "fast_tokenizer_files", ["tokenizer.9.json"]),
            (text, "model_type", "evil"), (text, "num_hidden_layers", 2**40),
            (text, "hidden_size", 65_536), (text, "vocab_size", 3_000_000),
            (unet, "block_out_channels", [2**40]), (unet, "block_out_channels", [32_768, 32_768]),
            (unet, "layers_per_block", 10**9), (unet, "down_block_types", ["evil.Block"]),
            (unet, "norm_num_groups", 0), (unet, "in_channels", 9), (unet, "act_fn", "evil"),
            (unet, "encoder_hid_dim_type", "ip_image_proj"), (vae, "latents_mean", [1.0]),
            (vae, "scaling_factor", 0), (vae, "block_out_channels", 7),
            (scheduler, "_class_name", "EDMEulerScheduler"),
            (scheduler, "num_train_timesteps", 10**12), (scheduler, "beta_start", "x"),
            (scheduler, "beta_schedule", "evil"), (scheduler, "trained_betas", [2.0]),
        ]  # fmt: skip
        for file, key, value in changes:
            name = f"{file.partition('/')[0]}-{key}-{value!s:.20}"
            shown = "".join(letter if letter.isalnum() else "_" for letter in name)

            def apply(folder: Path, file: str = file, key: str = key, value: Any = value) -> None:
                change(folder / file, key, value)
                for place in (folder, (folder / file).parent):
                    self.code(place, "evil.py", "pipeline.py", "modeling_evil.py", "__init__.py")

            yield shown, apply
        adapter = json.dumps({"base_model_name_or_path": "someone/evil", "peft_type": "LORA"})
        yield "adapter", lambda f: _write(f / "text_encoder" / "adapter_config.json", adapter)
        shards = json.dumps({"metadata": {}, "weight_map": {"a": str(self.secret)}})
        name = "diffusion_pytorch_model.safetensors.index.json"
        yield "shards", lambda f: _write(f / "unet" / name, shards)

    def _weights(self, file: Path) -> Iterator[tuple[str, Change]]:
        """Files of weights that are pickles, damaged, incomplete or not finite."""
        for suffix in (".bin", ".pt", ".ckpt"):
            for beside in (False, True):
                yield (
                    f"pickle{suffix[1:]}-{'beside' if beside else 'instead'}",
                    lambda f, s=suffix, b=beside: self._pickle(
                        (f / file).with_suffix(s), f / file, b
                    ),
                )
        yield "pickle-inside", lambda f: _write(f / file, pickle.dumps(Canary(self.canary)))

        def archive(folder: Path) -> None:
            (folder / file).unlink()
            torch.save({"a": Canary(self.canary)}, folder / file)

        yield "archive-inside", archive
        yield "empty", lambda f: _write(f / file, b"")
        yield "cut", lambda f: _write(f / file, (f / file).read_bytes()[:-8])
        yield "longer", lambda f: _write(f / file, (f / file).read_bytes() + b"12345678")
        yield "header-length", lambda f: _write(f / file, struct.pack("<Q", 2**62) + b"{}")
        huge = {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
        yield "huge", lambda f: _write(f / file, header(huge))
        twice = {name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in "ab"}
        yield "overlap", lambda f: _write(f / file, header(twice, b"12345678"))

        def tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
            found = {name: x.clone() for name, x in load_file(folder / file).items()}
            edit(found)
            (folder / file).unlink()
            save_file(found, folder / file, {"format": "pt"})

        def last(found: dict[str, torch.Tensor]) -> str:
            return next(
                n for n in reversed(found) if found[n].is_floating_point() and found[n].dim()
            )

        yield "missing", lambda f: tensors(f, lambda found: found.pop(last(found)))
        for name, value in (("nan", torch.nan), ("infinity", torch.inf)):
            yield name, lambda f, v=value: tensors(f, lambda found: found[last(found)].fill_(v))
        yield "shape", lambda f: tensors(f, lambda x: x.update({last(x): x[last(x)][None].clone()}))

    def _pickle(self, path: Path, good: Path, beside: bool) -> None:
        torch.save({"a": Canary(self.canary)}, path)
        if not beside:
            good.unlink()

    def _files(self, file: str) -> Iterator[tuple[str, Change]]:
        """A file that is a link, a pipe or a folder, or JSON of another kind."""

        def replace(folder: Path, make: Callable[[Path], object]) -> None:
            (folder / file).unlink()
            make(folder / file)

        yield "link-out", lambda f: replace(f, lambda path: path.symlink_to(self.secret))
        yield "link-nowhere", lambda f: replace(f, lambda path: path.symlink_to("/none/at/all"))
        yield "link-circle", lambda f: replace(f, lambda path: path.symlink_to(path))
        yield "pipe", lambda f: replace(f, os.mkfifo)
        yield "folder", lambda f: replace(f, Path.mkdir)
        if file.endswith("config.json") or file == "model_index.json":
            for name, text in (
                ("list", "[]"), ("number", "7"), ("string", '"x"'), ("null", "null"),
                ("deep", "[" * 100_000), ("deep-object", '{"a":' * 50_000), ("digits", "1" * 9_000),
                ("large", '{"a": "' + "x" * 2**22 + '"}'), ("binary", "\x00\x01"), ("nothing", ""),
                ("nan", '{"embed_dim": NaN, "num_train_timesteps": NaN, "sample_size": NaN}'),
            ):  # fmt: skip
                yield name, lambda f, t=text: _write(f / file, t)


def change(path: Path, key: str, value: Any) -> None:
    """Sets a key of a JSON file; dots lead into objects."""
    stored = json.loads(path.read_text())
    *outer, last = key.split(".")
    at = stored
    for name in outer:
        at = at.setdefault(name, {})
    at[last] = value
    _write(path, json.dumps(stored))


def header(entries: dict[str, Any], data: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


def _write(path: Path, content: str | bytes) -> None:
    path.unlink(missing_ok=True)  # a link to the good file, which must not change
    path.write_bytes(content.encode() if isinstance(content, str) else content)
