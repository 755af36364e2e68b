"""The training of both embedded encoders: contrastive, optionally with an adversarial attack.

A recipe is a `Recipe`; `train` runs it for a number of minutes, writes a checkpoint every minute
and resumes from it when it is called again. The learning rate and the attack depend on the share of
the minutes that have passed, so a slower machine makes fewer steps of the same schedule.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recipes import model as towers
from recipes.attack import Attack, push
from recipes.captions import Vocabulary
from recipes.clock import Clock
from recipes.corpus import QUESTIONS, Batch, Corpus
from recipes.data import faces
from recipes.precision import autocast
from recipes.retrieval import attribute_accuracy, retrieval

CHECKPOINT_SECONDS = 45.0
REPORT_SECONDS = 120.0
# Faces are a quarter of a batch; the contrastive loss distinguishes them mostly by their hair.
QUESTION_WEIGHTS = {"hair": 0.3, "mouth": 0.7, "glasses": 0.3, "costume": 1.0, "action": 0.7}
PORTRAIT_WEIGHT = 0.3  # of each question that only portraits answer
KOREAN_WEIGHT = 0.6


@dataclass(frozen=True)
class Recipe:
    """What distinguishes the two models."""

    name: str
    tower: str  # registered in guidance.encoders.towers.mini
    size: int
    text_width: int
    embed_dim: int
    seed: int  # of weights, batches and held-out drawings
    mix: dict[str, float]  # pool -> share of a batch
    batch: int = 128
    styles: tuple[str, ...] = ()  # icon packs to train on beside the three of the pictograms
    unseen_style: str = ""  # an icon pack that only evaluation sees
    extra_names: int = 96
    learning_rate: float = 1e-3
    restyled: float = 0.0  # share of each change of `augment.restyle`
    attack: Attack | None = None

    def corpus(self, data: Path, work: Path) -> Corpus:
        """The images and captions of this recipe, cached in `work/pools`."""
        cache = work / "pools"
        return Corpus(
            data, cache, self.mix, self.seed, styles=self.styles, unseen_style=self.unseen_style
        )


def contrast(
    images: Tensor, texts: Tensor, opposites: Tensor, scale: Tensor, batch: Batch
) -> Tensor:
    """Soft-target contrast in both directions; each image also against its contradiction.

    `images [b, d]`, `texts [b + e, d]`, `opposites [b, d]` (zero rows where there is none).
    """
    b = len(images)
    logits = scale * images @ texts.T
    against = scale * (images * opposites).sum(1, keepdim=True)
    against = against.masked_fill(opposites.abs().sum(1, keepdim=True) == 0, -1e4)
    true = batch.positives.float()
    rows = torch.cat([logits, against], 1).log_softmax(1)[:, :-1]
    of_images = -(rows * true / true.sum(1, keepdim=True)).sum(1).mean()
    own = true[:, :b]
    of_texts = -(logits[:, :b].log_softmax(0) * own / own.sum(0)).sum(0).mean()
    return (of_images + of_texts) / 2


def naming(images: Tensor, texts: Tensor, anchors: Tensor, scale: Tensor, batch: Batch) -> Tensor:
    """Classification of drawings and of names among all names, through learned anchors.

    `anchors [c, d]` are learned class vectors, one for each of the c names. A batch contrasts a
    drawing with a hundred texts, this loss with every name, at the cost of one product; the anchors
    are discarded when the training ends. `texts` are all texts of the batch, the extra names last.
    """
    named = batch.concepts >= 0
    drawings = F.cross_entropy(scale * images[named] @ anchors.T, batch.concepts[named])
    names = F.cross_entropy(scale * texts[len(images) :] @ anchors.T, batch.extra)
    return (drawings + names) / 2


@dataclass(frozen=True)
class Spoken:
    """The unit vectors of all texts of a batch."""

    texts: Tensor  # [b + e, d], captions of the images and extra names
    opposites: Tensor  # [b, d]; zero rows where a caption has no contradiction
    asked: Tensor  # [q, d], the answers to the questions about faces
    korean: Tensor  # [k, d]

    def detach(self) -> Spoken:
        """The same vectors without their graph."""
        every = (self.texts, self.opposites, self.asked, self.korean)
        return Spoken(*(vectors.detach() for vectors in every))


def questions(images: Tensor, asked: Tensor, scale: Tensor, batch: Batch) -> Tensor:
    """Weighted cross-entropy of each question over its answers, mean over the faces asked."""
    total, start = images.new_zeros(()), 0
    for k, (what, (_, words)) in enumerate(QUESTIONS.items()):
        answers = asked[start : start + len(words)]
        start += len(words)
        right = batch.answers[:, k]
        if (right >= 0).any():
            entropy = F.cross_entropy(scale * images @ answers.T, right, ignore_index=-1)
            total = total + QUESTION_WEIGHTS.get(what, PORTRAIT_WEIGHT) * entropy
    return total


class Training:
    """A model, its running average, its optimizer, and how far they are."""

    def __init__(
        self, recipe: Recipe, corpus: Corpus, folder: Path, minutes: float, learning_rate: float
    ) -> None:
        self.recipe, self.corpus, self.clock = recipe, corpus, Clock(minutes)
        self.path = folder / f"{recipe.name}.pt"
        self.config = towers.configuration(
            recipe.tower, recipe.size, recipe.text_width, recipe.embed_dim
        )
        self.vocabulary = Vocabulary(corpus.words())
        torch.manual_seed(recipe.seed)
        self.model = towers.build(self.config, len(self.vocabulary))
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.anchors = nn.Parameter(torch.randn(len(corpus.names), recipe.embed_dim))
        kernels = [p for n, p in self.model.named_parameters() if p.ndim > 1 and "embed" not in n]
        others = [p for n, p in self.model.named_parameters() if p.ndim < 2 or "embed" in n]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": kernels, "weight_decay": 0.05},
                {"params": [*others, self.anchors], "weight_decay": 0.0},
            ],
            lr=learning_rate,
            betas=(0.9, 0.98),
        )
        self.learning_rate = learning_rate
        self.earlier: dict[str, float] = {"steps": 0, "minutes": 0.0}  # of what this starts from

    @property
    def attack(self) -> Attack | None:
        """The attack of the recipe; it begins early for a model that was attacked before."""
        attack = self.recipe.attack
        return attack.again() if attack and self.earlier["steps"] else attack

    def save(self) -> None:
        """Writes the checkpoint, by renaming."""
        partial = self.path.with_suffix(".partial")
        state = {
            "model": self.model.state_dict(),
            "anchors": self.anchors.data,
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rows": self.vocabulary.rows,
            "spent_seconds": self.clock.spent_seconds,
            "step": self.clock.step,
            "earlier": self.earlier,
        }
        torch.save(state, partial)
        partial.rename(self.path)

    def resume(self) -> None:
        """Resumes from the checkpoint of this recipe, if there is one."""
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.anchors.data.copy_(state["anchors"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.clock.spent_seconds, self.clock.step = state["spent_seconds"], state["step"]
            self.earlier = state["earlier"]

    def start_from(self, folder: Path) -> None:
        """Begins a new schedule with the weights of a published model of the same recipe."""
        weights, rows, before = towers.published(folder)
        towers.carry_over(weights, rows, self.model, self.vocabulary.rows)
        self.average.load_state_dict(self.model.state_dict())
        with torch.no_grad():
            for start in range(0, len(self.corpus.names), 256):
                names = self.corpus.names[start : start + 256]
                self.anchors[start : start + 256] = self._names(names)
        earlier = before.get("earlier", {"steps": 0, "minutes": 0.0})
        self.earlier = {key: before[key] + earlier[key] for key in ("steps", "minutes")}

    def advance(self) -> tuple[float, float]:
        """One step of the optimizer; returns the loss and the radius of the attack."""
        recipe, progress = self.recipe, self.clock.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self.clock.rate
        seed = recipe.seed * 1_000_003 + int(self.earlier["steps"]) + self.clock.step
        batch = self.corpus.draw(
            recipe.size, recipe.batch, recipe.extra_names, seed, restyled=recipe.restyled
        )
        eps = self.attack.at(progress)[0] if self.attack else 0.0

        with autocast("cpu"):
            spoken = self._encode_texts(batch)
            images = batch.images
            if eps > 0:
                draw = torch.Generator().manual_seed(seed)
                images = self._attacked(batch, spoken.detach(), eps, draw)
            encoded = towers.encode_image(self.model, images, self.config)
        loss = self._loss(encoded, spoken, batch)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self._follow()
        return loss.item(), eps

    def _loss(self, images: Tensor, spoken: Spoken, batch: Batch) -> Tensor:
        scale = self.model.logit_scale.exp().clamp(max=60)
        anchors = F.normalize(self.anchors, dim=-1)
        korean = F.cross_entropy(scale * spoken.korean @ anchors.T, batch.korean_numbers)
        return (
            contrast(images, spoken.texts, spoken.opposites, scale, batch)
            + naming(images, spoken.texts, anchors, scale, batch)
            + questions(images, spoken.asked, scale, batch)
            + KOREAN_WEIGHT * korean
        )

    def _encode_texts(self, batch: Batch) -> Spoken:
        """English texts in one call; Korean ones, which are three times as long, separately."""
        stated = [i for i, text in enumerate(batch.opposites) if text]
        texts = batch.texts + batch.asked + [batch.opposites[i] for i in stated]
        encoded = self._texts(texts)
        texts, asked, found = encoded.split([len(batch.texts), len(batch.asked), len(stated)])
        opposites = torch.zeros(len(batch.images), encoded.shape[1])
        if stated:
            opposites = opposites.index_put((torch.tensor(stated),), found)
        return Spoken(texts, opposites, asked, self._texts(batch.korean))

    def _texts(self, texts: list[str]) -> Tensor:
        return towers.encode_text(self.model, self.vocabulary.tokenize(texts, towers.CONTEXT))

    def _attacked(self, batch: Batch, spoken: Spoken, eps: float, draw: torch.Generator) -> Tensor:
        """The images of the batch after the attack, which uses running batch-norm statistics."""
        attack = self.attack
        assert attack is not None
        steps = attack.at(self.clock.progress)[1]
        is_face = (batch.answers[:, : len(faces.QUESTIONS)] >= 0).any(1)[:, None, None, None]
        is_person = (batch.answers[:, len(faces.QUESTIONS) :] >= 0).any(1)[:, None, None, None]
        share = torch.where(is_face, attack.faces, torch.where(is_person, attack.people, 1.0))
        radius = share * eps

        def loss(images: Tensor) -> Tensor:
            encoded = towers.encode_image(self.model, images, self.config)
            return self._loss(encoded, spoken, batch)

        self.model.eval().requires_grad_(False)
        pushed = push(batch.images, loss, radius, steps, draw)
        self.model.train().requires_grad_(True)
        return pushed

    @torch.no_grad()
    def _follow(self) -> None:
        """Updates the moving average of the weights, over a thousand steps, fewer at first."""
        keep = min(0.999, (1 + self.clock.step) / (10 + self.clock.step))
        new = self.model.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(new[name], 1 - keep)
            else:
                value.copy_(new[name])

    def retrieval(self) -> tuple[float, float]:
        """R@1 and R@5 of the held-out drawings among all names, with the averaged weights."""
        drawings = self.corpus.held_out
        return retrieval(self.average, self._names, self.config, self.corpus, drawings)

    def smiles(self) -> dict[str, float]:
        """Accuracy of the averaged weights for smiles on held-out avatars, by view."""
        return {
            view: attribute_accuracy(self.average, self._names, self.config, shown)["smile"]
            for view, shown in self.corpus.unseen_faces.items()
        }

    def people(self) -> dict[str, float]:
        """Accuracy of the averaged weights for costumes and actions on held-out people."""
        return attribute_accuracy(self.average, self._names, self.config, self.corpus.unseen_people)

    def _names(self, texts: list[str]) -> Tensor:
        tokens = self.vocabulary.tokenize(texts, towers.CONTEXT)
        return towers.encode_text(self.average, tokens)


def train(training: Training) -> None:
    """Trains until the minutes are used up; reports and saves regularly."""
    saved = reported = time.monotonic()
    pictures = 0
    while training.clock.progress < 1:
        with training.clock.stepping():
            loss, eps = training.advance()
        pictures += training.recipe.batch
        now = time.monotonic()
        if now - reported > REPORT_SECONDS or training.clock.step == 20:
            first, fifth = training.retrieval()
            smiles, people = training.smiles(), training.people()
            print(
                f"{time.strftime('%H:%M:%S')} step {training.clock.step} "
                f"at {training.clock.progress:.3f} "
                f"loss {loss:.3f} eps {eps:.2f} scale {training.model.logit_scale.exp():.1f} "
                f"held-out R@1 {first:.3f} R@5 {fifth:.3f} smiles {smiles['whole']:.3f} whole "
                f"{smiles['close']:.3f} close "
                f"costumes {people['costume']:.3f} actions {people['action']:.3f} "
                f"{pictures / (now - reported):.0f} images/s",
                flush=True,
            )
            reported, pictures = time.monotonic(), 0
        if now - saved > CHECKPOINT_SECONDS:
            training.save()
            saved = now
    training.save()


def main(recipe: Recipe) -> None:
    """The command line that both recipes share."""
    parser = argparse.ArgumentParser(description=f"Train the {recipe.name}; resumes when run again")
    parser.add_argument("--data", type=Path, required=True, help="folder with emoji/ and meshes/")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and cached pools")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=recipe.learning_rate)
    parser.add_argument("--start-from", type=Path, help="published folder to begin with")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    corpus = recipe.corpus(arguments.data, arguments.work)
    training = Training(recipe, corpus, arguments.work, arguments.minutes, arguments.learning_rate)
    if arguments.start_from and not training.path.exists():
        training.start_from(arguments.start_from)
    training.resume()
    train(training)
