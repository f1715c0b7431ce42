"""Files that are whole or not there, whoever else writes them."""

import pytest

from gan_jax.report.files import atomic_write


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "folder" / "file"

    with atomic_write(path) as first, atomic_write(path) as second:
        first.write_text("first")
        second.write_text("second")

    # The one that ends last; the other's was whole as well.
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
