"""Tables 1 to 9 of the paper (arXiv 2103.14030 v2), cell by cell, and the recipe or model that each row is.

A row is a line: its name, its figures in the order of the columns ("-" where the paper has none), and what it is here,
a recipe, `timm:NAME@SIDE` or nothing. Parameters are in millions, multiply-adds in billions, the rest in percent or
hundredths; speeds are images a second on the authors' V100.
"""

from __future__ import annotations

from dataclasses import dataclass

PARAMETERS, MULTIPLY_ADDS, SPEED = "params", "FLOPs", "img/s"


@dataclass(frozen=True)
class PaperRow:
    """A row of a table."""

    name: str
    figures: dict[str, str]
    """By column, as the paper writes them; without those that it leaves out."""
    recipe: str | None = None
    """The recipe that trains it, or one of the same model where none trains it at that place."""
    timm: str | None = None
    """Another architecture, by its name in the timm library."""
    side: int = 224
    """Of a model of timm, the images' height and width in pixels."""


@dataclass(frozen=True)
class PaperTable:
    """A table, or the part of one that has columns of its own."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PaperRow, ...]
    against: str | None = None
    """The row that the paper compares speeds with."""

    @property
    def number(self) -> int:
        return int(self.name[0])


def _table(name: str, title: str, columns: str, lines: str, against: str | None = None) -> PaperTable:
    heads = tuple(columns.split())
    rows = []
    for line in lines.strip().splitlines():
        label, values, what = (part.strip() for part in line.split("|"))
        figures = {head: value for head, value in zip(heads, values.split(), strict=True) if value != "-"}
        timm, _, side = what.removeprefix("timm:").partition("@")
        if what.startswith("timm:"):
            rows.append(PaperRow(label, figures, timm=timm, side=int(side)))
        else:
            rows.append(PaperRow(label, figures, recipe=what or None))
    return PaperTable(name, title, heads, tuple(rows), against)


TABLES = (
    _table(
        "1a",
        "ImageNet-1K, trained on it",
        "size params FLOPs img/s top-1",
        """
RegNetY-4G      | 224 21 4.0 1156.7 80.0  | timm:regnety_040@224
RegNetY-8G      | 224 39 8.0 591.6 81.7   | timm:regnety_080@224
RegNetY-16G     | 224 84 16.0 334.7 82.9  | timm:regnety_160@224
EffNet-B3       | 300 12 1.8 732.1 81.6   | timm:efficientnet_b3@300
EffNet-B4       | 380 19 4.2 349.4 82.9   | timm:efficientnet_b4@380
EffNet-B5       | 456 30 9.9 169.1 83.6   | timm:efficientnet_b5@456
EffNet-B6       | 528 43 19.0 96.9 84.0   | timm:efficientnet_b6@528
EffNet-B7       | 600 66 37.0 55.1 84.3   | timm:efficientnet_b7@600
ViT-B/16        | 384 86 55.4 85.9 77.9   | timm:vit_base_patch16_384@384
ViT-L/16        | 384 307 190.7 27.3 76.5 | timm:vit_large_patch16_384@384
DeiT-S          | 224 22 4.6 940.4 79.8   | timm:deit_small_patch16_224@224
DeiT-B          | 224 86 17.5 292.3 81.8  | timm:deit_base_patch16_224@224
DeiT-B at 384   | 384 86 55.4 85.9 83.1   | timm:deit_base_patch16_384@384
Swin-T          | 224 29 4.5 755.2 81.3   | imagenet1k_swin_t_paper
Swin-S          | 224 50 8.7 436.9 83.0   | imagenet1k_swin_s_paper
Swin-B          | 224 88 15.4 278.1 83.5  | imagenet1k_swin_b_paper
Swin-B at 384   | 384 88 47.0 84.7 84.5   | imagenet1k_swin_b_384_finetune_paper
""",
        against="Swin-T",
    ),
    _table(
        "1b",
        "ImageNet-1K, pretrained on ImageNet-22K",
        "size params FLOPs img/s top-1",
        """
R-101x3         | 384 388 204.6 - 84.4    | timm:resnetv2_101x3_bit@384
R-152x4         | 480 937 840.5 - 85.4    | timm:resnetv2_152x4_bit@480
ViT-B/16        | 384 86 55.4 85.9 84.0   | timm:vit_base_patch16_384@384
ViT-L/16        | 384 307 190.7 27.3 85.2 | timm:vit_large_patch16_384@384
Swin-B          | 224 88 15.4 278.1 85.2  | imagenet22k_to_1k_swin_b_paper
Swin-B at 384   | 384 88 47.0 84.7 86.4   | imagenet22k_to_1k_swin_b_384_paper
Swin-L at 384   | 384 197 103.9 42.1 87.3 | imagenet22k_to_1k_swin_l_384_paper
""",
        against="Swin-B at 384",
    ),
    _table(
        "2a",
        "COCO, four frameworks",
        "box AP50 AP75 params FLOPs img/s",
        """
Cascade Mask R-CNN, R-50   | 46.3 64.3 50.5 82 739 18.0  | coco_cascade_resnet50
Cascade Mask R-CNN, Swin-T | 50.5 69.3 54.9 86 745 15.3  | coco_cascade_swin_t_3x_paper
ATSS, R-50                 | 43.5 61.9 47.0 32 205 28.3  | coco_atss_resnet50
ATSS, Swin-T               | 47.2 66.5 51.3 36 215 22.3  | coco_atss_swin_t_3x
RepPointsV2, R-50          | 46.5 64.6 50.3 42 274 13.6  | coco_reppoints_v2_resnet50
RepPointsV2, Swin-T        | 50.0 68.5 54.2 45 283 12.0  | coco_reppoints_v2_swin_t_3x_paper
Sparse R-CNN, R-50         | 44.5 63.4 48.2 106 166 21.0 | coco_sparse_rcnn_resnet50
Sparse R-CNN, Swin-T       | 47.9 67.3 52.3 110 172 18.4 | coco_sparse_rcnn_swin_t_3x
""",
        against="Cascade Mask R-CNN, R-50",
    ),
    _table(
        "2b",
        "COCO, Cascade Mask R-CNN",
        "box AP50 AP75 mask mask50 mask75 params FLOPs img/s",
        """
DeiT-S | 48.0 67.2 51.7 41.4 64.2 44.3 80 889 10.4  | coco_cascade_deit_s
R-50   | 46.3 64.3 50.5 40.1 61.7 43.4 82 739 18.0  | coco_cascade_resnet50
Swin-T | 50.5 69.3 54.9 43.7 66.6 47.1 86 745 15.3  | coco_cascade_swin_t_3x_paper
X101-32 | 48.1 66.5 52.4 41.6 63.9 45.2 101 819 12.8 | coco_cascade_resnext101_32x4d
Swin-S | 51.8 70.4 56.3 44.7 67.9 48.5 107 838 12.0 | coco_cascade_swin_s_3x_paper
X101-64 | 48.3 66.4 52.3 41.7 64.0 45.1 140 972 10.4 | coco_cascade_resnext101_64x4d
Swin-B | 51.9 70.9 56.5 45.0 68.4 48.7 145 982 11.6 | coco_cascade_swin_b_3x_paper
""",
        against="R-50",
    ),
    _table(
        "2c",
        "COCO, whole systems (* with several scales)",
        "val-box val-mask test-box test-mask params FLOPs",
        """
RepPointsV2*     | - - 52.1 - - -             |
GCNet*           | 51.8 44.7 52.3 45.4 - 1041 |
RelationNet++*   | - - 52.7 - - -             |
SpineNet-190     | 52.6 - 52.8 - 164 1885     |
ResNeSt-200*     | 52.5 - 53.3 47.1 - -       |
EfficientDet-D7  | 54.4 - 55.1 - 77 410       |
DetectoRS*       | - - 55.7 48.5 - -          |
YOLOv4 P7*       | - - 55.8 - - -             |
Copy-paste       | 55.9 47.2 56.0 47.4 185 1440 |
X101-64 (HTC++)  | 52.3 46.0 - - 155 1033     |
Swin-B (HTC++)   | 56.4 49.1 - - 160 1043     | coco_htc_swin_b_22k_6x
Swin-L (HTC++)   | 57.1 49.5 57.7 50.2 284 1470 | coco_htc_swin_l_22k_6x
Swin-L (HTC++)*  | 58.0 50.4 58.7 51.1 284 -  | coco_htc_swin_l_22k_6x
""",
    ),
    _table(
        "3",
        "ADE20K (mIoU with several scales)",
        "mIoU test-score params FLOPs img/s",
        """
DANet, R-101             | 45.2 - 69 1119 15.2    |
DLab.v3+, R-101          | 44.1 - 63 1021 16.0    |
ACNet, R-101             | 45.9 38.5 - - -        |
DNL, R-101               | 46.0 56.2 69 1249 14.8 |
OCRNet, R-101            | 45.3 56.0 56 923 19.3  |
UperNet, R-101           | 44.9 - 86 1029 20.1    | ade20k_resnet101
OCRNet, HRNet-w48        | 45.7 - 71 664 12.5     |
DLab.v3+, ResNeSt-101    | 46.9 55.1 66 1051 11.9 |
DLab.v3+, ResNeSt-200    | 48.4 - 88 1381 8.1     |
SETR, T-Large            | 50.3 61.7 308 - -      |
UperNet, DeiT-S          | 44.0 - 52 1099 16.2    | ade20k_deit_s
UperNet, Swin-T          | 46.1 - 60 945 18.5     | ade20k_swin_t_paper
UperNet, Swin-S          | 49.3 - 81 1038 15.2    | ade20k_swin_s_paper
UperNet, Swin-B          | 51.6 - 121 1841 8.7    | ade20k_swin_b_22k_paper
UperNet, Swin-L          | 53.5 62.8 234 3230 6.2 | ade20k_swin_l_22k_paper
""",
        against="UperNet, DeiT-S",
    ),
    _table(
        "4",
        "Shifted windows and positions, Swin-T",
        "top-1 top-5 box mask mIoU",
        """
w/o shifting            | 80.2 95.1 47.7 41.5 43.3 | imagenet1k_swin_t_unshifted
shifted windows         | 81.3 95.6 50.5 43.7 46.1 | imagenet1k_swin_t_paper
no pos.                 | 80.1 94.9 49.2 42.6 43.8 | imagenet1k_swin_t_no_position
abs. pos.               | 80.5 95.2 49.0 42.4 43.2 | imagenet1k_swin_t_absolute
abs.+rel. pos.          | 81.3 95.6 50.2 43.4 44.0 | imagenet1k_swin_t_absolute_relative
rel. pos. w/o app.      | 79.3 94.7 48.2 41.9 44.1 | imagenet1k_swin_t_without_appearance
rel. pos.               | 81.3 95.6 50.5 43.7 46.1 | imagenet1k_swin_t_paper
""",
    ),
    _table(
        "5",
        "Real speed: attention in the four stages (ms), and images a second of Swin-T, S and B",
        "S1 S2 S3 S4 T S B",
        """
sliding window (naive)    | 122.5 38.3 12.1 7.6 183 109 77 | imagenet1k_swin_t_sliding
sliding window (kernel)   | 7.6 4.7 2.7 1.8 488 283 187    | imagenet1k_swin_t_sliding
Performer                 | 4.8 2.8 1.8 1.5 638 370 241    | imagenet1k_swin_t_performer
window (w/o shifting)     | 2.8 1.7 1.2 0.9 770 444 280    | imagenet1k_swin_t_unshifted
shifted window (padding)  | 3.3 2.3 1.9 2.2 670 371 236    | imagenet1k_swin_t_paper
shifted window (cyclic)   | 3.0 1.9 1.3 1.0 755 437 278    | imagenet1k_swin_t_paper
""",
        against="shifted window (cyclic)",
    ),
    _table(
        "6",
        "Other self-attention, Swin-T",
        "top-1 top-5 box mask mIoU",
        """
sliding window | 81.4 95.6 50.2 43.5 45.8 | imagenet1k_swin_t_sliding
Performer      | 79.0 94.2 - - -          | imagenet1k_swin_t_performer
shifted window | 81.3 95.6 50.5 43.7 46.1 | imagenet1k_swin_t_paper
""",
    ),
    _table(
        "7",
        "Architectures",
        "width depths heads",
        """
Swin-T | 96 2,2,6,2 3,6,12,24   | imagenet1k_swin_t_paper
Swin-S | 96 2,2,18,2 3,6,12,24  | imagenet1k_swin_s_paper
Swin-B | 128 2,2,18,2 4,8,16,32 | imagenet1k_swin_b_paper
Swin-L | 192 2,2,18,2 6,12,24,48 | imagenet22k_swin_l_paper
""",
    ),
    _table(
        "8",
        "Image sizes",
        "size top-1 img/s",
        """
Swin-T at 224 | 224 81.3 755.2 | imagenet1k_swin_t_paper
Swin-T at 256 | 256 81.6 580.9 | imagenet1k_swin_t_256_finetune_paper
Swin-T at 320 | 320 82.1 342.0 | imagenet1k_swin_t_320_finetune_paper
Swin-T at 384 | 384 82.2 219.5 | imagenet1k_swin_t_384_finetune_paper
Swin-S at 224 | 224 83.0 436.9 | imagenet1k_swin_s_paper
Swin-S at 256 | 256 83.4 336.7 | imagenet1k_swin_s_256_finetune_paper
Swin-S at 320 | 320 83.7 198.2 | imagenet1k_swin_s_320_finetune_paper
Swin-S at 384 | 384 83.9 127.6 | imagenet1k_swin_s_384_finetune_paper
Swin-B at 224 | 224 83.3 278.1 | imagenet1k_swin_b_paper
Swin-B at 256 | 256 83.7 208.1 | imagenet1k_swin_b_256_finetune_paper
Swin-B at 320 | 320 84.0 132.0 | imagenet1k_swin_b_320_finetune_paper
Swin-B at 384 | 384 84.5 84.7  | imagenet1k_swin_b_384_finetune_paper
""",
        against="Swin-T at 224",
    ),
    _table(
        "9",
        "SGD and AdamW, Cascade Mask R-CNN",
        "box AP50 AP75 mask mask50 mask75",
        """
R-50, SGD      | 45.0 62.9 48.8 38.5 59.9 41.4 | coco_cascade_resnet50_sgd
R-50, AdamW    | 46.3 64.3 50.5 40.1 61.7 43.4 | coco_cascade_resnet50
X101-32, SGD   | 47.8 65.9 51.9 40.4 62.9 43.5 | coco_cascade_resnext101_32x4d_sgd
X101-32, AdamW | 48.1 66.5 52.4 41.6 63.9 45.2 | coco_cascade_resnext101_32x4d
X101-64, SGD   | 48.8 66.9 53.0 41.4 63.9 44.7 | coco_cascade_resnext101_64x4d_sgd
X101-64, AdamW | 48.3 66.4 52.3 41.7 64.0 45.1 | coco_cascade_resnext101_64x4d
""",
    ),
)
NUMBERS = tuple(dict.fromkeys(table.number for table in TABLES))
