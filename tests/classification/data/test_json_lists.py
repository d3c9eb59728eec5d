"""The official ImageNet-22K lists."""

import json

import pytest
from image_folders import write_json_lists

from swinkit.classification.data.json_lists import FILES, open_json_lists
from swinkit.errors import InputError
from swinkit.images.read import ImageError


def test_images_labels_and_class_names(tmp_path):
    train, val = open_json_lists(write_json_lists(tmp_path))
    assert train.classes == val.classes == ("n01", "n02", "n03")  # the first path names a class
    assert (train.labels.tolist(), val.labels.tolist()) == ([0, 0, 1, 2], [2, 1])
    assert val[0][0].getpixel((0, 0)) == (40, 40, 40)
    assert val.sample_name(0) == str(tmp_path / "n03/v.jpg")


def test_classes_without_images_keep_their_number(tmp_path, caplog):
    write_json_lists(tmp_path)
    (tmp_path / FILES[0]).write_text(json.dumps([["n01/a.jpg", 0], ["n03/a.jpg", 3]]))
    assert open_json_lists(tmp_path)[0].classes == ("n01", "1", "2", "n03")
    assert "images for 2 of its 4 classes only" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "is not JSON"),
        ('{"a": 1}', "holds no JSON list"),
        ('[["a.jpg", 1], ["b.jpg"]]', r"item 1 of .* is \['b.jpg'\]"),
        ('[["a.jpg", -1]]', "item 0"),
        ('[["a.jpg", true]]', "item 0"),
        ('[["a.jpg", 1.5]]', "item 0"),
        ("[]", "lists no images"),
    ],
)
def test_bad_lists(tmp_path, text, message):
    write_json_lists(tmp_path)
    (tmp_path / FILES[1]).write_text(text)
    with pytest.raises(InputError, match=message):
        open_json_lists(tmp_path)


def test_missing_list_and_missing_image(tmp_path):
    write_json_lists(tmp_path)
    (tmp_path / "n02/a.jpg").unlink()
    with pytest.raises(ImageError, match=r"there is no image .*n02/a\.jpg"):
        open_json_lists(tmp_path)[0][2]
    (tmp_path / FILES[1]).unlink()
    with pytest.raises(InputError, match=r"lacks ILSVRC2011fall_whole_map_val\.txt"):
        open_json_lists(tmp_path)
