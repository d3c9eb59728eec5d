"""Makes the helpers in this folder importable from every test, whatever its own folder is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
