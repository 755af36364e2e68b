"""Trains the mini LM: a causal language model of 1.1 M parameters, and the decoder of captions.

    apt-get download wordnet-base openclipart-svg       # Debian; unpack with dpkg -x FILE LM
    python -m recipes.mini_lm --data DATA --texts LM --work WORK --minutes 15
    python -m recipes.mini_lm --data DATA --texts LM --work WORK --publish

The model is a GPT-2 of transformers with its own byte-level BPE of 2,560 tokens. It learns captions
by the grammar of the other recipes, glosses and example sentences of WordNet, and titles of
Openclipart. In half of each batch, a caption follows four tokens that a linear layer makes of its
embedding by the mini CLIP (DeCap, arXiv 2303.03032): this decoder sees texts only, no image.
`recipes.data.texts` says where the texts come from. 15 minutes on one core of two; a checkpoint is
written every minute, and the same command resumes. A batch depends on the seed and the number of
its step.
"""

from __future__ import annotations

import argparse
import json
import random as python_random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from guidance.language.words import with_article
from recipes import captions
from recipes.clock import Clock
from recipes.data import texts
from recipes.data.wordnet import WordNet

SEED = 18
VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT = 2560, 128, 4, 4, 64
PREFIX = 4  # tokens that stand for an embedding
CAPTIONS = 12_000  # different ones of each schedule
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.05
#: Texts of each kind in a batch.
CONDITIONED, PHRASES, GLOSSES, TITLES = 64, 32, 24, 8
BLUR = 0.35  # length of the noise on embeddings, relative to them
END = "<|endoftext|>"
TARGET = Path(__file__).parents[1] / "guidance" / "models" / "weights" / "mini_lm"
LONGEST = CONTEXT - PREFIX - 1


@dataclass
class Texts:
    """Tokens of all training texts by kind, and embeddings of the captions."""

    captions: list[list[int]]
    embeddings: Tensor  # [m, 256]
    bare: list[str]  # captions without article, for phrases
    glosses: list[list[int]]
    titles: list[list[int]]


def train_tokenizer(every: list[str]) -> Any:
    """A byte-level BPE in the format of transformers' tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(every, trainer)
    return tokenizer


def read_texts(data: Path, sources: Path, work: Path) -> tuple[Texts, Any]:
    """All texts, the tokenizer, which is trained once, and the embeddings of captions."""
    from tokenizers import Tokenizer

    bare = texts.captions(data / "emoji", python_random.Random(SEED), CAPTIONS)
    glosses = texts.glosses(sources / "usr/share/wordnet")
    titles = texts.titles(sources / "usr/share/openclipart/svg")
    said = [with_article(caption) for caption in bare]
    path = work / "tokenizer.json"
    if not path.exists():
        train_tokenizer([*said * 4, *glosses, *titles]).save(str(path))
    tokenizer = Tokenizer.from_file(str(path))

    def numbers(lines: list[str]) -> list[list[int]]:
        # Every word starts with a space, also the first one.
        found = [e.ids for e in tokenizer.encode_batch([f" {line}" for line in lines])]
        return [ids[:LONGEST] for ids in found]

    from guidance.encoders import load_encoder

    embeddings = load_encoder("mini", "cpu", "fp32").encode_text(said)  # about 10 seconds
    return Texts(numbers(said), embeddings, bare, numbers(glosses), numbers(titles)), tokenizer


class Decoder(nn.Module):
    """The language model and the layer that makes its prefix of an embedding."""

    def __init__(self) -> None:
        super().__init__()
        from guidance.models.torchvision import import_torchvision

        import_torchvision()
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            n_embd=WIDTH,
            n_layer=LAYERS,
            n_head=HEADS,
            bos_token_id=0,
            eos_token_id=0,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
        self.model = GPT2LMHeadModel(config)
        self.prefix = nn.Linear(256, PREFIX * WIDTH)

    def forward(self, tokens: Tensor, vectors: Tensor | None = None) -> Tensor:
        """The mean loss of `tokens [b, t]`, which start with `END`; -1 is padding.

        Conditioned texts have the prefix of `vectors [b, 256]` before them.
        """
        embedded = self.model.transformer.wte(tokens.clamp_min(0))
        if vectors is not None:
            before = self.prefix(vectors).view(len(tokens), PREFIX, WIDTH)
            embedded = torch.cat([before, embedded], 1)
        logits = self.model(inputs_embeds=embedded).logits[:, -tokens.shape[1] : -1]
        return F.cross_entropy(
            logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), ignore_index=-1
        )


def padded(rows: list[list[int]]) -> Tensor:
    """`END`, the tokens, `END`, and -1 up to the longest row."""
    longest = max(map(len, rows)) + 2
    return torch.tensor([[0, *row, 0] + [-1] * (longest - len(row) - 2) for row in rows])


def losses(decoder: Decoder, known: Texts, tokenizer: Any, step: int) -> tuple[Tensor, Tensor]:
    """The losses of conditioned captions and of plain texts in the batch of a step."""
    random = python_random.Random(SEED * 1_000_003 + step)
    generator = torch.Generator().manual_seed(SEED * 1_000_003 + step)
    chosen = random.sample(range(len(known.captions)), CONDITIONED)
    vectors = known.embeddings[chosen]
    noise = F.normalize(torch.randn(vectors.shape, generator=generator), dim=-1)
    share = BLUR * torch.rand(len(vectors), 1, generator=generator)
    vectors = F.normalize(vectors + share * noise, dim=-1)
    phrases = [f" {captions.phrase(c, random)}" for c in random.sample(known.bare, PHRASES)]
    plain = [e.ids[:LONGEST] for e in tokenizer.encode_batch(phrases)]
    plain += random.sample(known.glosses, GLOSSES) + random.sample(known.titles, TITLES)
    conditioned = decoder(padded([known.captions[i] for i in chosen]), vectors)
    return conditioned, decoder(padded(plain))


def train(known: Texts, tokenizer: Any, work: Path, minutes: float) -> Decoder:
    """The trained decoder; resumes from the checkpoint in `work`."""
    torch.manual_seed(SEED)
    decoder, clock, path = Decoder(), Clock(minutes), work / "mini_lm.pt"
    optimizer = torch.optim.AdamW(
        decoder.parameters(), LEARNING_RATE, (0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    if path.exists():
        state = torch.load(path)
        decoder.load_state_dict(state["decoder"])
        optimizer.load_state_dict(state["optimizer"])
        clock = Clock(minutes, state["seconds"], state["step"])
    saved = time.monotonic()
    while clock.progress < 1:
        with clock.stepping():
            conditioned, plain = losses(decoder, known, tokenizer, clock.step)
            for group in optimizer.param_groups:
                group["lr"] = clock.rate * LEARNING_RATE
            optimizer.zero_grad(set_to_none=True)
            (conditioned + plain).backward()
            nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
            optimizer.step()
        if clock.step % 50 == 0:
            told = f"caption {conditioned.item():.3f}  plain {plain.item():.3f}"
            print(f"step {clock.step}  {clock.spent_seconds / 60:.1f} min  {told}", flush=True)
        if time.monotonic() - saved > 60 or clock.progress >= 1:
            saved = time.monotonic()
            state = {"decoder": decoder.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**state, "seconds": clock.spent_seconds, "step": clock.step}, f"{path}.new")
            Path(f"{path}.new").rename(path)
    return decoder.eval()


def publish(data: Path, sources: Path, work: Path) -> None:
    """Writes the model, its tokenizer, the layer of the prefix, and the memory with its vectors."""
    from guidance.captions.memory.texts import digest, embed
    from guidance.encoders import load_encoder

    decoder, state = Decoder(), torch.load(work / "mini_lm.pt")
    decoder.load_state_dict(state["decoder"])
    TARGET.mkdir(exist_ok=True)
    decoder.model.half().save_pretrained(TARGET)
    (TARGET / "tokenizer.json").write_bytes((work / "tokenizer.json").read_bytes())
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": CONTEXT}
    settings |= {"bos_token": END, "eos_token": END}
    (TARGET / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    layer = {name: value.half() for name, value in decoder.prefix.state_dict().items()}
    save_file(layer, TARGET / "prefix.safetensors", {"encoder": "mini", "tokens": str(PREFIX)})
    entries = texts.memory(data / "emoji", WordNet(sources / "usr/share/wordnet"))
    lines = [" | ".join((e.name, ", ".join(e.broader))).rstrip(" |") for e in entries]
    (TARGET / "memory.txt").write_text("\n".join(lines) + "\n")
    vectors = embed(load_encoder("mini", "cpu", "fp32"), [e.name for e in entries]).half()
    facts = {"encoder": "mini", "memory": digest()}
    save_file({"vectors": vectors}, TARGET / "memory.safetensors", facts)
    training = {"recipe": "recipes/mini_lm.py", "seed": SEED, "steps": state["step"]}
    training["minutes"] = round(state["seconds"] / 60, 1)
    what = "Causal language model of captions, decoder of embeddings by the mini CLIP, and memory."
    card = {"family": "mini-lm", "what": what, "training": training}
    (TARGET / "guidance.json").write_text(json.dumps(card, indent=1) + "\n")
    for path in TARGET.glob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the mini LM")
    parser.add_argument("--data", type=Path, required=True, help="where emoji/ lies")
    parser.add_argument("--texts", type=Path, required=True, help="where usr/share/ lies")
    parser.add_argument("--work", type=Path, required=True, help="where the checkpoint goes")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--publish", action="store_true", help="write the weights of the package")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.publish:
        publish(arguments.data, arguments.texts, arguments.work)
    else:
        read, bpe = read_texts(arguments.data, arguments.texts, arguments.work)
        train(read, bpe, arguments.work, arguments.minutes)
