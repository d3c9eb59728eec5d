"""torch.export with free batch, height and width."""

from __future__ import annotations

import torch.fx.experimental._config as symbolic_shapes
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export


def export_program(model: nn.Module, images: Tensor) -> ExportedProgram:
    """`model` as an exported program that takes any batch size, height and width.

    Args:
        model: a Swin classifier or backbone, in evaluation mode.
        images: an example (B, C, H, W); B at least 2, and H and W different, so that none is taken for a constant.

    Returns:
        The program; `program.module()` runs it. Maps of the last stage must have more than one row or column.
    """
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    # Otherwise every size is assumed not to be 1, which fails for one image or one row of windows.
    with symbolic_shapes.patch(backed_size_oblivious=True):
        return export(model, (images,), dynamic_shapes=(free,))
