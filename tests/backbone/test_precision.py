"""Low precision: finite values and gradients, however large the logits, and near those of fp32."""

import pytest
import torch
from torch import Tensor

from swinkit import SwinConfig, SwinTransformer

CONFIG = SwinConfig(
    embed_dim=16,
    depths=(2, 2),
    num_heads=(1, 2),
    window_size=4,
    image_size=(32, 32),
    absolute_position_embedding=True,
)
BACKENDS = ["reference", "matmul", "sdpa", "auto"]


def model_with_large_logits(backend: str) -> SwinTransformer:
    """Queries and keys so large that the mask of -100 is small beside some logits."""
    torch.manual_seed(0)
    model = SwinTransformer(CONFIG, attention_backend=backend)
    with torch.no_grad():
        for stage in model.stages:
            for block in stage.blocks:
                block.attn.qkv.weight.mul_(100)
    return model


def finite(tensors: list[Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_trains_without_nan(backend: str, dtype: torch.dtype) -> None:
    model = model_with_large_logits(backend)
    with torch.autocast("cpu", dtype=dtype):
        features = model(5 * torch.randn(2, 3, 37, 50))
        loss = sum(feature.float().square().mean() for feature in features)
    loss.backward()
    assert finite(features)
    assert finite([parameter.grad for parameter in model.parameters()])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_low_precision_weights_stay_finite(backend: str, dtype: torch.dtype) -> None:
    model = model_with_large_logits(backend).to(dtype).eval()
    features = model(5 * torch.randn(2, 3, 37, 50, dtype=dtype))
    assert finite(features)
    assert {feature.dtype for feature in features} == {dtype}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.005)])
@torch.no_grad()
def test_low_precision_is_near(backend: str, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    model = SwinTransformer(CONFIG, attention_backend=backend).eval()
    images = torch.randn(2, 3, 37, 50)
    exact = model(images)
    with torch.autocast("cpu", dtype=dtype):
        mixed = model(images)
    low = model.to(dtype)(images.to(dtype))
    for features in (mixed, low):
        for ours, theirs in zip(features, exact, strict=True):
            assert (ours.float() - theirs).abs().max() < tolerance * theirs.abs().max()


@torch.no_grad()
def test_double_precision() -> None:
    model = SwinTransformer(CONFIG).double().eval()
    images = torch.randn(1, 3, 37, 50, dtype=torch.float64)
    expected = model(images)
    for backend in (*BACKENDS, "cpu"):
        model.use_attention(backend)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(model(images), expected, strict=True))
