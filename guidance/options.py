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
from pathlib import Path
from typing import Any, ClassVar, get_origin

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from guidance.parsed import Parsed


class Options(BaseModel):
    """Settings of one component. Unknown names are refused, and values cannot be reassigned."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )

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


class FlatOnly:
    """Marks an option that applies to flat images only, not to rendered views."""


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
