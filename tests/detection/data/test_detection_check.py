"""The check counts what a data set holds and lists every problem by file and id; sound data have none."""

import math

import pytest
from coco_files import annotation, picture, square, write_coco
from shared_files import shared_path

from swinkit.detection.data.check import check_detection, problem_lines, require_sound, sample_indices, summary_lines
from swinkit.detection.data.coco import read_coco
from swinkit.errors import InputError

RLE = {"size": [300, 400], "counts": [0, 300 * 400]}


def sound(tmp_path):
    return write_coco(
        tmp_path,
        [
            annotation(1, [0, 0, 10, 10], segmentation=square(0, 0, 10)),
            annotation(2, [0, 0, 50, 50], segmentation=square(0, 0, 50)),
            annotation(3, [0, 0, 200, 200], image=3, segmentation=square(0, 0, 200)),
            annotation(4, [0, 0, 400, 300], image=3, iscrowd=1, segmentation=RLE),
        ],
        count=4,
        size=(400, 300),
    )


def test_counts_of_sound_data(tmp_path):
    steps = []
    report, data = check_detection(*sound(tmp_path), step=steps.append)
    assert steps == [1, 2, 3, 4] and len(data) == 4
    assert report.problems == () and report.has_masks and report.classes == ("cat", "dog")
    assert (report.images, report.images_without_objects, report.objects, report.crowds) == (4, 2, 3, 1)
    assert report.objects_of_class == (0, 3) and report.images_of_class == (0, 2) and report.unused_classes == ("cat",)
    assert report.image_sizes == (((300, 400), 4),)
    assert (
        report.box_sizes == (1, 1, 1) and report.box_sides == (10, 50, 200) and report.objects_per_image == (0, 0.5, 2)
    )
    text = "\n".join(summary_lines(report))
    for part in (
        "4 images",
        "3 objects with boxes and masks of 2",
        "1 crowds",
        "without objects: 2",
        "1 small",
        "(cat)",
    ):
        assert part in text
    assert problem_lines(report) == [] and require_sound(read_coco(*sound(tmp_path))) is None
    assert sample_indices(data, 9) == [0, 2] and sample_indices(data, 1) == [0]


def test_every_problem_is_listed_with_its_consequence(tmp_path):
    path, root = write_coco(
        tmp_path,
        [
            annotation(1, [0, 0, 10, 10]),
            annotation(2, [0, 0, 0, 10]),
            annotation(3, [0, 0, -1, 10]),
            annotation(4, [99, 0, 10, 10]),
            annotation(5, [-5, 0, 10, 10]),
            annotation(6, [0, 0, 9, 9], image=77),
            annotation(7, [0, 0, 9, 9], category=77),
            annotation(8, [0, 0, 9, 9], segmentation=[[1, 2, 3, 4]]),
            annotation(9, [0, 0, 9, 9], segmentation={"size": [9, 9], "counts": [81]}),
            annotation(10, [0, 0, 9, 9], bbox=[0, 0, 9]),
        ],
        count=5,
    )
    (root / "2.png").unlink()
    (root / "3.png").write_bytes(b"no image")
    picture(root / "4.png", (50, 30))
    (root / "5.png").write_bytes((root / "1.png").read_bytes()[:-900])
    report, data = check_detection(path, root, masks=False)
    found = {(problem.kind, problem.stops) for problem in report.problems}
    assert found == {
        ("degenerate box", False),
        ("negative box", True),
        ("box outside the image", False),
        ("box beyond the image", False),
        ("unknown image", True),
        ("unknown category", True),
        ("bad polygon", False),
        ("impossible mask", True),
        ("broken item", True),
        ("missing file", True),
        ("unreadable image", True),
        ("image of another size", True),
    }
    assert data.image_ids == [1]
    text = "\n".join(problem_lines(report))
    for part in (
        "annotation 2 of image 1 (1.png) in",
        "3.png is not an image",
        "5.png is a damaged",
        "4.png has 50 x 30",
    ):
        assert part in text
    assert text.index("(stops)") < text.index("(left out)")
    headers, _ = check_detection(path, root, masks=False, read_pixels=False)
    assert len(headers.problems) == len(report.problems) - 1  # what is truncated has a sound header
    with pytest.raises(InputError):
        read_coco(path, root)


def test_masks_without_pixels_and_without_anything_are_listed(tmp_path):
    flat = [[5, 5, 9, 5, 7, 5]]
    files = write_coco(
        tmp_path,
        [annotation(1, [5, 5, 4, 4], segmentation=flat), annotation(2, [1, 1, 4, 4], segmentation=square(1, 1, 4))],
    )
    report, data = check_detection(*files)
    (problem,) = report.problems
    assert str(problem).startswith("annotation 1 of image 1") and "a mask without a pixel" in str(problem)
    assert data[0][1].boxes.tolist() == [[1, 1, 5, 5]]
    files = write_coco(
        tmp_path, [annotation(1, [5, 5, 4, 4]), annotation(2, [1, 1, 4, 4], segmentation=square(1, 1, 4))]
    )
    report, _ = check_detection(*files)
    assert [(problem.kind, problem.stops) for problem in report.problems] == [
        ("no mask", False)
    ] and not report.has_masks


def test_long_lists_are_cut(tmp_path):
    report, _ = check_detection(*write_coco(tmp_path, [annotation(number, [0, 0, 0, 5]) for number in range(30)]))
    lines = problem_lines(report, most=3)
    assert len(lines) == 5 and lines[0].startswith("degenerate box: 30") and lines[-1] == "  ... and 27 more"
    assert math.isnan(report.box_sides[0]) and report.objects == 0 and summary_lines(report)


def test_headers_stop_a_run_before_it_starts(tmp_path):
    path, root = sound(tmp_path)
    picture(root / "3.png", (399, 300))
    with pytest.raises(InputError, match=r"Image 3 of .*data.json is of another size: .*3.png has 399 x 300"):
        require_sound(read_coco(path, root))
    (root / "3.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"Image 3 of .* cannot be read: .*3.png is empty"):
        require_sound(read_coco(path, root))


@pytest.mark.parametrize(("name", "part"), [("bccd", "val"), ("nuclei", "val"), ("coco_mini", "")])
def test_real_data_are_sound(name, part):
    json_name = f"{part}.json" if part else "instances_mini.json"
    root = shared_path(f"data/{name}/{part or 'images'}")
    report, _ = check_detection(shared_path(f"data/{name}/annotations/{json_name}"), root, read_pixels=False)
    assert report.problems == () and report.has_masks == (name != "bccd")
