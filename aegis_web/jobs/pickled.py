"""Reading what a pickle says without doing what it says.

A pickle is a program; loading one of a stranger runs the stranger's code. This reader follows the
program's steps and builds a description: plain values as they are, every object as the name of
its class with what it would have been made of. Nothing is imported, nothing is called.
"""

import pickletools
from dataclasses import dataclass
from typing import Any

SIZE_LIMIT = 1_000_000  # bytes
PLAIN = (
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "SHORT_BINSTRING", "BINSTRING", "STRING", "BININT", "BININT1", "BININT2", "INT",
    "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT",
)  # fmt: skip
FIXED = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
SILENT = ("PROTO", "FRAME", "STOP")


class Unreadable(Exception):
    """A pickle that is damaged, or does what the reader does not know."""


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle mentions."""

    text: str  # "module.name"


@dataclass
class Made:
    """What would have become an object."""

    of: str  # "module.name" of its class
    arguments: tuple[Any, ...] = ()
    state: Any = None

    def values(self) -> dict[str, Any]:
        """The attributes that its state would have given it."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        found: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, dict):
                found |= part
        return found


def describe(data: bytes) -> Any:
    """The description of what `data` would be loaded as.

    Raises: Unreadable.
    """
    if len(data) > SIZE_LIMIT:
        raise Unreadable(f"it has {len(data)} bytes, the limit is {SIZE_LIMIT}")
    reader = _Reader()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            reader.step(opcode.name, argument)
        return reader.stack[-1]
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"it cannot be followed ({error})") from None


class _Reader:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Follow one step of the program."""
        if name in PLAIN:
            self.stack.append(argument)
        elif name in FIXED:
            self.stack.append(FIXED[name])
        elif name not in SILENT:
            follow = getattr(self, name.lower().replace("global", "name"), None)
            if follow is None:
                raise Unreadable(f"it uses {name}, which is not followed")
            follow(argument)

    def popped(self, number: int) -> list[Any]:
        taken = self.stack[-number:]
        del self.stack[-number:]
        return taken

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def binput(self, place: Any) -> None:
        self.memo[place] = self.stack[-1]

    long_binput = put = binput

    def binget(self, place: Any) -> None:
        self.stack.append(self.memo[place])

    long_binget = get = binget

    def tuple1(self, _: Any) -> None:
        self.stack.append((*self.popped(1),))

    def tuple2(self, _: Any) -> None:
        self.stack.append((*self.popped(2),))

    def tuple3(self, _: Any) -> None:
        self.stack.append((*self.popped(3),))

    def tuple(self, _: Any) -> None:
        self.stack.append((*self.since_mark(),))

    def empty_list(self, _: Any) -> None:
        self.stack.append([])

    def append(self, _: Any) -> None:
        value = self.stack.pop()
        self.stack[-1].append(value)

    def appends(self, _: Any) -> None:
        values = self.since_mark()
        self.stack[-1].extend(values)

    def empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def setitem(self, _: Any) -> None:
        key, value = self.popped(2)
        self.stack[-1][key] = value

    def setitems(self, _: Any) -> None:
        flat = self.since_mark()
        self.stack[-1].update(zip(flat[::2], flat[1::2], strict=True))

    def empty_set(self, _: Any) -> None:
        self.stack.append(set())

    def additems(self, _: Any) -> None:
        values = self.since_mark()
        self.stack[-1].update(values)

    def name(self, argument: Any) -> None:
        self.stack.append(Name(argument.replace(" ", ".")))

    def stack_name(self, _: Any) -> None:
        module, name = self.popped(2)
        self.stack.append(Name(f"{module}.{name}"))

    def reduce(self, _: Any) -> None:
        what, arguments = self.popped(2)
        of = what.text if isinstance(what, Name) else what.of
        if of == "builtins.getattr" and isinstance(what, Made):  # a method of a class
            of = f"{what.arguments[0].text}.{what.arguments[1]}"
        self.stack.append(Made(of, arguments))

    newobj = reduce

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        self.stack[-1].state = state
