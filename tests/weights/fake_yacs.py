"""A stand-in for yacs.config.CfgNode that pickles as the real one does: a dict with attributes and a set in them."""

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Self


class CfgNode(dict):
    def __init__(self) -> None:
        super().__init__()
        self.__dict__["__immutable__"] = True
        self.__dict__["__deprecated_keys__"] = set()
        self.__dict__["__renamed_keys__"] = {}
        self.__dict__["__new_allowed__"] = False

    @classmethod
    def example(cls) -> Self:
        """A nested config with the kinds of values the official one has."""
        config, model = cls(), cls()
        model["DEPTHS"], model["QK_SCALE"], model["APE"], model["MLP_RATIO"] = [2, 2, 6, 2], None, False, 4.0
        config["MODEL"], config["BASE"], config["TAG"] = model, [""], "default"
        return config


CfgNode.__module__ = "yacs.config"


@contextlib.contextmanager
def pretend_yacs() -> Iterator[None]:
    """While active, `yacs.config.CfgNode` can be imported, as pickling it needs."""
    modules = {"yacs": types.ModuleType("yacs"), "yacs.config": types.ModuleType("yacs.config")}
    modules["yacs.config"].CfgNode = CfgNode
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
