"""`python -m swinkit`, which torchrun needs: torchrun --nproc-per-node 8 -m swinkit train RECIPE."""

import sys

from swinkit.cli import main

sys.exit(main())
