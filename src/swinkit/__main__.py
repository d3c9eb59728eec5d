"""`python -m swinkit`, which torchrun needs: torchrun --nproc-per-node 8 -m swinkit train RECIPE."""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command line has handlers of its own

from swinkit.cli import main  # noqa: E402  # its imports take long enough to be interrupted

sys.exit(main())
