"""torch.export with free batch, height and width."""

from __future__ import annotations

from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export
from torch.fx.experimental import _config as symbolic_shapes


def export_program(model: nn.Module, images: Tensor) -> ExportedProgram:
    """`model` as an exported program that takes any batch size, height and width.

    Args:
        model: a Swin classifier or backbone, in evaluation mode.
        images: an example (B, C, H, W); B at least 2, and H and W different, so that none is taken for a constant.

    Returns:
        The program; `program.module()` runs it. A classifier's must have more than one token along each side of every
        map, so images of more than 32 pixels a side for a Swin of four stages.
    """
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    # Otherwise every size is assumed not to be 1, which fails for one image or one row of windows.
    # torch adds `patch` to its configuration modules at run time, unseen by type checkers.
    with symbolic_shapes.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return export(model, (images,), dynamic_shapes=(free,))
