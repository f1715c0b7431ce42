"""Folders and zip files of pictures: layouts, kinds of files, and bad ones."""

import dataclasses
import json
import os
import re
import unicodedata
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan_jax.data import (
    DataError,
    PictureOptions,
    decoded,
    load_dataset,
    pictures,
)

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """An empty cache for each test."""
    folder = tmp_path_factory.mktemp("pictures_cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "gan_jax"


def load(place, **options):
    return load_dataset(
        name="own",
        source="folder",
        directory=str(place),
        pictures=PictureOptions(**options),
    )


def pixels(*shape):
    return RANDOM.integers(256, size=shape, dtype=np.uint8)


def save(path, array=None, **options):
    """Writes a picture [H, W] or [H, W, 3], by default of 10 x 12 random colours."""
    array = pixels(10, 12, 3) if array is None else array
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return array


def save_all(folder, names, shape=(10, 12, 3)):
    """{name: pixels} of pictures written there."""
    return {name: save(folder / name, pixels(*shape)) for name in names}


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def assert_same(dataset, expected):
    """`expected`: (class name, pixels) of each picture, in train and in test."""
    for part in ("train", "test"):
        images = getattr(dataset, f"{part}_images")
        labels = getattr(dataset, f"{part}_labels")
        names = [dataset.spec.class_names[label] for label in labels]
        assert names == [name for name, _ in expected[part]]
        np.testing.assert_array_equal(images, [array for _, array in expected[part]])


def assert_holds(dataset, saved):
    """Every picture is there once, with the class {name: (class, pixels)} says."""
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    found = sorted(
        (dataset.spec.class_names[label], image.tobytes())
        for label, image in zip(labels, images, strict=True)
    )
    assert found == sorted((name, array.tobytes()) for name, array in saved.values())


def refused(place, *words, **options):
    """Asserts a one-line DataError with all the words, in this order."""
    with pytest.raises(DataError) as caught:
        load(place, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(".*".join(re.escape(word) for word in words), message), message


# --- layouts


def test_folders_train_and_test_with_classes(tmp_path):
    train = save_all(tmp_path / "train", ["b/1.png", "b/2.png", "a/x.png"])
    test = save_all(tmp_path / "test", ["a/1.png", "b/deep/er/1.png"])

    dataset = load(tmp_path)

    assert dataset.spec.class_names == ("a", "b")
    assert (dataset.spec.name, dataset.spec.image_shape) == ("own", (10, 12, 3))
    assert_same(
        dataset,
        {
            "train": [
                ("a", train["a/x.png"]),
                ("b", train["b/1.png"]),
                ("b", train["b/2.png"]),
            ],
            "test": [("a", test["a/1.png"]), ("b", test["b/deep/er/1.png"])],
        },
    )


def test_one_folder_of_classes_is_divided_class_by_class(tmp_path):
    names = [f"{name}/{number}.png" for name in "ab" for number in range(20)]
    saved = save_all(tmp_path, [*names, "c/1.png", "c/2.png", "d/1.png"])

    dataset = load(tmp_path, test_fraction=0.2)

    assert np.bincount(dataset.train_labels).tolist() == [16, 16, 1, 1]
    assert np.bincount(dataset.test_labels).tolist() == [4, 4, 1]
    saved = {name: (name[0], array) for name, array in saved.items()}
    assert_holds(dataset, saved)
    again = load(tmp_path, test_fraction=0.2)
    assert again.fingerprint() == dataset.fingerprint()
    assert load(tmp_path, test_fraction=0.3).fingerprint() != dataset.fingerprint()


def test_pictures_without_classes(tmp_path):
    saved = save_all(tmp_path, [f"{number}.png" for number in range(10)])
    (tmp_path / "README.txt").write_text("no picture")
    (tmp_path / ".DS_Store").write_text("nor this")

    dataset = load(tmp_path)

    assert dataset.spec.class_names == ("all",)
    assert not dataset.spec.has_classes
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (9, 1)
    assert_holds(dataset, {name: ("all", array) for name, array in saved.items()})


def test_train_and_test_without_classes(tmp_path):
    train = save_all(tmp_path / "train", ["1.png", "2.png"])
    test = save_all(tmp_path / "test", ["1.png"])

    expected = {
        "train": [("all", train["1.png"]), ("all", train["2.png"])],
        "test": [("all", test["1.png"])],
    }
    assert_same(load(tmp_path), expected)


def test_labels_in_a_table(tmp_path):
    # As a Mac spells file names, and as people type them.
    name = unicodedata.normalize("NFD", "schöne Bilder/é 1.png")
    saved = save_all(tmp_path, [name, "2.png", "3.png"])
    (tmp_path / "labels.csv").write_text(
        "\ufefffile,label\n" + unicodedata.normalize("NFC", name) + ",10\n"
        '"2.png", 9\n./3.png,9\n',
        encoding="utf-8",
    )

    dataset = load(tmp_path)

    assert dataset.spec.class_names == ("9", "10")
    classes = {name: "10", "2.png": "9", "3.png": "9"}
    assert_holds(dataset, {each: (classes[each], saved[each]) for each in saved})


def test_labels_as_stylegan_has_them(tmp_path):
    saved = save_all(tmp_path, ["00000/img0.png", "00000/img1.png", "00001/img2.png"])
    file = tmp_path / "dataset.json"
    labels = [[name, label] for name, label in zip(saved, (1, 0, 1), strict=True)]
    file.write_text(json.dumps({"labels": labels}))

    assert_holds(
        load(tmp_path), {name: (str(label), saved[name]) for name, label in labels}
    )

    # Its tool spreads pictures over folders, which are no classes.
    file.write_text('{"labels": null}')
    assert load(tmp_path).spec.class_names == ("all",)
    assert_holds(load(tmp_path), {name: ("all", saved[name]) for name in saved})


def test_listed_labels_of_train_and_test(tmp_path):
    saved = save_all(tmp_path, ["train/1.png", "train/2.png", "test/1.png"])
    (tmp_path / "labels.csv").write_text(
        "label,file\nx,train/1.png\ny,train/2.png\ny,test/1.png\n"
    )

    expected = {
        "train": [("x", saved["train/1.png"]), ("y", saved["train/2.png"])],
        "test": [("y", saved["test/1.png"])],
    }
    assert_same(load(tmp_path), expected)


@pytest.mark.parametrize("outer", ["", "outer/"])
def test_a_zip_file_is_as_its_folder(tmp_path, outer):
    folder = tmp_path / "meine Bilder"
    save_all(folder / outer, [f"{name}/{i}.png" for name in "äb" for i in range(4)])
    (folder / "__MACOSX").mkdir()
    save(folder / "__MACOSX" / "ä" / "._1.png")

    of_folder = load(folder)
    of_zip = load(zipped(folder, tmp_path / "b.zip"))

    assert of_zip.spec.class_names == ("b", "ä")
    assert of_zip.fingerprint() == of_folder.fingerprint()
    assert not (tmp_path / "outer").exists()


def test_links_are_followed_and_loops_are_not(tmp_path):
    save_all(tmp_path / "elsewhere", ["1.png", "2.png"])
    save_all(tmp_path / "set", ["a/1.png", "a/2.png"])
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "self").symlink_to(tmp_path / "set")

    dataset = load(tmp_path / "set")

    assert dataset.spec.class_names == ("a", "b")
    assert len(dataset.train_labels) + len(dataset.test_labels) == 4


# --- kinds of pictures


def decode(path, **options):
    """[H, W, C] of a picture that is the whole test set."""
    root = path.parent.parent
    for number in range(2):
        save(root / "train" / f"{number}.png", pixels(9, 9))
    return load(root, **({"image_size": (10, 12)} | options)).test_images[0]


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".webp"])
@pytest.mark.parametrize("shape", [(10, 12), (10, 12, 3)])
def test_kinds_without_loss(tmp_path, suffix, shape):
    path = tmp_path / "test" / f"picture{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    array = save(path, pixels(*shape), **options)
    gray = len(shape) == 2 and suffix != ".webp"  # which has colours only

    image = decode(path)

    expected = array[..., None] if len(shape) == 2 else array
    if len(shape) == 2 and not gray:
        expected = expected.repeat(3, axis=2)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG"])
def test_jpeg(tmp_path, suffix):
    smooth = np.add.outer(np.arange(10), np.arange(12)).astype(np.uint8) * 10
    path = tmp_path / "test" / f"picture{suffix}"
    save(path, smooth, quality=95)

    image = decode(path)

    assert image.shape == (10, 12, 1)
    assert np.abs(image[..., 0].astype(int) - smooth).max() < 8


def test_palettes(tmp_path):
    path = tmp_path / "test" / "palette.png"
    path.parent.mkdir()
    picture = Image.new("P", (12, 10), 1)
    picture.putpalette([0, 0, 0, 200, 100, 50, 1, 2, 3])
    picture.putpixel((3, 4), 2)
    picture.save(path)

    image = decode(path)

    assert image[0, 0].tolist() == [200, 100, 50]
    assert image[4, 3].tolist() == [1, 2, 3]

    picture.save(path, transparency=1)  # now its first colour is transparent
    assert decode(path)[0, 0].tolist() == [0, 0, 0]
    assert decode(path)[4, 3].tolist() == [1, 2, 3]


def test_transparent_pixels_lie_on_black(tmp_path):
    path = tmp_path / "test" / "glass.png"
    array = np.zeros((10, 12, 4), np.uint8)
    array[..., :3] = (200, 100, 40)
    array[:5, :, 3] = 255
    array[5, :, 3] = 51  # a fifth
    save(path, array)

    image = decode(path)

    assert image[4, 0].tolist() == [200, 100, 40]
    assert image[5, 0].tolist() == [40, 20, 8]
    assert image[6, 0].tolist() == [0, 0, 0]

    gray = Image.fromarray(array[..., 3]).convert("LA")
    gray.putalpha(51)
    gray.save(path)
    assert decode(path)[0, 0].tolist() == [51]


def test_sixteen_bits_become_eight(tmp_path):
    path = tmp_path / "test" / "deep.png"
    array = np.zeros((10, 12), np.uint16)
    array[0, :6] = [65535, 257, 257 * 100, 257 * 100 + 128, 257 * 100 + 129, 128]
    save(path, array)

    assert decode(path)[0, :6, 0].tolist() == [255, 1, 100, 100, 101, 0]


def test_one_bit_becomes_black_and_white(tmp_path):
    path = tmp_path / "test" / "bits.png"
    array = pixels(10, 12) > 127
    path.parent.mkdir()
    Image.fromarray(array).save(path)

    np.testing.assert_array_equal(decode(path)[..., 0], array * np.uint8(255))


def test_pictures_are_turned_as_exif_says(tmp_path):
    path = tmp_path / "test" / "turned.png"
    array = pixels(12, 10, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen turned by 90 degrees clockwise
    save(path, array, exif=exif)

    np.testing.assert_array_equal(decode(path), np.rot90(array, -1))


def test_gray_and_coloured_pictures_together_have_three_channels(tmp_path):
    saved = save_all(tmp_path, ["1.png", "2.png"], (10, 12))
    saved["3.png"] = save(tmp_path / "3.png", pixels(10, 12, 3))

    dataset = load(tmp_path)

    assert dataset.spec.image_shape == (10, 12, 3)
    wide = {
        name: array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)
        for name, array in saved.items()
    }
    assert_holds(dataset, {name: ("all", array) for name, array in wide.items()})


def test_pictures_are_resized_and_cropped_at_the_centre(tmp_path):
    # Blocks of 3 x 3 equal pixels; a sixth at each side is cropped.
    blocks = np.repeat(np.repeat(pixels(8, 12, 3), 3, axis=0), 3, axis=1)
    path = tmp_path / "test" / "wide.png"
    save(path, blocks)

    image = decode(path, image_size=(8,))

    assert image.shape == (8, 8, 3)
    expected = Image.fromarray(blocks).resize(
        (8, 8), Image.Resampling.LANCZOS, box=(6, 0, 30, 24)
    )
    np.testing.assert_array_equal(image, np.asarray(expected))
    # Antialiased: not single pixels of the large picture.
    assert not np.array_equal(image, blocks[1::3, 7:-6:3])


def test_pictures_are_padded_with_black(tmp_path):
    wide = pixels(12, 24, 3)
    path = tmp_path / "test" / "wide.png"
    save(path, wide)

    image = decode(path, image_size=(8,), fit="pad")

    assert image.shape == (8, 8, 3)
    assert not image[:2].any() and not image[6:].any()
    expected = Image.fromarray(wide).resize((8, 4), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(image[2:6], np.asarray(expected))
    (note,) = load(tmp_path, image_size=(8,), fit="pad").notes
    assert "are resized and padded with black to 8 x 8 pixels" in note


def test_pictures_too_narrow_to_be_padded(tmp_path):
    save(tmp_path / "1.png", pixels(8, 512))
    save(tmp_path / "2.png")

    refused(
        tmp_path, "1.png is 8 x 512", "nothing is left", image_size=(32,), fit="pad"
    )


def test_a_line_says_what_was_resized(tmp_path):
    save(tmp_path / "1.png", pixels(20, 30))
    save(tmp_path / "2.png", pixels(16, 16))
    save(tmp_path / "3.png", pixels(40, 30))

    (note,) = load(tmp_path, image_size=(16,)).notes

    assert note == (
        f"2 of 3 pictures in {tmp_path} are resized and cropped to 16 x 16 pixels, "
        "from 20 x 30 to 40 x 30"
    )
    assert load(tmp_path, image_size=(16,)).notes == (note,)  # from the cache


# --- the cache


def count_decoded(monkeypatch):
    counts = []
    decode = pictures._decode

    def counting(tree, path, *arguments):
        counts.append(path)
        return decode(tree, path, *arguments)

    monkeypatch.setattr(pictures, "_decode", counting)
    return counts


def test_pictures_are_decoded_once(tmp_path, own_cache, monkeypatch):
    save_all(tmp_path, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    counts = count_decoded(monkeypatch)

    first = load(tmp_path)
    again = load(tmp_path)

    assert len(counts) == 4
    assert again.fingerprint() == first.fingerprint()
    assert again.spec == first.spec
    assert [path.suffix for path in own_cache.iterdir()] == [".npz"]
    load(tmp_path, image_size=(16,))
    assert len(counts) == 8
    os.utime(tmp_path / "a" / "1.png", (1, 1))
    load(tmp_path)
    assert len(counts) == 12
    save(tmp_path / "b" / "3.png")
    load(tmp_path)
    assert len(counts) == 17


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_cache_is_decoded_again(tmp_path, own_cache, monkeypatch, damage):
    save_all(tmp_path, ["1.png", "2.png"], (40, 40))
    first = load(tmp_path)
    (file,) = own_cache.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "cut":
        content = content[:-200]
    elif damage == "flipped":
        content[content.index(first.train_images.tobytes()) + 5] ^= 1
    else:
        content = b"text"
    file.write_bytes(content)
    counts = count_decoded(monkeypatch)

    assert load(tmp_path).fingerprint() == first.fingerprint()
    assert len(counts) == 2
    assert load(tmp_path).fingerprint() == first.fingerprint()
    assert len(counts) == 2


def test_a_cache_that_cannot_be_written_costs_nothing_more(tmp_path, monkeypatch):
    save_all(tmp_path, ["1.png", "2.png"])
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(decoded, "cache_dir", lambda: tmp_path / "file" / "below")

    assert len(load(tmp_path).train_labels) == 1


# --- bad input


def test_places_that_hold_no_pictures(tmp_path):
    refused("", "needs pictures", "--config.data.dir=FOLDER")
    refused(tmp_path / "nowhere", "nowhere is not there", "a folder or a zip file")
    (tmp_path / "file.txt").write_text("text")
    refused(tmp_path / "file.txt", "file.txt is neither a folder nor a whole zip")
    np.savez(tmp_path / "own.npz", x_train=1)
    refused(tmp_path / "own.npz", "own.npz is an .npz file", "data.source=files")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "empty holds no pictures", ".png", "found no files")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1.gif").write_text("")
    refused(tmp_path / "other", "no pictures: expected .png", "found .gif")
    (tmp_path / "bad.zip").write_bytes(b"PK\5\6" + bytes(30))
    refused(tmp_path / "bad.zip", "bad.zip")


def test_too_few_pictures(tmp_path):
    save(tmp_path / "one" / "1.png")
    refused(tmp_path / "one", "one holds one picture, 1.png", "at least 2")
    save_all(tmp_path / "alone", ["a/1.png", "b/1.png"])
    refused(tmp_path / "alone", "no pictures for the test set", "2 pictures of a class")


def test_mixed_layouts(tmp_path):
    save_all(tmp_path / "empty class", ["a/1.png", "a/2.png"])
    (tmp_path / "empty class" / "b").mkdir()
    refused(tmp_path / "empty class", "empty class/b holds no pictures", "every class")
    save_all(tmp_path / "loose", ["a/1.png", "2.png"])
    refused(tmp_path / "loose", "loose/2.png lies beside folders", "in the folder of")
    save_all(tmp_path / "half", ["train/a/1.png", "val/a/2.png"])
    refused(tmp_path / "half", "half has a folder train", "expected both or neither")
    save_all(tmp_path / "three", ["train/1.png", "test/1.png", "val/1.png"])
    refused(tmp_path / "three", "three/val/1.png lies beside the folders train and te")
    save_all(tmp_path / "more", ["train/a/1.png", "test/b/2.png"])
    refused(tmp_path / "more", "more/test/b/2.png is of class b", "no training pict")


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["training/0/1.png", "testing/0/2.png", "testing/1/2.png"], "testing"),
        (["Train/1.png", "Train/2.png", "Test/3.png", "Test/4.png"], "Test"),
        (["TRAIN/a/1.png", "TRAIN/b/2.png", "others/b/2.png"], "TRAIN"),
    ],
)
def test_parts_of_other_names_are_no_classes(tmp_path, paths, folder):
    save_all(tmp_path, paths)

    refused(tmp_path, f"has a folder {folder}, named like a part of the data: call")


def test_a_class_may_have_the_name_of_a_part(tmp_path):
    save_all(tmp_path, ["valid/1.png", "valid/2.png", "void/3.png", "void/4.png"])

    assert load(tmp_path).spec.class_names == ("valid", "void")


def test_classes_are_known_before_pictures_are_decoded(tmp_path, monkeypatch):
    save_all(tmp_path, ["train/a/1.png", "test/b/2.png"])
    monkeypatch.setattr("gan_jax.data.folder.decoded_pictures", None)

    refused(tmp_path, "test/b/2.png is of class b", "no training pict")


def test_pictures_of_several_sizes(tmp_path):
    save(tmp_path / "1.png", pixels(20, 30))
    save(tmp_path / "2.png", pixels(30, 20))
    refused(
        tmp_path, "2.png is 30 x 20 pixels", "1.png 20 x 30", "--config.data.image_size"
    )
    assert load(tmp_path, image_size=(8,)).spec.image_shape == (8, 8, 1)


def test_large_pictures_of_one_size(tmp_path):
    save_all(tmp_path, ["1.png", "2.png"], (10, 513))
    refused(tmp_path, "1.png is 10 x 513 pixels", "at most 512", "data.image_size")


def write_bad(tmp_path, kind):
    """A folder of two good pictures and a bad one, bad.png; returns the bad one."""
    save_all(tmp_path, ["1.png", "2.png"])
    path = tmp_path / "bad.png"
    match kind:
        case "text":
            path.write_text("a text that calls itself a picture")
        case "empty":
            path.write_bytes(b"")
        case "gif":
            Image.fromarray(pixels(10, 12)).save(path, format="GIF")
        case "dot":
            save(path, pixels(1, 1))
        case "cut png":
            save(path)
            path.write_bytes(path.read_bytes()[:-100])
        case "cut jpeg":
            save(path, pixels(64, 64, 3), format="JPEG")
            path.write_bytes(path.read_bytes()[:-1000])
        case "bomb":
            Image.new("1", (12_000, 12_000)).save(path)
        case "link":
            path.symlink_to(tmp_path / "nowhere.png")
    return path


BAD = {
    "text": "is no PNG, JPEG, WebP or BMP picture",
    "empty": "is no PNG, JPEG, WebP or BMP picture",
    "gif": "is no PNG, JPEG, WebP or BMP picture",
    "dot": "is 1 x 1 pixels; expected at least 8",
    "cut png": "is damaged: ",
    "cut jpeg": "is damaged: OSError: image file is truncated",
    "bomb": "is too large: Image size (144000000 pixels)",
    "link": "is damaged: FileNotFoundError",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_picture_that_cannot_be_used(tmp_path, kind):
    path = write_bad(tmp_path, kind)

    refused(tmp_path, f"{path} {BAD[kind]}", "(1 of 3 pictures cannot", "on_error=skip")

    dataset = load(tmp_path, on_error="skip")
    assert len(dataset.train_labels) + len(dataset.test_labels) == 2
    assert dataset.notes == (
        f"1 of 3 pictures in {tmp_path} cannot be used and are left out: bad.png",
    )


def test_many_pictures_that_cannot_be_used(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.png").write_text("text")
    refused(tmp_path, "0.png", "(5 of 5 pictures cannot be used)", on_error="skip")

    save_all(tmp_path, ["7.png", "8.png"])
    (note,) = load(tmp_path, on_error="skip").notes
    assert note.endswith("are left out: 0.png, 1.png, 2.png, ...")


def test_a_class_of_which_no_picture_can_be_used(tmp_path):
    save_all(tmp_path, ["a/1.png", "a/2.png"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.png").write_text("text")

    refused(tmp_path, "no picture of class b can be used", on_error="skip")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("file,label\n1.png,a\n", ["has no label of 2.png", "1 of 2"]),
        (
            "file,label\n1.png,a\n2.png,a\n3.png,b\n4.png,b\n",
            ["labels.csv names 3.png", "2 of 4 are missing"],
        ),
        ("name,label\n1.png,a\n", ["begins with 'name,label'", "columns file,label"]),
        ("", ["labels.csv begins with ''", "file,label"]),
        ("file,label\n1.png\n2.png,b\n", ["labels.csv, row 2: expected a file and a"]),
        ("file,label\n1.png,a\n1.png,b\n2.png,a\n", ["1.png with two labels"]),
        (b"\xff\xfe\0", ["labels.csv: expected a table in UTF-8"]),
    ],
)
def test_bad_tables_of_labels(tmp_path, table, words):
    save_all(tmp_path, ["1.png", "2.png"])
    content = table if isinstance(table, bytes) else table.encode()
    (tmp_path / "labels.csv").write_bytes(content)

    refused(tmp_path, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", ["dataset.json: expected {", "JSONDecodeError"]),
        ("{}", ["dataset.json: expected {", "KeyError"]),
        ('{"labels": [["1.png", "a"], ["2.png", 0]]}', ["has ['1.png', 'a']"]),
        ('{"labels": [["1.png", -1], ["2.png", 0]]}', ["has ['1.png', -1]"]),
        ('{"labels": [["1.png", 0], ["9.png", 0]]}', ["names 9.png"]),
    ],
)
def test_bad_lists_of_labels(tmp_path, text, words):
    save_all(tmp_path, ["1.png", "2.png"])
    (tmp_path / "dataset.json").write_text(text)

    refused(tmp_path, *words)


def test_two_lists_of_labels(tmp_path):
    save_all(tmp_path, ["1.png", "2.png"])
    (tmp_path / "labels.csv").write_text("file,label\n1.png,a\n2.png,b\n")
    (tmp_path / "dataset.json").write_text('{"labels": null}')

    refused(tmp_path, "dataset.json lies beside labels.csv")


@pytest.mark.parametrize("stray", ["train/labels.csv", "test/a/dataset.json"])
def test_lists_that_would_not_be_read(tmp_path, stray):
    save_all(tmp_path, ["train/a/1.png", "train/a/2.png", "test/a/1.png"])
    (tmp_path / stray).write_text("")

    refused(
        tmp_path,
        f"{tmp_path}/{stray} is not where labels are read: expected one list",
        f"at the top of {tmp_path} (beside train and test",
    )


@pytest.mark.parametrize("kind", ["damaged", "encrypted"])
def test_lists_in_zip_files_that_cannot_be_read(tmp_path, kind):
    save_all(tmp_path / "set", ["1.png", "2.png"])
    (tmp_path / "set" / "labels.csv").write_text("file,label\n1.png,a\n2.png,b\n")
    path = zipped(tmp_path / "set", tmp_path / "set.zip")
    content = bytearray(path.read_bytes())
    if kind == "damaged":
        content[content.index(b"1.png,a")] ^= 1
    else:
        # The flags of an entry stand before its name, here and in the directory.
        name = b"set/labels.csv"
        for start, ahead in ((0, 24), (content.index(name) + 1, 38)):
            content[content.index(name, start) - ahead] |= 1
    path.write_bytes(content)

    refused(path, "set/labels.csv: expected a list of labels; ")


def test_zip_files_whose_paths_begin_with_a_dot(tmp_path):
    saved = save_all(tmp_path, ["a/1.png", "a/2.png", "b/1.png", "b/2.png"])
    with zipfile.ZipFile(tmp_path / "dots.zip", "w") as archive:
        archive.writestr("./", b"")
        for name in saved:
            archive.writestr(f"./{name}", (tmp_path / name).read_bytes())

    dataset = load(tmp_path / "dots.zip")

    assert_holds(dataset, {name: (name[0], saved[name]) for name in saved})


@pytest.mark.parametrize("entry", ["../1.png", "/1.png", "a/../../1.png", "C:\\1.png"])
def test_zip_files_that_lead_out_of_themselves(tmp_path, entry):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, b"")

    refused(path, "bad.zip: entry", "leads out of the zip file", "relative paths")


def test_damaged_zip_files(tmp_path):
    save_all(tmp_path / "set", ["1.png", "2.png"])
    path = zipped(tmp_path / "set", tmp_path / "set.zip")
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 9] ^= 1
    path.write_bytes(content)

    refused(path, "set/1.png is damaged: BadZipFile: Bad CRC-32")


def test_entries_that_grow_without_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_MAX_BYTES", 1000)
    save_all(tmp_path, ["1.png", "2.png"])
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(100_000))
        archive.write(tmp_path / "1.png", "2.png")

    refused(tmp_path / "bomb.zip", "1.png has 100,000 bytes; expected at most 1,000")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", (8, 8, 8)),
        ("image_size", (0,)),
        ("image_size", ("8",)),
        ("fit", "stretch"),
        ("test_fraction", 0.0),
        ("test_fraction", 1.0),
        ("on_error", "go on"),
    ],
)
def test_options_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"^{field} is "):
        dataclasses.replace(PictureOptions(), **{field: value}).check()


# --- names, and arrays of one's own


def test_names_of_known_sets_are_taken(tmp_path):
    with pytest.raises(DataError, match="mnist is a known data set.*another name"):
        load_dataset(name="mnist", source="folder", directory=str(tmp_path))
    with pytest.raises(DataError, match="'own'; known: mnist.*source files, folder, h"):
        load_dataset(name="own", source="tfds")


ARRAYS = {
    "x_train": pixels(6, 10, 12, 3),
    "y_train": np.array([0, 2, 1, 1, 2, 0]),
    "x_test": pixels(2, 10, 12, 3),
    "y_test": np.array([2, 1]),
}


def load_npz(place):
    return load_dataset(name="own", source="files", directory=str(place))


@pytest.mark.parametrize("place", ["", "own.npz"])
def test_own_arrays(tmp_path, place):
    np.savez(tmp_path / "own.npz", **ARRAYS)

    dataset = load_npz(tmp_path / place)

    assert dataset.spec.image_shape == (10, 12, 3)
    assert dataset.spec.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(dataset.train_images, ARRAYS["x_train"])
    assert dataset.test_labels.tolist() == [2, 1]


def test_own_arrays_of_one_channel_and_one_class(tmp_path):
    gray = {name: array[..., 0] for name, array in ARRAYS.items() if name[0] == "x"}
    zeros = {"y_train": np.zeros(6, int), "y_test": np.zeros((2, 1), int)}
    np.savez(tmp_path / "own.npz", **gray, **zeros)

    spec = load_npz(tmp_path).spec

    assert (spec.image_shape, spec.has_classes) == ((10, 12, 1), False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": pixels(6, 10, 12, 4)}, r"own.npz, x_train: .*\[6, 10, 12, 4\]"),
        ({"x_train": pixels(6, 10)}, r"own.npz, x_train: .*found \[6, 10\]"),
        ({"y_train": np.zeros(6)}, "own.npz, y_train: .*integer.*float64"),
        ({"y_train": np.arange(6) * 1000}, "y_train: .*found 5000 among 6"),
        ({"y_train": np.arange(6) - 1}, "y_train: .*found -1 at position 0"),
        ({"y_test": np.array([0, 3])}, "y_test: .*from 0 to 2, found 3"),
        ({"x_test": pixels(2, 10, 10, 3)}, r"x_test: .*\[N, 10, 12, 3\]"),
        ({"x_train": ARRAYS["x_train"] / 255}, "x_train: expected uint8"),
    ],
)
def test_bad_own_arrays(tmp_path, change, message):
    np.savez(tmp_path / "own.npz", **(ARRAYS | change))

    with pytest.raises(DataError, match=message):
        load_npz(tmp_path)


def test_no_own_arrays(tmp_path):
    with pytest.raises(DataError, match="own.npz is not there: .*none of the known"):
        load_npz(tmp_path)
    with pytest.raises(DataError, match="needs a folder"):
        load_npz("")
