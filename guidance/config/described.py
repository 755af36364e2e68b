"""The help of options: the docstrings below the fields of a class.

They are read when help is asked for. pydantic would read them as each class is created, which takes
a third of a second at the start of a run.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Mapping

from pydantic import BaseModel


def description(cls: type[BaseModel], field: str) -> str:
    """The description of a field, or the docstring below it in its class; empty if it has none."""
    return cls.model_fields[field].description or _docstrings(cls).get(field, "")


@functools.cache
def _docstrings(cls: type[BaseModel]) -> Mapping[str, str]:
    """The docstring of each field; that of a base where a class repeats a field without one."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if not issubclass(each, BaseModel) or each is BaseModel:
            continue
        try:
            source = textwrap.dedent(inspect.getsource(each))
        except (OSError, TypeError):  # made by code, with the fields of its bases
            continue
        body = ast.parse(source).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, text in zip(body.body, body.body[1:], strict=False):
            match line, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(doc))),
                ):
                    found[name] = inspect.cleandoc(doc)
    return found
