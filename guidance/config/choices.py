"""Fields whose value is a choice of components with their options.

A field is annotated with what may be chosen:

    mode: Annotated[Options, Choice(MESH_MODES)] = "stylize"

It accepts a name (`texture`), a mapping (`{kind: texture, texels: 512}`) or the options themselves
(`Texture(texels=512)`), holds the options, and is written as a mapping.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import core_schema

from guidance.config.kinds import Kind, names, options_of
from guidance.errors import InputError
from guidance.options import OptionError, Options
from guidance.prompts import CURVE, NUMBER
from guidance.schedule import Schedule
from guidance.wording import what_is_wrong

KIND, WEIGHT = "kind", "weight"
NONE = "none"
ONE = Schedule.parse(1.0)
WEIGHTED = re.compile(rf"(?P<name>.+?)(?:\s*:\s*(?P<weight>{CURVE}|{NUMBER}))?", re.S)


def as_text(default: Any) -> str:
    """The default of a choice as on the command line, without options of `{kind: clip, ...}`."""
    return str(default["kind"] if isinstance(default, Mapping) else default)


@dataclass(frozen=True)
class Entry:
    """One chosen component before its options are validated."""

    cls: type[Options]
    values: Mapping[str, Any]  # of its options
    weight: Any = 1.0  # of a loss
    made: Options | None = None  # options that were given as such

    def with_preset(self, preset: str) -> Entry:
        """The same with the preset's values beneath the explicit ones."""
        usual = self.cls.PRESETS.get(preset, {})
        if self.made is None:
            return Entry(self.cls, {**usual, **self.values}, self.weight)
        unset = {k: v for k, v in usual.items() if k not in self.made.model_fields_set}
        made = self.made.model_copy(update=dict(self.cls(**unset))) if unset else self.made
        kept = {name: getattr(self.made, name) for name in self.made.model_fields_set}
        return Entry(self.cls, {}, self.weight, made.model_copy(update=kept))

    def options(self, place: str) -> Options:
        """The validated options. Raises OptionError."""
        if self.made is not None:
            return self.made
        try:
            return self.cls.model_validate(dict(self.values))
        except ValidationError as error:
            raise _option_error(error, self.cls, place) from None


@dataclass(frozen=True)
class WeightedLoss:
    """A loss with its weight in the total."""

    options: Options
    weight: Schedule = ONE


class Choice:
    """One component of a kind."""

    many = False

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def entries(self, raw: Any) -> list[Entry]:
        """What was chosen. Raises InputError for an unknown name or another type."""
        return [self.entry(raw)]

    def entry(self, raw: Any) -> Entry:
        """One chosen component: a name, a mapping with `kind`, or options."""
        if isinstance(raw, Entry):
            return raw
        if isinstance(raw, Options):
            return Entry(type(raw), {}, made=raw)
        if isinstance(raw, str):
            return self._named(raw, {}, 1.0)
        if isinstance(raw, Mapping) and isinstance(raw.get(KIND), str):
            given = {str(k): v for k, v in raw.items() if k not in (KIND, WEIGHT)}
            return self._named(raw[KIND], given, raw.get(WEIGHT, 1.0))
        raise InputError(
            f"{self.kind.name}: expected a name or a mapping such as {{kind: name, ...}}, got "
            f"{raw!r:.60}"
        )

    def _named(self, name: str, values: dict[str, Any], weight: Any) -> Entry:
        if name in self.kind.aliases:
            name, usual = self.kind.aliases[name]
            values = {**usual, **values}
        return Entry(options_of(self.kind, name), values, weight)

    def value(self, entries: Sequence[Entry]) -> Any:
        """What the field holds."""
        return entries[0].options(self.kind.name)

    def written(self, value: Any) -> Any:
        """What is written to a YAML file."""
        return _written(value)

    def text(self, raw: Any) -> str:
        """The choice as it is given to a flag."""
        return ",".join(entry.cls.kind() for entry in self.entries(raw))

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(
            lambda raw: self.value(self.entries(raw)),
            serialization=core_schema.plain_serializer_function_ser_schema(self.written),
        )


class LossChoice(Choice):
    """Losses with their weights: `"clip,fsd:0.5"`, or a list of names and mappings.

    The field holds a tuple of `WeightedLoss`.
    """

    many = True

    def entries(self, raw: Any) -> list[Entry]:
        if isinstance(raw, str):
            found = [self._weighted(part) for part in raw.split(",")]
        elif isinstance(raw, Sequence):
            found = [self._one(item) for item in raw]
        else:
            found = [self._one(raw)]
        if not found:
            raise InputError(f"{self.kind.name}: expected at least one; give e.g. clip")
        return found

    def _one(self, item: Any) -> Entry:
        if isinstance(item, WeightedLoss):
            return Entry(type(item.options), {}, item.weight, item.options)
        return self._weighted(item) if isinstance(item, str) else self.entry(item)

    def _weighted(self, text: str) -> Entry:
        match = WEIGHTED.fullmatch(text.strip())
        if match is None:
            raise InputError(f"{self.kind.name} {text!r:.60}: expected names such as clip,fsd:0.5")
        name = match["name"].strip()
        before, colon, weight = name.rpartition(":")
        if colon and (before in names(self.kind) or before in self.kind.aliases):
            raise InputError(
                f"{self.kind.name} {name!r:.60}: expected a weight such as 0.5 or a schedule, got "
                f"{weight!r:.40}"
            )
        return self._named(name, {}, match["weight"] or 1.0)

    def value(self, entries: Sequence[Entry]) -> tuple[WeightedLoss, ...]:
        weighted = []
        for entry in entries:
            options = entry.options(self.kind.name)
            try:
                weight = Schedule.of(entry.weight)
            except InputError as error:
                raise InputError(f"{self.kind.name} {options.kind()}: {error}") from None
            weighted.append(WeightedLoss(options, weight))
        return tuple(weighted)

    def written(self, value: Sequence[WeightedLoss]) -> Any:
        found = []
        for loss in value:
            one = _written(loss.options)
            one = {KIND: one} if isinstance(one, str) else one
            found.append({KIND: one.pop(KIND), WEIGHT: loss.weight.written(), **one})
        return found

    def text(self, raw: Any) -> str:
        parts = []
        for entry in self.entries(raw):
            weight = Schedule.of(entry.weight)
            parts.append(entry.cls.kind() + ("" if weight == ONE else f":{weight}"))
        return ",".join(parts)


class OptionalLossChoice(LossChoice):
    """Losses, or "none"."""

    def entries(self, raw: Any) -> list[Entry]:
        return [] if raw in (NONE, (), []) else super().entries(raw)

    def text(self, raw: Any) -> str:
        return super().text(raw) or NONE


class ListChoice(Choice):
    """Several components of a kind; the field holds a tuple of their options."""

    many = True

    def entries(self, raw: Any) -> list[Entry]:
        items = raw if isinstance(raw, Sequence) and not isinstance(raw, str) else [raw]
        if not items:
            raise InputError(f"{self.kind.name}: expected at least one")
        return [self.entry(item) for item in items]

    def value(self, entries: Sequence[Entry]) -> tuple[Options, ...]:
        return tuple(entry.options(self.kind.name) for entry in entries)

    def written(self, value: Sequence[Options]) -> Any:
        return [_written(options) for options in value]


class Switch(Choice):
    """Options that are used when one of them, the opener, is given; the field holds them or None.

    Args:
        where: the module and the qualified name of the options' class.
        opener: the option that switches them on.
    """

    def __init__(self, where: str, opener: str) -> None:
        self.where, self.opener = where, opener
        self.kind = Kind(opener, "", "Options", "")

    def cls(self) -> type[Options]:
        """The class of the options."""
        module, _, path = self.where.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        assert isinstance(found, type) and issubclass(found, Options)
        return found

    def entries(self, raw: Any) -> list[Entry]:
        if raw is None:
            return []
        if isinstance(raw, Mapping):
            return [Entry(self.cls(), {k: v for k, v in raw.items() if k != KIND})]
        return [self.entry(raw)]

    def value(self, entries: Sequence[Entry]) -> Options | None:
        return entries[0].options(self.opener) if entries else None

    def written(self, value: Options | None) -> Any:
        return None if value is None else value.model_dump(mode="json")

    def text(self, raw: Any) -> str:
        return ""


def choice_of(metadata: Sequence[Any]) -> Choice | None:
    """The choice that a pydantic field was annotated with."""
    return next((item for item in metadata if isinstance(item, Choice)), None)


def _written(options: Options) -> Any:
    """A name where there is nothing else to say, or a mapping."""
    values = options.model_dump(mode="json")
    return {KIND: options.kind(), **values} if values else options.kind()


def _option_error(error: ValidationError, cls: type[Options], place: str) -> InputError:
    """Pydantic's first complaint, with the way to the option."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    where = (place, *(str(part) for part in first["loc"][:1]))
    if isinstance(inner, OptionError):
        return OptionError(inner.message, (*where[:1], *inner.place))
    if isinstance(inner, InputError):
        return OptionError(str(inner), where)
    if first["type"] == "extra_forbidden":
        known = ", ".join(cls.model_fields) or "none"
        return OptionError(f"{cls.kind()} has no such option; its options: {known}", where)
    return OptionError(what_is_wrong(error), where)
