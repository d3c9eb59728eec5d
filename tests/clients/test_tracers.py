"""What watches operations instead of running them: torch.fx, torch.jit.trace, torch.func, forward-mode gradients."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torchvision.models.feature_extraction import create_feature_extractor

from swinkit import SwinClassifier, SwinConfig, SwinTransformer

M = TypeVar("M", bound=nn.Module)
SMALL = SwinConfig(
    embed_dim=16,
    depths=(2, 2),
    num_heads=(1, 2),
    window_size=4,
    image_size=(32, 32),
    absolute_position_embedding=True,
    drop_path_rate=0.1,
)
pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),  # a traced program is for one size of image
    pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.*` is deprecated:DeprecationWarning"),
]


@pytest.fixture
def classifier() -> SwinClassifier:
    return drawn(SwinClassifier(SMALL, num_classes=3))


@pytest.fixture
def backbone() -> SwinTransformer:
    return drawn(SwinTransformer(SMALL))


@pytest.fixture
def images() -> Iterator[Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        yield torch.randn(2, 3, 40, 44)


def drawn(model: M) -> M:
    """With weights that make every part matter."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data.normal_(std=0.2, generator=generator)
    return model.eval()


def test_fx(classifier: SwinClassifier, backbone: SwinTransformer, images: Tensor) -> None:
    assert torch.equal(torch.fx.symbolic_trace(classifier)(images), classifier(images))
    traced = torch.fx.symbolic_trace(backbone)
    for size in (40, 64):  # one graph for all sizes
        other = torch.randn(1, 3, size, size)
        assert all(torch.equal(a, b) for a, b in zip(traced(other), backbone(other), strict=True))


def test_feature_extractor_of_torchvision(classifier: SwinClassifier, images: Tensor) -> None:
    extractor = create_feature_extractor(classifier, {"layers.0": "merged", "layers.1.blocks.0.attn": "attn"})
    found = extractor(images)
    first = classifier.stages[0]
    assert torch.equal(found["merged"], first.downsample(next(classifier.stage_maps(images))))
    assert found["attn"].shape == (2, 5, 6, 32)
    found["attn"].sum().backward()
    assert first.blocks[0].attn.qkv.weight.grad is not None


def test_jit_trace_leaves_the_batch_free(classifier: SwinClassifier, images: Tensor) -> None:
    traced = torch.jit.trace(classifier, images)
    more = torch.randn(5, *images.shape[1:])
    assert torch.allclose(traced(more), classifier(more), atol=1e-5)


def test_jit_trace_of_features(backbone: SwinTransformer, images: Tensor) -> None:
    traced = torch.jit.trace(backbone, images, strict=False)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(traced(images), backbone(images), strict=True))


def test_graph_of_tensorboard(classifier: SwinClassifier, images: Tensor, tmp_path: Path) -> None:
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        writer.add_graph(classifier, images)
    (file,) = tmp_path.iterdir()
    assert b"SwinClassifier" in file.read_bytes()


def test_openvino_converts_the_module(classifier: SwinClassifier, images: Tensor) -> None:
    openvino = pytest.importorskip("openvino")
    converted = openvino.convert_model(classifier, example_input=images)
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    more = torch.randn(3, *images.shape[1:])
    assert torch.allclose(torch.from_numpy(compiled(more)[0]), classifier(more), atol=1e-4)


def test_gradients_of_each_sample(classifier: SwinClassifier, images: Tensor) -> None:
    parameters, labels = dict(classifier.named_parameters()), torch.tensor([0, 1])

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(classifier, parameters, (image[None],)), label[None])

    gradients = vmap(grad(loss), (None, 0, 0))(parameters, images, labels)
    for number in range(2):
        classifier.zero_grad()
        F.cross_entropy(classifier(images[number : number + 1]), labels[number : number + 1]).backward()
        for name, parameter in classifier.named_parameters():
            assert torch.allclose(gradients[name][number], parameter.grad, atol=1e-5)


def test_vmap_over_images_and_models(classifier: SwinClassifier, images: Tensor) -> None:
    assert torch.allclose(vmap(lambda image: classifier(image[None])[0])(images), classifier(images), atol=1e-5)
    parameters, buffers = stack_module_state([classifier, drawn(SwinClassifier(SMALL, num_classes=3))])
    both = vmap(lambda *state: functional_call(classifier, state, (images,)))(parameters, buffers)
    assert torch.allclose(both[1], classifier(images), atol=1e-5)
    classifier.train()
    assert vmap(lambda image: classifier(image[None])[0], randomness="different")(images).shape == (2, 3)


def test_forward_mode_is_the_derivative(classifier: SwinClassifier, images: Tensor) -> None:
    classifier.double()
    x, direction, step = images.double(), torch.randn_like(images).double(), 1e-4
    slope = (classifier(x + step * direction) - classifier(x - step * direction)) / (2 * step)
    assert torch.allclose(jvp(classifier, (x,), (direction,))[1], slope, atol=1e-7)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(classifier(forward_ad.make_dual(x, direction))).tangent
    assert torch.allclose(tangent, slope, atol=1e-7)


def test_transforms_leave_nothing_behind(classifier: SwinClassifier, images: Tensor) -> None:
    """Index tensors that are remembered must not be those of a transform that is over."""
    fresh = torch.randn(2, 3, 44, 48)
    before = vmap(lambda image: classifier(image[None])[0])(fresh)
    assert torch.allclose(classifier(fresh), before, atol=1e-5)
    classifier(fresh).sum().backward()
