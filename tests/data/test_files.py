"""Every distribution format, whole and damaged, made small in a temporary folder."""

import gzip
import io
import pickle
import re
import struct
import tarfile

import numpy as np
import pytest
import scipy.io

from gan_jax.data import DataError, load_dataset

RANDOM = np.random.RandomState(0)
DIGITS = {
    "x_train": RANDOM.randint(0, 256, (7, 28, 28)).astype(np.uint8),
    "y_train": np.array([3, 0, 9, 1, 1, 8, 5], np.uint8),
    "x_test": RANDOM.randint(0, 256, (4, 28, 28)).astype(np.uint8),
    "y_test": np.array([7, 2, 9, 0], np.uint8),
}
IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def load(name, folder):
    return load_dataset(name=name, source="files", directory=str(folder))


def refused(name, folder, *words):
    """Asserts a one-line DataError with all the words, in this order."""
    with pytest.raises(DataError) as caught:
        load(name, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(".*".join(re.escape(word) for word in words), message), message


def assert_holds(dataset, arrays):
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        images = images.reshape(len(images), *dataset.spec.image_shape)
        found = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
        assert found[0].dtype == np.uint8
        assert found[1].dtype == np.int32
        np.testing.assert_array_equal(found[0], images)
        np.testing.assert_array_equal(found[1], labels.reshape(-1))


# --- where it looks


@pytest.mark.parametrize("subfolder", ["", "fashion_mnist"])
def test_finds_files_in_the_folder_or_in_one_of_the_set_s_name(tmp_path, subfolder):
    (tmp_path / subfolder).mkdir(exist_ok=True)
    np.savez(tmp_path / subfolder / "fashion_mnist.npz", **DIGITS)
    dataset = load("fashion_mnist", tmp_path)
    assert dataset.spec.name == "fashion_mnist"
    assert_holds(dataset, DIGITS)


def test_an_empty_folder_lists_what_was_looked_for(tmp_path):
    np.savez(tmp_path / "fashion_mnist.npz", **DIGITS)
    refused("mnist", tmp_path, str(tmp_path), "mnist.npz", "train-images-idx3-ubyte.gz")
    refused("cifar10", tmp_path, "cifar10.npz", "data_batch_1", "-python.tar.gz")
    refused("svhn", tmp_path, "svhn.npz", "train_32x32.mat")


def test_missing_folder_and_no_folder(tmp_path):
    refused("mnist", tmp_path / "nowhere", "nowhere is not a folder", "--config.data")
    refused("mnist", "", "needs a folder", "--config.data.dir")


# --- npz


@pytest.mark.parametrize("label_type", [np.uint8, np.int64, ">i4"])
def test_npz_with_a_channel_axis_and_column_labels(tmp_path, label_type):
    columns = {
        name: array[..., None] if name[0] == "x" else array[:, None].astype(label_type)
        for name, array in DIGITS.items()
    }
    np.savez_compressed(tmp_path / "mnist.npz", **columns)
    assert_holds(load("mnist", tmp_path), DIGITS)


def test_npz_of_colour_images(tmp_path):
    colour = {
        "x_train": RANDOM.randint(0, 256, (3, 32, 32, 3)).astype(np.uint8),
        "y_train": np.array([9, 0, 4]),
        "x_test": RANDOM.randint(0, 256, (2, 32, 32, 3)).astype(np.uint8),
        "y_test": np.array([1, 2]),
    }
    for name in ("cifar10", "svhn"):
        np.savez(tmp_path / f"{name}.npz", **colour)
        assert_holds(load(name, tmp_path), colour)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": DIGITS["x_train"] / 255}, ["x_train", "uint8", "float64"]),
        ({"x_test": DIGITS["x_test"][:, 1:]}, ["x_test", "28, 28, 1", "[4, 27, 28]"]),
        ({"y_train": DIGITS["y_train"] + 1}, ["y_train", "0 to 9", "10 at position 2"]),
        ({"y_test": DIGITS["y_test"][:3]}, ["y_test", "4 images", "found 3"]),
        ({"y_test": DIGITS["y_test"].astype(object)}, ["x_train", "allow_pickle"]),
    ],
)
def test_npz_with_a_wrong_array(tmp_path, change, words):
    np.savez(tmp_path / "mnist.npz", **(DIGITS | change))
    refused("mnist", tmp_path, "mnist.npz", *words)


def test_npz_without_an_array(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=DIGITS["x_train"])
    refused("mnist", tmp_path, "mnist.npz", "y_train, x_test, y_test not among x_train")


def test_npz_damaged(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, **DIGITS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("mnist", tmp_path, "mnist.npz", "expected an .npz archive")
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    path.write_bytes(flipped)
    refused("mnist", tmp_path, "mnist.npz", "expected an .npz archive")


# --- IDX


def idx_bytes(array):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx(folder, *, zipped, arrays=DIGITS):
    for name, array in arrays.items():
        contents = idx_bytes(array)
        if zipped:
            (folder / f"{IDX_NAMES[name]}.gz").write_bytes(gzip.compress(contents))
        else:
            (folder / IDX_NAMES[name]).write_bytes(contents)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx(tmp_path, name, zipped):
    write_idx(tmp_path, zipped=zipped)
    assert_holds(load(name, tmp_path), DIGITS)


def test_idx_with_one_file_missing(tmp_path):
    write_idx(tmp_path, zipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    refused("mnist", tmp_path, str(tmp_path), "expected t10k-labels-idx1-ubyte or")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda whole: b"", ["00000803", "found nothing"]),
        (lambda whole: b"\0\0\x08\x01" + whole[4:], ["00000803", "found 00000801"]),
        (lambda whole: whole[:10], ["header of 16 bytes, found 10"]),
        (lambda whole: whole[:-1], ["expected 5488 bytes", "found 5487"]),
        (lambda whole: whole + b"\0", ["expected 5488 bytes", "found 5489"]),
    ],
)
def test_idx_damaged(tmp_path, damage, words):
    write_idx(tmp_path, zipped=False)
    path = tmp_path / IDX_NAMES["x_train"]
    path.write_bytes(damage(path.read_bytes()))
    refused("mnist", tmp_path, IDX_NAMES["x_train"], *words)


def test_idx_gzip_damaged(tmp_path):
    write_idx(tmp_path, zipped=True)
    path = tmp_path / f"{IDX_NAMES['x_test']}.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("mnist", tmp_path, path.name, "expected a whole IDX file", "EOFError")
    path.write_bytes(b"no gzip")
    refused("mnist", tmp_path, path.name, "expected a whole IDX file", "BadGzipFile")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_train": DIGITS["x_train"][:, :14]}, ["28, 28, 1", "[7, 14, 28]"]),
        ({"y_train": DIGITS["y_train"] + 1}, ["0 to 9", "10 at position 2"]),
        ({"y_train": DIGITS["y_train"][1:]}, ["7 images", "found 6"]),
    ],
)
def test_idx_of_something_else(tmp_path, change, words):
    write_idx(tmp_path, zipped=False, arrays=DIGITS | change)
    (changed,) = change
    refused("mnist", tmp_path, IDX_NAMES[changed], *words)


# --- CIFAR-10


def python2_array_pickle(array):
    """What Python 2's cPickle wrote, protocol 2, for a uint8 matrix."""
    rows, columns = (struct.pack("<i", size) for size in array.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
        b"(K\x01J" + rows + b"J" + columns + b"\x86"
        b"cnumpy\ndtype\nU\x02u1K\0K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"
        b"T" + struct.pack("<i", array.nbytes) + array.tobytes() + b"tb"
    )


def batch_bytes(rows, labels):
    """A batch as on the CIFAR-10 page: Python 2 strings, uint8 rows, a list of ints."""
    pickled_labels = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return (
        b"\x80\x02}(U\x0bbatch_labelU\x15training batch 1 of 5U\x06labels"
        + pickled_labels
        + b"U\x04data"
        + python2_array_pickle(rows)
        + b"U\tfilenames](U\x05a.pngeu."
    )


BATCH_NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
CIFAR_IMAGES = RANDOM.randint(0, 256, (12, 32, 32, 3)).astype(np.uint8)
CIFAR_LABELS = np.array([6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 0])
CIFAR = {
    "x_train": CIFAR_IMAGES[:10],
    "y_train": CIFAR_LABELS[:10],
    "x_test": CIFAR_IMAGES[10:],
    "y_test": CIFAR_LABELS[10:],
}


def cifar_batches():
    """Two images a batch, as rows of the red, the green and the blue plane."""
    batches = {}
    for position, name in enumerate(BATCH_NAMES):
        part = slice(2 * position, 2 * position + 2)
        planes = np.moveaxis(CIFAR_IMAGES[part], -1, 1)
        batches[name] = batch_bytes(planes.reshape(2, 3072), CIFAR_LABELS[part])
    return batches


def write_batches(folder, batches):
    folder.mkdir(exist_ok=True)
    for name, contents in batches.items():
        (folder / name).write_bytes(contents)


def write_tar(folder, batches):
    path = folder / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        directory = tarfile.TarInfo("cifar-10-batches-py")
        directory.type = tarfile.DIRTYPE
        archive.addfile(directory)
        # The official archive is not in the batches' order either.
        for name in sorted(batches, reverse=True):
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(batches[name])
            archive.addfile(member, io.BytesIO(batches[name]))
    return path


@pytest.mark.parametrize("subfolder", ["", "cifar-10-batches-py"])
def test_cifar10_batches(tmp_path, subfolder):
    write_batches(tmp_path / subfolder, cifar_batches())
    assert_holds(load("cifar10", tmp_path), CIFAR)


def test_cifar10_tar(tmp_path):
    write_tar(tmp_path, cifar_batches())
    assert_holds(load("cifar10", tmp_path), CIFAR)


def test_cifar10_tar_damaged_or_without_a_batch(tmp_path):
    batches = cifar_batches()
    path = write_tar(tmp_path, batches)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("cifar10", tmp_path, path.name, "expected a whole tar.gz archive")
    del batches["data_batch_4"]
    write_tar(tmp_path, batches)
    refused("cifar10", tmp_path, path.name, "cifar-10-batches-py/data_batch_4")


def test_cifar10_batch_missing(tmp_path):
    batches = cifar_batches()
    del batches["test_batch"]
    write_batches(tmp_path, batches)
    refused("cifar10", tmp_path, "test_batch", "expected a CIFAR-10 batch")


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"", ["EOFError"]),
        (cifar_batches()["data_batch_2"][:3000], ["UnpicklingError"]),
        (pickle.dumps({b"data": 1}, 2), ["dict with data and labels"]),
        (batch_bytes(np.zeros((2, 784), np.uint8), [1, 2]), ["[N, 3072]", "[2, 784]"]),
        (batch_bytes(np.zeros((2, 3072), np.uint8), [1, 10]), ["labels", "0 to 9"]),
        (batch_bytes(np.zeros((2, 3072), np.uint8), [1]), ["2 images", "found 1"]),
        (cifar_batches()["data_batch_2"].replace(b"U\x02u1", b"U\x02O8"), ["O8"]),
    ],
)
def test_cifar10_batch_damaged(tmp_path, contents, words):
    write_batches(tmp_path, cifar_batches() | {"data_batch_2": contents})
    refused("cifar10", tmp_path, "data_batch_2", *words)


@pytest.mark.parametrize(
    "call",
    [
        b"cos\nsystem\n(S'touch %s'\ntR.",
        b"cposix\nsystem\n(S'touch %s'\ntR.",
        b"c__builtin__\nopen\n(S'%s'\nS'w'\ntR.",
        b"cbuiltins\nopen\n(S'%s'\nS'w'\ntR.",
        b"(S'%s'\nS'w'\nibuiltins\nopen\n.",
    ],
)
def test_a_malicious_pickle_does_not_run(tmp_path, call):
    trace = tmp_path / "executed"
    attack = call % str(trace).encode()
    write_batches(tmp_path, cifar_batches() | {"data_batch_1": attack})
    refused("cifar10", tmp_path, "data_batch_1", "is not allowed in a CIFAR-10 batch")
    assert not trace.exists()
    # The attack is a real one: an unrestricted unpickler runs it.
    result = pickle.loads(attack)
    if hasattr(result, "close"):
        result.close()
    assert trace.exists()


# --- SVHN

SVHN = {
    "x_train": RANDOM.randint(0, 256, (4, 32, 32, 3)).astype(np.uint8),
    "y_train": np.array([1, 0, 9, 5]),
    "x_test": RANDOM.randint(0, 256, (3, 32, 32, 3)).astype(np.uint8),
    "y_test": np.array([0, 0, 2]),
}


def write_mat(folder, arrays=SVHN):
    for part in ("train", "test"):
        labels = arrays[f"y_{part}"]
        scipy.io.savemat(
            folder / f"{part}_32x32.mat",
            {
                "X": np.moveaxis(arrays[f"x_{part}"], 0, -1),
                "y": np.where(labels == 0, 10, labels).astype(np.uint8)[:, None],
            },
            do_compression=True,
        )


def test_svhn(tmp_path):
    write_mat(tmp_path)
    assert_holds(load("svhn", tmp_path), SVHN)


def test_svhn_with_one_file_missing(tmp_path):
    write_mat(tmp_path)
    (tmp_path / "train_32x32.mat").unlink()
    refused("svhn", tmp_path, "train_32x32.mat", "expected a MATLAB file with X and y")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_test": SVHN["x_test"][:, :28]}, ["X", "32, 32, 3]", "[3, 28, 32, 3]"]),
        ({"x_test": SVHN["x_test"][:, 0]}, ["X", "[32, 32, 3, N]", "[32, 3, 3]"]),
        ({"x_test": SVHN["x_test"] / 255}, ["X", "uint8", "float64"]),
        ({"y_test": np.array([1, 2, 11])}, ["y", "1 to 10", "1 to 11"]),
        ({"y_test": np.array([1, 2])}, ["y", "3 images", "found 2"]),
    ],
)
def test_svhn_of_something_else(tmp_path, change, words):
    write_mat(tmp_path, SVHN | change)
    refused("svhn", tmp_path, "test_32x32.mat", *words)


def test_svhn_with_a_zero_label(tmp_path):
    write_mat(tmp_path)
    path = tmp_path / "test_32x32.mat"
    contents = scipy.io.loadmat(path)
    zero = {"X": contents["X"], "y": contents["y"] % 10}
    scipy.io.savemat(path, zero)
    refused("svhn", tmp_path, "test_32x32.mat, y", "1 to 10", "found 0 to 2")


def test_svhn_damaged_or_without_an_array(tmp_path):
    write_mat(tmp_path)
    path = tmp_path / "train_32x32.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused("svhn", tmp_path, "train_32x32.mat", "expected a MATLAB file")
    scipy.io.savemat(path, {"X": np.zeros((32, 32, 3, 1), np.uint8)})
    refused("svhn", tmp_path, "train_32x32.mat", "expected a MATLAB file", "'y'")
