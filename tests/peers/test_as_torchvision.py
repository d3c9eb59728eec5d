"""Nine properties that torchvision's tests ask of every model; eight hold."""

import copy
import io

import pytest
import torch
from peer_models import SMALL, backbone, classifier, pictures
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from swinkit import BackboneWithFPN


def test_same_images_same_logits() -> None:
    assert torch.equal(classifier()(pictures()), classifier()(pictures()))


def test_any_number_of_classes() -> None:
    assert classifier(num_classes=50)(pictures()).shape == (2, 50)


@pytest.mark.xfail(strict=True, reason="torch deprecates TorchScript; swinkit goes to torch.export, and traces")
def test_scripted_model_gives_the_same() -> None:
    torch.jit.script(backbone())


def test_images_get_gradients_and_stay_as_they_were() -> None:
    images = pictures().requires_grad_()
    before = images.detach().clone()
    classifier()(images).sum().backward()
    assert images.grad.abs().sum() > 0 and torch.equal(images.detach(), before)


def test_traced_by_fx() -> None:
    traced = torch.fx.symbolic_trace(backbone())
    assert all(torch.equal(a, b) for a, b in zip(traced(pictures()), backbone()(pictures()), strict=True))


def test_autocast_stays_close() -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = classifier()(pictures())
    assert torch.allclose(logits.float(), classifier()(pictures()), atol=0.02)


def test_copies_and_state_files_give_the_same() -> None:
    model, file = classifier(), io.BytesIO()
    torch.save(model.state_dict(), file)
    other = copy.deepcopy(model)
    torch.nn.init.zeros_(other.norm.weight)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(pictures()), model(pictures()))


def test_nodes_are_the_same_in_training_and_evaluation() -> None:
    training, evaluation = get_graph_node_names(classifier())
    assert training == evaluation
    extractor = create_feature_extractor(classifier(), return_nodes=["layers.1", "norm"])
    assert extractor(pictures())["norm"].shape == (2, 4, 4, SMALL.widths[-1])


def test_backbone_with_fpn() -> None:
    maps = BackboneWithFPN(backbone(), 16)(pictures())
    assert list(maps) == ["0", "1", "2", "pool"] and all(x.shape[1] == 16 for x in maps.values())
