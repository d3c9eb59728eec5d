"""What every test needs before torch is imported."""

import os
import sys
from pathlib import Path

# The helpers in this folder are importable from every test, whatever its own folder is.
sys.path.insert(0, str(Path(__file__).parent))

# The models here are tiny: threads would spend their time waiting for each other. Subprocesses inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
