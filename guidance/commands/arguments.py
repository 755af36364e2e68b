"""Arguments of the commands other than `guide run`: mistakes are answered in one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from guidance.errors import InputError


def number(text: str) -> float:
    """The type of an argument that is a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r:.40}") from None


class Arguments(argparse.ArgumentParser):
    """Reads the words after `guide NAME`.

    Args:
        name: of the command.

    Raises:
        InputError: when words are parsed: a missing, unknown or repeated argument.
    """

    def __init__(self, name: str) -> None:
        super().__init__(prog=f"guide {name}", add_help=False, allow_abbrev=False)
        self.command = name
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{self.command}: {message}; see `guide {self.command} --help`")


class _Once(argparse.Action):
    """Stores a value, and refuses a second one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        given = vars(namespace).setdefault("_given", set())
        if option_string is not None and self.dest in given:
            parser.error(f"{option_string} is given twice; give it once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)
