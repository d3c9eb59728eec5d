"""What `gpu_attention` measures: the attention of one stage and whole models, swinkit's and timm's, in bf16.

Shapes: B images, H W map, C channels, T tokens in a window, h heads, d head dim.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import swinkit
from swinkit.layers.attention import WindowAttention
from swinkit.ops.relative_position import relative_position_bias
from swinkit.ops.window_attention import AttentionBackend, window_attention
from swinkit.ops.window_attention.triton_op import fused_attention
from swinkit.ops.windows import WindowGrid

try:
    import timm
    from timm.models.swin_transformer import SwinTransformer as TimmSwin
    from timm.models.swin_transformer import SwinTransformerBlock as TimmBlock
except ImportError:  # then there is nothing to compare with, but all the rest
    timm = None

Work = Callable[[], None]
DTYPE = torch.bfloat16
BACKENDS: tuple[AttentionBackend, ...] = ("triton", "sdpa", "matmul")


@dataclass(frozen=True)
class Stage:
    """The attention of one block: a square map, heads, channels of a head, window and shift."""

    name: str
    size: int
    heads: int
    head_dim: int
    window: int
    shift: int

    @property
    def channels(self) -> int:
        return self.heads * self.head_dim

    @property
    def grid(self) -> WindowGrid:
        return WindowGrid(self.size, self.size, (self.window, self.window), (self.shift, self.shift))

    def values_and_gradients(
        self, backend: AttentionBackend, batch: int, dtype: torch.dtype, device: torch.device
    ) -> list[Tensor]:
        """Output and all gradients, from inputs rounded to `dtype`; "reference" goes on with these in fp64."""
        generator = torch.Generator().manual_seed(0)
        size = (batch, self.size, self.size, self.channels)
        shapes = (size, (3 * self.channels, self.channels), (self.heads, self.window**2, self.window**2))
        x, weight, bias = (torch.randn(shape, generator=generator).to(device) for shape in shapes)
        leaves = [leaf.to(dtype) for leaf in (x, weight * self.channels**-0.5, bias)]
        upstream = torch.randn(size, generator=generator).to(device, dtype)
        if backend == "reference":
            leaves, upstream = [leaf.double() for leaf in leaves], upstream.double()
        x, weight, bias = (leaf.requires_grad_() for leaf in leaves)
        out = window_attention(
            x,
            lambda tokens: F.linear(tokens, weight),
            bias=bias,
            grid=self.grid,
            num_heads=self.heads,
            scale=self.head_dim**-0.5,
            backend=backend,
        )
        return [out.detach(), *torch.autograd.grad(out, leaves, upstream)]


def _work(call: Callable[[], Tensor], leaves: list[Tensor], part: str) -> Work:
    """The forward pass alone, or with gradients of `leaves` from a gradient of ones."""
    if part == "forward":

        def forward() -> None:
            with torch.no_grad():
                call()

        return forward
    upstream = torch.ones_like(call())

    def both() -> None:
        torch.autograd.grad(call(), leaves, upstream)

    return both


class _Given(nn.Module):
    """In the place of a projection, its result."""

    def __init__(self, result: Tensor) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: Tensor) -> Tensor:
        return self.result


def core_candidates(stage: Stage, batch: int, device: torch.device, part: str) -> dict[str, Work]:
    """From qkv and the bias table to the output, without projections.

    timm's rolls and cuts the C-wide tokens before its projection, and back after; what its backward pass would spend
    on the first of these is not counted.
    """
    tokens, channels, grid = stage.window**2, stage.channels, stage.grid
    random: dict[str, Any] = {"device": device, "dtype": DTYPE, "requires_grad": True}
    qkv = torch.randn(batch, stage.size, stage.size, 3 * channels, **random)
    table = torch.randn((2 * stage.window - 1) ** 2, stage.heads, **random)

    def fused() -> Tensor:
        bias = relative_position_bias(table, grid.window, grid.window)
        scale = stage.head_dim**-0.5
        return fused_attention(qkv, None, bias, stage.heads, list(grid.window), list(grid.shift), scale, False)

    works = {"swinkit triton": _work(fused, [qkv, table], part)}
    if timm is None:
        return works
    x = torch.randn(batch, stage.size, stage.size, channels, device=device, dtype=DTYPE)
    for name, is_fused in (("timm eager", True), ("timm eager, no sdpa", False)):
        windows = torch.randn(batch * stage.size**2 // tokens, tokens, 3 * channels, **random)
        block = _timm_block(stage, device)
        block.attn.fused_attn = is_fused
        block.attn.qkv, block.attn.proj = _Given(windows), nn.Identity()
        works[name] = _work(_attention_of(block, x), [windows, block.attn.relative_position_bias_table], part)
    return works


def block_candidates(stage: Stage, batch: int, device: torch.device, part: str) -> dict[str, Work]:
    """The attention module with both projections, from image order to image order, with equal weights."""
    x = torch.randn(batch, stage.size, stage.size, stage.channels, device=device, dtype=DTYPE, requires_grad=True)
    module = WindowAttention(stage.channels, stage.heads, window=stage.window, shift=stage.shift)
    works = {}
    for backend in BACKENDS:
        ours = WindowAttention(stage.channels, stage.heads, window=stage.window, shift=stage.shift, backend=backend).to(
            device, DTYPE
        )
        ours.load_state_dict(module.state_dict())
        works[f"swinkit {backend}"] = _work(_applied(ours, x), [x, *ours.parameters()], part)
    if timm is not None:
        block = _timm_block(stage, device)
        block.attn.load_state_dict(module.state_dict(), strict=False)
        works["timm eager"] = _work(_attention_of(block, x), [x, *block.attn.parameters()], part)
        with torch.no_grad():
            difference = (_attention_of(block, x)() - _applied(ours, x)()).abs().max().item()
        assert difference < 0.1, f"timm's attention differs by {difference}"
    return works


def _timm_block(stage: Stage, device: torch.device) -> Any:
    block = TimmBlock(
        stage.channels,
        (stage.size, stage.size),
        num_heads=stage.heads,
        window_size=stage.window,
        shift_size=stage.shift,
    )
    return block.to(device, DTYPE)


def _attention_of(block: Any, x: Tensor) -> Callable[[], Tensor]:
    return lambda: block._attn(x)


def _applied(module: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    return lambda: module(x)


def _models(is_dry: bool, drop_path: float) -> dict[str, nn.Module]:
    """Swin-T, or something tiny."""
    if not is_dry:
        models = {"swinkit": swinkit.swin_t(drop_path_rate=drop_path, attention_backend="triton")}
        if timm is not None:
            models["timm"] = timm.create_model("swin_tiny_patch4_window7_224", drop_path_rate=drop_path)
        return models
    config = swinkit.SwinConfig(
        embed_dim=8, depths=(2,), num_heads=(1,), window_size=4, image_size=(32, 32), drop_path_rate=drop_path
    )
    models = {"swinkit": swinkit.SwinClassifier(config, num_classes=10, attention_backend="triton")}
    if timm is not None:
        models["timm"] = TimmSwin(
            img_size=32, embed_dim=8, depths=(2,), num_heads=(1,), window_size=4, num_classes=10,
            drop_path_rate=drop_path,
        )  # fmt: skip
    return models


def _compiled(name: str, model: nn.Module, is_dry: bool) -> nn.Module:
    """swinkit's own way to compile where there is one, torch's for all others."""
    if is_dry:
        return torch.compile(model, backend="aot_eager")
    own = getattr(swinkit, "compile", None) if name == "swinkit" else None
    return (own or torch.compile)(model)


def model_candidates(batch: int, device: torch.device, *, is_compiled: bool, is_dry: bool) -> dict[str, Work]:
    """Inference in bf16, weights too."""
    side = 32 if is_dry else 224
    images = torch.randn(batch, 3, side, side, device=device, dtype=DTYPE)
    works = {}
    for name, model in _models(is_dry, 0.0).items():
        model = model.to(device, DTYPE).eval()
        works[name] = _inference(_compiled(name, model, is_dry) if is_compiled else model, images)
    return works


def _inference(model: nn.Module, images: Tensor) -> Work:
    def work() -> None:
        with torch.no_grad():
            model(images)

    return work


def training_candidates(batch: int, device: torch.device, *, is_compiled: bool, is_dry: bool) -> dict[str, Work]:
    """Forward in bf16 autocast, cross entropy, backward, AdamW."""
    side = 32 if is_dry else 224
    images = torch.randn(batch, 3, side, side, device=device)
    labels = torch.randint(0, 10, (batch,), device=device)
    works = {}
    for name, model in _models(is_dry, 0.2).items():
        model = model.to(device).train()
        optimizer = torch.optim.AdamW(model.parameters(), fused=device.type == "cuda")
        works[name] = _step(_compiled(name, model, is_dry) if is_compiled else model, optimizer, images, labels)
    return works


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Work:
    def work() -> None:
        with torch.autocast(images.device.type, DTYPE):
            logits = model(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return work
