"""Small Swins of swinkit and of its peers, one architecture, with weights that differ everywhere."""

import timm.models.swin_transformer
import torch
import torchvision
import transformers
from torch import Tensor, nn

from swinkit.backbone.swin import SwinConfig, SwinTransformer
from swinkit.classification.model import SwinClassifier

SIZE = 112  # 28 x 28, 14 x 14 and 7 x 7 tokens: shifted windows, and a map of one window
CONFIG = SwinConfig(embed_dim=24, depths=(2, 2, 2), num_heads=(1, 2, 4), image_size=(SIZE, SIZE))
CLASSES = 5


def randomised(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in evaluation mode with every weight drawn anew, norms and biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 0.2 * noise if is_scale else 0.1 * noise)
    return model.eval()


def classifier(config: SwinConfig = CONFIG, classes: int = CLASSES, seed: int = 1) -> SwinClassifier:
    return randomised(SwinClassifier(config, num_classes=classes), seed)


def backbone(config: SwinConfig = CONFIG, seed: int = 2) -> SwinTransformer:
    return randomised(SwinTransformer(config), seed)


def timm_classifier() -> nn.Module:
    return randomised(
        timm.models.swin_transformer.SwinTransformer(
            img_size=SIZE,
            embed_dim=CONFIG.embed_dim,
            depths=CONFIG.depths,
            num_heads=CONFIG.num_heads,
            num_classes=CLASSES,
        )
    )


def torchvision_classifier() -> nn.Module:
    return randomised(
        torchvision.models.SwinTransformer(
            [4, 4],
            CONFIG.embed_dim,
            list(CONFIG.depths),
            list(CONFIG.num_heads),
            [7, 7],
            num_classes=CLASSES,
        )
    )


def transformers_config(**options: object) -> transformers.SwinConfig:
    return transformers.SwinConfig(
        image_size=SIZE,
        embed_dim=CONFIG.embed_dim,
        depths=CONFIG.depths,
        num_heads=CONFIG.num_heads,
        window_size=7,
        num_labels=CLASSES,
        **options,
    )


def transformers_classifier() -> nn.Module:
    return randomised(transformers.SwinForImageClassification(transformers_config()))


def transformers_backbone() -> nn.Module:
    options = {"out_features": ["stage1", "stage2", "stage3"]}
    return randomised(transformers.SwinBackbone(transformers_config(**options)))


def openmmlab_names(official: dict[str, Tensor]) -> dict[str, Tensor]:
    """Official weights as OpenMMLab stores them, by the formula of its own converter, not by inverting ours."""
    renamed = {}
    for name, tensor in official.items():
        if ".downsample.reduction." in name:
            out, four_c = tensor.shape
            tensor = tensor.reshape(out, 4, four_c // 4)[:, [0, 2, 1, 3]].transpose(1, 2).reshape(out, four_c)
        if ".downsample.norm." in name:
            tensor = tensor.reshape(4, -1)[[0, 2, 1, 3]].transpose(0, 1).reshape(-1)
        name = name.replace("layers.", "stages.").replace("patch_embed.proj.", "patch_embed.projection.")
        name = name.replace(".attn.", ".attn.w_msa.")
        renamed[name.replace(".mlp.fc1.", ".ffn.layers.0.0.").replace(".mlp.fc2.", ".ffn.layers.1.")] = tensor
    return renamed


def official_buffers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The buffers that official files carry beside their weights."""
    blocks = [name.removesuffix("attn.qkv.weight") for name in weights if name.endswith("attn.qkv.weight")]
    index = {f"{block}attn.relative_position_index": torch.zeros(49, 49, dtype=torch.int64) for block in blocks}
    return index | {f"{block}attn_mask": torch.zeros(4, 49, 49) for block in blocks if block.endswith("1.")}


def same_tensors(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
