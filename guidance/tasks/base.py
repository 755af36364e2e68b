"""The base of all tasks: a frozen model whose fields are the configuration.

The same fields are the YAML file, the command line and the arguments in Python. A task adds its
own fields and `build()`, which wires generator, losses and cameras in plain Python:

    class Blot(Task):
        \"\"\"A blot of ink that looks like the words.\"\"\"

        size: int = 128
        \"\"\"Pixels a side; this line is the help of --size.\"\"\"

        def build(self) -> Plan:
            from guidance.runs.plan import Plan  # heavy imports belong here, so that help is fast
            ...

Task files are found by their place, `guidance/tasks/*.py`; `guide run ./mine.py` runs any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from guidance.errors import InputError
from guidance.prompts import (
    OWN_TEMPLATES,
    Prompt,
    at_the_end,
    parse_keyframes,
    parse_prompt,
    parse_region,
    read_templates,
)
from guidance.schedule import Schedule
from guidance.tasks.shared.guides import DENOISER, Guides

if TYPE_CHECKING:
    from guidance.augment import Augment
    from guidance.loop.optimize import Listener, Settings
    from guidance.losses.clip import Clip
    from guidance.runs.plan import Plan, RunResult
    from guidance.types import Terms

Preset = Literal["draft", "normal", "best"]


class Task(BaseModel):
    """What every task takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    #: Values of fields by preset; they lie beneath whatever is given explicitly.
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: What each preset takes, e.g. {"draft": "1 minute on two cores, seconds on a GPU"}.
    PRESET_MINUTES: ClassVar[Mapping[str, str]] = {}
    #: Options of all tasks that this one has no use for: it refuses them, and its help is without.
    HAS_NO: ClassVar[tuple[str, ...]] = ()

    prompt: list[str] = Field(default=[])
    """What it should look like; repeat the flag for several things side by side."""
    negative: list[str] = Field(default=[])
    """What it should not look like."""
    image_prompt: list[Path] = Field(default=[])
    """An image to resemble as well; every prompt gets it."""
    style: str | None = None
    """How everything should look, e.g. "an oil painting:0.5"; every prompt gets it."""
    at: list[str] = Field(default=[])
    """"50% a green apple": what every prompt's first phrase has become at a part of the run."""
    region: list[str] = Field(default=[])
    """'sky.png="a blue sky"': what is wanted in the white of a mask, in flat images."""
    templates: str = OWN_TEMPLATES
    """Wordings to average: "default" (the encoder's), "plain", or a file of lines with {}."""
    preset: Preset = "normal"
    """How thorough: steps, size and crops, beneath what is given explicitly."""
    seed: int = Field(default=0, ge=0, lt=2**62)
    """Of the first sample of each prompt; further samples count up from it."""
    samples: int = Field(default=1, ge=1, le=1024)
    """Seeds a prompt: prompts x samples are optimized side by side."""
    steps: int = Field(default=200, ge=1, le=1_000_000)
    """Updates of the optimizer."""
    learning_rate: float | str = 1.0
    """Factor on the generator's own rates: a number, or a schedule such as "1 -> 0.1 cosine"."""
    loss: str = "cosine"
    """What guides: cosine, spherical or logit of an encoder; fsd, sds, csd, nfsd, bridge, asd,
    ism, sdi or rfds of a denoiser; or several with weights, "clip,fsd:0.5": docs/distillation.md."""
    contrastive_weight: float = Field(default=0.1, ge=0)
    """Weight of "logit" beside the loss: tells near things apart, a star from anything yellow."""
    encoder: list[str] = Field(default=["mini"], min_length=1)
    """The models that look, e.g. "mini", "ViT-B-32/openai"; several are added up."""
    denoiser: str | None = None
    """The diffusion model of sds and its kin, and of "latent" and "noise", e.g. "sdxl"
    (mini-diffusion)."""
    guidance_scale: float | str | None = None
    """How much more the denoiser is to mean the words: a number or a schedule (the method's)."""
    vae: Literal["full", "tiny"] | None = None
    """What turns images into the denoiser's latents; "tiny" is several times cheaper (full)."""
    compiled: bool = False
    """Compiles the denoiser's network, which takes minutes and pays in long runs on a GPU."""
    optimizer: Literal["adam", "sgd"] | None = None
    """How gradients become steps (adam; sgd of "noise", and of "latent" under fsd)."""
    normalize: bool = False
    """Brings each loss's gradient to one size before its weight."""
    micro_batch: int = Field(default=64, ge=1)
    """Crops given to an encoder at once: less memory, the same gradient."""
    judge: bool = True
    """Asks a model of another family, which no loss has seen, how well the result fits."""
    metadata: bool = True
    """Writes the configuration into images, videos and meshes, for `guide rerun`."""
    device: str = "auto"
    """"auto", "cpu", "cuda", "cuda:1" or "mps"."""
    output: Path = Path("outputs")
    """The folder that the run's own folder is made in."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """Puts the preset's values beneath the explicit ones; one text stands for a list of it."""
        if not isinstance(values, Mapping):
            return values
        preset = values.get("preset", cls.model_fields["preset"].default)
        filled = {**cls.PRESETS.get(str(preset), {}), **values}
        for name, info in cls.model_fields.items():
            if get_origin(info.annotation) is list and isinstance(filled.get(name), str | Path):
                filled[name] = [filled[name]]
        return filled

    @field_validator("prompt", "negative")
    @classmethod
    def _check_prompts(cls, prompts: list[str]) -> list[str]:
        for prompt in prompts:
            parse_prompt(prompt)
        return prompts

    @field_validator("image_prompt")
    @classmethod
    def _check_pictures(cls, paths: list[Path]) -> list[Path]:
        for path in paths:
            if "|" in str(path):
                raise InputError(f"{path}: an image's path must not hold '|'; rename it")
            parse_prompt(f"image:{path}")
        return paths

    @field_validator("style")
    @classmethod
    def _check_style(cls, style: str | None) -> str | None:
        if style is not None:
            parse_prompt(style)
        return style

    @field_validator("at")
    @classmethod
    def _check_keyframes(cls, keyframes: list[str]) -> list[str]:
        parse_keyframes(keyframes)
        return keyframes

    @field_validator("region")
    @classmethod
    def _check_regions(cls, regions: list[str]) -> list[str]:
        for region in regions:
            parse_region(region)
        return regions

    @field_validator("loss")
    @classmethod
    def _check_loss(cls, loss: str) -> str:
        Guides.parse(loss)
        return loss

    @field_validator("learning_rate")
    @classmethod
    def _check_rate(cls, rate: float | str) -> float | str:
        Schedule.parse(rate)
        return rate

    @classmethod
    def task_name(cls) -> str:
        """The name on the command line: that of the file."""
        return cls.__module__.rpartition(".")[2]

    @property
    def sample_prompts(self) -> tuple[str, ...]:
        """What each sample is at the end of the run, prompt by prompt, `samples` times each.

        Titles, names and the judge go by it: keyframes count, the style does not.

        Raises:
            InputError: neither words nor an image were given.
        """
        keyframes = parse_keyframes(self.at)
        return tuple(
            at_the_end(Prompt.parse(prompt), keyframes).text for prompt in self._starting_prompts()
        )

    @property
    def styled_prompts(self) -> tuple[str, ...]:
        """What the losses are told of each sample: where it starts, and the style."""
        return self.styled(self._starting_prompts())

    def styled(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """Prompts with the style behind them."""
        return tuple(f"{prompt} | {self.style}" if self.style else prompt for prompt in prompts)

    @property
    def picture_regions(self) -> list[str]:
        """Regions with words of their own, for the losses; a task may mean something else by it."""
        return self.region

    def _starting_prompts(self) -> tuple[str, ...]:
        pictures = [f"image:{path}" for path in self.image_prompt]
        prompts = [" | ".join([prompt, *pictures]) for prompt in self.prompt]
        prompts = prompts or ([" | ".join(pictures)] if pictures else [])
        if not prompts:
            raise InputError(f'{self.task_name()}: no prompt; give one: --prompt "a red apple"')
        return tuple(prompt for prompt in prompts for _ in range(self.samples))

    @property
    def sample_seeds(self) -> tuple[int, ...]:
        """The seed of each sample, so that a prompt's results do not depend on its neighbours."""
        of_a_prompt = range(self.seed, self.seed + self.samples)
        return tuple(of_a_prompt) * (len(self.sample_prompts) // self.samples)

    @property
    def loss_models(self) -> tuple[str, ...]:
        """The names of the models that guide the run: encoders, and a denoiser."""
        encoders = tuple(self.encoder) if Guides.parse(self.loss).comparisons else ()
        return (*encoders, *self.denoisers)

    @property
    def denoisers(self) -> tuple[str, ...]:
        """The name of the denoiser, where the run asks one."""
        asks = bool(Guides.parse(self.loss).distillations) or self.drawn_by_denoiser
        return (self.denoiser or DENOISER,) if asks else ()

    @property
    def usual_optimizer(self) -> Literal["adam", "sgd"]:
        """What `optimizer` is if nothing is said."""
        return "adam"

    @property
    def drawn_by_denoiser(self) -> bool:
        """Whether the images themselves are a denoiser's, whatever guides them."""
        return False

    def settings(self) -> Settings:
        """The settings of the loop, as the common fields say them."""
        from guidance.loop.optimize import Settings

        return Settings(
            steps=self.steps,
            seeds=self.sample_seeds,
            optimizer=self.optimizer or self.usual_optimizer,
            learning_rate=self.learning_rate,
            normalize=self.normalize,
            micro_batch=self.micro_batch,
            device=self.torch_device(),
        )

    def clip(
        self,
        augment: Augment,
        *,
        view_prompts: bool = False,
        prompts: Sequence[str] | None = None,
    ) -> Clip:
        """The loss that compares images with the prompts, as the common fields say it.

        Args:
            prompts: others than the samples' own, one a sample; keyframes are not theirs.
        """
        from guidance.losses.clip import Clip

        kinds = dict(Guides.parse(self.loss).comparisons)
        if self.contrastive_weight:
            kinds["logit"] = kinds.get("logit", 0.0) + self.contrastive_weight
        return Clip(
            self.styled_prompts if prompts is None else self.styled(prompts),
            encoder=tuple(self.encoder),
            kind=kinds,
            negative=self.negative,
            augment=augment,
            view_prompts=view_prompts,
            at=self.at if prompts is None else (),
            region=self.picture_regions,
            templates=read_templates(self.templates),
        )

    def guides(self, augment: Augment, *, view_prompts: bool = False) -> Terms:
        """What `--loss` asks for, with its weights.

        Raises:
            InputError: options are given that the losses have no use for.
        """
        from guidance.tasks.shared.guides import distillations, refuse_ignored
        from guidance.types import Terms

        guides = Guides.parse(self.loss)
        refuse_ignored(self, guides)
        losses = distillations(self, guides, augment, view_prompts=view_prompts)
        if guides.comparisons:
            losses = Terms.of(self.clip(augment, view_prompts=view_prompts)) + losses
        return losses

    def torch_device(self) -> str:
        """The device to run on. Raises InputError where there is none of that name."""
        import torch

        if self.device == "auto":
            if torch.cuda.is_available():
                return "cuda"
            return "mps" if torch.backends.mps.is_available() else "cpu"
        try:
            torch.empty(0, device=self.device)
        # A torch built without CUDA answers an AssertionError.
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise InputError(f"device {self.device!r} is not here ({reason}); use cpu") from None
        return self.device

    def build(self) -> Plan:
        """Wires generator, losses and cameras; see `guidance.runs.plan.Plan`."""
        raise NotImplementedError

    def run(self, listeners: Sequence[Listener] = ()) -> RunResult:
        """Optimizes, and writes a new run folder beneath `output`.

        Raises:
            InputError, MissingWeights, Diverged, OutOfResources, Interrupted: see
                `guidance.errors`.
        """
        from guidance.tasks.shared.running import run_task

        return run_task(self, listeners=listeners)
