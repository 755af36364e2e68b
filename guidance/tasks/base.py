"""The base of all tasks: a frozen model whose fields are the options of a run.

The same fields are the command line, the YAML file and the arguments in Python. A task adds fields
and `build()`, which creates the generator, the losses and the views:

    class Blot(Task):
        \"\"\"A blot of ink that matches a prompt.\"\"\"

        size: int = 128
        \"\"\"Pixels per side; this line is the help of --size.\"\"\"

        def build(self) -> Plan:
            from guidance.runs.plan import Plan  # heavy imports belong here, so that help is fast
            ...

Task files are found in `guidance/tasks/`; `guide run ./mine.py` runs any other file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from guidance.config.carried import places
from guidance.config.choices import Switch
from guidance.config.fields import Losses
from guidance.config.files import as_mapping
from guidance.config.kinds import TASKS, find, load_file
from guidance.config.tree import choices
from guidance.errors import InputError
from guidance.options import OfThePlace, Options, Plain, as_lists
from guidance.phases import measured_phases, phase
from guidance.prompts import Keyframe, Prompt, at_the_end
from guidance.schedule import Schedule

if TYPE_CHECKING:
    from guidance.augment import Augment
    from guidance.loop.events import Listener
    from guidance.loop.settings import Settings
    from guidance.losses.text.context import LossContext
    from guidance.runs.plan import Plan, RunResult
    from guidance.types import Terms

Preset = Literal["draft", "normal", "best"]


class Task(Plain):
    """The options of every task."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    #: Values of options by preset; explicit values take precedence. Components have theirs.
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Whether the task makes flat images; options for these are not offered by other tasks.
    FLAT: ClassVar[bool] = True
    #: Options of the task whose names options of its components have too: those are not offered.
    OWN_OPTIONS: ClassVar[tuple[str, ...]] = ()
    #: How long each preset takes, e.g. {"draft": "1 minute on two cores, seconds on a GPU"}.
    PRESET_MINUTES: ClassVar[Mapping[str, str]] = {}

    prompt: tuple[Prompt, ...] = ()
    """What the result should look like. Several prompts are optimized side by side."""
    negative: tuple[Prompt, ...] = ()
    """What the result should not look like."""
    style: Prompt | None = None
    """Added to every prompt, e.g. "an oil painting:0.5" or "image:photo.png"."""
    loss: Losses = Field(default="clip")  # type: ignore[arg-type]
    """What guides the run, e.g. "clip", "fsd" or "clip,fsd:0.5". Its model is an option of it:
    --encoder of "clip", --denoiser of "fsd" and the other methods of score distillation."""
    preset: Preset = "normal"
    """How thorough the run is: sets the options listed under "presets"."""
    seed: int = Field(default=0, ge=0, lt=2**62)
    """Seed of the first sample of each prompt; further samples use the seeds that follow."""
    samples: int = Field(default=1, ge=1, le=1024)
    """Samples per prompt; all samples of all prompts are optimized side by side."""
    steps: int = Field(default=200, ge=1, le=1_000_000)
    """Optimizer updates."""
    learning_rate: Schedule = Schedule.parse(1.0)
    """Factor on the learning rates of the generator, e.g. 0.5 or "1 -> 0.1 cosine"."""
    optimizer: Literal["auto", "adam", "sgd"] = "auto"
    """Adam, SGD with Nesterov momentum, or the usual choice for the generator."""
    normalize: bool = False
    """Scales the gradient of each loss to the same size before its weight."""
    micro_batch: int = Field(default=64, ge=1)
    """Crops per forward pass of an encoder: smaller uses less memory for the same gradient."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the frozen models: "auto" is bf16 where the machine computes faster in it and
    gradients are as good. The judge always runs in fp32."""
    profile: bool = False
    """Measures where the seconds of the run go: printed at its end, and written to DONE.json."""
    judge: bool = True
    """Scores the result with a model of a family that no loss uses."""
    progress_video: bool = True
    """Writes progress.mp4, which shows how the result changed; `guide sweep` leaves it out."""
    metadata: bool = True
    """Writes the options into the images, videos and meshes, for `guide rerun`."""
    device: Annotated[str, OfThePlace()] = "auto"
    """"auto", "cpu", "cuda", "cuda:1" or "mps"."""
    output: Annotated[Path, OfThePlace()] = Path("outputs")
    """Folder in which the folder of the run is created."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """Adds the values of the preset; turns a single value of a list into a list."""
        if not isinstance(values, Mapping):
            return values
        preset = str(values.get("preset", cls.model_fields["preset"].default))
        found = choices(cls)
        plain = {name: info for name, info in cls.model_fields.items() if name not in found}
        filled = as_lists({**cls.PRESETS.get(preset, {}), **values}, plain)
        for name, choice in found.items():
            given = filled.get(name, cls.model_fields[name].default)
            entries = [entry.with_preset(preset) for entry in choice.entries(given)]
            single = entries[0] if entries else None
            filled[name] = entries if choice.many else single
        return filled

    @classmethod
    def task_name(cls) -> str:
        """The name on the command line: that of the file."""
        return cls.__module__.rpartition(".")[2]

    @property
    def components(self) -> tuple[Options, ...]:
        """The options of everything that was chosen."""
        found: list[Options] = [loss.options for loss in self.loss]
        for name, choice in choices(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, Options) and not isinstance(choice, Switch):
                found.append(value)
        return tuple(found)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the frozen models that the run needs, apart from the judge."""
        return tuple(dict.fromkeys(name for each in self.components for name in each.models()))

    @property
    def denoisers(self) -> tuple[tuple[str, str], ...]:
        """Names and autoencoders of the diffusion models that the run needs."""
        from guidance.diffusion.options import DenoiserOptions

        found = [each for each in self.components if isinstance(each, DenoiserOptions)]
        return tuple(dict.fromkeys((each.denoiser, each.vae) for each in found))

    @property
    def keyframes(self) -> tuple[Keyframe, ...]:
        """What prompts change into during the run: the keyframes of the first loss with any."""
        from guidance.losses.text.options import TextOptions

        found = (each.options for each in self.loss)
        return next((o.at for o in found if isinstance(o, TextOptions) and o.at), ())

    @property
    def sample_prompts(self) -> tuple[Prompt, ...]:
        """The prompt of each sample at the end of the run, without the style.

        Titles, file names and the judge use it.

        Raises:
            InputError: no prompt was given.
        """
        return tuple(at_the_end(prompt, self.keyframes) for prompt in self._starting_prompts())

    @property
    def styled_prompts(self) -> tuple[Prompt, ...]:
        """The prompt of each sample at the start of the run, with the style: what losses use."""
        style = self.style if self.prompt else None
        return tuple(prompt.with_style(style) for prompt in self._starting_prompts())

    def _starting_prompts(self) -> tuple[Prompt, ...]:
        prompts = self.prompt or ((self.style,) if self.style else ())
        if not prompts:
            raise InputError(f'{self.task_name()}: no prompt; add --prompt "a red apple"')
        return tuple(prompt for prompt in prompts for _ in range(self.samples))

    @property
    def sample_seeds(self) -> tuple[int, ...]:
        """The seed of each sample, which does not depend on the other prompts."""
        of_a_prompt = range(self.seed, self.seed + self.samples)
        return tuple(of_a_prompt) * (len(self.sample_prompts) // self.samples)

    @property
    def usual_optimizer(self) -> Literal["adam", "sgd"]:
        """The optimizer that "auto" stands for."""
        return "adam"

    def settings(self) -> Settings:
        """The settings of the loop."""
        from guidance.loop.settings import Settings

        return Settings(
            steps=self.steps,
            seeds=self.sample_seeds,
            optimizer=self.usual_optimizer if self.optimizer == "auto" else self.optimizer,
            learning_rate=self.learning_rate,
            normalize=self.normalize,
            micro_batch=self.micro_batch,
            device=self.torch_device(),
        )

    def loss_context(self, augment: Augment, *, view_prompts: bool = False) -> LossContext:
        """What every loss of the task needs to know."""
        from guidance.losses.text.context import LossContext

        return LossContext(
            self.styled_prompts,
            self.negative,
            augment,
            view_prompts=view_prompts,
            device=self.torch_device(),
        )

    def losses(self, context: LossContext) -> Terms:
        """The losses of `--loss` with their weights."""
        from guidance.types import Loss, Terms

        terms = Terms()
        for each in self.loss:
            kind = each.options.component
            assert kind is not None and issubclass(kind, Loss)
            made = kind.from_options(each.options, context)
            terms = terms + Terms.of(made).scaled(each.weight)
        return terms

    def torch_device(self) -> str:
        """The device to run on. Raises InputError if it does not exist."""
        from guidance.models.devices import find_device

        return find_device(self.device)

    def build(self) -> Plan:
        """Creates generator, losses and views; see `guidance.runs.plan.Plan`."""
        raise NotImplementedError

    def run(
        self,
        listeners: Sequence[Listener] = (),
        *,
        folder: Path | None = None,
        allow_changed_weights: bool = False,
    ) -> RunResult:
        """Optimizes, and writes a new run folder in `output`.

        Args:
            listeners: called with every event of the loop.
            folder: the folder of an interrupted run with these options, to resume it.
            allow_changed_weights: resumes also if a model has other weights now.

        Raises:
            InputError, MissingWeights, Diverged, OutOfResources, Interrupted: see
                `guidance.errors`.
        """
        from guidance.models.precision import use_precision
        from guidance.tasks.shared.running import Job, run_job

        name = self.task_name()
        job = Job(
            name,
            as_mapping(self, name),
            self.build,
            tuple(prompt.text for prompt in self.sample_prompts),
            self.sample_seeds,
            self.denoisers,
            self.output,
            self.judge,
            self.metadata,
            self.progress_video,
            places(type(self)),
        )
        measure = measured_phases() if self.profile else nullcontext()
        with use_precision(self.precision), measure, phase("other"):
            return run_job(
                job,
                folder=folder,
                allow_changed_weights=allow_changed_weights,
                listeners=listeners,
            )


def find_task(name: str) -> type[Task]:
    """The class of a task: a name, or the path of a Python file, which is run."""
    found = load_file(TASKS, name) if name.endswith(".py") else find(TASKS, name)
    assert issubclass(found, Task)
    return found
