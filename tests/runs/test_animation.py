"""When images move, when they are kept, and what the loop makes of its best state then."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from guidance.errors import InputError
from guidance.loop.events import Event, PreviewEvent, StepEvent
from guidance.loop.optimize import optimize
from guidance.loop.settings import Settings
from guidance.outputs import Rendering
from guidance.prompts import Prompt
from guidance.runs.artifacts.animation import Animation, parse_pan
from guidance.runs.artifacts.base import RunContext
from guidance.schedule import Schedule
from guidance.types import StepContext
from guidance.views import Warp
from tests.stand_ins import Canvas, Target


class Shifted(Canvas):
    """Notes when it was moved, and turns white."""

    def __init__(self) -> None:
        super().__init__(1, 4)
        self.moves: list[int] = []

    def warp(self, warp: Warp, context: StepContext) -> None:
        self.moves.append(context.step)
        self.pixels.fill_(1.5)


TURN = Animation(4, first=5, between=2, rotate_deg=Schedule.parse(3.0))


def test_frames_and_moves_follow_from_the_step() -> None:
    assert TURN.steps == 5 + 3 * 2
    assert [step for step in range(TURN.steps + 1) if TURN.frame_follows(step)] == [5, 7, 9, 11]
    moved = [step for step in range(TURN.steps) if TURN.warp(StepContext((0,), step))]
    assert moved == [5, 7, 9]
    assert Animation(4, first=5).warp(StepContext((0,), 5)) is None


def test_motion_runs_on_the_time_of_the_video() -> None:
    animation = Animation(
        3, 5, 2, 15, Schedule.parse("1 -> 1.5"), parse_pan("0 -> 0.5, 0.25"), Schedule.parse(0.0)
    )
    warp = animation.warp(StepContext((0, 1), 7, 0.5))
    assert warp is not None
    assert torch.equal(warp.matrix, Warp.of(2, 1.25, (0.25, 0.25)).matrix)


def test_progress_waits_for_the_first_frame_and_then_runs_to_the_end() -> None:
    seen: list[float] = []

    class Listening(Target):
        def forward(self, rendering, context):  # type: ignore[no-untyped-def]
            if context.phase == "step":
                seen.append(context.progress)
            return super().forward(rendering, context)

    optimize(Canvas(1, 2), Listening([0.1]), Settings(steps=8, warm_up=3))
    assert seen == [0, 0, 0, 0, 0.25, 0.5, 0.75, 1.0]


def test_the_moves_told_beforehand_are_those_of_the_run() -> None:
    animation = Animation(4, 5, 2, 15, Schedule.parse("1 -> 1.5"))
    made = []

    class Noting(Shifted):
        def warp(self, warp: Warp, context: StepContext) -> None:
            made.append(warp.matrix)

    settings = Settings(steps=animation.steps, warm_up=5)
    optimize(Noting(), Target([0.0]), settings, warps=animation.warp)
    told = [warp.matrix for warp in animation.moves()]
    # The first zoom is 1, which moves nothing.
    assert len(told) == len(made) == 2
    assert all(torch.equal(a, b) for a, b in zip(told, made, strict=True))


@pytest.mark.parametrize("warm_up", [-1, 8])
def test_a_warm_up_leaves_steps(warm_up: int) -> None:
    with pytest.raises(InputError, match=f"warm_up: expected 0 to 7 of 8 steps, got {warm_up}"):
        optimize(Canvas(1, 2), Target([0.1]), Settings(steps=8, warm_up=warm_up))


def test_the_last_state_counts_and_not_a_better_one_of_before() -> None:
    """The move makes the image white, which the target of black likes least."""
    generator, losses = Shifted(), []

    def listen(event: Event) -> None:
        if isinstance(event, PreviewEvent):
            losses.append(float(event.best_loss))

    settings = Settings(steps=TURN.steps, warm_up=5, validations=TURN.steps)
    result = optimize(generator, Target([0.0]), settings, warps=TURN.warp, listeners=[listen])
    assert generator.moves == [5, 7, 9]
    assert losses[6] > losses[5], "a loss of before the move was kept"
    assert float(result.best_loss) == losses[-1] > min(losses)
    assert (result.images > 0.8).all(), "the result is of before the last move"


def test_moves_are_brought_back_to_the_constraints() -> None:
    brightest = []

    class Looking(Target):
        def forward(self, rendering, context):  # type: ignore[no-untyped-def]
            brightest.append(float(rendering.image.detach().max()))
            return super().forward(rendering, context)

    settings = Settings(steps=TURN.steps, warm_up=5)
    optimize(Shifted(), Looking([0.0]), settings, warps=TURN.warp)
    assert max(brightest) == 1.0


def test_a_rollback_never_leads_back_before_a_move() -> None:
    """Numbers go bad behind the move; what is restored is the moved image."""

    class Breaking(Target):
        def forward(self, rendering, context):  # type: ignore[no-untyped-def]
            value = super().forward(rendering, context)
            bad = context.phase == "step" and 5 <= context.step < 16
            return value * torch.nan if bad else value

    animation = Animation(2, first=5, between=20, rotate_deg=Schedule.parse(3.0))
    generator, shown = Shifted(), {}

    def listen(event: Event) -> None:
        if isinstance(event, StepEvent):
            shown[event.step] = float(generator.pixels.detach().mean())

    settings = Settings(steps=animation.steps, warm_up=5, validations=1)
    optimize(generator, Breaking([0.0]), settings, warps=animation.warp, listeners=[listen])
    assert shown[5] < 0.5 and shown[15] == 1.0


def test_frames_behind_a_checkpoint_are_dropped(tmp_path: Path) -> None:
    run = RunContext(tmp_path, Canvas(1, 4), (Prompt.parse("a"),), 11)
    TURN.begin(run, 0)
    for step in range(12):
        TURN.after_step(run, step, lambda: Rendering(torch.zeros(1, 1, 3, 4, 4)))
    names = [f"{step:07d}.png" for step in (5, 7, 9, 11)]
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == names
    (tmp_path / "frames" / ".0000011.png.x.tmp").touch()
    TURN.begin(run, 8)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == names[:2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frames": 1, "first": 3}, "frames: expected at least 2, got 1"),
        ({"frames": 2, "first": 0}, "expected at least 1 step per frame and 1 frame per second"),
        ({"frames": 2, "first": 3, "between": 0}, "expected at least 1 step per frame"),
        ({"frames": 2, "first": 3, "fps": 0}, "1 frame per second, got first=3, between=5, fps=0"),
        (
            {"frames": 2, "first": 3, "zoom": Schedule.parse("1 -> 0")},
            r"zoom: expected a factor per frame from 0.5 to 2, e.g. 1.02, got 0",
        ),
        (
            {"frames": 2, "first": 3, "zoom": Schedule.parse(3.0)},
            r"zoom: expected a factor per frame from 0.5 to 2, e.g. 1.02, got 3",
        ),
    ],
)
def test_what_is_no_animation_is_told(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Animation(**fields)


@pytest.mark.parametrize("text", ["0.1", "0.1,0,0", ""])
def test_a_pan_is_two_numbers(text: str) -> None:
    with pytest.raises(InputError, match=f"pan '{text}': expected two numbers or schedules"):
        parse_pan(text)
    with pytest.raises(InputError, match="schedule 'x': expected one of"):
        parse_pan("x,0")
