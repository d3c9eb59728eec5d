"""What a conversion meets and does not write: files that are broken, and what is left out, each counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swinkit.errors import InputError
from swinkit.images.listing import LeftOut, counted


class BadFilesError(InputError):
    """Files of a data set cannot be converted; `sentences` has one for each."""

    def __init__(self, sentences: list[str]) -> None:
        more = f" (and {len(sentences) - 1} more of the files)" if len(sentences) > 1 else ""
        super().__init__(f"{sentences[0]}{more}")
        self.sentences = sentences


class Findings:
    """Collects what is bad, and what is left out, while a data set is read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bad: list[str] = []
        """A sentence for every file that cannot be converted."""
        self._left_out: dict[str, list[str]] = {}

    @contextmanager
    def of_one_file(self) -> Iterator[None]:
        """What raises InputError inside is one bad file more, and the others are read on."""
        try:
            yield
        except InputError as error:
            self.bad.append(str(error))

    def leave_out(self, reason: str, name: str | Path) -> None:
        """Count a file or an object that is not written, or written otherwise than it stands there."""
        shown = name
        if isinstance(name, Path) and name.is_relative_to(self.root):
            shown = name.relative_to(self.root)
        self._left_out.setdefault(reason, []).append(str(shown))

    def leave_out_files(self, files: Iterable[LeftOut]) -> None:
        for each in files:
            self.leave_out(f"files {each.reason}", each.path)

    def lines(self) -> list[str]:
        """A line for every reason."""
        return [f"{reason}: {counted(names, what='case')}" for reason, names in self._left_out.items()]
