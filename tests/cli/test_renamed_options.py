"""What an option was called before is an error that says what it is called now; and what --backbone NAME means."""

from pathlib import Path

import pytest

from swinkit.backbone.swin import SwinConfig
from swinkit.backbone.table import named_backbone
from swinkit.backbone.timm import TimmConfig
from swinkit.cli import main
from swinkit.cli.renamed_options import refuse_old_names
from swinkit.errors import InputError


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--variant", "--backbone"),
        ("--timm-backbone", "--backbone timm:NAME"),
        ("--model.embed-dim", "--backbone.embed-dim"),
        ("--updates=3", "--steps"),
        ("--evaluate-every-updates", "--evaluate-every-steps"),
        ("--detector.rpn.training.before-nms", "--detector.rpn.training.pre-nms"),
        ("--detector.rpn.inference.kept", "--detector.rpn.inference.post-nms"),
        ("--detector.rpn.matcher.foreground", "--detector.rpn.matcher.positive-iou"),
        ("--detector.rpn.matcher.background", "--detector.rpn.matcher.negative-iou"),
        ("--detector.rpn.matcher.low-quality", "--detector.rpn.matcher.low-quality-iou"),
        ("--detector.rpn.sampler.foreground", "--detector.rpn.sampler.positive-fraction"),
        ("--detector.rpn.sampler.background-limit", "--detector.rpn.sampler.negatives-per-positive"),
        ("--detector.rpn.sampler.adds-objects", "--detector.rpn.sampler.add-gt-proposals"),
    ],
)
def test_old_names_say_the_new_ones(old: str, new: str) -> None:
    with pytest.raises(InputError) as error:
        refuse_old_names(["--data", "x", old, "3"])
    assert str(error.value) == f"{old.partition('=')[0]} is called {new} now"


def test_the_command_says_so_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "digits", "--updates", "3"]) == 2
    assert capsys.readouterr().err == "swinkit: --updates is called --steps now\n"
    assert main(["train", "finetune_detection", "--detector", "yolo"]) == 2
    assert "there is no detector 'yolo'; there are mask_rcnn, cascade_mask_rcnn" in capsys.readouterr().err
    assert main(["train", "finetune_detection", "--backbone", "resnet50"]) == 2
    assert "there is no backbone 'resnet50'; there are swin_t, " in capsys.readouterr().err
    assert main(["train", "finetune_detection", "--backbone"]) == 2
    assert "say which: --backbone NAME" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_named_backbone_keeps_stochastic_depth() -> None:
    named = named_backbone("swin_b", SwinConfig(drop_path_rate=0.3))
    assert isinstance(named, SwinConfig) and (named.embed_dim, named.drop_path_rate) == (128, 0.3)
    assert named_backbone("timm:resnet50", named) == TimmConfig("resnet50", pretrained=True)
