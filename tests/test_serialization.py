"""Dataclasses become plain data and come back the same; whatever is wrong is one sentence that names the place."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from swinkit.errors import InputError
from swinkit.serialization import from_plain, to_plain


@dataclass(frozen=True)
class Wheel:
    spokes: int
    size: float = 28.0

    def __post_init__(self) -> None:
        if self.spokes < 1:
            raise InputError(f"a wheel needs spokes, not {self.spokes}")


@dataclass(frozen=True)
class Motor:
    power: float
    gears: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cycle:
    kind_of_thing: ClassVar[str] = "cycle"
    name: str
    wheels: tuple[Wheel, ...] = (Wheel(32), Wheel(36))
    drive: Wheel | Motor | None = None
    colour: Literal["red", "blue", 1] = "red"
    pair: tuple[int, tuple[str, bool]] = (1, ("a", True))
    place: Path | None = None
    weight: float | None = None
    locked: bool = False
    notes: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    "value",
    [
        Cycle("plain"),
        Cycle("猫", wheels=(Wheel(1, 20.5),), drive=Motor(0.5, (1.0, 2.5)), colour="blue", pair=(-3, ("", False))),
        Cycle("", wheels=(), drive=Wheel(9), colour=1, place=Path("a/b c"), weight=0.1, locked=True, notes={"a": [1]}),
    ],
)
def test_round_trip(value: Cycle) -> None:
    plain = to_plain(value)
    assert plain == json.loads(json.dumps(plain)) and "kind_of_thing" not in plain
    again = from_plain(Cycle, plain)
    assert again == value and type(again.drive) is type(value.drive)


def test_what_is_not_said_keeps_its_default_and_whole_numbers_are_numbers() -> None:
    assert from_plain(Cycle, {"name": "a"}) == Cycle("a")
    wheel = from_plain(Wheel, {"spokes": 3, "size": 4})
    assert wheel == Wheel(3, 4.0) and type(wheel.size) is float
    assert from_plain(Cycle, {"name": "a", "weight": 4}).weight == 4.0
    assert from_plain(Motor, {"power": 1, "gears": (1, 2)}) == Motor(1.0, (1.0, 2.0))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"nam": "b"}, "the file has no value 'nam'; there are name, wheels, drive"),
        ({5: 3}, "the file has no value '5'"),
        ({"name": 5}, "the file.name must be a text, not 5"),
        ({"name": None}, "the file.name must be a text, not None"),
        ({"locked": 1}, "the file.locked must be true or false, not 1"),
        ({"wheels": 3}, "the file.wheels must be a list, not 3"),
        ({"wheels": "ab"}, "the file.wheels must be a list, not 'ab'"),
        ({"wheels": [{"spokes": 3}, {"spokes": "3"}]}, "the file.wheels[1].spokes must be a whole number, not '3'"),
        ({"wheels": [{"spokes": 3.0}]}, "the file.wheels[0].spokes must be a whole number, not 3.0"),
        ({"wheels": [{"spokes": True}]}, "the file.wheels[0].spokes must be a whole number, not True"),
        ({"wheels": [{"spokes": 3, "size": True}]}, "the file.wheels[0].size must be a number, not True"),
        ({"wheels": [[3, 28.0]]}, "the file.wheels[0] must be a mapping of values, not [3, 28.0]"),
        ({"wheels": [{}]}, "the file.wheels[0] is incomplete"),
        ({"wheels": [{"spokes": 0}]}, "the file.wheels[0]: a wheel needs spokes, not 0"),
        ({"drive": {"colour": 1}}, "the file.drive has no value 'colour'; there are spokes, size"),
        ({"drive": 3}, "the file.drive must be a mapping of values, not 3"),
        ({"weight": "heavy"}, "the file.weight must be a number, not 'heavy'"),
        ({"place": 3}, "the file.place must be Path, not 3"),
        ({"colour": "green"}, "the file.colour must be one of 'red', 'blue', 1, not 'green'"),
        ({"colour": True}, "the file.colour must be one of 'red', 'blue', 1, not True"),
        ({"colour": ["red"]}, "the file.colour must be one of 'red', 'blue', 1, not ['red']"),
        ({"pair": [1]}, "the file.pair must have 2 values, not 1"),
        ({"pair": [1, ["a", 0]]}, "the file.pair[1][1] must be true or false, not 0"),
        ({"notes": []}, "the file.notes must be "),
        ({"name": list(range(999))}, "the file.name must be a text, not [0, 1, 2"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_place(change: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        from_plain(Cycle, {"name": "a"} | change, where="the file")
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize(("values", "sentence"), [(None, "not None"), ([], "not []"), ("a", "not 'a'")])
def test_without_a_place_the_class_is_named(values: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=r"^Wheel must be a mapping of values, ") as error:
        from_plain(Wheel, values)
    assert str(error.value).endswith(sentence)
    with pytest.raises(InputError, match=r"^Wheel is incomplete"):
        from_plain(Wheel, {})
    with pytest.raises(InputError, match=r"^spokes must be a whole number"):
        from_plain(Wheel, {"spokes": None})
