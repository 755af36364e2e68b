"""The optimization loop: the only optimizer step; `gradients` has the only backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from guidance.errors import Diverged, InputError, OutOfResources, is_out_of_memory, resource_errors
from guidance.loop.declared import check_declared
from guidance.loop.events import DoneEvent, Event, Listener, PreviewEvent, StepEvent, needs
from guidance.loop.gradients import all_finite, backward, total_loss, weighted_losses
from guidance.loop.optimizers import new_optimizer
from guidance.loop.progress import ProgressBar, is_terminal
from guidance.loop.readings import Readings
from guidance.loop.result import Result
from guidance.loop.settings import ADVICE, Settings, Views, Warps
from guidance.loop.snapshot import Best, restore, snapshot
from guidance.loop.wrapped import as_generator
from guidance.outputs import Output
from guidance.phases import phase
from guidance.schedule import Schedule
from guidance.tf32 import ieee_products
from guidance.types import Generator, Loss, StepContext, Terms

#: Non-finite steps in a row before the rollback (and, after it, before giving up).
PATIENCE = 10
T = TypeVar("T")


def optimize(
    generator: nn.Module,
    losses: Loss | Terms,
    settings: Settings | None = None,
    *,
    steps: int | None = None,
    views: Views | None = None,
    warps: Warps | None = None,
    listeners: Sequence[Listener] = (),
    resume: dict[str, Tensor] | None = None,
    quiet: bool = False,
) -> Result:
    """Optimizes the parameters of a generator until its output matches the losses.

    The result holds, for each sample, the state with the lowest validation loss. With losses whose
    update is not the gradient of any scalar (`Loss.is_vector_field`), it holds the last state.

    Args:
        generator: a `Generator`, or any module whose `forward()` returns images "b 3 h w" in
            [0, 1]; its parameters are changed in place.
        losses: one loss or a weighted sum, e.g. `gd.Clip("an apple") + 0.1 * gd.TotalVariation()`.
        settings: the loop's settings; `steps` alone is a shorthand for `Settings(steps=steps)`.
        views: returns the view of a step, e.g. cameras, for generators that need one.
        warps: moves the images between steps, for animations. Losses before and after a move are
            not comparable, so the result is then the last state instead of the best. Adam's
            moments stay as they are: the second moments are scales that hardly change with the
            position; the first moments forget within about ten steps, in which images move little.
            Measured on two prompts, pyramid, 16 frames of 4 degrees: mean loss 0.596, and 0.010
            rms from frame to frame beside the move. With first moments of 0 at each move steps
            are too small (0.619, 0.006), with a new Adam the image flickers (0.557, 0.036).
        listeners: called with every event; an exception of a listener ends the run.
        resume: a snapshot from a `StepEvent` to continue from.
        quiet: shows no progress bar; there is none either if stderr is not a terminal.

    Raises:
        Diverged: numbers stayed non-finite after a rollback to the best state, or the validation
            loss of a sample was never finite.
        OutOfResources: out of memory, in the steps also with a micro-batch of one image.
    """
    settings = settings or Settings()
    if steps is not None:
        settings = replace(settings, steps=steps)
    with resource_errors(ADVICE), ieee_products(torch.device(settings.device)):
        run = _Run(as_generator(generator, losses), Terms.of(losses), settings, views, warps)
        if resume is not None:
            run.resume(resume)
        if quiet or not is_terminal():
            return run.go(listeners)
        with ProgressBar("optimize", settings.steps, run.step) as bar:
            return run.go([*listeners, bar])


class _Run:
    """The state of one optimization: what a snapshot holds, and the steps that change it."""

    def __init__(
        self,
        generator: Generator,
        terms: Terms,
        settings: Settings,
        views: Views | None,
        warps: Warps | None,
    ) -> None:
        settings.check()
        self.device = torch.device(settings.device)
        self.generator = generator.to(self.device)
        self.settings, self.views, self.warps = settings, views, warps
        self.losses = weighted_losses(terms)
        # The losses of states before and after a move are not comparable, and neither are those of
        # updates that are not the gradient of any scalar.
        self.keeps_last = bool(warps) or any(term.loss.is_vector_field for term in self.losses)
        self.rate = Schedule.parse(settings.learning_rate)
        self.seeds = settings.sample_seeds(generator.num_samples)
        with torch.no_grad():
            start = self._render(self._validation()).detach()
        for term in self.losses:
            term.loss.prepare(start)
            check_declared(term.loss)
        self.step = 0
        self.rates = [group["lr"] for group in generator.param_groups()]
        self.readings = Readings(self.device)
        self.optimizer = self._new_optimizer()
        self.best = Best(generator)
        self.micro_batch = settings.micro_batch
        self.bad_in_a_row = self.skipped = 0
        self.rate_scale = 1.0  # halved by the rollback, once
        self.history: list[float] = []
        self.cause = ""  # of the last skipped step

    def go(self, listeners: Sequence[Listener]) -> Result:
        def send(event: Event) -> None:
            for listener in listeners:
                listener(event)

        settings = self.settings
        if self.step == 0:
            send(self._validate())
        while self.step < settings.steps:
            self._step()
            self.step += 1
            validates = settings.validation_follows(self.step)
            due = validates or self.readings.are_due(self.step)
            if not due and not any(needs(listener, self.step) for listener in listeners):
                continue
            events = self._read(send)
            # Validation comes first, so that a snapshot taken by a listener includes its outcome.
            preview = self._validate() if validates else None
            for event in events:
                send(event)
            if preview is not None:
                send(preview)
        self._check_validated()
        self.best.load_into(self.generator)
        # A run that is resumed after its last step has not called `advance` yet.
        self.generator.advance(1.0)
        with torch.no_grad():
            notes = self.generator.finish()
            final = self._render(self._validation()).detach()
        result = Result(
            self.generator, final, self.best.loss.clone(), self.history, self.skipped, notes
        )
        send(DoneEvent(self.step, result))
        return result

    def _check_validated(self) -> None:
        """Raises Diverged if no state of a sample had a finite loss in the fixed views."""
        bad = [str(i) for i, ok in enumerate(self.best.loss.isfinite().tolist()) if not ok]
        if bad:
            raise Diverged(
                f"the validation loss of sample {', '.join(bad)} was never finite, so there is no "
                "best state; check the input and the losses, or lower --learning-rate"
            )

    def _step(self) -> None:
        """Changes the parameters, unless a loss or a gradient is not finite."""
        context = StepContext(self.seeds, self.step, self.settings.progress(self.step))
        self.generator.advance(context.progress)
        self._warp(context)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.rate(context.progress) * self.rate_scale
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for parameter in parameters:
            parameter.grad = None
        losses = self._within_memory(self._backward, context)
        finite = all_finite(losses, parameters)
        self.readings.add(self.step + 1, losses, finite, self.micro_batch)
        if self.readings.is_late:
            # Fused optimizers change nothing where this is 1; it is read on the device.
            self.optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]
        elif not bool(finite):
            return
        with phase("optimizer"), torch.no_grad():
            self.optimizer.step()
            self.generator.project()

    def _read(self, send: Listener) -> list[StepEvent]:
        """The events of all steps since the last call; reacts to many skipped steps in a row."""
        events = []
        for reading in self.readings.read():
            self.history.append(reading.loss)
            self.bad_in_a_row = 0 if reading.is_finite else self.bad_in_a_row + 1
            self.skipped += not reading.is_finite
            if self.bad_in_a_row:
                self.cause = f"step {reading.step - 1}: {reading.cause}"
            events.append(reading.event(self.step, self.settings.steps, self.snapshot))
        if self.bad_in_a_row >= PATIENCE and self.readings.are_due(self.step):
            for event in events[:-1] if self.rate_scale < 1 else ():  # the run ends here
                send(event)
            self._roll_back()
        return events

    @torch.no_grad()
    def _warp(self, context: StepContext) -> None:
        """Moves the images if it is time; a rollback must not return to where they were before."""
        warp = self.warps(context) if self.warps else None
        if warp is not None:
            self.generator.warp(warp, context)
            self.generator.project()
            self.best.restart(self.generator)

    def _within_memory(self, work: Callable[[StepContext], T], context: StepContext) -> T:
        """Halves the micro-batch when out of memory and starts over: the result is the same."""
        while True:
            try:
                return work(context)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.micro_batch == 1:
                    raise OutOfResources(
                        f"step {self.step}: out of memory on {self.device} with one image at a "
                        f"time; {ADVICE}"
                    ) from error
            self.optimizer.zero_grad(set_to_none=True)
            self.micro_batch = max(1, self.micro_batch // 2)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _backward(self, context: StepContext) -> dict[str, Tensor]:
        return backward(
            self._render(context),
            self.losses,
            context,
            micro_batch=self.micro_batch,
            normalize=self.settings.normalize,
        )

    def _roll_back(self) -> None:
        """Returns to the best state. Raises Diverged at the second time."""
        if self.rate_scale < 1:
            raise Diverged(
                f"{self.cause} stayed non-finite for {self.bad_in_a_row} steps after a rollback to "
                "the best state; lower --learning-rate"
            )
        self.rate_scale, self.bad_in_a_row = 0.5, 0
        self.best.load_into(self.generator)
        self.optimizer = self._new_optimizer()

    @torch.no_grad()
    def _validate(self) -> PreviewEvent:
        """Evaluates the fixed views with fixed random draws; keeps the better state per sample."""
        with phase("validation"):
            output, total = self._within_memory(self._score, self._validation())
        if self.keeps_last:
            self.best.restart(self.generator)
        self.best.update(self.generator, total)
        return PreviewEvent(self.step, self.settings.steps, output.detach(), self.best.loss.clone())

    def _score(self, context: StepContext) -> tuple[Output, Tensor]:
        output = self._render(context)
        return output, total_loss(output, self.losses, context, self.micro_batch)

    def _validation(self) -> StepContext:
        return StepContext(self.seeds, 0, 1.0, "validation")

    def _render(self, context: StepContext) -> Output:
        with phase("generator"):
            output = self.generator(self.views(context) if self.views else None)
        if not isinstance(output, Output):
            raise InputError(
                f"{type(self.generator).__name__}.forward(): expected an Output, e.g. a Rendering, "
                f"got {type(output).__name__}"
            )
        return output

    def _new_optimizer(self) -> torch.optim.Optimizer:
        groups = self.generator.param_groups()
        return new_optimizer(self.settings.optimizer, groups, on_gpu=self.readings.is_late)

    def snapshot(self) -> dict[str, Tensor]:
        counters = {
            "step": float(self.step),
            "skipped": float(self.skipped),
            "bad_in_a_row": float(self.bad_in_a_row),
            "rate_scale": self.rate_scale,
            "micro_batch": float(self.micro_batch),
        }
        return snapshot(self.generator, self.optimizer, self.best, counters, self.history)

    def resume(self, tensors: dict[str, Tensor]) -> None:
        counters = restore(tensors, self.generator, self.optimizer, self.best)
        self.step = int(counters["step"])
        self.skipped = int(counters["skipped"])
        self.bad_in_a_row = int(counters["bad_in_a_row"])
        self.rate_scale = counters["rate_scale"]
        self.micro_batch = int(counters["micro_batch"])
        self.history = tensors["history"].tolist()
