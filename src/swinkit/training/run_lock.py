"""One run, one process group: the lock of a run's folder, which ends with its process, however that ends."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import remove, remove_leftovers

LOCK = "run.lock"
"""Its name in the run's folder; a killed run leaves it there, unlocked."""

_log = logging.getLogger(__name__)
_own: set[Path] = set()
"""Folders that this process holds: the system's locks are between processes alone."""


@contextmanager
def held_run_folder(root: Path) -> Iterator[None]:
    """Make the folder, hold it for this process while inside, and remove what a killed run left half-written.

    The lock is a record lock: it ends with the process and is not inherited by the processes that load images. Network
    folders that have no locks are used with a warning.

    Raises InputError where another run is using the folder, or it cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        place = root.resolve()
        if place in _own:
            raise _taken(root, f"in process {os.getpid()}")
        descriptor = _locked(root)
    except OSError as error:
        raise InputError(
            f"cannot use {root} as run folder ({error.strerror}: {error.filename}); choose another --run-dir"
        ) from None
    _own.add(place)
    try:
        remove_leftovers(root)
        yield
    finally:
        _own.discard(place)
        remove(root / LOCK)
        os.close(descriptor)


def _locked(root: Path) -> int:
    """The descriptor of the lock file, locked."""
    path = root / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, root)
            if _is_still(descriptor, path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"in process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder has removed it meanwhile: it is the name of another file, or of none


def _lock(descriptor: int, root: Path) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows alone has it
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise _taken(root, os.pread(descriptor, 200, 0).decode(errors="replace")) from None
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
        _log.warning(
            f"The file system of {root} has no locks ({error.strerror}): see to it that no other run uses this folder."
        )


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether `path` is still the file that was opened."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def _taken(root: Path, holder: str) -> InputError:
    where = f" ({holder})" if holder else ""
    return InputError(f"another run is training in {root}{where}; wait until it has ended, or choose another --run-dir")
