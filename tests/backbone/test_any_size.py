"""Real sizes: every way to compute attention gives the reference's features within 1e-5, in either geometry."""

import pytest
import torch

from swinkit import SwinConfig, SwinTransformer

CONFIG = SwinConfig(embed_dim=24, depths=(2, 2), num_heads=(1, 2))
FOUR_STAGES = SwinConfig(embed_dim=24, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8))


def largest_error(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Of the largest magnitude of each feature."""
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, theirs, strict=True))


def features(model: SwinTransformer, backend: str, images: torch.Tensor) -> list[torch.Tensor]:
    model.use_attention(backend)
    return model(images)


@torch.no_grad()
@pytest.mark.parametrize("geometry", ["dense", "classification"])
@pytest.mark.parametrize("config", [CONFIG, FOUR_STAGES], ids=["two_stages", "four_stages"])
@pytest.mark.parametrize("size", [(150, 203), (97, 1001), (1001, 97), (8, 600)])
def test_equals_the_reference(size: tuple[int, int], config: SwinConfig, geometry: str) -> None:
    torch.manual_seed(0)
    model = SwinTransformer(config, geometry=geometry).eval()
    images = torch.randn(1, 3, *size)
    expected = features(model, "reference", images)
    for backend in ("matmul", "sdpa", "cpu"):
        assert largest_error(features(model, backend, images), expected) < 1e-5


@torch.no_grad()
def test_detection_size_equals_the_reference() -> None:
    torch.manual_seed(0)
    model = SwinTransformer(CONFIG).eval()
    images = torch.randn(1, 3, 800, 1333)
    small = torch.randn(2, 3, 97, 131)
    before = features(model, "auto", small)
    expected = features(model, "reference", images)
    for backend in ("matmul", "sdpa", "auto"):
        assert largest_error(features(model, backend, images), expected) < 1e-5
    assert all(torch.equal(a, b) for a, b in zip(features(model, "auto", small), before, strict=True))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("size", [(150, 203), (800, 1333), (97, 1001)])
def test_swin_t_equals_the_reference(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = SwinTransformer().eval()
    images = torch.randn(1, 3, *size)
    expected = features(model, "reference", images)
    for backend in ("matmul", "sdpa", "cpu"):
        assert largest_error(features(model, backend, images), expected) < 1e-5
