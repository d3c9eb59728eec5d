"""What a weights file may make of a reader: no more memory and time than its own size is worth.

A few bytes can stand for any number of values: by a packed record, by a call in a pickle, by strides of 0, or by a
number in a description. All is looked at before it is followed.
"""

from __future__ import annotations

import codecs
import pickletools
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from swinkit.errors import InputError, border
from swinkit.files import BoundedFile

MOST_PICKLE = 64 * 2**20
"""Bytes of a pickle beside its tensors; that of the largest published model has 0.1 million."""
MOST_OPCODES = 5_000_000
LONGEST_NAME = 1000
"""Characters of a tensor's name."""

_ALLOCATING = {"builtins bytearray", "__builtin__ bytearray"}
"""What a safe pickle may call, and what gives as many bytes as a number in it says."""


def check_torch_file(path: Path) -> None:
    """Raises InputError where a PyTorch file, of either format, says that reading it takes more than its size."""
    advice = "copy or download it again"
    with border(f"{path} is truncated, damaged or no weights file", advice), BoundedFile(path) as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        if is_zip:
            _check_zip(file, path)
        else:
            _check_legacy(file, path)


def _check_zip(file: BoundedFile, path: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
        if sum(record.file_size for record in records) > path.stat().st_size:
            raise InputError(f"{path} is packed, which weights are not; save it with torch.save or safetensors")
        for record in records:
            if record.filename.endswith("/data.pkl"):
                if record.file_size > MOST_PICKLE:
                    raise InputError(f"{path} has {record.file_size:,} bytes beside its tensors, too many to read")
                with archive.open(record) as stream:
                    _check_pickle(stream, path)


def check_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises InputError, with the name, where a tensor of a file is no array of numbers that the file holds."""
    for name, tensor in tensors.items():
        if len(name) > LONGEST_NAME:
            raise InputError(f"{path} has a tensor whose name has {len(name)} characters; give a weights file")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.device.type != "cpu":
            kind = "quantized" if tensor.is_quantized else "nested" if tensor.is_nested else str(tensor.layout)
            kind = f"on the device {tensor.device}" if tensor.device.type != "cpu" else kind.removeprefix("torch.")
            raise InputError(
                f"{name} in {path} is {kind}, not an array of numbers; save the model's plain state_dict()"
            )
        if tensor.numel() == 0 and max(tensor.shape) > 0:
            raise InputError(f"{name} in {path} is {tuple(tensor.shape)}, which holds no number; save the model again")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise InputError(
                f"{name} in {path} is {tuple(tensor.shape)}, but the file holds fewer numbers for it; save "
                "contiguous tensors"
            )
    shared: dict[int, int] = {}
    for tensor in tensors.values():
        storage = tensor.untyped_storage()
        shared[storage.data_ptr()] = shared.get(storage.data_ptr(), 0) + tensor.numel() * tensor.element_size()
    size = path.stat().st_size
    if sum(shared.values()) > 4 * size + 2**20:
        raise InputError(f"the tensors in {path} share their numbers many times over; save each of them once")


def check_size(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raises InputError where a model has more than a few times the values that a file has for it."""
    values = sum(tensor.numel() for tensor in model.state_dict().values())
    if values > 4 * sum(tensor.numel() for tensor in tensors.values()) + 10**6:
        raise InputError(f"it describes a model of {values:,} values, more than its weights are")


@contextmanager
def bounded_build(tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Modules that are built inside have no memory, and no more parts than so many weights can fill.

    Raises InputError where a description in a file asks for more modules than the file can have weights for. Other
    threads are left alone.
    """
    parts = 40 * len(tensors) + 10_000
    thread, count = threading.get_ident(), 0

    def add(module: nn.Module, name: str, part: object) -> None:
        nonlocal count
        count += threading.get_ident() == thread
        if count > parts:
            raise InputError("it describes a model of more parts than its weights are of")

    hooks = [
        register(add)
        for register in (
            register_module_parameter_registration_hook,
            register_module_buffer_registration_hook,
            register_module_module_registration_hook,
        )
    ]
    try:
        with torch.device("meta"):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_legacy(file: IO[bytes], path: Path) -> None:
    """Magic number, protocol, machine and the object itself: four pickles, before the names of the storages."""
    for _ in range(4):
        _check_pickle(file, path)


def _check_pickle(stream: IO[bytes], path: Path) -> None:
    strings: list[str] = []
    for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        called = str(argument) if opcode.name == "GLOBAL" else ""
        if opcode.name == "STACK_GLOBAL":
            called = " ".join(strings[-2:])
        is_codec = isinstance(argument, str) and opcode.name != "GLOBAL" and _is_growing_codec(argument)
        if called in _ALLOCATING or is_codec or number > MOST_OPCODES:
            raise InputError(
                f"{path} holds more than tensors and plain values, or too much of them; save the model's "
                "state_dict() with torch.save or safetensors"
            )
        if isinstance(argument, str):
            strings = [*strings[-1:], argument]


def _is_growing_codec(text: str) -> bool:
    """Whether this names a codec from bytes to bytes, such as "hex", which can be called over and over."""
    if len(text) > 20 or not text.isascii():
        return False
    try:
        return not codecs.lookup(text)._is_text_encoding
    except (LookupError, ValueError):
        return False
