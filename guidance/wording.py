"""Errors of pydantic in the words of a command line: what was expected, and what arrived."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

#: What each type of pydantic's errors expects; names in braces are of its context.
EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number with fewer digits",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "path_type": "a path",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
    "literal_error": "{expected}",
}
_QUOTED_NAME = re.compile(r"'([\w.-]+)'")


def what_is_wrong(error: ValidationError) -> str:
    """The first error as a clause, e.g. "expected a whole number, got 'many'".

    Of an option with several types, what each of them expects.
    """
    errors = error.errors(include_url=False)
    first = errors[0]
    same = [e for e in errors if e["loc"][:1] == first["loc"][:1] and e["input"] is first["input"]]
    found = [_expected(each) for each in same]
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r:.60}"
    if all(found):
        return f"expected {_joined([text for text in found if text])}{got}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}{got}"


def _expected(error: Mapping[str, Any]) -> str | None:
    pattern = EXPECTED.get(error["type"])
    if pattern is None:
        return None
    return _QUOTED_NAME.sub(r"\1", pattern.format(**error.get("ctx", {})))


def _joined(parts: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(parts))
