"""A read-only list of many strings that worker processes can share."""

from collections.abc import Iterable

import numpy as np


class NameTable:
    """Strings held in two arrays instead of one Python object each.

    Fourteen million file names (ImageNet-22K) as Python strings would be copied into every worker process, one
    reference count at a time; arrays stay shared after a fork.
    """

    def __init__(self, names: Iterable[str]) -> None:
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        self._ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        self._bytes = np.frombuffer(b"".join(encoded), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return self._bytes[start : self._ends[index]].tobytes().decode("utf-8", "surrogateescape")
