"""Values and bytes made wrong, so that they still look like what they were made of: all draws from one seed."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from typing import Any

NUMBERS = (0, 1, -1, 2, 255, 256, 65_535, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 10**18)
NUMBERS += (10**30, 10**400, 10**9, 10**7, 100_000, 20_000)
FLOATS = (0.5, -0.5, 1e-300, 1e9, 1e18, 1e308, -1e308, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    *(
        "",
        " ",
        "x",
        "0",
        "1",
        "-1",
        "1e9",
        "\0",
        "a\0b",
        "\n",
        "a\nb\r\nc",
        "\x1b[2J",
        "\u2028",
        "\ud800",
        "\udcff",
        "é" * 9,
    ),
    *(
        "a" * 300,
        "a" * 70_000,
        "../" * 60,
        "../../../../etc/passwd",
        "/dev/zero",
        "/dev/null",
        "/",
        ".",
        "..",
        "~",
        "C:\\x",
    ),
    *(
        "%s%n",
        "{0}",
        "[bold]",
        "__proto__",
        "NaN",
        "null",
        "true",
        "nearest",
        "swin",
        "timm",
        "constructor",
        "1" * 5000,
    ),
)


def atom(draw: random.Random) -> Any:
    """A value that hardly anything expects."""
    kind = draw.randrange(10)
    if kind < 3:
        return draw.choice(NUMBERS)
    if kind < 5:
        return draw.choice(FLOATS)
    if kind < 7:
        return draw.choice(TEXTS)
    return draw.choice(
        [None, True, False, [], {}, [[]], [None], {"": None}, [1, 2, 3, 4, 5], [0.5] * 1000, ["a", "a"], nested(draw)]
    )


def nested(draw: random.Random) -> Any:
    value: Any = []
    for _ in range(draw.choice((3, 50, 400))):
        value = [value] if draw.random() < 0.7 else {"a": value}
    return value


def mutated(value: Any, draw: random.Random, times: int | None = None) -> Any:
    """Plain data with one to three of its parts replaced, left out, added or repeated."""
    value = copy.deepcopy(value)
    for _ in range(times or draw.choice((1, 1, 1, 2, 3))):
        value = _mutated_once(value, draw)
    return value


def _mutated_once(value: Any, draw: random.Random) -> Any:
    places = list(_places(value))
    if not places:
        return atom(draw)
    parent, key = draw.choice(places)
    action = draw.randrange(8)
    if action == 0 and isinstance(parent, dict):
        del parent[key]
    elif action == 1 and isinstance(parent, list):
        parent.extend([copy.deepcopy(parent[key])] * draw.choice((1, 3, 200)))
    elif action == 2 and isinstance(parent, dict):
        parent[draw.choice(TEXTS[:20])] = parent[key]
    elif action == 3:
        other, there = draw.choice(places)
        if not isinstance(other[there], (dict, list)):
            parent[key] = other[there]
    elif action == 4 and isinstance(parent[key], (int, float)) and not isinstance(parent[key], bool):
        value_there = parent[key]
        half_more = value_there + 0.5 if abs(value_there) < 1e300 else value_there
        parent[key] = draw.choice((-value_there, value_there * 1000, half_more, str(value_there), [value_there]))
    else:
        parent[key] = atom(draw)
    return value


def _places(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def json_bytes(value: Any, draw: random.Random) -> bytes:
    """As JSON, sometimes spoiled as text."""
    text = json.dumps(value)
    kind = draw.randrange(12)
    if kind == 0:
        text = text.replace("1", "1" * draw.choice((400, 5000)), 1)
    if kind == 1:
        text = text.replace("1", "1e400", 1)
    if kind == 2:
        text = text.replace("[", "[" * draw.choice((500, 100_000)), 1)
    if kind == 3:
        text = "\ufeff" + text
    content = text.encode()
    return spoiled(content, draw) if kind == 4 else content


def spoiled(content: bytes, draw: random.Random) -> bytes:
    """Bytes cut off, flipped, repeated, left out, or of something else."""
    kind = draw.randrange(9)
    place = draw.randrange(len(content) + 1)
    if kind == 0:
        return content[:place]
    if kind in (1, 2, 3):
        changed = bytearray(content)
        for _ in range(draw.choice((1, 2, 8, 64))):
            if changed:
                changed[draw.randrange(len(changed))] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
        return bytes(changed)
    if kind == 4:
        return content[:place] + content[place + draw.choice((1, 4, 100)) :]
    if kind == 5:
        return (
            content[:place]
            + draw.choice((b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b"<!DOCTYPE x>"))
            + content[place:]
        )
    if kind == 6:
        return content[:place] + content[place : place + 200] * draw.choice((2, 50)) + content[place:]
    if kind == 7 and len(content) > 16:
        at = draw.randrange(len(content) - 8)
        width, number = draw.choice((("<I", 2**32 - 1), ("<I", 2**31), (">I", 10**6), ("<H", 65_535), ("<Q", 2**62)))
        return content[:at] + struct.pack(width, number) + content[at + struct.calcsize(width) :]
    return draw.choice(
        (b"", b"\0" * 64, b"<html></html>", b"\x89PNG\r\n\x1a\n", b"PK\x05\x06" + bytes(18), b"\x80\x02.")
    )


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, rows: bytes | None = None) -> bytes:
    """A PNG that says what it is told to say; its pixels are 0."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    if rows is None:
        packer = zlib.compressobj(1)
        row = bytes(1 + (width * depth * channels + 7) // 8)
        rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    palette = _chunk(b"PLTE", bytes(range(30))) if colour == 3 else b""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + palette + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
