"""What a pickle would run, found by reading its instructions and not by following them.

PyTorch files are pickles. The safe reader refuses everything but tensors and plain values; this file says what it was
that it refused, so that the error can name it.
"""

from __future__ import annotations

import io
import pickletools
import re
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from swinkit.files import BoundedFile

PlaceholderKind = Literal["object", "dict", "list"]

TORCH_LEGACY_START = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
"""The number every PyTorch file of the format before 1.6 begins with, after the two bytes of the protocol."""


_HARMLESS_PARTS_OF_PYTHON = frozenset({"collections", "datetime", "pathlib", "decimal", "fractions", "enum", "uuid"})
"""Modules of Python whose objects are values."""

_HARMLESS_NAMES = frozenset(
    {"argparse.Namespace", "types.SimpleNamespace", "logging.Logger", "logging.getLogger", "copyreg._reconstructor"}
    | {f"builtins.{name}" for name in ("object", "slice", "range", "complex", "frozenset", "bytearray", "set")}
    | {f"builtins.{name}" for name in ("list", "dict", "tuple", "int", "float", "str", "bool", "bytes")}
)


def is_harmless(name: str) -> bool:
    """Whether a placeholder may stand for what the dotted `name` is: records of other libraries beside the weights,
    such as mmengine's HistoryBuffer or a yacs config, and values of Python. Functions of Python and its built-ins are
    not, nor modules of torch, which hold the weights themselves."""
    name = _of_python_3(name)
    top, dot, _ = name.partition(".")
    if name in _HARMLESS_NAMES:
        return True
    if not dot or top in ("torch", "builtins"):
        return False
    return top not in sys.stdlib_module_names or top in _HARMLESS_PARTS_OF_PYTHON


def _of_python_3(name: str) -> str:
    """Pickles call modules of Python as Python 2 did: commands.run is subprocess.run."""
    module, _, attribute = name.rpartition(".")
    if (module, attribute) in NAME_MAPPING:
        return ".".join(NAME_MAPPING[module, attribute])
    return f"{IMPORT_MAPPING[module]}.{attribute}" if module in IMPORT_MAPPING else name


def placeholder(name: str, kind: PlaceholderKind) -> type:
    """A class that stands for the dotted `name` while a file is read: nothing that is stored in it is kept, and nothing
    of the library that it belongs to is run or imported.

    PyTorch's restricted unpickler fills items only into exact dicts and lists, so those kinds make one.
    """

    def new(cls: type, *_: object, **__: object) -> Any:
        return OrderedDict() if kind == "dict" else [] if kind == "list" else object.__new__(cls)

    members = {"__new__": new, "__init__": _nothing, "__setstate__": _nothing, "__module__": "placeholder"}
    return type(name.replace(".", "_"), (), members)


def _nothing(*_: object, **__: object) -> None:
    """What a placeholder does."""


def kind_wanted(message: str, names: Iterable[str]) -> tuple[str, PlaceholderKind] | None:
    """Which of `names` PyTorch's safe reader wants to be a dict or a list, by its error; None if it is about none."""
    kind: PlaceholderKind = "dict" if "SETITEM" in message else "list"
    found = next((name for name in names if f"placeholder.{name.replace('.', '_')}'" in message), None)
    return None if found is None or not re.search("SETITEM|append to", message) else (found, kind)


def refused_global(message: str) -> str | None:
    """The dotted name in an error of PyTorch's safe reader, such as "posix.system"; None where it names none."""
    found = re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", message)
    if found is None:
        return None
    return found[1] if f"builtins.{found[1]}" not in _HARMLESS_NAMES else f"builtins.{found[1]}"


def foreign_globals(stream: bytes) -> list[str]:
    """Dotted names, in order, that the pickle at the start of `stream` would import, those of torch left out."""
    names: list[str] = []
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(io.BytesIO(stream)):
            if opcode.name == "GLOBAL":
                names.append(str(argument).replace(" ", ".").replace("__builtin__.", "builtins."))
            elif opcode.name == "STACK_GLOBAL":
                names.append(".".join(strings[-2:]))
            elif isinstance(argument, str):
                strings.append(argument)
    except Exception:  # a damaged pickle can end the listing in any way; what was found before counts
        return _without_torch(names)
    return _without_torch(names)


def is_legacy_torch(start: bytes) -> bool:
    """Whether a file that begins so is a PyTorch file of the format before 1.6 (a chain of pickles)."""
    return start[:1] == b"\x80" and start[2:].startswith(TORCH_LEGACY_START)


def zipped_pickle(path: Path) -> bytes:
    """The pickle inside a PyTorch zip file; empty where there is none."""
    try:
        with BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    return archive.read(name)
    except (zipfile.BadZipFile, OSError):
        pass
    return b""


def _without_torch(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(("torch.", "collections.OrderedDict"))]
