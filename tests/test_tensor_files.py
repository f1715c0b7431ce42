"""Files of tensors, each as another program wrote it."""

import base64
import pickle
import zipfile
import zlib

import numpy as np
import pytest
from safetensors.numpy import save_file

from gan_jax.tensor_files import read_tensors

# PyTorch 2.13's, of the tensors below, in both of its formats: the second is the one
# of versions before 1.6.
ZIP = (
    "eNqllbtv00Acx89O4qQG0gePPoCW15BKJY0Tp3EpNFWEXCRXIg0PRV0iN3FjC9fuOZdWIIZK0EpsbGyo"
    "K38BK+wsIIEY2BAqTKwsSNzZqWu7SkJbS5eTnPt+f5+7+/1+LkqhMACxGDjw9IEBIFtVVVtXJmsykpNr"
    "j3SxEAdLvmeTrlZNXVeqSDONBnvXqimWUrutVRELwXgJUokyg802FK2uIkhXkYktk5Um0vQGW7GU5aam"
    "1ypIMRqmVVlPszCUSJSjWNHAK+W6AsOOhBV1U0b3nJcsjJQpvCYFmXIIz9W1JoxKDIKxRQlIIYnehj0S"
    "JYW2IftCJRQnEDxZgqfKeKtAlxsIxlUcRw2rEZVRbWXvohSW6C3YJ1FbsN9RDSB4ugTP2CpV1lfgWUfV"
    "IrqDX7lA52wgDg5iOxrBIQKC7YaJ3Yhjdx7BCyV4sRwhxGbTQHDU57dgGnXXb8z2S8NL2I9C8DL2Gx93"
    "fK4geLUErzWTRSka+ztsvHqKl5JRbHuXgyDv3mVyxbRWZVRZV6wGvjOxMBO40kM9HIF4+/vbM4JLRnuI"
    "EZDbh2hdb0XWtbqxqhhILGSOwjHFE4D8BvxF4xB0R4B+zyksP0aKSZL1mPvXNYR0hTBs3fo+TFKd6cgQ"
    "B7O+qppMiYUbxwBwXDdn8U8egDk8NvHYyROi0o/dsSH8x1AXogk/EScWEv9NBATwjsR6/qb8ktRJuEus"
    "OX+stFi4eZzjX4q2nAnD2pddkwSNdWToBTMug1sDuaNCZFgS+ePr+oPu+TcK0vsFYG+/oVgaroAnMume"
    "Fa0mFpKHBEkJ/DQvCAKfm57Kpnghl8mmuFyWF9JpITuV4rhUhs9xfJZQLnx+v5PAHAmbkiKwLqe3j/Qd"
    "IA9+B4JqbwMY9Ck/UKBd5wmaeIt4xGeySIMOnSPo4y3Efp/PJ4+P2wCCcm/VxH3yhyEQqN2g1lsFfu3P"
    "oJYLar3Z69feDwe06aDWm3+9Pu1Xj7bNuXvTYtQnLkVAl4QtSgwzsZfeoeuusicwz9PO/CeyV66MXbn5"
    "FoPz5YgwjqbHXu+s/QcymOqg"
)
LEGACY = (
    "eNptkstu1DAUhh0nM1MCLYVyK9fSgpTZjFA6mTYbygJVSObWsMkGRSFjJkZRPCc5KQKp0mxaAc/AgmUf"
    "o6/DIyCx4GQytKo0lmzLx8ff/9vHE/7Dzv7+3P2z9un47Wpvwl/9Nmk8AOaEy4yxcaFRJzqL9mVRKp2D"
    "QQnhIu1kCjGTkcyHKs6BfwttCuKXsYxK9VWWYB6A5YQtCpapLhBagocmrVSO0BZWaNUMnY+gI6yqIs2E"
    "ZDKZIKmU9ptiKAs5fK4StIF1AzCcsE0nPks1ShF4grpI0l5UocpKOyrkh0plwwhlXuoi2ndtMB0n7NTq"
    "lBmPJFjNEXs30zG+a4I2tMIlyvH72082B56/6Xqe50J7ajQZV+St/RphYU8wYQp+BBeEIcwjsL+ntaeL"
    "CJcCWGyuEpcISympplY6l3o5bWjLe8IS/BCuCOMQrjakFYRrAVyfktI4+wg3GtLM8wsKnVq+eQbf6nu+"
    "Pxh4A7hFcE7w1doqwW/X8DsN/C7CvQDuT2uR6Ire/8E5+kuqwil97Zz1/pbr+y48JLpB9HWid7sNdQPh"
    "UQCP68q9r3/LnBsb81h8nn1T9urqnrXJUxp2GHtGfUL9144x2+nMZv4/dZud/APA+7Gw"
)
TENSORS = {
    "weight": np.float32([[0, 0.75], [0.25, 1], [0.5, 1.25]]),  # transposed: strides
    "last": np.float32([1, 1.25]),  # of the same storage
    "half": np.float16([0.5, -2]),
    "count": np.int64(7),
}


def pytorch_file(text):
    return zlib.decompress(base64.b64decode(text))


@pytest.mark.parametrize("text", [ZIP, LEGACY], ids=["zip", "legacy"])
def test_files_of_pytorch(text, tmp_path):
    (tmp_path / "a.pth").write_bytes(pytorch_file(text))

    tensors = read_tensors(tmp_path / "a.pth")

    assert list(tensors) == list(TENSORS)
    for name, expected in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], expected, strict=True)


def test_files_of_arrays(tmp_path):
    contiguous = {name: np.array(TENSORS[name], order="C") for name in TENSORS}
    np.savez(tmp_path / "a.npz", **contiguous)
    save_file(contiguous, tmp_path / "a.safetensors")

    for name in ("a.npz", "a.safetensors"):
        tensors = read_tensors(tmp_path / name)
        assert set(tensors) == set(TENSORS)
        for tensor in TENSORS:
            np.testing.assert_array_equal(tensors[tensor], TENSORS[tensor])


class Evil:
    def __reduce__(self):
        return print, ("never printed",)


def test_pickles_build_nothing_but_tensors(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({"weight": Evil()}))
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Evil()))

    for name in ("a.pth", "b.pth"):
        with pytest.raises(
            ValueError, match=f"{name} cannot .* builtins.print is not allowed"
        ):
            read_tensors(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_a_view_beyond_its_storage_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(pytorch_file(ZIP))
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as short:
        for name, content in parts.items():
            short.writestr(name, content[:-4] if name.endswith("data/0") else content)

    with pytest.raises(
        ValueError, match="a.pth cannot be read as .pth: ValueError: strides"
    ):
        read_tensors(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "absent.pth is not there"),
        ("a.bin", b"", "a.bin must be one of .safetensors, .npz, .pth, .pt"),
        ("a.pth", b"no pickle", "a.pth cannot be read as .pth: "),
        ("a.pth", pickle.dumps(1) * 5, "it is no file of torch.save"),
        ("a.npz", b"no archive", "a.npz cannot be read as .npz: "),
        ("a.safetensors", b"nothing", "a.safetensors cannot be read as .safetensors"),
    ],
)
def test_other_files_are_refused_in_one_line(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ValueError, match=message) as caught:
        read_tensors(tmp_path / name)
    assert "\n" not in str(caught.value)
