"""VOC xml and YOLO txt become COCO json with the same boxes; what is broken is named, and nothing half-written."""

import json

import pytest
from coco_files import picture

from swinkit.detection.data.conversion import convert_detection_data, find_format
from swinkit.detection.data.sources import open_detection_data
from swinkit.errors import InputError

OBJECT = """<object><name>{name}</name><pose>Left</pose><difficult>{difficult}</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def voc_object(*edges, name="cat", difficult=0):
    return OBJECT.format(*edges, name=name, difficult=difficult)


def write_voc(path, *objects, file_name=None, size=(40, 30), header="<?xml version='1.0'?>"):
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    path.write_text(
        f"{header}<annotation><filename>{file_name or path.stem + '.png'}</filename>"
        f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>{''.join(objects)}</annotation>"
    )


def official_voc(root):
    for number in range(1, 5):
        picture(root / "JPEGImages" / f"00{number}.png", seed=number)
        write_voc(
            root / "Annotations" / f"00{number}.xml", voc_object(1, 1, 40, 30), voc_object(5, 6, 9, 8, name="dog")
        )
    write_voc(root / "Annotations" / "004.xml", voc_object(3, 3, 8, 8, difficult=1))
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("001\n003  1\n")
    (lists / "val.txt").write_text("004\n002\n")
    (lists / "cat_train.txt").write_text("001 -1\n")
    return root


def test_official_voc_counts_pixels_from_one(tmp_path):
    parts = convert_detection_data(official_voc(tmp_path))
    assert [(part.path.name, part.images, part.objects) for part in parts] == [("train.json", 2, 4), ("val.json", 2, 3)]
    train, val = open_detection_data(tmp_path)
    assert train.classes == val.classes == ("cat", "dog")
    assert train.sample_name(1) == str(tmp_path / "JPEGImages" / "003.png")
    image, objects = train[0]
    assert image.size == (40, 30)
    assert objects.boxes.tolist() == [[0, 0, 40, 30], [4, 5, 9, 8]] and objects.labels.tolist() == [0, 1]
    assert [len(val[index][1].labels) for index in (0, 1)] == [0, 2]  # difficult objects are not learned
    assert [each["iscrowd"] for each in val.coco()["annotations"]] == [1, 0, 0]


def test_voc_edges_counted_from_zero(tmp_path):
    convert_detection_data(official_voc(tmp_path), zero_based=True)
    assert open_detection_data(tmp_path)[0][0][1].boxes.tolist() == [[1, 1, 40, 30], [5, 6, 9, 8]]


@pytest.mark.parametrize(
    ("xml_folder", "image_folder", "json_name"),
    [
        ("train", "train", "train.json"),
        ("valid", "valid", "val.json"),
        ("train/annotations", "train/images", "train.json"),
        ("annotations", "images", "objects.json"),
        ("", "", "objects.json"),
    ],
)
def test_other_voc_layouts(tmp_path, xml_folder, image_folder, json_name):
    picture(tmp_path / image_folder / "a b.JPG")
    write_voc(tmp_path / xml_folder / "a b.xml", voc_object(2, 3, 10, 12), file_name="C:\\photos\\a b.jpg")
    (part,) = convert_detection_data(tmp_path)
    assert part.path == tmp_path / "annotations" / json_name
    content = json.loads(part.path.read_text())
    assert content["images"][0]["file_name"] == f"{image_folder}/a b.JPG".lstrip("/")
    assert content["annotations"][0]["bbox"] == [1, 2, 9, 10] and content["annotations"][0]["area"] == 90


def test_another_place_for_the_json(tmp_path):
    source, out = official_voc(tmp_path / "voc"), tmp_path / "new" / "coco"
    convert_detection_data(source, out, classes=["dog", "bird", "cat"])
    train, _ = open_detection_data(out)
    assert train.classes == ("dog", "bird", "cat") and train[0][1].labels.tolist() == [2, 0]
    assert not (source / "annotations").exists()


BILLION = "<!DOCTYPE a [<!ENTITY a 'lol'><!ENTITY b '&a;&a;'>]>"

BROKEN_VOC = [
    ({"objects": [voc_object(9, 1, 3, 5)]}, r"001.xml has a box of negative size \(9 to 3, 1 to 5\)"),
    ({"objects": [voc_object("nan", 1, 3, 5)]}, "001.xml has 'nan' for xmin; a number"),
    ({"objects": [voc_object("", 1, 3, 5)]}, "has '' for xmin"),
    ({"objects": ["<object><name>cat</name></object>"]}, r"object without a box \(bndbox\)"),
    ({"objects": ["<object><bndbox/></object>"]}, "object without a name"),
    ({"objects": ["<object>"]}, r"001.xml is no complete xml \("),
    ({"objects": [], "size": (30, 40)}, r"001.png has 40 x 30 pixels .*001.xml says 30 x 40"),
    ({"objects": [voc_object(1, 1, 2, 2)], "header": BILLION}, "declares a document type"),
]


@pytest.mark.parametrize(("change", "words"), BROKEN_VOC)
def test_broken_voc_is_named_and_nothing_written(tmp_path, change, words):
    official_voc(tmp_path)
    write_voc(tmp_path / "Annotations" / "001.xml", *change.pop("objects"), **change)
    with pytest.raises(InputError, match=words):
        convert_detection_data(tmp_path)
    assert not (tmp_path / "annotations").exists()


def test_voc_files_that_lack_their_other_half(tmp_path):
    official_voc(tmp_path)
    (tmp_path / "JPEGImages" / "003.png").unlink()
    with pytest.raises(InputError, match=r"there is no image 003.png for .*003.xml"):
        convert_detection_data(tmp_path)
    (tmp_path / "Annotations" / "001.xml").unlink()
    with pytest.raises(InputError, match=r"train.txt names 001, but there is no 001.xml"):
        convert_detection_data(tmp_path)


def write_yolo(root, lines, *, images="images/train", labels="labels/train", count=1):
    for number in range(count):
        picture(root / images / f"{number}.png", seed=number)
    (root / labels).mkdir(parents=True, exist_ok=True)
    (root / labels / "0.txt").write_text(lines)


BOX = "1 0.5 0.5 0.25 0.2\n"


@pytest.mark.parametrize(
    ("images", "labels", "json_name"),
    [
        ("images/train", "labels/train", "train.json"),
        ("train/images", "train/labels", "train.json"),
        ("valid/images", "valid/labels", "val.json"),
        ("train", "train", "train.json"),
        ("images", "labels", "objects.json"),
        ("", "", "objects.json"),
    ],
)
def test_yolo_layouts(tmp_path, images, labels, json_name):
    write_yolo(tmp_path, BOX, images=images, labels=labels, count=2)
    (tmp_path / "classes.txt").write_text("cat\ndog\n\n")
    (part,) = convert_detection_data(tmp_path)
    assert part.path.name == json_name and (part.images, part.objects) == (2, 1)
    content = json.loads(part.path.read_text())
    assert content["annotations"][0]["bbox"] == [15, 12, 10, 6] and content["annotations"][0]["category_id"] == 2
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


DESCRIPTIONS = [
    "path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n",
    "train: ../images/train\nval: ../images/val\nnc: 2\nnames: {0: cat, 1: dog}\n",
    "path: /elsewhere\ntrain: [images/train]\nval: val.txt\nnames:\n  0: cat\n  1: dog\n",
]


@pytest.mark.parametrize("description", DESCRIPTIONS)
def test_yolo_by_its_description(tmp_path, description):
    write_yolo(tmp_path, BOX)
    write_yolo(tmp_path, "0 0.1 0.2 0.5 0.2 0.5 0.8\n0 0 0 1 1\n", images="images/val", labels="labels/val")
    (tmp_path / "data.yaml").write_text(description)
    (tmp_path / "val.txt").write_text("./images/val/0.png\n")
    convert_detection_data(tmp_path)
    train, val = open_detection_data(tmp_path)
    assert train.classes == ("cat", "dog") and train[0][1].boxes.tolist() == [[15, 12, 25, 18]]
    first = json.loads((tmp_path / "annotations" / "val.json").read_text())["annotations"][0]
    assert first["segmentation"] == [[4, 6, 20, 6, 20, 24]] and first["bbox"] == [4, 6, 16, 18] and first["area"] == 144
    assert len(val) == 1


BROKEN_YOLO = [
    ("0 0.5 0.5 0.2\n", "Line 1 of .*0.txt has 3 numbers after the class"),
    (BOX + "0 0.5 0.5 0.2 0.2 0.9\n", "Line 2 of .*0.txt has 5 numbers"),
    ("2 0.5 0.5 0.2 0.2\n", "has the class 2, but there are names for 0 to 1 alone"),
    ("-1 0.5 0.5 0.2 0.2\n", "has the class -1"),
    ("cat 0.5 0.5 0.2 0.2\n", "no number: 'cat 0.5"),
    ("inf 0.5 0.5 0.2 0.2\n", "no number"),
    ("0 20 15 4 4\n", r"numbers outside 0..1"),
    ("0 nan 0.5 0.2 0.2\n", r"numbers outside 0..1"),
]


@pytest.mark.parametrize(("lines", "words"), BROKEN_YOLO)
def test_broken_yolo_is_named_by_line(tmp_path, lines, words):
    write_yolo(tmp_path, lines)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(InputError, match=words):
        convert_detection_data(tmp_path)
    assert not (tmp_path / "annotations").exists()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("note.txt", "", "has no class names"),
        ("classes.txt", "", "has no class names"),
        ("classes.txt", "a\na\n", "two classes the same name"),
        ("data.yaml", "names: {0: a, 2: b}", "numbered 0, 1, 2"),
        ("data.yaml", "names: [a", "is not YAML"),
        ("data.yaml", "- a", "must hold names"),
        ("data.yaml", "!!python/object/apply:os.system ['true']", "must hold names"),
        ("data.yaml", "names: !!python/object/apply:os.system [[x]]", "must be texts"),
        ("data.yaml", "a: &a [x]\nnames: [*a, *a]", "alias \\*a"),
        ("data.yaml", "names: [[a], b]", "must be texts"),
    ],
)
def test_yolo_class_names_that_are_none(tmp_path, name, text, words):
    write_yolo(tmp_path, BOX)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        convert_detection_data(tmp_path)


def test_nothing_is_overwritten(tmp_path):
    official_voc(tmp_path)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "val.json").write_text("mine")
    with pytest.raises(InputError, match=r"val.json exists already"):
        convert_detection_data(tmp_path)
    assert [path.name for path in (tmp_path / "annotations").iterdir()] == ["val.json"]
    assert (tmp_path / "annotations" / "val.json").read_text() == "mine"


def test_formats_are_found_or_told_apart(tmp_path):
    with pytest.raises(InputError, match="none does not exist"):
        find_format(tmp_path / "none")
    with pytest.raises(InputError, match="found no VOC xml and no YOLO"):
        find_format(tmp_path)
    write_yolo(tmp_path, BOX)
    assert find_format(tmp_path) == "yolo"
    with pytest.raises(InputError, match="found no VOC data"):
        convert_detection_data(tmp_path, source_format="voc")
    official_voc(tmp_path)
    with pytest.raises(InputError, match="say which with --format"):
        find_format(tmp_path)
    assert len(convert_detection_data(tmp_path, source_format="voc")) == 2
