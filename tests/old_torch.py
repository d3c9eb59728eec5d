"""What the oldest supported versions cannot do: it was tried with PyTorch 2.11 (Triton 3.6) and 2.14 (Triton 3.8)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

IS_OLD = torch.__version__ < (2, 12)
not_traced_by_old_torch = pytest.mark.skipif(IS_OLD, reason="PyTorch 2.11 cannot trace it; PyTorch 2.14 can")
not_read_by_old_torch = pytest.mark.skipif(IS_OLD, reason="PyTorch 2.11 reads no lists of other classes")
not_interpreted_by_old_triton = pytest.mark.skipif(
    IS_OLD and np.lib.NumpyVersion(np.__version__) >= "2.4.0", reason="Triton 3.6 cannot interpret with NumPy 2.4"
)
