"""What must not wait for PyTorch does not, and lazy names are the ones that editors see."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import swinkit
from swinkit.compilation import compile_model


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def test_import_swinkit_is_lazy() -> None:
    code = (
        "import sys, swinkit\n"
        "swinkit.CATALOGUE, swinkit.InputError, swinkit.recipes.RECIPES\n"
        "assert 'torch' not in sys.modules\n"
        "from swinkit import SwinTransformer\n"
        "assert 'torch' in sys.modules"
    )
    result = run(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["recipes"], 0),
        (["models"], 0),
        (["train", "--help"], 0),
        (["train", "no_such_recipe"], 2),
        (["no-such-command"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_commands_do_without_pytorch(arguments: list[str], code: int) -> None:
    program = (
        "import sys\n"
        "from swinkit.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print('torch' in sys.modules, file=sys.stderr)\n"
        "sys.exit(code)"
    )
    result = run(program, *arguments)
    assert result.returncode == code, result.stderr
    assert result.stderr.splitlines()[-1] == "False"


def test_three_lists_of_names_agree() -> None:
    """Imports that type checkers see, `__all__`, and the table that `__getattr__` reads."""
    tree = ast.parse(Path(swinkit.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("swinkit.")
        for alias in node.names
    }
    names_there = swinkit._NAMES_THERE
    assert seen == {
        name: (f"swinkit.{module}", names_there.get(name, name)) for name, module in swinkit._MODULES.items()
    }
    assert set(seen) == set(swinkit.__all__)


def test_every_public_name_is_there() -> None:
    assert set(swinkit.__all__) < set(dir(swinkit))
    for name in swinkit.__all__:
        assert getattr(swinkit, name) is not None
    assert swinkit.compile is compile_model
    with pytest.raises(AttributeError, match="module 'swinkit' has no attribute 'swin_x'"):
        _ = swinkit.swin_x


def test_modules_are_there_without_their_own_import() -> None:
    result = run("import swinkit; print(swinkit.detection.__name__, swinkit.structures.Instances.__name__)")
    assert result.stdout == "swinkit.detection Instances\n", result.stderr
