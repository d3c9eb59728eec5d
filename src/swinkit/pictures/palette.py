"""A colour for every class and for every instance, the same every time."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Sequence

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""

_TABLE = (
    "0078f0 00d200 ffa500 ff00ff d20000 ff9696 00d2d2 00780f b42d69 c3b4ff 876900 e1e100 783ce1 008787 69c3ff "
    "c3784b 87964b a5f0c3 c378a5 ff1e5a 00a569 8778c3 f0d296 ffb4e1 c3a500 ffb487 0096c3 b4d278 c300b4 ff4b2d "
    "a55a5a a54b00 ff0096 2d785a 00ff87 ff87ff 8796ff a5874b ff7800 697800 00d2a5 a5f000 a55aff 0fa50f 87b400 "
    "69e1ff 3c5ad2 4ba596 1e6996 96693c ff78a5 c37800 965aa5 ffd23c 78b469 c31e3c 00a5b4 d2a569 c37878 b487ff "
    "f08769 a5c3ff 695aa5 c369d2 0096ff b45a3c c35a78 968700 6969ff 87f0e1 0fffc3 c3b469 5a873c c34b96 ff6969 "
    "0fff00 3cd278 e15a00 ff5ac3 e13c3c a5f096 b40ff0 00b4e1 6987c3 d29600 a5a52d e10f69 f0b4ff e1e196 1e874b "
    "c396e1 e196b4 78c396 ffc369 ffb4a5 699600 d29678 e12dc3 b4c300 87783c 964b78 009678 a57800 5ac3d2 f0964b "
    "00f0ff 69c3b4 d2695a 965a00 963cb4 e196d2 87d22d ff4b87 a5b469 875ad2 f0b40f e13c0f 78a5e1 4b87b4 5a69a5 "
    "f07887 f0c396 b43c2d c3f078 4b780f 00f0d2 e1d25a c30087 b44bc3 c3874b e169ff d24b5a a5964b ff692d b4691e "
    "3ca5e1 a596e1 4b4bff 965a3c d22df0 2db45a 87d278 4bb4b4 a578c3 1e963c 69691e 69e1a5 d28778 2d69c3 b43c0f "
    "5ab40f ffa5b4 0087a5 e178d2 d2e15a 87f05a 00b496 e15a96 e1870f d28796 a53c96 96a5e1 879600 a55a78 5a87ff "
    "e1c369 9678ff 4b9669 2d8700 ff874b e10087 a5783c ffb469 1e69ff b43c5a 874bff 1ee15a c34b00 ff001e ff3c4b "
    "007869 5ac34b d25a3c 78a53c 87e1c3 d26900 e1783c 87872d 1e78b4 d25ab4 ff87c3 c3c35a 8787e1 d2785a b4695a "
    "78e1e1 d2f00f 3cc387 5aa54b a5c34b e1004b ffa587 2d8778 b469a5 6978e1 c3a54b ffe100 69d2ff d2c300 96691e "
    "e1a578 d21e2d 87780f d26978 4b961e 6978b4 5aa569 78692d a5d200 ff5af0 a578e1 5a870f e196ff 7869c3 695ad2 "
    "c3b43c ff2dd2 5aa587 3c8769 9669c3 5a69d2 b4872d a55a4b a5694b a54be1 c39669 b46987 d2b478 2d9696 ff960f "
    "008796 ffa5f0 1ea5c3 875a2d 87f0ff f09687 e178b4 a55a96 9600f0 78782d 2d783c e1a54b ff0078 f05a69 d21ea5"
)
"""255 colours, each as different as can be from all before it, in CIEDE2000, and from grey, black and white. The
smallest difference of two of the first 20 is 18.1, of 80 9.5, of 150 6.9, of all 5.5 (about 1 is the least that can be
seen). tests/pictures/choose_palette.py chose them."""

_TURNS = ((0.0, 0.0), (0.06, 0.6), (-0.06, -0.5), (0.06, -0.6))
"""What instances turn the colour of their class by: hue, as a share of the circle, and how far
towards light (above 0) or dark. The smallest difference of two shades of one of the 255 colours is 7.8."""

_BACKGROUND = {"background", "back ground", "bg"}


def class_colours(count: int) -> list[Colour]:
    """`count` colours, the first ones the same whatever the count; beyond 255 they begin again."""
    codes = _TABLE.split()
    return [_rgb(codes[number % len(codes)]) for number in range(count)]


def colours_of(count: int, palette: Sequence[Colour] = ()) -> list[Colour]:
    """The colours of `count` classes: those of a palette where it has as many, else `class_colours`."""
    return list(palette) if len(palette) == count else class_colours(count)


def instance_colours(labels: Sequence[int], colours: Sequence[Colour]) -> list[Colour]:
    """A colour for each instance, by its class and the classes' colours, where there are several classes: the first one
    of a class has its class's colour, and the next ones shades of it, four in all, then they begin again."""
    seen = Counter[int]()
    shades = []
    for label in labels:
        shades.append(_turned(colours[label], *_TURNS[seen[label] % len(_TURNS)]))
        seen[label] += 1
    return shades


def colours_of_one_class(count: int, label: int) -> list[Colour]:
    """A colour for each of `count` instances of class number `label`, where there is no other class: first that class's
    own, then those of the next numbers, so that they are as different as classes are."""
    return class_colours(count + label)[label:]


def hex_code(colour: Colour) -> str:
    """As matplotlib takes it: #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def readable_ink(colour: Colour) -> str:
    """ "black" or "white", whichever can be read on the colour."""
    red, green, blue = colour
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"


def is_background(name: str) -> bool:
    """Whether a class is what is behind everything, by its name: pictures do not paint it."""
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split()) in _BACKGROUND


def _rgb(code: str) -> Colour:
    red, green, blue = bytes.fromhex(code)
    return red, green, blue


def _turned(colour: Colour, turn: float, lighter: float) -> Colour:
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in colour))
    lightness += lighter * ((0.92 - lightness) if lighter > 0 else (lightness - 0.12))
    red, green, blue = colorsys.hls_to_rgb((hue + turn) % 1.0, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)
