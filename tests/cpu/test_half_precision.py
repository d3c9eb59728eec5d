"""Inference in half precision: the fast paths run, in whichever format products are computed, and stay near float32."""

import pytest
import torch

from swinkit import SwinClassifier, SwinConfig, SwinTransformer
from swinkit.cpu import half_precision, linear
from swinkit.cpu.half_precision import HALF, multiplies_itself
from swinkit.cpu.linear import fused_linear, linear_obstacle
from swinkit.cpu.switch import cpu_obstacle
from swinkit.ops.mlp import mlp

SMALL = SwinConfig(embed_dim=16, depths=(2, 2), num_heads=(1, 2), window_size=4, image_size=(32, 32))

FORMATS = ["its own", "float32"]


@pytest.fixture(params=FORMATS)
def products(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What this machine would do does not matter: both ways are tried on all."""
    itself: bool = request.param == "its own"
    monkeypatch.setattr(half_precision, "_fastest", lambda dtype: dtype if itself else torch.float32)
    return str(request.param)


@pytest.fixture
def any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "x86_64"})


@pytest.mark.parametrize(
    ("dtype", "processor", "expected"),
    [
        (torch.bfloat16, {"cpu_name": "Intel Xeon", "avx512_bf16": True}, False),
        (torch.bfloat16, {"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        (torch.bfloat16, {"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
        (torch.bfloat16, {"cpu_name": "AMD EPYC"}, False),
        (torch.float16, {"cpu_name": "Intel Xeon", "avx512_fp16": True}, True),
        (torch.float16, {"cpu_name": "AMD EPYC", "avx512_bf16": True}, False),
        (torch.bfloat16, {}, False),
    ],
)
def test_the_table_of_processors(dtype: torch.dtype, processor: dict[str, object], expected: bool) -> None:
    assert multiplies_itself(dtype, processor) == expected


@torch.no_grad()
@pytest.mark.usefixtures("any_processor", "products")
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("gelu", [False, True])
def test_a_product_is_that_of_float32_rounded(dtype: torch.dtype, gelu: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "PIECE", 5 * 24)  # seven pieces, the last one of a row
    torch.manual_seed(0)
    x, weight, bias = (torch.randn(size).to(dtype) for size in ((31, 6), (24, 6), (24,)))
    obstacle = linear_obstacle(x, weight)
    if obstacle is not None:
        pytest.skip(obstacle)
    exact = torch.nn.functional.linear(x.double(), weight.double(), bias.double())
    exact = torch.nn.functional.gelu(exact) if gelu else exact
    result = fused_linear(x, weight, bias, gelu=gelu)
    assert result.dtype == dtype
    tolerance = torch.finfo(dtype).eps
    torch.testing.assert_close(result.double(), exact, rtol=tolerance, atol=tolerance)


@torch.no_grad()
@pytest.mark.usefixtures("any_processor")
@pytest.mark.parametrize("dtype", HALF)
def test_between_the_layers_of_an_mlp_float32_is_kept(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_precision, "_fastest", lambda dtype: torch.float32)
    torch.manual_seed(0)
    case = [torch.randn(size).to(dtype) for size in ((31, 6), (24, 6), (24,), (6, 24), (6,))]
    if linear_obstacle(case[0], case[1]) is not None:
        pytest.skip("this PyTorch has no fused product")
    exact = mlp(*(each.double() for each in case), backend="reference")
    result = mlp(*case, backend="cpu")
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), exact, rtol=torch.finfo(dtype).eps, atol=1e-4)


@torch.no_grad()
@pytest.mark.usefixtures("any_processor", "products")
@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("size", [(1, 3, 32, 32), (2, 3, 37, 61), (1, 3, 90, 20)])
def test_a_pyramid_stays_near_float32(dtype: torch.dtype, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model, images = SwinTransformer(SMALL).eval(), torch.randn(size)
    expected = model(images)
    found = model.to(dtype)(images.to(dtype))
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        assert (a.float() - b).norm() <= (2e-2 if dtype == torch.bfloat16 else 3e-3) * b.norm()


@pytest.mark.usefixtures("any_processor")
def test_where_half_precision_is_not_laid_out_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(2, dtype=torch.bfloat16)
    assert "no gradient for bfloat16" in str(cpu_obstacle(x))
    with torch.no_grad():
        assert cpu_obstacle(x) is None
        assert "floating-point numbers" in str(cpu_obstacle(x.long()))
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "aarch64"})
        assert "has not been measured" in str(cpu_obstacle(x))


@pytest.mark.usefixtures("any_processor")
def test_a_model_in_bfloat16_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = SwinClassifier(SMALL, num_classes=2).bfloat16()
    model(torch.randn(2, 3, 32, 32, dtype=torch.bfloat16)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
