"""Where the images of a data set lie: a folder or a zip archive. A store turns a relative name into an image."""

import os
import zipfile
from pathlib import Path
from typing import Protocol

from PIL import Image

from swinkit.errors import border
from swinkit.files import BoundedFile
from swinkit.images.read import ImageError, read_image

# A JPEG of this many bytes is no photograph; a zip entry that says so is broken or hostile.
_MAX_ENTRY_BYTES = 1 << 28


class ImageStore(Protocol):
    """Images by their name. Stores pickle and survive a fork, so that worker processes can each use a copy."""

    def read(self, name: str) -> Image.Image:
        """The image in RGB; ImageError if it cannot be read."""

    def describe(self, name: str) -> str:
        """What to call the sample in messages and tables: enough to find it again."""


class FolderStore:
    """Image files below `root`; a name is the path relative to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> Image.Image:
        return read_image(self.root / name)

    def describe(self, name: str) -> str:
        return str(self.root / name)


class ZipStore:
    """Image files in a zip archive; a name is the path inside it.

    The archive is opened at the first read, anew in every process: a file position shared across a fork would hand
    one worker the bytes of another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        self._owner = 0

    def names(self) -> set[str]:
        """Every path in the archive. Raises InputError if the file is missing or no zip archive."""
        with (
            border(f"{self.path} is not a complete zip archive", "copy it again"),
            BoundedFile(self.path) as file,
            zipfile.ZipFile(file) as archive,
        ):
            return set(archive.namelist())

    def read(self, name: str) -> Image.Image:
        return read_image(self._bytes(name), name=self.describe(name))

    def describe(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _bytes(self, name: str) -> bytes:
        with border(f"{self.describe(name)} is damaged", "pack the archive again", error=ImageError):
            archive = self._opened()
            if name not in archive.NameToInfo:
                raise ImageError(f"there is no {name} in {self.path}; check the map file")
            if archive.getinfo(name).file_size > _MAX_ENTRY_BYTES:
                raise ImageError(f"{self.describe(name)} is larger than {_MAX_ENTRY_BYTES} bytes; remove it")
            return archive.read(name)

    def _opened(self) -> zipfile.ZipFile:
        if self._archive is None or self._owner != os.getpid():
            self._archive, self._owner = zipfile.ZipFile(BoundedFile(self.path)), os.getpid()
        return self._archive

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_archive": None, "_owner": 0}
