"""Values that are written as one line of text in flags, YAML files and Python calls."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

T = TypeVar("T", bound="Parsed")


class Parsed:
    """A value with a text form.

    A pydantic field of such a type accepts the text or the value itself, holds the parsed value,
    and is serialized as the text. Subclasses implement `parse`, which raises InputError, and
    `written`.
    """

    @classmethod
    def parse(cls: type[T], text: Any) -> T:
        """The value of a text. Raises InputError if the text cannot be parsed."""
        raise NotImplementedError

    def written(self) -> str | float:
        """The text that `parse` turns into an equal value."""
        raise NotImplementedError

    @classmethod
    def names_file(cls, text: str) -> bool:
        """Whether a text names a file; decided without opening one."""
        return False

    #: The types that `parse` accepts.
    accepts: ClassVar[tuple[type, ...]] = (str,)

    @classmethod
    def of(cls: type[T], value: Any) -> T:
        """The value itself, or the value of a text.

        Raises:
            InputError: the text cannot be parsed.
            ValueError: another type.
        """
        if isinstance(value, cls):
            return value
        if not isinstance(value, cls.accepts) or isinstance(value, bool):
            raise ValueError(f"expected {' or '.join(kind.__name__ for kind in cls.accepts)}")
        return cls.parse(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.of,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.written()
            ),
        )
