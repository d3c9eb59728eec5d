"""The one exception that means "your input, not our bug", and the border where what parsing raises becomes one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What the system says where the machine is short of something, which is no fault of a file."""

_LONGEST = 4000
"""Characters of a message: names from files may have any length."""


class InputError(ValueError):
    """Something the caller gave cannot be used.

    The message is one clear sentence: what is wrong (with the path or the value) and what to do about it. The command
    line prints it without a traceback and exits with code 2. It is one line, whatever names from files it quotes: line
    breaks and other control characters are written as escapes.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


@contextmanager
def border(what: str, advice: str, *, error: type[InputError] = InputError) -> Iterator[None]:
    """Whatever is raised inside becomes one sentence, "WHAT (REASON); ADVICE", but for InputErrors, which pass.

    Put it around what parses bytes that somebody else wrote. Nothing is listed, as parsers promise little about what
    they raise on broken input, and raise more with every version. Only what the machine is short of passes, too.

    Args:
        what: the file and what is wrong with it, such as "data.yaml is not YAML".
        advice: what to do.
        error: the class of what is raised.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as cause:
        if isinstance(cause, OSError) and cause.errno in NO_RESOURCES:
            raise
        raise error(f"{what} ({reason_of(cause)}); {advice}") from cause


def reason_of(error: BaseException) -> str:
    """What an exception says, in one short line."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).strip()
    if isinstance(error, KeyError):
        text = f"there is no {text[:80]}"
    return one_line(text.split("\n")[0])[:160] if text else type(error).__name__


def one_line(text: str) -> str:
    """`text` with escapes for control characters and lone surrogates, cut off where it is very long."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return "".join(each if _is_plain(each) else each.encode("unicode_escape").decode("ascii") for each in text)


def _is_plain(character: str) -> bool:
    code = ord(character)
    return code >= 32 and not 127 <= code < 160 and not 0xD800 <= code < 0xE000 and code not in (0x2028, 0x2029)
