"""The feature pyramid against its sums by hand."""

import torch

from swinkit.layers.fpn import FPN


def test_a_pyramid_adds_the_coarser_map_and_skips_cells():
    torch.manual_seed(0)
    neck = FPN((2, 3), 4, extra_levels=2)
    fine, coarse = torch.randn(1, 2, 7, 9), torch.randn(1, 3, 4, 5)
    maps = neck([fine, coarse])
    assert [tuple(x.shape[2:]) for x in maps] == [(7, 9), (4, 5), (2, 3), (1, 2)]
    assert torch.equal(maps[2], maps[1][:, :, ::2, ::2])
    lateral = neck.lateral_convs[1](coarse)
    rows, columns = torch.arange(7) * 4 // 7, torch.arange(9) * 5 // 9
    merged = neck.lateral_convs[0](fine) + lateral[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(maps[0], neck.fpn_convs[0](merged))
