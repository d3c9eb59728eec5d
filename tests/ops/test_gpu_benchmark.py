"""The benchmark for a GPU runs every line on a machine that has none."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.sh"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_dry_run(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    subprocess.run([BENCHMARK, "--dry", "--out", tmp_path], env=environment, check=True, capture_output=True)
    (file,) = tmp_path.iterdir()
    results = json.loads(file.read_text())
    assert len(results["errors"]) == 2 * 3
    assert set(results["inference"]) == set(results["training step"]) == {"eager", "compiled"}
    for part in ("forward", "forward+backward"):
        for section in ("attention alone", "attention with projections"):
            assert set(results[f"{section}, {part}"]) == {"dry", "dry, shifted"}
    assert results["inference"]["eager"]["swinkit"]["median_s"] > 0


def test_it_says_so_where_there_is_no_gpu() -> None:
    script = BENCHMARK.with_name("gpu_attention.py")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    found = subprocess.run([sys.executable, script], env=environment, check=False, capture_output=True, text=True)
    assert found.returncode != 0
    assert "there is no CUDA device here" in found.stderr
