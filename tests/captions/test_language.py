"""Language models in the real format, their cache, the generator and its loss."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from guidance.captions.beams import Beams
from guidance.errors import InputError, MissingWeights
from guidance.generators.language.context import Context
from guidance.language.causal import LanguageModel
from guidance.language.continuations import Continuations
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.losses.language.candidates import Candidates
from guidance.types import StepContext
from guidance.views import Frames
from tests.captions.stand_ins import Bag, cached_in_hub, edit_config, save_language_model


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_language_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return LanguageModel.load(str(folder))


def test_the_cache_changes_nothing(model: LanguageModel) -> None:
    tokens = torch.tensor([[0, 1, 2, 13], [0, 1, 2, 5]])
    found = model.next(tokens[:, -1], model.cache(tokens[:, :-1]))
    full = model.model(input_ids=tokens).logits[:, -1]
    assert torch.allclose(found, full, atol=1e-5)
    assert torch.allclose(model.after(model.embed(tokens)), full, atol=1e-5)
    assert model.write(model.read(" a red apple")) == "a red apple"
    assert model.forbidden.tolist() == [False] * model.tokens and model.end == model.start == 0


def context(model: LanguageModel, **options: float) -> Context:
    tokens = torch.tensor([[0, 1, 2, 13]] * 2)
    return Context(model, tokens[:, -1], model.cache(tokens[:, :-1]), **options)


def test_gradients_of_the_context(model: LanguageModel) -> None:
    """Those of autograd on the cache, divided by their norm to the power for each sample."""
    generator = context(model, power=0.9)
    weights = torch.linspace(-1, 1, model.tokens)
    (generator().logits * weights).sum().backward()
    tokens = torch.tensor([[0, 1, 2, 13]] * 2)
    past = [(k.requires_grad_(), v.requires_grad_()) for k, v in model.cache(tokens[:, :-1])]
    (model.next(tokens[:, -1], past) * weights).sum().backward()
    for parameter, leaf in zip(generator.changes, [t for pair in past for t in pair], strict=True):
        assert leaf.grad is not None and parameter.grad is not None
        norm = leaf.grad.flatten(1).norm(dim=1).view(-1, 1, 1, 1) ** 0.9
        assert torch.allclose(parameter.grad, leaf.grad / norm, atol=1e-5)
    with pytest.raises(InputError, match="takes no view"):
        generator(Frames(torch.zeros(2, 1, dtype=torch.int64)))


def test_the_loss_by_its_definition() -> None:
    torch.manual_seed(1)
    logits, start = torch.randn(2, 7, requires_grad=True), torch.randn(2, 7)
    start[:, 3] = -torch.inf  # a token that no caption contains
    tokens, scores = torch.tensor([[0, 2], [4, 1]]), torch.tensor([[0.30, 0.29], [0.1, 0.4]])
    loss = Candidates(Bag(), tokens, scores, start, temperature=0.01, fluency=0.2)
    value = loss(Continuations(logits), StepContext((0, 1)))
    for i in range(2):
        wanted = (scores[i] / 0.01).exp() / (scores[i] / 0.01).exp().sum()
        log_p = logits[i] - logits[i].exp().sum().log()
        p_0 = start[i].exp() / start[i].exp().sum()
        slow = -sum(wanted[j] * log_p[tokens[i, j]] for j in range(2)) - 0.2 * (p_0 * log_p).sum()
        assert value[i].item() == pytest.approx(slow.item(), rel=1e-5)
    value.sum().backward()
    assert logits.grad is not None and bool(logits.grad.isfinite().all())
    assert loss.encoders[0].name == "bag"


def test_the_loop_makes_the_wanted_token_probable(model: LanguageModel) -> None:
    """Samples differ in what they want, and do not depend on each other."""
    generator = context(model, step_size=0.3)
    with torch.no_grad():
        start = generator().logits
    tokens = torch.tensor([[5, 6], [5, 6]])
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = Candidates(Bag(), tokens, scores, start, fluency=0.0)
    result = optimize(generator, loss, Settings(6, optimizer="sgd", validations=1), quiet=True)
    rise = result.rendering.logits.log_softmax(-1) - start.log_softmax(-1)  # type: ignore[attr-defined]
    assert rise[0, 5] > 0.01 and rise[1, 6] > 0.01
    assert float(rise[0, 5] - rise[1, 5]) > 0.01


def test_beams_find_the_best_text() -> None:
    """Against all texts of three tokens of a chain."""
    torch.manual_seed(3)
    chain = torch.randn(5, 5).log_softmax(-1)  # token 0 ends a text
    beams = Beams(2, (1,), width=30, end=0, least=1)
    for _ in range(3):
        beams.advance(torch.stack([chain[beam.tokens[-1]] for beam in beams.open]))
    best, texts = -9.0, ()
    for a in range(1, 5):
        for b in range(5):
            for c in range(5) if b else (None,):
                path = (1, a, b) if c is None else (1, a, b, c)
                score = sum(float(chain[i, j]) for i, j in pairwise(path))
                if score / (len(path) - 1) > best:
                    best, texts = score / (len(path) - 1), tuple(t for t in path if t)
    assert beams.of(0)[0].tokens == beams.of(1)[0].tokens == texts
    assert beams.of(0)[0].score == pytest.approx(best)


def test_names_of_models(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    cached_in_hub(tmp_path, "some/tiny", "gpt2")
    for name in ("hf-hub:some/tiny", "some/tiny", f"local-dir:{folder}"):
        assert LanguageModel.load(name).tokens == 14
    with pytest.raises(MissingWeights, match="no/such"):
        LanguageModel.load("hf-hub:no/such")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "x.Y"}}, "auto_map is not supported"),
        ({"quantization_config": {"quant_method": "x"}}, "quantization_config is not supported"),
        ({"model_type": "vit"}, "no causal language model"),
        ({"model_type": 3}, "expected a configuration"),
        ({"n_layer": 2000}, "too many"),
        ({"n_embd": 64}, "shape"),
    ],
)
def test_damaged_and_foreign_models(
    values: dict[str, object], problem: str, tmp_path: Path
) -> None:
    edit_config(save_language_model(tmp_path, "gpt2"), **values)
    with pytest.raises(InputError, match=problem):
        LanguageModel.load(str(tmp_path))


def test_pickles_and_foreign_tokenizers(tmp_path: Path) -> None:
    folder = save_language_model(tmp_path, "gpt2")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="is not a tokenizer"):
        LanguageModel.load(str(folder))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin"):
        LanguageModel.load(str(folder))
