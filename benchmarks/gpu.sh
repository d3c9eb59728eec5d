#!/usr/bin/env bash
# Everything that is said about a GPU, measured there, in under nine minutes: values first, then the fused attention of
# each stage, Swin-T inference and training, against timm. Writes benchmarks/results/gpu-DEVICE.json.
#
#     benchmarks/gpu.sh              on a machine with a CUDA device and torch
#     benchmarks/gpu.sh --dry        on a CPU, in Triton's interpreter: every line runs, no time means anything
#
# Without a network: put timm and what else is missing into .peers first, on a machine that has one:
#     pip install --no-deps --target .peers timm safetensors huggingface_hub pyyaml
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}:$PWD/.peers" PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
for argument in "$@"; do
    if [ "$argument" = --dry ]; then export TRITON_INTERPRET=1; fi
done
"$python" -c 'import swinkit' || "$python" -m pip install --quiet .
"$python" -c 'import timm' 2>/dev/null || "$python" -m pip install --quiet timm ||
    echo "timm is not installed: nothing to compare with" >&2
exec timeout 530 "$python" benchmarks/gpu_attention.py "$@"
