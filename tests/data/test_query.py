"""Pictures from outside: photos become what preparation makes of them, and digits what the set's own are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from minialex.data import Dataset, Split, digits
from minialex.data.errors import BadPicture, DataError
from minialex.data.pictures import read_square
from minialex.data.query import read_query


def a_set(shape, name="some"):
    split = Split(np.zeros((2, *shape), np.uint8), np.zeros(2, np.int64))
    return Dataset(name, ("a",), split, split)


def save(path, pixels):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def real():
    return digits()


@pytest.mark.parametrize(
    ("size", "done"),
    [
        ((20, 10), "20 x 10 pixels, shorter side scaled up to 16, central 16 x 16 kept"),
        ((40, 64), "40 x 64 pixels, shorter side scaled down to 16, central 16 x 16 kept"),
        ((16, 30), "16 x 30 pixels, central 16 x 16 kept"),
        ((32, 32), "32 x 32 pixels, shorter side scaled down to 16"),
        ((16, 16), "16 x 16 pixels"),
    ],
)
def test_photos_are_prepared_as_in_training(tmp_path, size, done):
    path = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (*size[::-1], 3)))
    query = read_query(path, a_set((3, 16, 16)))
    np.testing.assert_array_equal(query.image, read_square(path, 16))
    np.testing.assert_array_equal(query.picture, query.image)
    assert query.done == done


def test_grey_sets_get_grey(tmp_path):
    path = save(tmp_path / "a.png", np.full((9, 9, 3), (255, 0, 0)))
    query = read_query(path, a_set((1, 9, 9)))
    assert query.image.shape == query.picture.shape == (1, 9, 9)
    assert (query.image == 76).all()
    assert query.done == "9 x 9 pixels, colours made grey"


@given(n=st.integers(0, 358), dark=st.booleans(), most=st.sampled_from([16, 255]))
def test_the_sets_own_digits_come_back(tmp_path_factory, real, n, dark, most):
    """Saved as 8 x 8 pixels, dark or light, over 0..16 or 0..255."""
    digit = real.test.images[n]
    grey = np.rint(digit[0] * (most / 16.0))
    path = save(tmp_path_factory.getbasetemp() / "digit.png", most - grey if dark else grey)
    query = read_query(path, real)
    expected = np.rint(digit * (16.0 / digit.max()))
    np.testing.assert_allclose(query.image, expected, atol=1)
    assert query.image.dtype == np.uint8
    assert query.image.shape == (1, 8, 8)
    assert ("dark ink on light" if dark else "light ink on dark") in query.done
    np.testing.assert_allclose(query.picture, 255 - query.image * (255 / 16), atol=1)  # ink is dark for the eye


@given(
    n=st.integers(0, 358),
    dark=st.booleans(),
    margins=st.tuples(*[st.integers(1, 60)] * 4),
    zoom=st.integers(5, 9),
    colour=st.booleans(),
)
def test_a_larger_picture_is_cut_to_its_digit(tmp_path_factory, real, n, dark, margins, zoom, colour):
    """Wherever it lies on the paper; what is cut out is what lies within the ink, so a digit as high as 8 pixels comes back."""
    digit = np.where(real.test.images[n, 0] > 8, 16, 0)
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    part = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assume(part.shape[0] == 8 and part.shape[1] % 2 == 0)
    left = (8 - part.shape[1]) // 2
    expected = np.pad(part, ((0, 0), (left, left)))
    top, bottom, before, after = margins
    page = np.pad(np.kron(part, np.ones((zoom, zoom))), ((top + 40, bottom + 40), (before + 40, after + 40))) * (200 / 16) + 20
    page = 255 - page if dark else page
    path = save(tmp_path_factory.getbasetemp() / "page.png", np.stack([page] * 3, axis=-1) if colour else page)
    query = read_query(path, real)
    np.testing.assert_array_equal(query.image[0], expected)
    assert "the digit cut out and scaled down to 8 x 8" in query.done


def test_a_blank_page_and_a_small_one(tmp_path, real):
    with pytest.raises(BadPicture, match=r"blank\.png: there is no digit on it, only one grey"):
        read_query(save(tmp_path / "blank.png", np.full((20, 20), 7)), real)
    with pytest.raises(BadPicture, match=r"small\.png: 20 x 7 pixels are too few for a digit"):
        read_query(save(tmp_path / "small.png", np.eye(7, 20)), real)


def test_what_is_no_picture(tmp_path, real):
    (tmp_path / "a.jpg").write_text("<html>")
    for data in (real, a_set((3, 8, 8))):
        with pytest.raises(BadPicture, match=r"a\.jpg: it is a web page"):
            read_query(tmp_path / "a.jpg", data)


@pytest.mark.parametrize("shape", [(3, 8, 9), (2, 8, 8)])
def test_sets_that_no_picture_fits(tmp_path, shape):
    with pytest.raises(DataError, match="no picture file can be made one of them"):
        read_query(save(tmp_path / "a.png", np.eye(9) * 255), replace(a_set(shape), name="odd"))
