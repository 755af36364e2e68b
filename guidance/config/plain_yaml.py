"""Safe YAML within limits: no aliases, no duplicate keys, and texts, numbers and containers only.

The limits are checked while the text is parsed, so that a small file cannot take long.
"""

from __future__ import annotations

from typing import Any

import yaml

#: A configuration has a few hundred values, ten levels deep at most; a list of prompts may be long.
MOST_NODES, DEEPEST, LONGEST_NUMBER = 5000, 40, 64
#: Everything that JSON has too. Dates, binary data, sets and ordered mappings are no options.
TYPES = ("str", "int", "float", "bool", "null", "seq", "map")
_TAG = "tag:yaml.org,2002:"


def load(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is not YAML, is outside of the limits, or has other types.
        ValueError: a number cannot be read.
    """
    return yaml.load(text, Loader=_Loader)


class _Loader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refused("aliases (*name) are not supported; write the value out", self)
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _refused(f"it has more than {MOST_NODES} values", self)
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused("it is nested too deeply", self)
        node = super().compose_node(parent, index)
        assert node is not None  # the next event begins a node
        self._depth -= 1
        kind = node.tag.removeprefix(_TAG)
        if kind not in TYPES or node.tag == kind:
            raise yaml.MarkedYAMLError(
                problem=f"values of the type {node.tag!r:.60} are not supported; write a text in "
                "quotes, or a number",
                problem_mark=node.start_mark,
            )
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str) and name in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"key {name!r:.60} is given twice", problem_mark=key.start_mark
                )
            if isinstance(name, str):
                seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind in ("int", "float") and len(str(node.value)) > LONGEST_NUMBER:
            raise yaml.MarkedYAMLError(
                problem=f"a number has more than {LONGEST_NUMBER} digits",
                problem_mark=node.start_mark,
            )
        try:
            return super().construct_object(node, deep)
        # A tag that does not fit its value, such as `!!int ''` or `!!bool perhaps`.
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
            raise yaml.MarkedYAMLError(
                problem=f"{str(node.value)[:40]!r} is not of the type {kind}",
                problem_mark=node.start_mark,
            ) from None


def _refused(problem: str, loader: Any) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=loader.peek_event().start_mark)
