"""Annotation files in XML of any encoding, parsed safely."""

from __future__ import annotations

import codecs
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.parsers import expat

from swinkit.errors import InputError, border
from swinkit.files import read_bytes, require_regular

LARGEST_FILE = 200_000_000
"""Bytes; the annotation of one image has a few thousand, of a whole task some millions."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(r"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']+)["'][^>]*\?>""")


def parse_xml(path: Path) -> ET.Element:
    """The root element. No document type is accepted, so that no entity can be expanded or fetched.

    Raises InputError, naming the file, where it cannot be read, is not in the encoding that it says, is no complete xml
    or declares a document type.
    """
    content = read_bytes(path, most=LARGEST_FILE)
    with border(f"{path} is no complete xml", "correct it, or export it again"):
        text = _decoded(content, path)
        scout = expat.ParserCreate("utf-8")
        scout.StartDoctypeDeclHandler = _refuse_doctype
        try:
            scout.Parse(text.encode("utf-8", "surrogatepass"), True)
        except _DoctypeError:
            raise InputError(
                f"{path} declares a document type, which annotations do not need; remove the DOCTYPE"
            ) from None
        return ET.fromstring(text)


def root_name(path: Path) -> str:
    """The name of the root element by the file's beginning, empty where none is seen."""
    try:
        require_regular(path)
        with path.open("rb") as file:
            start = file.read(4096).replace(b"\0", b"")
    except (OSError, InputError):
        return ""
    found = re.search(rb"<([A-Za-z_][\w.\-]*)", re.sub(rb"<!--.*?-->", b"", start, flags=re.DOTALL))
    return found[1].decode("ascii", "replace") if found else ""


def number_in(path: Path, text: str | None, name: str, *, default: float | None = None) -> float:
    """A number written as `text`; InputError, naming file and field, where it is none."""
    text = (text or "").strip()
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e9:
        raise InputError(f"{path} has {text!r} for {name}; a number is needed")
    return value


def _decoded(content: bytes, path: Path) -> str:
    """The text without its declaration, which speaks of bytes."""
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark)), None) or _guessed(content)
    declared = _DECLARED.match(content[:400].replace(b"\0", b"").decode("latin-1"))
    if encoding is None and declared:
        encoding = declared[1].strip()
    try:
        text = content.decode(encoding or "utf-8")
    except LookupError:
        raise InputError(
            f"{path} says that it is written in {encoding}, which is no encoding that is known; save it as UTF-8"
        ) from None
    except UnicodeDecodeError:
        text = _as_utf8(content, path, encoding or "utf-8", bool(declared))
    text = text.removeprefix("\ufeff")
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", text)


def _guessed(content: bytes) -> str | None:
    """UTF-16 without a mark shows in the zeros between the first characters."""
    if content[:4] == b"<\0?\0" or content[:4] == b"<\0a\0":
        return "utf-16-le"
    if content[:4] in (b"\0<\0?", b"\0<\0a"):
        return "utf-16-be"
    return None


def _as_utf8(content: bytes, path: Path, encoding: str, is_declared: bool) -> str:
    """For files whose declaration is wrong but that are UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        said = f"says that it is written in {encoding}, but is not" if is_declared else "is not written in UTF-8"
        raise InputError(
            f"{path} {said}; save it as UTF-8, or put its encoding, such as GBK, into its first line"
        ) from None


class _DoctypeError(Exception):
    """The file has a document type declaration."""


def _refuse_doctype(*declaration: object) -> None:
    raise _DoctypeError
