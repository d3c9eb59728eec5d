"""What a pickle would run, found by reading its instructions and not by following them.

PyTorch files are pickles. The safe reader refuses everything but tensors and plain values; this file says what it was
that it refused, so that the error can name it.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

CONFIG_GLOBAL = "yacs.config.CfgNode"
"""The one object that self-trained files of the official classification code carry beside their tensors."""

TORCH_LEGACY_START = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
"""The number every PyTorch file of the format before 1.6 begins with, after the two bytes of the protocol."""


class ConfigStub:
    """Stands in for `CONFIG_GLOBAL` while a file is read: whatever it is built with, a plain empty dict comes out.

    The restricted unpickler fills items only into exact dicts, so `__new__` returns one, not an instance.
    """

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


def refused_global(message: str) -> str | None:
    """The dotted name in an error of PyTorch's safe reader, such as "posix.system"; None where it names none."""
    found = re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", message)
    return found.group(1) if found else None


def foreign_globals(stream: bytes) -> list[str]:
    """Dotted names, in order, that the pickle at the start of `stream` would import, those of torch left out."""
    names: list[str] = []
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(io.BytesIO(stream)):
            if opcode.name == "GLOBAL":
                names.append(str(argument).replace(" ", "."))
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
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    return archive.read(name)
    except (zipfile.BadZipFile, OSError):
        pass
    return b""


def _without_torch(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(("torch.", "collections.OrderedDict"))]
