"""Options: the settings of one component, written once for flags, YAML files and Python calls.

A component is a class that a user chooses by name: a generator, a loss, a mesh mode, cameras, an
encoder. Its options are a frozen pydantic model beside it:

    class Mine(Generator):
        class Options(gd.Options):
            contrast: float = 1.0
            \"\"\"Factor on the logits; this line is the help of --contrast.\"\"\"

`Mine.Options(contrast=2)` is then a value of a task's field `generator`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from guidance.errors import InputError
from guidance.parsed import Parsed
from guidance.wording import what_is_wrong


class OptionError(InputError):
    """An option of a component has a wrong value; `place` leads to it from the task."""

    def __init__(self, message: str, place: tuple[str, ...]) -> None:
        super().__init__(f"{'.'.join(place)}: {message}")
        self.message, self.place = message, place


class Plain(BaseModel):
    """A pydantic model whose constructor reports a wrong value in one line.

    Type checkers see the constructor that pydantic makes from the fields.
    """

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            """Raises InputError, a ValueError, that names the class, the field and the value."""
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InputError(_one_line(error, type(self))) from None

        # Validation of mappings does not go through this constructor, as in pydantic's own models.
        __init__.__pydantic_base_init__ = True


class Options(Plain):
    """Settings of one component. Unknown names are refused, and values cannot be reassigned."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    #: Values of fields by preset; explicit values take precedence.
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: The class that these options configure.
    component: ClassVar[type | None] = None
    #: The name by which a user chooses the component, where it is not the name of its file.
    chosen_as: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _as_lists(cls, values: Any) -> Any:
        return as_lists(values, cls.model_fields) if isinstance(values, Mapping) else values

    @classmethod
    def kind(cls) -> str:
        """The name of the component on the command line and in YAML files."""
        if cls.chosen_as is not None:
            return cls.chosen_as
        return (cls.component or cls).__module__.rpartition(".")[2]

    def models(self) -> tuple[str, ...]:
        """Names of the frozen models whose weights are needed."""
        return ()


def as_lists(values: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """The values, where a single value of a list option becomes a list, e.g. `palette: red`."""
    lists = [name for name, info in fields.items() if get_origin(info.annotation) in (list, tuple)]
    single = (name for name in lists if isinstance(values.get(name), str | Path | Parsed))
    return {**values, **{name: [values[name]] for name in single}}


def _one_line(error: ValidationError, cls: type[BaseModel]) -> str:
    """The first error of a constructor: which class, which field, and what was expected."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    where = ".".join((_name(cls), *(str(part) for part in first["loc"][:1])))
    if isinstance(inner, OptionError):
        return f"{'.'.join((_name(cls), *inner.place))}: {inner.message}"
    if isinstance(inner, InputError):
        return f"{where}: {inner}"
    if first["type"] == "extra_forbidden":
        known = ", ".join(cls.model_fields) or "none"
        return f"{where}: is unknown; the options are {known}"
    return " ".join(f"{where}: {what_is_wrong(error)}".split())


def _name(cls: type[BaseModel]) -> str:
    """A class with the class around it, e.g. Texture.Options."""
    return cls.__qualname__.rpartition("<locals>.")[2]


class FlatOnly:
    """Marks an option that applies to flat images only, not to rendered views."""


class OfThePlace:
    """Marks an option that says where a run happens, such as a device or the folder of outputs.

    It does not travel in images, videos and meshes, and a configuration from elsewhere cannot set
    it.
    """


@dataclass(frozen=True)
class NamesFile:
    """Marks an option whose text may name a file or a folder, which a configuration from elsewhere
    cannot choose. Options of the type `Path` need no mark.

    Args:
        apart_from: texts that name something else.
    """

    apart_from: tuple[str, ...] = ()

    def names_file(self, text: str) -> bool:
        """Whether a value of the option names a file."""
        return text not in self.apart_from


class Component:
    """Base of the classes that are chosen by name and configured by their `Options`."""

    Options: ClassVar[type[Options]] = Options
    #: False for components that only code can create: help and `guide list` do not offer them.
    chosen_by_name: ClassVar[bool] = True

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "Options" not in cls.__dict__:
            cls.Options = type("Options", (cls.Options,), {"__module__": cls.__module__})
        cls.Options.component = cls
