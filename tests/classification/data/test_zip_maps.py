"""The official zip + map layout."""

import pickle
import zipfile

import pytest
from image_folders import write_zip_maps

from swinkit.classification.data.image_stores import ZipStore
from swinkit.classification.data.zip_maps import open_zip_maps
from swinkit.errors import InputError
from swinkit.images.read import ImageError


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_images_labels_and_class_names(tmp_path, compression):
    train, val = open_zip_maps(write_zip_maps(tmp_path, compression=compression))
    assert train.classes == val.classes == ("n01", "n02", "n03")
    assert (len(train), val.labels.tolist()) == (6, [0, 1, 2])
    assert train.sample_name(5) == f"{tmp_path}/train.zip/n03/n03_1.JPEG"
    assert [data[i][0].getpixel((0, 0))[0] for data, i in ((train, 5), (val, 1))] == [40, 20]


def test_labels_without_folders_are_their_own_names(tmp_path):
    write_zip_maps(tmp_path)
    for part in ("zip", "map.txt"):
        separator = "." if part == "zip" else "_"
        (tmp_path / f"train{separator}{part}").write_bytes((tmp_path / f"val{separator}{part}").read_bytes())
    assert open_zip_maps(tmp_path)[0].classes == ("0", "1", "2")


def test_the_archive_is_opened_lazily_and_anew_in_another_process(tmp_path, monkeypatch):
    store = open_zip_maps(write_zip_maps(tmp_path))[0].store
    assert isinstance(store, ZipStore) and store._archive is None
    store.read("n01/n01_0.JPEG")
    first = store._archive
    store.read("n01/n01_1.JPEG")
    assert store._archive is first
    assert pickle.loads(pickle.dumps(store))._archive is None
    monkeypatch.setattr("os.getpid", lambda: -1)
    store.read("n01/n01_1.JPEG")
    assert store._archive is not first


@pytest.mark.parametrize("line", ["n01/n01_0.JPEG 0", "n01/n01_0.JPEG\tcat", "n01/n01_0.JPEG\t-1", "\t1"])
def test_bad_lines_are_named(tmp_path, line):
    write_zip_maps(tmp_path)
    with (tmp_path / "train_map.txt").open("a") as file:
        file.write(f"\n{line}\n")
    with pytest.raises(InputError, match=r"line 8 of .*train_map\.txt is '.*'; it must be"):
        open_zip_maps(tmp_path)


def test_parts_that_do_not_fit_together(tmp_path):
    write_zip_maps(tmp_path)
    val_map = tmp_path / "val_map.txt"
    original = val_map.read_text()
    val_map.write_text(original + "val_9.JPEG\t2\n")
    with pytest.raises(InputError, match=r"val_map\.txt names val_9\.JPEG, which .*val\.zip lacks"):
        open_zip_maps(tmp_path)
    val_map.write_text(original.replace("\t2", "\t3"))
    with pytest.raises(InputError, match=r"gives val_2\.JPEG the class 3, but the training list ends at class 2"):
        open_zip_maps(tmp_path)
    val_map.write_text("\n")
    with pytest.raises(InputError, match="lists no images"):
        open_zip_maps(tmp_path)
    val_map.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text in UTF-8"):
        open_zip_maps(tmp_path)
    val_map.unlink()
    (tmp_path / "train.zip").unlink()
    with pytest.raises(InputError, match=r"lacks train\.zip and val_map\.txt"):
        open_zip_maps(tmp_path)


def test_broken_archives(tmp_path):
    write_zip_maps(tmp_path)
    archive = tmp_path / "train.zip"
    packed = archive.read_bytes()
    archive.write_bytes(packed[:-30])
    with pytest.raises(InputError, match=r"train\.zip is not a complete zip archive"):
        open_zip_maps(tmp_path)
    at = packed.index(b"\xff\xd8") + 200
    archive.write_bytes(packed[:at] + bytes([packed[at] ^ 255]) + packed[at + 1 :])
    with pytest.raises(ImageError, match=r"train\.zip/n01/n01_0\.JPEG is damaged .*CRC"):
        open_zip_maps(tmp_path)[0][0]
