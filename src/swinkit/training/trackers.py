"""Services that collect the metrics of runs, where they are installed: Weights & Biases and MLflow.

None of them decides anything: a run goes on without one that fails, and metrics.jsonl has everything.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from swinkit.errors import InputError, reason_of
from swinkit.files import is_file, read_text, write_text

_log = logging.getLogger(__name__)

PROJECT = "swinkit"
"""What runs are filed under, unless WANDB_PROJECT or MLFLOW_EXPERIMENT_NAME says otherwise."""


class Service(Protocol):
    """One run in a service."""

    number: str
    """What the service calls the run."""

    def log(self, values: Mapping[str, float], step: int) -> None: ...

    def finish(self) -> None: ...


class WandbRun:
    """A run of Weights & Biases."""

    def __init__(self, wandb: Any, root: Path, recipe: Mapping[str, Any], known: str | None) -> None:
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=root.resolve().name,
            id=known,
            resume=None if known is None else "allow",
            dir=str(root),
            config=dict(recipe),
        )
        self.number = str(self._run.id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._run.log(dict(values), step=step)

    def finish(self) -> None:
        self._run.finish()


class MlflowRun:
    """A run of MLflow."""

    def __init__(self, mlflow: Any, root: Path, recipe: Mapping[str, Any], known: str | None) -> None:
        self._mlflow = mlflow
        if known is None:
            mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
            self.number = str(mlflow.start_run(run_name=root.resolve().name).info.run_id)
            mlflow.log_params(_flat(recipe))
        else:
            self.number = str(mlflow.start_run(run_id=known).info.run_id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self._mlflow.log_metrics(dict(values), step=step)

    def finish(self) -> None:
        self._mlflow.end_run()


SERVICES: dict[str, type[WandbRun] | type[MlflowRun]] = {"wandb": WandbRun, "mlflow": MlflowRun}
_ADVICE = {
    "wandb": "wandb login, or set WANDB_MODE=offline, or leave --log wandb out",
    "mlflow": "set MLFLOW_TRACKING_URI, or leave --log mlflow out",
}


class Tracker:
    """The metrics of one run in one service, until that fails."""

    def __init__(self, name: str, service: Service) -> None:
        self.name = name
        self._service: Service | None = service

    def write(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Results after step `step`, in epoch `epoch`."""
        if self._service is None:
            return
        try:
            self._service.log({"epoch": float(epoch), **values}, step)
        except Exception as error:  # whatever a foreign client raises about its network or its server
            self._service = None
            _log.warning("%s takes no metrics any more (%s); the run goes on without.", self.name, reason_of(error))

    def close(self) -> None:
        """Tell the service that this session has ended."""
        if self._service is None:
            return
        try:
            self._service.finish()
        except Exception as error:
            _log.warning("%s has not been closed (%s).", self.name, reason_of(error))


def check_installed(names: Sequence[str]) -> None:
    """Raises InputError, which names the package, where one of these services is not installed."""
    for name in names:
        try:
            import_module(name)
        except ImportError:
            raise InputError(f"--log {name} needs the package {name}; install it with pip install {name}") from None


def open_trackers(names: Sequence[str], root: Path, recipe: Mapping[str, Any], *, goes_on: bool) -> list[Tracker]:
    """The services `names`, told of the run in the folder `root`.

    Args:
        names: of `SERVICES`, all installed.
        root: the run's folder, which keeps what a service calls the run.
        recipe: the values of the run, as plain data.
        goes_on: whether the run was begun before, and is the same one for the services.

    Raises:
        InputError: where a service cannot be reached or wants something first, such as a login.
    """
    found = []
    for name in dict.fromkeys(names):
        path = root / f"{name}.txt"
        known = read_text(path).strip() if goes_on and is_file(path) else None
        try:
            service = SERVICES[name](import_module(name), root, recipe, known)
        except Exception as error:
            raise InputError(f"{name} does not take the run ({reason_of(error)}); {_ADVICE[name]}") from None
        write_text(path, service.number + "\n")
        found.append(Tracker(name, service))
    return found


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Nested values as one row: {"loop": {"seed": 0}} is {"loop.seed": "0"}."""
    row: dict[str, str] = {}
    for name, value in values.items():
        row |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": str(value)[:500]}
    return row
