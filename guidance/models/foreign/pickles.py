"""Reading of pickles without executing them.

A pickle is a program. Python's own reader calls whatever the program names; this one knows the
opcodes that build numbers, texts, lists, dictionaries and tuples, and a fixed list of names that
the caller gives. A name is never imported: it is looked up in that list, where it stands for a
function of this package.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast, runtime_checkable

#: Opcodes of one pickle, which take 0.6 s. Two generators and a discriminator have about 60,000.
MAX_OPCODES = 500_000
#: Arguments of one call. A list of them may be used by many calls.
MAX_ARGUMENTS = 16


class PickleProblem(ValueError):
    """A pickle that is damaged or asks for more than data; the message is one line."""


@runtime_checkable
class Stream(Protocol):
    """What a pickle is read from: bytes in memory, or a memory-mapped file."""

    def read(self, size: int = -1, /) -> bytes: ...

    def readline(self) -> bytes: ...


@dataclass(frozen=True)
class Name:
    """A name in a pickle that is on the caller's list."""

    module: str
    name: str


#: A function of the arguments that the pickle gives, or None where the name is data only. The
#: pickle may give a state to what it returns, if that has a method `set_state`.
Builder = Callable[..., Any] | None
Builders = Mapping[tuple[str, str], Builder]


class NotListed(PickleProblem):
    """A name that is not on the caller's list."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(f"asks for {module}.{name}"[:120].encode("ascii", "replace").decode())
        self.module, self.name = module, name


def read_pickle(
    stream: Stream,
    builders: Builders,
    persistent: Callable[[Any], Any] | None = None,
    max_opcodes: int = MAX_OPCODES,
) -> Any:
    """The object of the next pickle of a stream, which is left behind it.

    Args:
        stream: see `Stream`.
        builders: the names that the pickle may use.
        persistent: the object of a persistent identifier; by default there may be none.
        max_opcodes: a pickle with more is refused.

    Raises:
        NotListed: the pickle uses another name.
        PickleProblem: the pickle is damaged, too long, or uses an unusual opcode.
    """
    machine = _Machine(builders, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(
            pickletools.genops(cast("IO[bytes]", stream))
        ):
            if count >= max_opcodes:
                raise PickleProblem(f"has more than {max_opcodes} opcodes")
            machine.run(opcode.name, argument)
    except PickleProblem:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise PickleProblem(f"is damaged ({type(error).__name__}: {error!s:.60})") from None
    return machine.result()


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self, builders: Builders, persistent: Callable[[Any], Any] | None) -> None:
        self.builders, self.persistent = builders, persistent
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # the stacks below each mark
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self.stack) != 1 or self.marked:
            raise PickleProblem("is damaged: it does not end with one object")
        return self.stack[0]

    def run(self, opcode: str, argument: Any) -> None:
        """One opcode; their meanings are in Python's `pickletools`."""
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _GETS:
            self.stack.append(self.memo[argument])
        elif opcode in _PUTS:
            self.memo[len(self.memo) if opcode == "MEMOIZE" else argument] = self.stack[-1]
        elif opcode in _HANDLERS:
            _HANDLERS[opcode](self, argument)
        elif opcode not in ("PROTO", "FRAME", "STOP"):
            raise PickleProblem(f"uses the opcode {opcode}, which data does not need")

    def items(self) -> list[Any]:
        """What lies above the last mark."""
        found = self.stack
        self.stack = self.marked.pop()
        return found

    def mark(self, _: Any) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.items()

    def append(self, _: Any) -> None:
        self._extend([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self._extend(self.items())

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise PickleProblem("appends to something that is not a list")
        self.stack[-1].extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def set_items(self, _: Any) -> None:
        self._update(self.items())

    def dictionary(self, _: Any) -> None:
        pairs = self.items()
        self.stack.append({})
        self._update(pairs)

    def _update(self, pairs: list[Any]) -> None:
        if type(self.stack[-1]) is not dict or len(pairs) % 2:
            raise PickleProblem("sets items of something that is not a dictionary")
        keys, values = pairs[::2], pairs[1::2]
        if not all(isinstance(key, str | int) for key in keys):
            raise PickleProblem("has a dictionary whose keys are neither texts nor numbers")
        self.stack[-1].update(zip(keys, values, strict=True))

    def add_items(self, _: Any) -> None:
        values = self.items()
        if type(self.stack[-1]) is not set or not all(isinstance(x, str | int) for x in values):
            raise PickleProblem("has a set of something that is neither texts nor numbers")
        self.stack[-1].update(values)

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise PickleProblem("is damaged: a tuple is longer than the stack")
        at = len(self.stack) - count
        self.stack[at:] = [tuple(self.stack[at:])]

    def list_of_items(self, _: Any) -> None:
        items = self.items()
        self.stack.append(items)

    def tuple_of_items(self, _: Any) -> None:
        items = self.items()
        self.stack.append(tuple(items))

    def name(self, argument: Any) -> None:
        if argument is None:  # both parts are on the stack
            name, module = self.stack.pop(), self.stack.pop()
        else:
            module, _, name = argument.partition(" ")
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleProblem("is damaged: a name is not a text")
        if (module, name) not in self.builders:
            raise NotListed(module, name)
        self.stack.append(Name(module, name))

    def call(self, _: Any) -> None:
        arguments, name = self.stack.pop(), self.stack.pop()
        if type(name) is not Name or type(arguments) is not tuple:
            raise PickleProblem("calls something that is not on the list")
        if len(arguments) > MAX_ARGUMENTS:
            raise PickleProblem(f"calls {name.module}.{name.name} with too many arguments")
        builder = self.builders[name.module, name.name]
        if builder is None:
            raise PickleProblem(f"calls {name.module}.{name.name}, which is data only")
        self.stack.append(builder(*arguments))

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        set_state = getattr(type(self.stack[-1]), "set_state", None)
        if set_state is None:
            raise PickleProblem("gives a state to something that has none")
        set_state(self.stack[-1], state)

    def identifier(self, _: Any) -> None:
        if self.persistent is None:
            raise PickleProblem("refers to something outside of it")
        self.stack.append(self.persistent(self.stack.pop()))


_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "SHORT_BINSTRING", "BINSTRING",
    "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
}
_GETS = ("BINGET", "LONG_BINGET")
_PUTS = ("BINPUT", "LONG_BINPUT", "MEMOIZE")
_HANDLERS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine, _: machine.items().clear(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "LIST": _Machine.list_of_items,
    "TUPLE": _Machine.tuple_of_items,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "DICT": _Machine.dictionary,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.identifier,
}
