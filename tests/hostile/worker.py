"""Reads hostile inputs, one a line of stdin ("READER SEED"), and says on stdout what came of each, as JSON."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
os.environ["NO_PROXY"] = "*"

MEMORY = 2 * 2**30
"""Bytes that reading an input may take."""


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is printed meanwhile is nobody's answer
    warnings.simplefilter("ignore")
    import torch
    from readers import READERS, models

    from swinkit.errors import InputError

    torch.set_num_threads(1)
    models()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("ready", file=answers)
    for line in sys.stdin:
        name, _, seed = line.rstrip("\n").rpartition(" ")
        folder = Path(tempfile.mkdtemp(prefix="hostile"))
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
        try:
            READERS[name](folder, random.Random(f"{name} {seed}"))
            found = {"kind": "accepted"}
        except InputError as error:
            is_sentence = str(error).isprintable() and len(str(error)) < 5000
            found = {"kind": "clean" if is_sentence else "traceback", "text": str(error)[:300]}
        except MemoryError:
            found = {"kind": "memory", "text": traceback.format_exc()[-1500:]}
        except BaseException:
            found = {"kind": "traceback", "text": traceback.format_exc()[-1500:]}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if _peak() > MEMORY:
            found = {"kind": "memory", "text": f"{_peak() / 2**20:.0f} MiB"}
        print(json.dumps(found), file=answers)


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    main()
