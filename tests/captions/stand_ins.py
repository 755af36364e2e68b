"""Stand-ins: an encoder of words, and random language models in the format of transformers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from guidance.encoders.base import Encoder

WORDS = ("red", "blue", "apple", "pear", "dog", "heart", "star", "fruit", "face", "with", "a")


class Bag(Encoder):
    """Embeds a text as the sum of one axis per word; an image as the words in its first pixels."""

    name, family, image_size, logit_scale = "bag", "bag", 4, 40.0
    templates = ("{}",)

    def encode_text(self, texts: list[str]) -> Tensor:
        rows = [[float(word in text.split()) for word in WORDS[:-1]] for text in texts]
        return F.normalize(torch.tensor(rows) + 1e-3, dim=-1)

    def encode_image(self, images: Tensor) -> Tensor:
        return F.normalize(images[:, 0].flatten(1)[:, : len(WORDS) - 1] + 1e-3, dim=-1)


def picture(*words: str) -> Tensor:
    """An image "1 3 4 4" that `Bag` matches with these words."""
    image = torch.zeros(1, 3, 4, 4)
    for word in words:
        image[0, :, WORDS.index(word) // 4, WORDS.index(word) % 4] = 1
    return image


def save_language_model(folder: Path, kind: str) -> Path:
    """A random model with a vocabulary of `WORDS`, as transformers saves it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    from guidance.models.torchvision import import_torchvision

    import_torchvision()
    import transformers

    torch.manual_seed(0)
    vocabulary = {"<end>": 0} | {
        f"Ġ{word}": i for i, word in enumerate(("picture", "of", *WORDS), 1)
    }
    shared = {"vocab_size": len(vocabulary), "bos_token_id": 0, "eos_token_id": 0}
    if kind == "gpt2":
        config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=32, **shared)
        model = transformers.GPT2LMHeadModel(config)
    else:
        config = transformers.LlamaConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=32,
            **shared,
        )
        model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def cached_in_hub(cache: Path, name: str, kind: str) -> None:
    """The layout of the hub's cache: refs, blobs, and a snapshot of links."""
    root = cache / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("a" * 40)
    snapshot, blobs = root / "snapshots" / ("a" * 40), root / "blobs"
    made = save_language_model(cache / "made", kind)
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(made.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")


def edit_config(folder: Path, **values: object) -> None:
    """Changes `config.json`."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
