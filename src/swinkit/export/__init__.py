"""Models as files for other runtimes: torch.export and ONNX, for any batch size, height and width."""

from swinkit.export.comparison import Comparison, compare
from swinkit.export.destination import check_destination
from swinkit.export.int8 import Int8Report, quantize_onnx
from swinkit.export.onnx_file import load_onnx, need_onnx, write_onnx
from swinkit.export.pooling import with_free_pooling
from swinkit.export.program import export_program, write_program

__all__ = [
    "Comparison",
    "Int8Report",
    "check_destination",
    "compare",
    "export_program",
    "load_onnx",
    "need_onnx",
    "quantize_onnx",
    "with_free_pooling",
    "write_onnx",
    "write_program",
]
