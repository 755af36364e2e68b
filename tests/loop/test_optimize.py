"""The loop: gradients, samples, rollback, memory, resume."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from guidance import transfers
from guidance.errors import Diverged, InputError, OutOfResources
from guidance.loop.events import DoneEvent, PreviewEvent, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.meshes import MeshScene
from guidance.outputs import Rendering
from guidance.types import Loss, StepContext, Term, Terms
from tests.stand_ins import Canvas, Target


class InPieces(Target):
    """The same loss, one row of pixels at a time, and a memory that holds `limit` rows."""

    def __init__(self, greys: list[float], limit: int = 2**31) -> None:
        super().__init__(greys)
        self.limit, self.asked = limit, []

    def parts(
        self, rendering: Rendering, context: StepContext, micro_batch: int
    ) -> Iterator[Tensor]:
        self.asked.append(micro_batch)
        if micro_batch > self.limit:
            raise torch.OutOfMemoryError("out of memory (a test's stand-in)")
        rows = rendering.image.shape[-2]
        wanted = self.greys.view(-1, 1, 1, 1, 1)
        for start in range(0, rows, micro_batch):
            piece = (rendering.image[..., start : start + micro_batch, :] - wanted).square()
            yield piece.flatten(1).sum(1) / rendering.image[0].numel()


class NotFinite(Target):
    """Returns NaN at the given steps, for the given sample."""

    def __init__(self, greys: list[float], at: set[int]) -> None:
        super().__init__(greys)
        self.at = at

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        value = super().forward(rendering, context)
        return value * math.nan if context.phase == "step" and context.step in self.at else value


class Volume(Loss):
    """Reads the scene: the squared size of its vertices."""

    reads_scene = True
    name = "volume"

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        return rendering.scene.vertices.square().flatten(1).sum(1)


class Solid(Canvas):
    """Images that do not depend on the vertices, which only a regularizer moves."""

    def __init__(self) -> None:
        super().__init__()
        self.vertices = nn.Parameter(torch.ones(2, 3, 3))

    def forward(self, cameras: object = None) -> Rendering:
        scene = MeshScene(self.vertices, torch.tensor([[0, 1, 2]]), torch.ones(3, 3))
        return Rendering(self.pixels[:, None], scene=scene)

    def param_groups(self) -> list[dict[str, object]]:
        return [*super().param_groups(), {"params": [self.vertices], "lr": 0.1}]


def test_reaches_each_samples_own_target() -> None:
    result = optimize(Canvas(), Target([0.1, 0.9]), steps=60)
    means = result.images.flatten(1).mean(1)
    assert torch.allclose(means, torch.tensor([0.1, 0.9]), atol=0.02)
    assert result.losses[-1] < 0.01 * result.losses[0]


def test_a_plain_module_is_a_generator() -> None:
    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = nn.Parameter(torch.zeros(1, 3, 4, 4))

        def forward(self) -> Tensor:
            return torch.sigmoid(self.picture)

    result = optimize(Mine(), Target([0.7]), steps=150)
    assert torch.allclose(result.images, torch.tensor(0.7), atol=0.03)


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (3, 4, 4)])
def test_a_module_of_other_shapes_is_refused(shape: tuple[int, ...]) -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.picture = nn.Parameter(torch.zeros(shape))

        def forward(self) -> Tensor:
            return self.picture

    with pytest.raises(InputError, match=r"expected images \[b, 3, h, w\], got"):
        optimize(Wrong(), Target([0.5]), steps=1)


def test_a_module_without_parameters_is_refused() -> None:
    class Fixed(nn.Module):
        def forward(self) -> Tensor:
            return torch.zeros(1, 3, 4, 4)

    with pytest.raises(InputError, match="Fixed: has no parameter that requires a gradient"):
        optimize(Fixed(), Target([0.5]), steps=1)


def test_neighbours_change_nothing_to_the_bit() -> None:
    one = optimize(Canvas(), Target([0.1, 0.9], noise=0.3), steps=20)
    other = optimize(Canvas(), Target([0.1, 0.2], noise=0.3), steps=20)
    assert torch.equal(one.images[0], other.images[0])
    assert not torch.equal(one.images[1], other.images[1])


def test_a_sample_alone_draws_what_it_drew_in_company() -> None:
    together = optimize(Canvas(), Target([0.1, 0.9], noise=0.3), Settings(steps=20, seeds=(3, 7)))
    alone = optimize(Canvas(1), Target([0.9], noise=0.3), Settings(steps=20, seeds=(7,)))
    assert torch.allclose(together.images[1], alone.images[0], atol=1e-6)


def test_micro_batches_give_the_same_gradient() -> None:
    whole = optimize(Canvas(), InPieces([0.1, 0.9]), Settings(steps=10, micro_batch=8))
    pieces = optimize(Canvas(), InPieces([0.1, 0.9]), Settings(steps=10, micro_batch=1))
    assert torch.allclose(whole.images, pieces.images, atol=1e-5)


def test_out_of_memory_halves_the_micro_batch() -> None:
    events: list[StepEvent] = []
    loss = InPieces([0.1, 0.9])
    plain = optimize(Canvas(), InPieces([0.1, 0.9]), Settings(steps=10, micro_batch=8))

    def watch(event: object) -> None:
        if isinstance(event, StepEvent):
            events.append(event)
        loss.limit = 3  # memory gets scarce after the first validation

    result = optimize(Canvas(), loss, Settings(steps=10, micro_batch=8), listeners=[watch])
    assert [event.micro_batch for event in events] == [2] * 10
    assert torch.allclose(result.images, plain.images, atol=1e-5)


def test_out_of_memory_with_one_picture_is_the_end() -> None:
    loss = InPieces([0.1, 0.9], limit=0)
    with pytest.raises(OutOfResources, match="out of memory on cpu with one image"):
        optimize(Canvas(), loss, Settings(steps=2, micro_batch=4))


def test_non_finite_steps_are_skipped_and_counted() -> None:
    result = optimize(Canvas(), NotFinite([0.1, 0.9], at={3, 4, 11}), steps=60)
    assert result.skipped == 3
    assert [index for index, loss in enumerate(result.losses) if math.isnan(loss)] == [3, 4, 11]
    assert torch.allclose(result.images.flatten(1).mean(1), torch.tensor([0.1, 0.9]), atol=0.02)


def test_ten_in_a_row_roll_back_to_the_best_and_halve_the_rate() -> None:
    canvas, rates = Canvas(), []

    def watch(event: object) -> None:
        if isinstance(event, StepEvent):
            rates.append(float(event.snapshot()["counter/rate_scale"]))

    loss = NotFinite([0.1, 0.9], at=set(range(20, 30)))
    result = optimize(canvas, loss, steps=80, listeners=[watch])
    assert (rates[28], rates[29], rates[-1]) == (1.0, 0.5, 0.5)
    assert result.skipped == 10
    assert float(result.best_loss.max()) < 1e-3


def test_diverging_twice_names_step_and_term() -> None:
    with pytest.raises(Diverged, match=r"step 24: the loss of target stayed non-finite"):
        optimize(Canvas(), NotFinite([0.1, 0.9], at=set(range(5, 99))), steps=60)


def test_the_best_state_of_each_sample_is_kept() -> None:
    class Drifting(Target):
        def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
            late = context.phase == "step" and context.step >= 30
            wanted = torch.tensor([[0.0], [0.9]] if late else [[0.5], [0.9]])
            if context.phase == "validation":
                wanted = torch.tensor([[0.5], [0.9]])
            return (rendering.image.flatten(1) - wanted).square().mean(1)

    result = optimize(Canvas(), Drifting([0, 0]), steps=60)
    assert torch.allclose(result.images.flatten(1).mean(1), torch.tensor([0.5, 0.9]), atol=0.02)


def test_resuming_any_snapshot_is_bit_identical() -> None:
    loss, snapshots = Target([0.1, 0.9], noise=0.3), []

    def watch(event: object) -> None:
        if isinstance(event, StepEvent):
            snapshots.append(event.snapshot())

    settings = Settings(steps=30, learning_rate="1 -> 0.1")
    whole = optimize(Canvas(), loss, settings, listeners=[watch])
    for at in (0, 7, 20, 29):
        resumed = optimize(Canvas(), loss, settings, resume=snapshots[at])
        assert torch.equal(whole.images, resumed.images)
        assert whole.losses == resumed.losses


def test_a_snapshot_of_another_generator_is_refused() -> None:
    taken = []
    optimize(Canvas(), Target([0.1, 0.9]), steps=1, listeners=[taken.append])
    state = next(event for event in taken if isinstance(event, StepEvent)).snapshot()
    with pytest.raises(InputError, match=r"checkpoint: expected generator/pixels"):
        optimize(Canvas(size=4), Target([0.1, 0.9]), steps=1, resume=state)


def test_scene_losses_reach_what_pictures_do_not() -> None:
    result = optimize(Solid(), Target([0.2, 0.4]) + 0.5 * Volume(), steps=80)
    assert float(result.rendering.scene.vertices.detach().abs().max()) < 0.1


def test_scenes_that_do_not_move_are_only_scored() -> None:
    generator = Solid()
    generator.vertices.requires_grad_(False)
    result = optimize(generator, Target([0.2, 0.4]) + 0.5 * Volume(), steps=3)
    assert torch.equal(generator.vertices, torch.ones(2, 3, 3))
    assert result.losses[0] > 4.5


def test_weights_and_schedules_change_the_balance() -> None:
    low, high = Target([0.0, 0.0]), Target([1.0, 1.0])
    even = optimize(Canvas(), low + high, steps=150).images.mean()
    tilted = optimize(Canvas(), low + 3.0 * high, steps=150).images.mean()
    fading = optimize(Canvas(), "1 -> 0" * low + high, Settings(steps=150)).images.mean()
    assert float(even) == pytest.approx(0.5, abs=0.03)
    assert float(tilted) == pytest.approx(0.75, abs=0.03)
    assert float(fading) > 0.6


def test_normalization_makes_terms_equal_whatever_their_scale() -> None:
    loss = 1000.0 * Target([0.0, 0.0]) + Target([1.0, 1.0])
    plain = optimize(Canvas(), loss, Settings(steps=100)).images.mean()
    terms = Terms((Term(_Scaled(1000.0)), Term(Target([1.0, 1.0]))))
    normalized = optimize(Canvas(), terms, Settings(steps=100, normalize=True)).images.mean()
    assert float(plain) < 0.05
    assert 0.2 < float(normalized) < 0.8


class _Scaled(Target):
    def __init__(self, scale: float) -> None:
        super().__init__([0.0, 0.0])
        self.scale = scale

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        return self.scale * super().forward(rendering, context)


def test_events_come_in_order() -> None:
    events: list[object] = []
    optimize(
        Canvas(), Target([0.1, 0.9]), Settings(steps=4, validations=2), listeners=[events.append]
    )
    kinds = [type(event) for event in events]
    assert kinds == [
        PreviewEvent,
        StepEvent,
        StepEvent,
        PreviewEvent,
        StepEvent,
        StepEvent,
        PreviewEvent,
        DoneEvent,
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(steps=0), "steps: expected at least 1, got 0"),
        (Settings(micro_batch=0), "micro_batch: expected at least 1"),
        (Settings(optimizer="lion"), 'expected "adam" or "sgd", got \'lion\''),
        (Settings(seeds=(1, 2, 3)), "3 seeds for 2 samples"),
        (Settings(learning_rate="fast"), "schedule 'fast'"),
    ],
)
def test_bad_settings_are_told(settings: Settings, message: str) -> None:
    with pytest.raises(InputError, match=message):
        optimize(Canvas(), Target([0.1, 0.9]), settings)


def test_sgd_is_another_way() -> None:
    adam = optimize(Canvas(), Target([0.1, 0.9]), Settings(steps=5)).images
    sgd = optimize(Canvas(), Target([0.1, 0.9]), Settings(steps=5, optimizer="sgd")).images
    assert not torch.allclose(adam, sgd)


class Precise(Target):
    """Remembers torch's precision of float32 products."""

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        self.seen = torch.backends.cuda.matmul.fp32_precision
        return super().forward(rendering, context)


@pytest.mark.parametrize(("types", "inside"), [({"cpu"}, "ieee"), ({"cuda"}, "tf32")])
def test_positions_are_not_rounded_to_tf32(
    types: set[str], inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only on devices with a queue, and only during the run."""
    monkeypatch.setattr(transfers, "QUEUED", types)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    loss = Precise([0.1, 0.9])
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    try:
        products.fp32_precision = "tf32"
        optimize(Canvas(), loss, steps=1)
        assert (loss.seen, products.fp32_precision) == (inside, "tf32")
    finally:
        products.fp32_precision = before


class NeverValid(Target):
    """Its validation loss is NaN for one sample."""

    def forward(self, rendering: Rendering, context: StepContext) -> Tensor:
        value = super().forward(rendering, context)
        bad = torch.tensor([1.0, math.nan])
        return value * bad if context.phase == "validation" else value


def test_validation_that_is_never_finite_is_an_error() -> None:
    with pytest.raises(Diverged, match=r"the validation loss of sample 1 was never finite"):
        optimize(Canvas(2), NeverValid([0.1, 0.9]), steps=4)


def test_out_of_memory_before_the_first_step_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(self: Target, start: Rendering) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Target, "prepare", prepare)
    with pytest.raises(OutOfResources, match="out of memory; use a smaller size"):
        optimize(Canvas(), Target([0.5]), steps=1)
