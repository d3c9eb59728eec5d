"""Files of full size, written by the peers with random weights, load and give the peer's logits."""

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn

from swinkit.backbone.variants import VARIANTS
from swinkit.classification.model import SwinClassifier
from swinkit.weights.load import load_weights

TOLERANCE = 1e-5
"""Of the largest logit."""


def randomised(model: nn.Module) -> nn.Module:
    """In evaluation mode, with the bias tables drawn anew: transformers starts with zeros."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or name.endswith("relative_position_bias_table"):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def saved_timm(folder: Path, name: str) -> tuple[nn.Module, Path]:
    model = randomised(timm.create_model(name))
    torch.save(model.state_dict(), folder / "timm.pth")
    return model, folder / "timm.pth"


def saved_torchvision(folder: Path, name: str) -> tuple[nn.Module, Path]:
    model = randomised(torchvision.models.get_model(name))
    torch.save(model.state_dict(), folder / "torchvision.pth")
    return model, folder / "torchvision.pth"


def saved_transformers(folder: Path, variant: str) -> tuple[nn.Module, Path]:
    config = VARIANTS[variant]
    theirs = transformers.SwinConfig(
        image_size=config.image_size[0],
        embed_dim=config.embed_dim,
        depths=config.depths,
        num_heads=config.num_heads,
        window_size=config.window_size,
        num_labels=1000,
    )
    model = randomised(transformers.SwinForImageClassification(theirs))
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


@pytest.mark.parametrize(
    ("save", "peer_name", "variant"),
    [
        (saved_timm, "swin_tiny_patch4_window7_224", "swin_t"),
        (saved_torchvision, "swin_t", "swin_t"),
        (saved_transformers, "swin_t", "swin_t"),
        pytest.param(saved_timm, "swin_base_patch4_window12_384", "swin_b_384", marks=pytest.mark.slow),
        pytest.param(saved_transformers, "swin_b_384", "swin_b_384", marks=pytest.mark.slow),
    ],
)
@torch.no_grad()
def test_a_peers_file_gives_the_peers_logits(
    tmp_path: Path, save: Callable[[Path, str], tuple[nn.Module, Path]], peer_name: str, variant: str
) -> None:
    theirs, path = save(tmp_path, peer_name)
    with torch.device("meta"):  # no time for values that are overwritten
        ours = SwinClassifier(VARIANTS[variant])
    ours.to_empty(device="cpu").eval()
    report = load_weights(ours, path)
    assert not (report.missing or report.resized)
    images = torch.randn(1, 3, *VARIANTS[variant].image_size, generator=torch.Generator().manual_seed(1))
    expected = theirs(images)
    logits: Tensor = getattr(expected, "logits", expected)
    assert (ours(images) - logits).abs().max() <= TOLERANCE * logits.abs().max()
