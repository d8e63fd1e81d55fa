"""Dictionaries of vectors that research code saves with NumPy, read without unpickling.

A pickle is a program: Python's own reader imports modules, calls functions and allocates what it
is told to, and NumPy's reconstruction trusts the types it is given. So the few instructions that
such a dictionary needs are followed here, on stand-ins: an array is rebuilt from the bytes and the
plain type of numbers that the file names, and whatever else a file asks for is refused. Time and
memory are bounded by the file's length.
"""

import pickletools
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from wsfcn.errors import DataError, TagError
from wsfcn.files import read_bytes

LARGEST = 2**30
"""Bytes of the largest file that is read; COCO's 123,287 vectors take 50 million."""

ARRAY, ENCODE = object(), object()
"""What the file calls `numpy.ndarray` and `_codecs.encode`."""


class MalformedError(ValueError):
    """What such a dictionary does not hold."""


class Kind:
    """A type of numbers, text or objects: its code, to which order and length are added."""

    def __init__(self, code: Any, *_flags: Any) -> None:
        if not isinstance(code, str) or len(code) > 8:
            raise MalformedError("a type of numbers without a name")
        self.code = code.strip("<>=|")
        self.order = ""

    def fill(self, state: Any) -> None:
        if state[1] not in ("<", ">", "=", "|"):
            raise MalformedError("numbers in an unknown order")
        self.order = state[1].replace("|", "")
        if self.code in ("U", "S"):  # their length, in bytes, stands apart
            self.code += str(int(state[5]) // (4 if self.code == "U" else 1))

    def dtype(self) -> np.dtype[Any]:
        found = np.dtype(self.order + self.code)
        if found.kind not in "biufUS" or found.itemsize > 1024:
            raise MalformedError(f"numbers of the type '{self.code}'")
        return found


class Vector:
    """An array that is still to be filled."""

    def __init__(self, *_arguments: Any) -> None:
        self.values: Any = None

    def fill(self, state: Any) -> None:
        _version, shape, kind, fortran, content = state
        if kind.code in ("O", "O8"):
            self.values = content if isinstance(content, list) else None
            return
        flat = np.frombuffer(as_bytes(content), kind.dtype())
        self.values = flat.reshape(shape, order="F" if fortran else "C")


def scalar(kind: Any, content: Any) -> Any:
    """One number or name."""
    return np.frombuffer(as_bytes(content), kind.dtype())[0].item()


def as_bytes(content: Any) -> bytes:
    """Bytes and nothing else, not copied."""
    if not isinstance(content, bytes):
        raise MalformedError("numbers that are no bytes")
    return content


KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): ARRAY,
    ("numpy", "dtype"): Kind,
    ("_codecs", "encode"): ENCODE,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    KNOWN |= {(_core, "_reconstruct"): Vector, (_core, "scalar"): scalar}


def read_pickled(path: Path) -> dict[str | int, np.ndarray]:
    """The dictionary in a ``.npy`` file: vectors of numbers by name. Raises TagError."""
    try:
        file = BytesIO(read_bytes(path, LARGEST))
    except DataError as error:
        raise TagError(str(error)) from None
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0
        if version >= (2, 0):
            read_header = np.lib.format.read_array_header_2_0
        read_header(file)
        content = Machine(len(file.getbuffer())).run(file)
    except Exception as error:  # a damaged program can go wrong in any way, but do nothing
        reason = str(error) or type(error).__name__
        raise TagError(f"{path}: no dictionary of numbers ({reason[:200]})") from None
    if isinstance(content, Vector):
        content = content.values[0] if isinstance(content.values, list) and content.values else None
    if not isinstance(content, dict):
        raise TagError(f"{path}: no dictionary of picture names and vectors")
    vectors = {}
    for name, value in content.items():
        vectors[name] = numbers_of(value)
        if vectors[name] is None:
            raise TagError(f"{path}, '{name}': expected a vector with a number for each class")
    return vectors


def numbers_of(value: Any) -> np.ndarray | None:
    """The numbers of a vector, or of a list whether they are above 0; None for anything else."""
    values: Any = value.values if isinstance(value, Vector) else value
    if isinstance(values, list) and all(isinstance(v, int | float) for v in values):
        return np.array([v > 0 for v in values])
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind in "biuf":
        return values
    return None


class Machine:
    """Follows the instructions of a pickle (named as in Python's pickletools) that it knows."""

    def __init__(self, length: int) -> None:
        self.left = length  # bytes that it may make out of text
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, file: BytesIO) -> Any:
        """What the program builds."""
        for code, argument, _ in pickletools.genops(file):
            if code.name == "STOP":
                return self.stack.pop()
            if code.name in CONSTANTS:
                self.stack.append(CONSTANTS[code.name])
            elif code.name in LITERALS:
                self.stack.append(argument)
            elif code.name in STEPS:
                STEPS[code.name](self, argument)
            else:
                raise MalformedError(f"{code.name} is nothing that numbers need")
        raise MalformedError("it ends too early")

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def push_tuple(self, count: int) -> None:
        if count > len(self.stack):
            raise MalformedError("it ends too early")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def put(self, index: Any) -> None:
        self.memo[int(index)] = self.stack[-1]

    def name(self, module: Any, name: Any) -> None:
        # Text first: to compare or to write a tuple of tuples could take for ever.
        if not (isinstance(module, str) and isinstance(name, str)):
            raise MalformedError("a name that is no text")
        if (module, name) not in KNOWN:
            raise MalformedError(f"{module}.{name} is no array of numbers")
        self.stack.append(KNOWN[module, name])

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if function is ENCODE:
            self.stack.append(self.encoded(*arguments))
        elif function in (Vector, Kind, scalar):
            self.stack.append(function(*arguments))
        else:
            raise MalformedError("a call of what is no array of numbers")

    def encoded(self, text: str, _encoding: str) -> bytes:
        """The bytes that the oldest form writes as Latin-1 text; each once."""
        self.left -= len(text)
        if self.left < 0:
            raise MalformedError("more bytes than the file is long")
        return text.encode("latin-1")

    def build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Vector | Kind):
            raise MalformedError("a state of what is no array of numbers")
        self.stack[-1].fill(state)

    def set_items(self, items: Sequence[Any]) -> None:
        target = self.stack[-1]
        for name, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(target, dict) or not isinstance(name, str | int):
                raise MalformedError("names are text or integers")
            if isinstance(name, int) and abs(name) >= 2**63:
                raise MalformedError("a name of hundreds of digits")
            target[name] = value

    def extend(self, items: Sequence[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise MalformedError("items of what is no list")
        self.stack[-1].extend(items)

    def pop_pair(self) -> list[Any]:
        value, name = self.stack.pop(), self.stack.pop()
        return [name, value]


CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
})  # fmt: skip
STEPS: dict[str, Callable[[Machine, Any], Any]] = {
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "DICT": lambda m, _: (items := m.since_mark(), m.stack.append({}), m.set_items(items)),
    "LIST": lambda m, _: m.stack.append(m.since_mark()),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push_tuple(1),
    "TUPLE2": lambda m, _: m.push_tuple(2),
    "TUPLE3": lambda m, _: m.push_tuple(3),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "PUT": lambda m, index: m.put(index),
    "BINPUT": lambda m, index: m.put(index),
    "LONG_BINPUT": lambda m, index: m.put(index),
    "GET": lambda m, index: m.stack.append(m.memo[int(index)]),
    "BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "LONG_BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "GLOBAL": lambda m, names: m.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.name(*m.pop_pair()),
    "REDUCE": lambda m, _: m.call(),
    "BUILD": lambda m, _: m.build(),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items(m.pop_pair()),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "POP": lambda m, _: m.stack.pop(),
}
"""The instructions that build a dictionary of arrays."""
