"""The Dockerfile says what the project declares: there need be no builder for that."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import tyro

from swinkit.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]


def steps() -> list[tuple[str, str]]:
    """Every instruction with its arguments."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [(words[0], words[1]) for line in lines if (words := line.split(maxsplit=1)) and words[0] != "#"]


def arguments_of(instruction: str) -> list[str]:
    return [arguments for name, arguments in steps() if name == instruction]


def test_it_is_short_and_known_to_docker() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 30
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps()} <= known and steps()[0][0] == "FROM"


def test_what_it_copies_is_there_and_is_all_that_is_built_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    copied = {source for line in arguments_of("COPY") for source in line.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    assert needed | set(project["tool"]["setuptools"]["packages"]["find"]["where"]) <= copied


def test_it_installs_extras_that_exist_for_a_python_that_is_enough() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (install,) = [line for line in arguments_of("RUN") if line.startswith("pip install")]
    (extras,) = re.findall(r"'\.\[(.*)\]'", install)
    assert {"web", "video"} == set(extras.split(",")) <= set(project["optional-dependencies"])
    (version,) = re.findall(r"python:(\d+)\.(\d+)", arguments_of("FROM")[0])
    least = tuple(map(int, re.findall(r"\d+", project["requires-python"])))
    assert tuple(map(int, version)) >= least
    assert "https://download.pytorch.org/whl/cpu" in " ".join(arguments_of("ENV"))


def test_its_command_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = map(json.loads, arguments_of("ENTRYPOINT"))
    (command,) = map(json.loads, arguments_of("CMD"))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert entry[0] in scripts and command[0] in COMMANDS
    parse, parsed = tyro.cli, []

    class Parsed(Exception):
        pass

    def stop(*arguments: object, **named: object) -> None:
        parsed.append(parse(*arguments, **named))  # type: ignore[call-overload]
        raise Parsed

    monkeypatch.setattr(tyro, "cli", stop)
    with pytest.raises(Parsed):
        main(command)
    assert parsed[0].host == "0.0.0.0" and str(parsed[0].port) in arguments_of("EXPOSE")[0].split()
    assert arguments_of("USER")  # not root
