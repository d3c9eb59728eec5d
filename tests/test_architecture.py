"""The house of swinkit: which floor may import which, and what no file may do. Reads the source, imports nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "swinkit"

GROUND = {"errors", "files", "serialization", "structures"}
WINGS = {"classification", "detection", "segmentation"}
BELOW_WINGS = GROUND | {"ops", "layers", "backbone", "weights", "training", "images", "pictures", "explanation"}
BELOW_OUTSIDE = BELOW_WINGS | WINGS | {"compilation", "export", "recipes", "opening", "swinkit"}

# Each floor with the floors that it may import besides itself. "swinkit" is the package's own __init__.py.
FLOORS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "serialization": {"errors"},
    # The ops that choose a backend import cpu, so that nothing has to be registered, and cpu the windows and constants
    # of ops: the floors import each other, their files do not (`check_cycles`).
    "cpu": {"errors", "ops"},
    "ops": {"errors", "cpu"},
    "structures": {"errors", "ops"},
    "layers": GROUND | {"ops"},
    "backbone": GROUND | {"ops", "layers"},
    "weights": GROUND | {"ops", "layers", "backbone"},
    "training": GROUND | {"ops", "weights"},
    "images": GROUND | {"ops", "training"},
    "pictures": GROUND | {"ops"},
    "explanation": GROUND | {"ops", "layers", "backbone", "pictures"},
    "embedding": GROUND | {"images", "pictures"},
    **dict.fromkeys(WINGS, BELOW_WINGS),
    "export": GROUND,
    "opening": BELOW_WINGS | WINGS | {"export"},
    "compilation": GROUND | {"cpu", "ops", "layers"},
    "benchmark": BELOW_WINGS | WINGS | {"compilation", "export"},
    "recipes": BELOW_WINGS | WINGS,
    "swinkit": BELOW_WINGS | WINGS | {"compilation", "export", "recipes", "opening"},
    "tables": BELOW_WINGS | WINGS | {"recipes", "benchmark"},
    "web": BELOW_WINGS | WINGS | {"export", "opening"},
    "cli": BELOW_OUTSIDE | {"embedding", "benchmark", "tables", "web"},
    "__main__": {"cli"},
}

OUTER_ROOMS = {
    "data",
    "pictures",
    "task",
    "recipe",
    "evaluation",
    "evaluation_images",
    "result",
    "scores",
    "explanation",
    "submission",
    "predictor",
    "exported",
    "class_map",
    "coco_numbers",
}
"""What a wing has besides its model: these may import the model's files, and not the other way round."""

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
PICKLE_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill"}
MAX_LINES = 400


@dataclass(frozen=True)
class Module:
    """One file: its dotted name below the package's own ("swinkit.ops.windows"), place, text and syntax tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def floor(self) -> str:
        return floor_of(self.name)

    @property
    def package(self) -> str:
        """What a single leading dot in a relative import means here."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


Package = dict[str, Module]


def floor_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def read_package(root: Path) -> Package:
    """Every module below `root`, a folder named swinkit."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        modules[name] = Module(name, path, text, ast.parse(text, str(path)))
    return modules


def imports_of(module: Module, package: Package) -> Iterator[tuple[str, int]]:
    """Modules of the package that `module` imports, anywhere in it, with the line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(module, node)
            named = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in named:
            if name.split(".")[0] == "swinkit":
                yield known_part(name, package), node.lineno


def absolute_base(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def known_part(name: str, package: Package) -> str:
    """The module that an import reaches: `swinkit.ops.windows.WindowGrid` is a name in `swinkit.ops.windows`."""
    while name not in package and "." in name:
        if name.count(".") == 1 and floor_of(name) in FLOORS:
            return name
        name = name.rpartition(".")[0]
    return name


def check_floors(package: Package) -> Iterator[str]:
    """A floor imports only what FLOORS lets it."""
    for module in package.values():
        if module.floor not in FLOORS:
            yield f"{module.name} is on no floor: put it on one, or add a floor to FLOORS"
            continue
        for name, line in imports_of(module, package):
            if floor_of(name) not in FLOORS[module.floor] | {module.floor}:
                yield f"{module.name}:{line} imports {name}: {module.floor} may not import {floor_of(name)}"


def check_rooms(package: Package) -> Iterator[str]:
    """Inside a wing, the model's files import neither its data nor whatever is made of both."""
    for module in package.values():
        if room_of(module.name) in OUTER_ROOMS | {None}:
            continue
        for name, line in imports_of(module, package):
            outside = floor_of(name) in {"training", "images", "pictures", "explanation"}
            if outside or (floor_of(name) == module.floor and room_of(name) in OUTER_ROOMS):
                yield f"{module.name}:{line} imports {name}: a model may not import data or training"


def room_of(name: str) -> str | None:
    """`data` of `swinkit.detection.data.coco`; None outside the wings and of a wing's own __init__.py."""
    parts = name.split(".")
    return parts[2] if len(parts) > 2 and parts[1] in WINGS else None


def check_cycles(package: Package) -> Iterator[str]:
    """No two files import each other, directly or in a ring. Importing a file runs the packages that it lies in."""
    graph = {
        module.name: {each for name, _ in imports_of(module, package) for each in run_by(name, module.name)}
        for module in package.values()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"import cycle: {' <- '.join(error.args[1])}"


def run_by(name: str, importer: str) -> Iterator[str]:
    """What importing `name` runs: it, and the packages around it that `importer` is not in itself."""
    if name != importer:
        yield name
    while (name := name.rpartition(".")[0]).count("."):
        if not importer.startswith(f"{name}.") and importer != name:
            yield name


def check_names(package: Package) -> Iterator[str]:
    """No module has a name that says nothing."""
    for module in package.values():
        if VAGUE_NAMES & set(module.name.split(".")):
            yield f"{module.name} has a name that says nothing: name it after what it holds"


def check_signatures(package: Package) -> Iterator[str]:
    """No public function or method takes **kwargs."""
    for module in package.values():
        for function in public_functions(module.tree):
            if function.args.kwarg is not None:
                yield f"{module.name}:{function.lineno} {function.name} takes **{function.args.kwarg.arg}: name them"


def public_functions(parent: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions of a module and methods of its public classes; what a leading underscore marks is private."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if is_public(node.name):
                yield node
        elif not isinstance(node, ast.ClassDef) or is_public(node.name):
            yield from public_functions(node)


def is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def check_pickles(package: Package) -> Iterator[str]:
    """Nothing is unpickled: no pickle import, and torch.load only with weights_only=True."""
    for module in package.values():
        for name, line in absolute_imports(module.tree):
            if name.split(".")[0] in PICKLE_MODULES:
                yield f"{module.name}:{line} imports {name}"
        for line in unsafe_loads(module.tree):
            yield f"{module.name}:{line} uses torch.load without weights_only=True"


def absolute_imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", node.lineno


def unsafe_loads(tree: ast.Module) -> Iterator[int]:
    """Lines where torch.load is used other than in a call with weights_only=True."""
    torch_names, load_names = torch_aliases(tree)
    safe = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
    }
    for node in ast.walk(tree):
        if id(node) in safe:
            continue
        if (isinstance(node, ast.Name) and node.id in load_names) or (
            isinstance(node, ast.Attribute) and node.attr == "load" and ast.unparse(node.value) in torch_names
        ):
            yield node.lineno


def torch_aliases(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What torch (or torch.serialization) and its load are called in this file."""
    modules, loads = {"torch", "torch.serialization"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.asname and alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module in ("torch", "torch.serialization"):
            loads |= {alias.asname or alias.name for alias in node.names if alias.name == "load"}
            modules |= {alias.asname or alias.name for alias in node.names if alias.name == "serialization"}
    return modules, loads


def check_lengths(package: Package) -> Iterator[str]:
    """No file is too long to be read."""
    for module in package.values():
        lines = len(module.text.splitlines())
        if lines > MAX_LINES:
            yield f"{module.name} has {lines} lines, more than {MAX_LINES}: split it"


CHECKS: tuple[Callable[[Package], Iterator[str]], ...] = (
    check_floors,
    check_rooms,
    check_cycles,
    check_names,
    check_signatures,
    check_pickles,
    check_lengths,
)


@pytest.fixture(scope="module")
def swinkit_package() -> Package:
    return read_package(PACKAGE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_swinkit_keeps_the_house_rules(check: Callable[[Package], Iterator[str]], swinkit_package: Package) -> None:
    assert len(swinkit_package) > 20
    found = list(check(swinkit_package))
    assert not found, "\n".join(found)


def test_the_floors_can_be_built_one_upon_another() -> None:
    """Prints them from the ground up (-s shows it). Only cpu and ops know each other, file by file without a ring."""
    below = {floor: known - ({"ops"} if floor == "cpu" else set()) for floor, known in FLOORS.items()}
    order = list(TopologicalSorter(below).static_order())
    assert order[0] == "errors" and order.index("layers") < order.index("detection") < order.index("cli")
    print("\n" + " < ".join(order))


SOUND = {
    "__init__.py": "from swinkit.backbone import Swin\n",
    "errors.py": "class InputError(ValueError): ...\n",
    "ops/__init__.py": "from .windows import grid\n",
    "ops/windows.py": "import torch\nfrom ..errors import InputError\ngrid = 1\n",
    "backbone/__init__.py": "from swinkit.backbone.swin import Swin\n",
    "backbone/swin.py": "from swinkit.ops.windows import grid\nclass Swin: ...\n",
    "weights/__init__.py": "import torch\ndef read(p): return torch.load(p, weights_only=True)\n",
    "training/__init__.py": "class _Tunnel:\n    def __init__(self, **kwargs): ...\ndef _go(**kwargs): ...\n",
    "detection/data/coco.py": "",
    "cli/__init__.py": "",
    "cli/train.py": "import swinkit\nfrom swinkit import Swin\n",
}


def fake_package(folder: Path, files: dict[str, str]) -> Package:
    for name, text in files.items():
        path = folder / "swinkit" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_package(folder / "swinkit")


def findings(package: Package) -> list[str]:
    return [finding for check in CHECKS for finding in check(package)]


def test_a_sound_tree_has_no_findings(tmp_path: Path) -> None:
    assert findings(fake_package(tmp_path, SOUND)) == []


BROKEN = [
    ("ops/up.py", "from swinkit.backbone import Swin\n", "ops.up:1 imports swinkit.backbone: ops may not"),
    (
        "ops/up.py",
        "def f():\n    from ..backbone.swin import Swin\n",
        "ops.up:2 imports swinkit.backbone.swin: ops may",
    ),
    ("ops/up.py", "from .. import backbone\n", "ops.up:1 imports swinkit.backbone: ops may not"),
    ("ops/up.py", "import swinkit.training as e\n", "ops.up:1 imports swinkit.training: ops may not"),
    ("ops/up.py", "from swinkit import Swin\n", "ops.up:1 imports swinkit: ops may not import swinkit"),
    ("ops/up.py", "import torch, swinkit.cli.train\n", "ops.up:1 imports swinkit.cli.train: ops may not import cli"),
    (
        "ops/up.py",
        "from swinkit import detection\n",
        "ops.up:1 imports swinkit.detection: ops may not import detection",
    ),
    ("errors.py", "import swinkit.images\n", "errors:1 imports swinkit.images: errors may not import images"),
    ("detection/a.py", "import swinkit.classification\n", "detection may not import classification"),
    ("detection/data/a.py", "import swinkit.segmentation.data.b\n", "detection may not import segmentation"),
    ("detection/rpn.py", "import swinkit.detection.data.coco\n", "a model may not import data or training"),
    ("segmentation/a.py", "from swinkit.training import x\n", "a model may not import data or training"),
    ("training/a.py", "from swinkit.layers import x\n", "training may not import layers"),
    ("detection/task.py", "from swinkit.recipes import x\n", "detection may not import recipes"),
    ("__init__.py", "from swinkit.cli import main\n", "swinkit may not import cli"),
    ("attic/a.py", "", "attic.a is on no floor"),
    ("ops/windows.py", "from . import grid\n", "import cycle: "),
    ("ops/utils.py", "", "ops.utils has a name that says nothing"),
    ("images/helpers/a.py", "", "images.helpers.a has a name that says nothing"),
    ("ops/a.py", "def f(x, **kwargs): ...\n", "ops.a:1 f takes **kwargs"),
    ("ops/a.py", "class A:\n    def __init__(self, **rest): ...\n", "ops.a:2 __init__ takes **rest"),
    ("ops/a.py", "async def f(x, **kwargs): ...\n", "ops.a:1 f takes **kwargs"),
    ("ops/a.py", "def f():\n    import pickle\n", "ops.a:2 imports pickle"),
    ("ops/a.py", "from pickle import loads\n", "ops.a:1 imports pickle"),
    ("ops/a.py", "import torch\ntorch.load('x')\n", "ops.a:2 uses torch.load without"),
    ("ops/a.py", "import torch\ntorch.load('x', weights_only=False)\n", "ops.a:2 uses torch.load without"),
    ("ops/a.py", "import torch as t\nf = t.load\n", "ops.a:2 uses torch.load without"),
    ("ops/a.py", "from torch import load as l\nl('x')\n", "ops.a:2 uses torch.load without"),
    ("ops/a.py", "#\n" * 401, "ops.a has 401 lines"),
]


@pytest.mark.parametrize(("name", "text", "finding"), BROKEN)
def test_each_broken_rule_is_found(tmp_path: Path, name: str, text: str, finding: str) -> None:
    found = findings(fake_package(tmp_path, {**SOUND, name: text}))
    assert len(found) == 1, found
    assert finding in found[0]


def test_a_ring_through_a_package_is_found(tmp_path: Path) -> None:
    """cpu.a imports a file of ops.mlp that imports nothing, and so runs ops.mlp, which waits for cpu.a."""
    ring = {
        "ops/mlp/__init__.py": "from swinkit.cpu.a import x\n",
        "ops/mlp/formula.py": "",
        "cpu/a.py": "from swinkit.ops.mlp.formula import y\n",
    }
    (found,) = findings(fake_package(tmp_path, {**SOUND, **ring}))
    assert all(name in found for name in ("import cycle", "swinkit.cpu.a", "swinkit.ops.mlp"))


def test_a_ring_of_three_files_is_found(tmp_path: Path) -> None:
    ring = {f"ops/{one}.py": f"from swinkit.ops import {two}\n" for one, two in ("ab", "bc", "ca")}
    (found,) = findings(fake_package(tmp_path, {**SOUND, **ring}))
    assert all(name in found for name in ("import cycle", "swinkit.ops.a", "swinkit.ops.b", "swinkit.ops.c"))
