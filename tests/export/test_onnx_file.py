"""ONNX files: one for every batch size, height and width, run by ONNX Runtime and OpenVINO."""

from pathlib import Path

import pytest
import torch
from exportable import EXAMPLE, SHAPES, TINY, needs_onnx, tiny_classifier
from torch import Tensor, nn

import swinkit
from swinkit.errors import InputError
from swinkit.export import onnx_file
from swinkit.export.comparison import Comparison, random_trial
from swinkit.export.onnx_file import write_onnx
from swinkit.export.program import trace
from swinkit.export.runtimes import load_onnx, load_openvino

WIDELY_KNOWN = frozenset(
    [
        "Add",
        "And",
        "Cast",
        "Clip",
        "Concat",
        "Conv",
        "Div",
        "Equal",
        "Erf",
        "Expand",
        "Gather",
        "Gemm",
        "GreaterOrEqual",
        "LayerNormalization",
        "Less",
        "MatMul",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pad",
        "Range",
        "ReduceMean",
        "Reshape",
        "ScatterElements",
        "Shape",
        "Slice",
        "Softmax",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
"""Operators of the default domain that TensorRT's parser lists as supported, too."""


@needs_onnx
@torch.no_grad()
def test_one_file_for_every_size(written: Path, compared: list[Comparison]) -> None:
    assert [each.shape for each in compared] == list(SHAPES)
    assert max(each.error for each in compared) < 1e-5
    model, run = tiny_classifier(), load_onnx(written)
    for batch, height, width in (*SHAPES, (4, 56, 130)):
        images = torch.randn(batch, 3, height, width)
        (found,) = run(images)
        assert (found - model(images)).abs().max() < 1e-4
    assert [path.name for path in written.parent.iterdir()] == [written.name]


@needs_onnx
def test_the_file_has_names_metadata_and_no_exotic_operators(written: Path) -> None:
    import onnx

    file = onnx.load(str(written))
    assert [(part.domain, part.version) for part in file.opset_import] == [("", onnx_file.OPSET)]
    assert {node.op_type for node in file.graph.node} <= WIDELY_KNOWN
    sizes = [each.dim_param or each.dim_value for each in file.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, "height", "width"]
    assert {each.key: each.value for each in file.metadata_props} == {"classes": "a"}
    assert b".py" not in written.read_bytes(), "no traces of source files"


@needs_onnx
def test_onnx_runtime_does_each_gelu_in_one_go(written: Path, tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(str(written), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    assert sum(kind in ("Gelu", "BiasGelu") for kind in kinds) == sum(TINY.depths)
    assert "Erf" not in kinds


@needs_onnx
@torch.no_grad()
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_both_gelus_are_exact(approximate: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU(approximate=approximate)).eval()
    compared = write_onnx(model, tmp_path / "gelu.onnx", trial=random_trial(shapes=((1, 5, 7),)))
    assert compared[0].error < 1e-6


@needs_onnx
def test_no_attention_weight_is_a_denormal_number(written: Path, tmp_path: Path) -> None:
    import onnx

    file = onnx.load(str(written))
    softmaxes = [node.output[0] for node in file.graph.node if node.op_type == "Softmax"]
    del file.graph.output[:]
    file.graph.output.extend(onnx.ValueInfoProto(name=name) for name in softmaxes)
    onnx.save(file, str(tmp_path / "weights.onnx"))
    attention = load_onnx(tmp_path / "weights.onnx")(torch.randn(1, 3, 97, 131))
    assert len(attention) == sum(TINY.depths)
    assert any((weights == 0).any() for weights in attention), "some windows are masked"
    assert not any(((weights != 0) & (weights < torch.finfo(weights.dtype).tiny)).any() for weights in attention)


@needs_onnx
@torch.no_grad()
def test_openvino_runs_it(written: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    run, model = load_openvino(written), tiny_classifier()
    for batch, height, width in SHAPES:
        images = torch.randn(batch, 3, height, width)
        assert (run(images)[0] - model(images)).abs().max() < 1e-4


@needs_onnx
@pytest.mark.slow
def test_swin_t(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shapes = tuple((batch, *size) for batch in (1, 5) for size in ((224, 224), (256, 320), (97, 131)))
    compared = write_onnx(swinkit.swin_t().eval(), tmp_path / "swin_t.onnx", trial=random_trial(shapes=shapes))
    assert max(each.error for each in compared) < 1e-4


def test_without_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("onnx", "a_package_nobody_has"))
    with pytest.raises(InputError, match=r"needs a_package_nobody_has; install swinkit with pip install"):
        write_onnx(tiny_classifier(), tmp_path / "a.onnx")


@needs_onnx
def test_a_model_that_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Branching(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if images.sum() > 0 else -images

    with pytest.raises(InputError, match="Branching cannot be exported with free sizes"):
        write_onnx(Branching(), tmp_path / "a.onnx", trial=random_trial(example=EXAMPLE))
    monkeypatch.setattr("swinkit.export.program.TRACES_ALL", "99")
    with pytest.raises(InputError, match=r"sizes by PyTorch .*, whereas 99 can .*pip install --upgrade torch"):
        trace(Branching(), random_trial(example=EXAMPLE))
    assert list(tmp_path.iterdir()) == []
