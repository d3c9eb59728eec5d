"""What people write where weights are asked for, turned into the path of a file."""

from __future__ import annotations

import contextlib
import difflib
from pathlib import Path

from swinkit.errors import InputError
from swinkit.files import exists
from swinkit.weights.catalogue import CATALOGUE
from swinkit.weights.class_names import CONFIG
from swinkit.weights.download import fetch

HUB_PREFIX = "hf-hub:"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names under which weights lie in a repository of the Hugging Face hub, the preferred first."""


def resolve(source: str | Path, *, progress: bool = True) -> Path:
    """The file that `source` stands for, downloaded if it must be.

    Args:
        source: the path of a file, a name of `CATALOGUE`, an http(s) URL or `hf-hub:owner/name[@revision]`. Where a
            file of a published name lies in the current folder, the file is meant.
        progress: show a bar while downloading.

    Raises:
        InputError: where there is neither such a file nor such a name, or it cannot be downloaded.
    """
    path, text = Path(source), str(source)
    if isinstance(source, str) and text.startswith(HUB_PREFIX):
        return _from_hub(text.removeprefix(HUB_PREFIX))
    if isinstance(source, str) and text.startswith(("https://", "http://")):
        return fetch(text, progress=progress)
    if exists(path) or text not in CATALOGUE:
        return _existing(path)
    return fetch(CATALOGUE[text], progress=progress)


def _existing(path: Path) -> Path:
    if exists(path):
        return path
    near = difflib.get_close_matches(str(path), CATALOGUE, n=3, cutoff=0.5)
    hint = f" (such as {', '.join(near)})" if near else ""
    raise InputError(
        f"{path} is neither a file nor the name of published weights; give a path, a name{hint}, an https address or "
        "hf-hub:owner/name"
    )


def _from_hub(name: str) -> Path:
    """The weights of `owner/name[@revision]` on the Hugging Face hub, in the hub's own cache."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = name.partition("@")
    for file in HUB_FILES:
        try:
            path = Path(hf_hub_download(repository, file, revision=revision or None))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError):  # the hub did not answer
                raise _hub_failure(name, error) from error
            continue
        except Exception as error:  # whatever the hub's client and its HTTP library raise
            raise _hub_failure(name, error) from error
        with contextlib.suppress(Exception):  # it names the classes, and need not be there
            hf_hub_download(repository, CONFIG, revision=revision or None)
        return path
    raise InputError(f"https://huggingface.co/{repository} has none of {', '.join(HUB_FILES)}; give another repository")


def _hub_failure(name: str, error: Exception) -> InputError:
    reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
    return InputError(
        f"https://huggingface.co/{name} cannot be downloaded ({reason}); get the file another way and give its path"
    )
