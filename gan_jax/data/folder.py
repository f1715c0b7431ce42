"""Pictures of one's own: a folder, or a zip file of one, becomes a data set.

Classes are subfolders, or stand in labels.csv (columns file,label) or dataset.json
(StyleGAN's {"labels": [["path", int], ...]}; null: there are no classes), or there are
none. With folders train and test these are the two splits, and a list lies beside them;
without them a part of each class becomes the test set.
"""

import csv
import dataclasses
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from gan_jax.data.batches import fixed_order
from gan_jax.data.dataset import (
    DataError,
    Dataset,
    DatasetSpec,
    check_split,
    join_splits,
)
from gan_jax.data.decoded import decoded_once
from gan_jax.data.formats.damage import reading
from gan_jax.data.pictures import FITS, SUFFIXES, Decoded, decode_pictures
from gan_jax.data.tree import Tree, open_tree

ONLY_CLASS = "all"  # of pictures without classes
_PARTS = ("train", "test")
# In lower case; others use these, too.
_NAMES_OF_PARTS = (*_PARTS, "training", "testing", "val", "valid", "validation")
_CSV, _JSON = "labels.csv", "dataset.json"


@dataclasses.dataclass(frozen=True)
class PictureOptions:
    """How pictures become a data set.

    Attributes:
      image_size: (side,) or (height, width) that pictures are resized to; (): all have
        one size already.
      fit: what is done about other proportions: 'crop' at the centre, or 'pad' with
        black.
      test_fraction: in (0, 1), the part of each class that becomes the test set, if
        there is no folder of test pictures.
      on_error: 'stop' at pictures that cannot be used, or 'skip' them.
    """

    image_size: tuple[int, ...] = ()
    fit: str = "crop"
    test_fraction: float = 0.1
    on_error: str = "stop"

    def check(self) -> None:
        """Raises ValueError, beginning with the field's name."""
        size = self.image_size
        if len(size) > 2 or any(type(side) is not int or side < 1 for side in size):
            raise ValueError(f"image_size is {size}; it must be SIDE or HEIGHT,WIDTH")
        if self.fit not in FITS:
            raise ValueError(
                f"fit is {self.fit!r}; known: {', '.join(map(repr, FITS))}"
            )
        if not 0 < self.test_fraction < 1:
            raise ValueError(
                f"test_fraction is {self.test_fraction}; it must be in (0, 1)"
            )
        if self.on_error not in ("stop", "skip"):
            raise ValueError(f"on_error is {self.on_error!r}; known: 'stop', 'skip'")


class _Picture(NamedTuple):
    path: str  # in the tree
    part: str  # 'train' or 'test'; '': not divided
    class_name: str


def load_folder(*, name: str, directory: str, options: PictureOptions) -> Dataset:
    """Reads the pictures of a folder or zip file; decoded ones are kept in the cache.

    Raises:
      DataError: `directory` is empty, neither a folder nor a zip file, or does not hold
        pictures in a known layout that can all be used.
      ValueError: an option is out of range.
    """
    options.check()
    if not directory:
        raise DataError(
            "the data source folder needs pictures: set --config.data.dir=FOLDER, or a "
            "zip file"
        )
    place = Path(directory)
    with open_tree(place) as tree:
        identity = {
            "name": name,
            "place": str(place.resolve()),
            "files": tree.files,
            "folders": sorted(tree.folders),
            "options": dataclasses.asdict(options),
        }
        return decoded_once(identity, lambda: _read(name, tree, options))


def read_pictures(
    place: Path, options: PictureOptions
) -> tuple[np.ndarray, list[str] | None]:
    """All pictures of a folder or zip file, undivided, and the class of each.

    Returns:
      uint8 [N, H, W, C] and N names of classes; None: there are no classes.

    Raises:
      DataError: as `load_folder`.
    """
    with open_tree(place) as tree:
        pictures = _pictures(tree)
        decoded = decoded_pictures(tree, _paths(pictures), options)
    names = [pictures[row].class_name for row in decoded.rows]
    return decoded.images, None if set(names) == {ONLY_CLASS} else names


def _read(name: str, tree: Tree, options: PictureOptions) -> Dataset:
    pictures = _pictures(tree)
    class_names = _class_names(pictures, tree)
    decoded = decoded_pictures(tree, _paths(pictures), options)
    pictures = [pictures[row] for row in decoded.rows]
    numbers = {class_name: number for number, class_name in enumerate(class_names)}
    labels = np.array([numbers[picture.class_name] for picture in pictures], np.int32)
    for class_name, number in numbers.items():
        if number not in labels:
            raise DataError(
                f"{tree.place}: no picture of class {class_name} can be used; expected "
                "at least one"
            )
    if pictures[0].part:
        is_test = np.array([picture.part == "test" for picture in pictures])
    else:
        is_test = stratified_test_rows(labels, options.test_fraction)
    for part, rows in zip(_PARTS, (~is_test, is_test), strict=True):
        if not rows.any():
            raise DataError(
                f"{tree.place}: no pictures for the {part} set; expected at least 2 "
                "pictures of a class, or folders train and test with pictures"
            )
    origin = (f"{tree.place}, pictures", f"{tree.place}, labels")
    return divided_pictures(
        name, decoded, labels, class_names, is_test, origins=(origin, origin)
    )


def divided_pictures(
    name: str,
    decoded: Decoded,
    labels: np.ndarray,
    class_names: Sequence[str],
    is_test: np.ndarray,
    *,
    origins: tuple[tuple[str, str], tuple[str, str]],
) -> Dataset:
    """A data set of pictures whose labels, [N], and part, bool [N], are known.

    `origins` says where images and labels of each part come from.

    Raises:
      DataError: as `check_split`.
    """
    spec = DatasetSpec(
        name, decoded.images.shape[1:], len(class_names), tuple(class_names)
    )
    train, test = (
        check_split(
            spec=spec,
            images=decoded.images[rows],
            labels=labels[rows],
            images_from=images_from,
            labels_from=labels_from,
        )
        for rows, (images_from, labels_from) in zip(
            (~is_test, is_test), origins, strict=True
        )
    )
    dataset = join_splits(spec=spec, train=train, test=test)
    return dataclasses.replace(dataset, notes=decoded.notes)


def decoded_pictures(
    tree: Tree, paths: Sequence[str], options: PictureOptions
) -> Decoded:
    """The pictures of these paths, as the options say."""
    return decode_pictures(
        tree,
        paths,
        image_size=options.image_size,
        fit=options.fit,
        skip=options.on_error == "skip",
    )


def _paths(pictures: Sequence[_Picture]) -> list[str]:
    return [picture.path for picture in pictures]


def stratified_test_rows(labels: np.ndarray, fraction: float) -> np.ndarray:
    """Which examples are for testing, bool [N]: the same part of each class.

    Always the same ones. A class of two or more has one for testing at least, and one
    for training.
    """
    is_test = np.zeros(len(labels), bool)
    order = np.asarray(fixed_order(len(labels)))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        number = min(max(1, round(fraction * len(rows))), len(rows) - 1)
        is_test[rows[:number]] = True
    return is_test


def _pictures(tree: Tree) -> list[_Picture]:
    """Every picture, its part and its class.

    Raises:
      DataError: there are none, or they lie in no known layout.
    """
    prefix = _innermost(tree)
    root = f"{tree.place}/{prefix}".rstrip("/")
    files = _inside(tree.files, prefix)
    paths = [path for path in files if _is_picture(path)]
    if not paths:
        others = sorted({PurePosixPath(path).suffix or path for path in files})
        raise DataError(
            f"{root} holds no pictures: expected {', '.join(SUFFIXES)}, found "
            f"{', '.join(others[:5]) or 'no files'}"
        )
    if len(paths) == 1:
        raise DataError(
            f"{root} holds one picture, {paths[0]}: expected at least 2, one of them "
            "for testing"
        )
    folders = _inside(tree.folders, prefix)
    parts = [part for part in _PARTS if part in folders]
    if not parts:
        _refuse_other_parts(root, folders)
    if len(parts) == 1:
        raise DataError(
            f"{root} has a folder {parts[0]}, but not both train and test: expected "
            "both or neither"
        )
    outside = [path for path in paths if parts and path.split("/")[0] not in parts]
    if outside:
        raise DataError(
            f"{root}/{outside[0]} lies beside the folders train and test: expected "
            "every picture in one of them"
        )
    labels = _listed_labels(tree, prefix, paths)
    pictures = []
    for part in parts or [""]:
        start = f"{part}/" if part else ""
        of_part = _inside(paths, start)
        if labels is None:
            classes = _folder_classes(of_part, _inside(folders, start), root, start)
        else:
            classes = [labels[_plain(start + path)] for path in of_part]
        pictures += [
            _Picture(prefix + start + path, part, class_name)
            for path, class_name in zip(of_part, classes, strict=True)
        ]
    return pictures


def _refuse_other_parts(root: str, folders: Sequence[str]) -> None:
    """No classes: folders like Train and Test, or like training with subfolders."""
    others = [folder for folder in folders if folder.lower() in _NAMES_OF_PARTS]
    with_folders = {folder.partition("/")[0] for folder in folders if "/" in folder}
    if len(others) > 1 or with_folders & {*others}:
        raise DataError(
            f"{root} has a folder {others[0]}, named like a part of the data: call the "
            "parts train and test, or give the class another name"
        )


def _innermost(tree: Tree) -> str:
    """The path of the folder that holds all the rest, as zip files often have one.

    Of several in each other the last one whose subfolders may be classes.
    """
    prefix = ""
    while True:
        files, folders = _inside(tree.files, prefix), _inside(tree.folders, prefix)
        relevant = [path for path in files if _is_picture(path) or _is_list(path)]
        tops = {path.partition("/")[0] for path in (*relevant, *folders)}
        if len(tops) != 1:
            return prefix
        inner = f"{tops.pop()}/"
        has_folders = any(path.startswith(inner) for path in folders)
        if not has_folders and not {inner + _CSV, inner + _JSON} & {*files}:
            return prefix
        prefix += inner


def _inside(paths: Iterable[str], prefix: str) -> list[str]:
    """The paths that begin with the prefix, without it, sorted."""
    return sorted(
        path.removeprefix(prefix) for path in paths if path.startswith(prefix)
    )


def _is_picture(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _is_list(path: str) -> bool:
    return PurePosixPath(path).name in (_CSV, _JSON)


def _folder_classes(
    paths: Sequence[str], folders: Sequence[str], root: str, start: str
) -> list[str]:
    """The class of each picture of a part: the subfolder that it lies in."""
    tops = [path.partition("/")[0] for path in paths]
    loose = [path for path in paths if "/" not in path]
    empty = [path for path in folders if "/" not in path and path not in tops]
    if empty:
        raise DataError(
            f"{root}/{start}{empty[0]} holds no pictures: expected some in the folder "
            "of every class"
        )
    if not loose:
        return tops
    if len(loose) < len(paths):
        raise DataError(
            f"{root}/{start}{loose[0]} lies beside folders of pictures: expected every "
            "picture in the folder of its class, or all in one folder"
        )
    return [ONLY_CLASS] * len(paths)


def _class_names(pictures: Sequence[_Picture], tree: Tree) -> list[str]:
    """The classes of the training pictures, sorted; numbers by their value."""
    names = {picture.class_name for picture in pictures if picture.part != "test"}
    for picture in pictures:
        if picture.class_name not in names:
            raise DataError(
                f"{tree.place}/{picture.path} is of class {picture.class_name}, of "
                "which there are no training pictures: expected the same classes in "
                "train and test"
            )
    if all(name.isdecimal() for name in names):
        return sorted(names, key=int)
    return sorted(names)


def _listed_labels(
    tree: Tree, prefix: str, paths: Sequence[str]
) -> dict[str, str] | None:
    """{path: class} of every picture, from the list of labels; None without one."""
    _refuse_stray_lists(tree, prefix)
    listed = None
    for name, read in ((_CSV, _read_csv), (_JSON, _read_json)):
        if prefix + name not in tree.files:
            continue
        file = f"{tree.place}/{prefix}{name}"
        if listed is not None:
            raise DataError(f"{file} lies beside {_CSV}: expected one of them")
        with reading(Path(file), "a list of labels"):
            content = tree.read(prefix + name)
        pairs = read(file, content)
        if pairs is None:
            # The folders are no classes either: StyleGAN's tool only spreads pictures.
            return {_plain(path): ONLY_CLASS for path in paths}
        listed = {}
        for path, label in pairs:
            if listed.setdefault(_plain(path), label) != label:
                raise DataError(f"{file} has {path} with two labels; expected one")
        known = {_plain(path) for path in paths}
        missing = [path for path in listed if path not in known]
        if missing:
            raise DataError(
                f"{file} names {missing[0]}, which is no picture there ({len(missing)} "
                f"of {len(listed)} are missing); expected paths from its folder"
            )
        unlisted = [path for path in paths if _plain(path) not in listed]
        if unlisted:
            raise DataError(
                f"{file} has no label of {unlisted[0]} ({len(unlisted)} of "
                f"{len(paths)} pictures); expected one for every picture"
            )
    return listed


def _refuse_stray_lists(tree: Tree, prefix: str) -> None:
    """A list that is not read must not be passed over: folders would become classes."""
    read = (prefix + _CSV, prefix + _JSON)
    stray = sorted(path for path in tree.files if _is_list(path) and path not in read)
    if stray:
        root = f"{tree.place}/{prefix}".rstrip("/")
        raise DataError(
            f"{tree.place}/{stray[0]} is not where labels are read: expected one list "
            f"of all pictures, at the top of {root} (beside train and test if there "
            "are any)"
        )


def _plain(path: str) -> str:
    """A path as people write it: file systems may spell letters with accents apart."""
    return unicodedata.normalize("NFC", path.replace("\\", "/").removeprefix("./"))


def _read_csv(file: str, content: bytes) -> list[tuple[str, str]]:
    with reading(Path(file), "a table in UTF-8 with the columns file,label"):
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise DataError(
                f"{file} begins with {','.join(rows.fieldnames or ())!r}: expected "
                "the columns file,label"
            )
        pairs = [(row["file"], row["label"]) for row in rows]
    for number, pair in enumerate(pairs, start=2):
        if not all(pair):
            raise DataError(f"{file}, row {number}: expected a file and a label")
    return [(path.strip(), label.strip()) for path, label in pairs]


def _read_json(file: str, content: bytes) -> list[tuple[str, str]] | None:
    """StyleGAN's list; its labels may be null, that is, there are none."""
    expectation = '{"labels": [["path", number], ...]}'
    with reading(Path(file), expectation):
        labels = json.loads(content)["labels"]
        if labels is None:
            return None
        pairs = [(path, label) for path, label in labels]
        for path, label in pairs:
            if not isinstance(path, str) or type(label) is not int or label < 0:
                raise DataError(f"{file} has {[path, label]!r}: expected {expectation}")
    return [(path, str(label)) for path, label in pairs]
