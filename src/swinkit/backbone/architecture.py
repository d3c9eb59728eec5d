"""What makes one Swin Transformer differ from another, as a value that can be written to a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from swinkit.errors import InputError

MOST_WINDOW = 64
MOST_STAGES = 10
MOST_BLOCKS = 1000
"""In all stages together; Swin-L has 24."""

Attention = Literal["shifted", "unshifted", "padded_shift", "sliding", "performer"]
"""The attention of the blocks, see `SwinArchitecture.attention`."""


@dataclass(frozen=True)
class SwinArchitecture:
    """Architecture and regularisation of a Swin Transformer; the defaults are Swin-T at 224 (paper table 7).

    Raises InputError where the values do not fit together.
    """

    embed_dim: int = 96
    """Width of the first stage, C; every stage doubles it."""
    depths: tuple[int, ...] = (2, 2, 6, 2)
    """Blocks of each stage."""
    num_heads: tuple[int, ...] = (3, 6, 12, 24)
    """Attention heads of each stage."""
    window_size: int = 7
    """Side of a window, in tokens."""
    image_size: tuple[int, int] = (224, 224)
    """Height and width, in pixels, that the model is made for. Others work too; this one decides the size of the
    absolute position embedding and, in a classifier, of windows that would not fit into a stage's map."""
    patch_size: int = 4
    """Side of a patch, in pixels."""
    in_channels: int = 3
    """Channels of the images."""
    mlp_ratio: float = 4.0
    """Hidden width of a block's MLP, as a multiple of its width."""
    patch_norm: bool = True
    """LayerNorm after the patch embedding."""
    qkv_bias: bool = True
    """Bias of the query, key and value projection."""
    qk_scale: float | None = None
    """What queries are multiplied with; None is (head width) ** -0.5. With 0 the weights come from the position bias
    alone (table 4, "rel. pos. w/o app."); queries and keys are then idle."""
    attention: Attention = "shifted"
    """The paper's alternatives: "shifted" windows in every second block; "unshifted", none (table 4); "padded_shift",
    the shift by padding instead of a roll, which gives the same (table 5); "sliding", the window around each token
    (tables 5, 6); "performer", all tokens by random features (tables 5, 6; inferred, needs relative_position_bias
    off)."""
    relative_position_bias: bool = True
    """Relative position bias (equation 4; off: table 4, "no pos." or "abs. pos.")."""
    absolute_position_embedding: bool = False
    """Learned absolute position embedding after the patch embedding (table 4)."""
    drop_rate: float = 0.0
    """Dropout after the position embedding, in the MLPs and after attention, 0..1."""
    attn_drop_rate: float = 0.0
    """Dropout on the attention weights, 0..1."""
    drop_path_rate: float = 0.0
    """Stochastic depth of the last block, 0..1; it grows linearly from 0 over all blocks."""

    def __post_init__(self) -> None:
        for name in ("depths", "num_heads", "image_size"):
            if not isinstance(getattr(self, name), (tuple, list)):
                raise InputError(f"{name} must be a tuple of whole numbers, not {getattr(self, name)!r}")
        if len(self.depths) != len(self.num_heads) or not self.depths:
            raise InputError(
                f"depths {self.depths} and num_heads {self.num_heads} must name the same number of stages, at least one"
            )
        if len(self.depths) > MOST_STAGES or sum(self.depths) > MOST_BLOCKS:
            raise InputError(
                f"depths {str(self.depths)[:60]} have more than {MOST_STAGES} stages or {MOST_BLOCKS} blocks, which no "
                "Swin Transformer has"
            )
        if self.window_size > MOST_WINDOW:
            raise InputError(f"window_size must be at most {MOST_WINDOW}, not {self.window_size}")
        sizes = (self.embed_dim, self.window_size, self.patch_size, self.in_channels, *self.image_size)
        if min(*sizes, *self.depths, *self.num_heads) < 1 or len(self.image_size) != 2:
            raise InputError(f"widths, depths, heads, window, patch and image sizes must all be at least 1: {self}")
        if min(self.image_size) < self.patch_size or int(self.embed_dim * self.mlp_ratio) < 1:
            raise InputError(f"image_size must hold a patch, and mlp_ratio times embed_dim be at least 1: {self}")
        for width, heads in zip(self.widths, self.num_heads, strict=True):
            if width % heads:
                raise InputError(f"a stage of width {width} cannot have {heads} heads; the heads must divide the width")
        self._check_attention()
        rates = (self.drop_rate, self.attn_drop_rate, self.drop_path_rate)
        if not all(0.0 <= rate < 1.0 for rate in rates):
            raise InputError(f"drop rates must lie in 0 <= rate < 1, not {rates}")

    def _check_attention(self) -> None:
        if self.attention not in get_args(Attention):
            raise InputError(f"there is no attention {self.attention!r}; choose one of {get_args(Attention)}")
        if self.attention == "performer" and (
            self.relative_position_bias or self.qk_scale is not None or self.attn_drop_rate
        ):
            raise InputError(
                "performer attention forms no weights that a bias, a scale or dropout could act on; give "
                "relative_position_bias=False, qk_scale=None and attn_drop_rate=0"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.depths)))

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels between neighbouring tokens of each stage."""
        return tuple(self.patch_size * 2**stage for stage in range(len(self.depths)))


_SWIN_S = SwinArchitecture(depths=(2, 2, 18, 2))
_SWIN_B = replace(_SWIN_S, embed_dim=128, num_heads=(4, 8, 16, 32))
_SWIN_L = replace(_SWIN_S, embed_dim=192, num_heads=(6, 12, 24, 48))

ARCHITECTURES: dict[str, SwinArchitecture] = {
    "swin_t": SwinArchitecture(),
    "swin_s": _SWIN_S,
    "swin_b": _SWIN_B,
    "swin_l": _SWIN_L,
    "swin_b_384": replace(_SWIN_B, window_size=12, image_size=(384, 384)),
    "swin_l_384": replace(_SWIN_L, window_size=12, image_size=(384, 384)),
}
"""The published architectures (paper table 7) by their public names. Stochastic depth belongs to a recipe."""
