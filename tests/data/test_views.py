"""The views against a loop over pixels, over drawn sizes, memory orders and kinds of mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.data import digits
from minialex.data.views import CentreCrop, Draws, TenViews, average
from tests.strategies import ORDERS, lay_out


@st.composite
def cases(draw):
    """A CentreCrop of drawn sizes and settings, images for it, and a view for each."""
    n, C, H, W = (draw(st.integers(1, top)) for top in (5, 4, 9, 9))
    h, w = draw(st.integers(1, H)), draw(st.integers(1, W))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["uint8", "float32", "float64"]))
    images = lay_out(rng.integers(0, 256, (n, C, H, W)).astype(dtype), draw(st.sampled_from(ORDERS)))
    mean = {"none": 0.0, "number": 3.5, "colour": rng.normal(size=C), "image": rng.normal(100, 50, (C, H, W))}[
        draw(st.sampled_from(["none", "number", "colour", "image"]))
    ]
    crop = CentreCrop(
        (C, H, W),
        (h, w),
        mean=mean,
        mean_at=draw(st.sampled_from(["centre", "pixel"])),
        scale=draw(st.sampled_from([1.0, 3.0])),
    )
    draws = Draws(
        rng.integers(0, H - h, n, endpoint=True),
        rng.integers(0, W - w, n, endpoint=True),
        rng.random(n) < 0.5,
        rng.normal(0, 9, (n, C)).astype(np.float32) if draw(st.booleans()) else None,
    )
    return crop, images, draws


def by_loops(crop, image, top, left, mirrored, colour=None, divisor=1.0):
    """The specification: one image (C, H, W) -> its view (C, h, w), pixel by pixel, each step rounded to float32."""
    C, H, W = image.shape
    h, w = crop.crop
    mean = np.broadcast_to(np.float32(crop.mean) if crop.mean.ndim != 1 else crop.mean[:, None, None], (C, H, W))
    view = np.zeros((C, h, w), np.float32)
    for c in range(C):
        for y in range(h):
            for x in range(w):
                column = left + (w - 1 - x if mirrored else x)
                at = (top + y, column) if crop.mean_at == "pixel" else ((H - h) // 2 + y, (W - w) // 2 + x)
                value = np.float32(image[c, top + y, column]) - np.float32(mean[c, *at])
                if colour is not None:
                    value += np.float32(colour[c])
                view[c, y, x] = value / np.float32(divisor)
    return view


@given(cases())
def test_views_are_what_the_loops_give(case):
    crop, images, draws = case
    views = crop(images, draws)
    assert views.dtype == np.float32
    for i, view in enumerate(views):
        colour = None if draws.colours is None else draws.colours[i]
        expected = by_loops(crop, images[i], draws.tops[i], draws.lefts[i], draws.mirrored[i], colour, crop.scale)
        np.testing.assert_array_equal(view, expected)


@given(cases())
def test_without_draws_the_view_is_the_centre(case):
    crop, images, _ = case
    (H, W), (h, w) = images.shape[2:], crop.crop
    for view, image in zip(crop(images), images, strict=True):
        np.testing.assert_array_equal(view, by_loops(crop, image, (H - h) // 2, (W - w) // 2, False, None, crop.scale))


@given(cases(), st.sampled_from(["C", "F", "channels last", "reversed"]))
def test_any_output_memory_and_any_part_of_a_batch_give_the_same_bytes(case, order):
    crop, images, draws = case
    expected = crop(images, draws)
    out = lay_out(np.full(expected.shape, np.nan, np.float32), order)
    out.flags.writeable = True
    assert crop(images, draws, out) is out
    np.testing.assert_array_equal(out, expected)
    for i in range(len(images)):
        np.testing.assert_array_equal(crop(images[i : i + 1], draws.rows([i]))[0], expected[i])


def test_many_images_are_done_in_groups_that_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (23, 3, 8, 9), dtype=np.uint8)
    draws = Draws(rng.integers(0, 3, 23), rng.integers(0, 4, 23), rng.random(23) < 0.5, rng.random((23, 3), dtype=np.float32))
    crop = CentreCrop((3, 8, 9), 6, mean=rng.random((3, 8, 9)))
    expected, centres = crop(images, draws), crop(images)
    monkeypatch.setattr("minialex.data.views.GROUP", 3 * 3 * 6 * 6 + 1)
    np.testing.assert_array_equal(crop(images, draws), expected)
    np.testing.assert_array_equal(crop(images), centres)


def test_images_come_out_channels_last():
    assert CentreCrop((3, 8, 8), 5)(np.zeros((2, 3, 8, 8), np.uint8)).transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_whole_image_is_what_the_data_set_itself_prepares():
    data = digits()
    crop = CentreCrop(data.image_shape, mean=data.mean, scale=data.scale)
    np.testing.assert_array_equal(crop(data.test.images), data.prepare(data.test.images))


@given(cases())
def test_ten_views_are_corners_centre_and_their_mirror_images(case):
    crop, images, _ = case
    (n, C, H, W), (h, w) = images.shape, crop.crop
    views = TenViews(crop)(images)
    assert views.shape == (10, n, C, h, w) == TenViews(crop).batch_shape(n)
    corners = [(0, 0), (0, W - w), (H - h, 0), (H - h, W - w), ((H - h) // 2, (W - w) // 2)]
    for v, (top, left) in enumerate(corners * 2):
        for i in range(n):
            np.testing.assert_array_equal(views[v, i], by_loops(crop, images[i], top, left, v >= 5, None, crop.scale))


def test_ten_views_of_256_pixels_are_the_papers():
    image = np.arange(256 * 256, dtype=np.float32).reshape(1, 1, 256, 256)
    views = TenViews(CentreCrop((1, 256, 256), 224))(image)[:, 0, 0]
    np.testing.assert_array_equal(views[:5, 0, 0], [0, 32, 32 * 256, 32 * 256 + 32, 16 * 256 + 16])
    np.testing.assert_array_equal(views[5:], views[:5, :, ::-1])


def test_nothing_given_is_changed():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.float32)
    mean = images[0].copy()
    before = images.copy(), mean.copy()
    crop = CentreCrop((3, 8, 8), mean=mean)
    crop(images)
    TenViews(crop)(images)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(mean, before[1])


def test_average_is_the_mean_over_the_views():
    p = np.random.default_rng(0).dirichlet(np.ones(7), (10, 4)).astype(np.float32)
    mean = average(p)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, sum(p.astype(float)) / 10, rtol=1e-6)
    with pytest.raises(ValueError, match=r"\(views, n, classes\)"):
        average(p[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": 9}, "9 x 9 pixels cannot be cut from images of 8 x 10"),
        ({"crop": (8, 0)}, "8 x 0"),
        ({"mean": np.zeros((3, 10, 8))}, "mean must be"),
        ({"mean": np.nan}, "mean must be finite"),
        ({"mean_at": "corner"}, "mean_at"),
        ({"scale": 0.0}, "scale"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        CentreCrop((3, 8, 10), **settings)


def test_other_images_and_other_outputs_are_refused():
    crop = CentreCrop((3, 8, 8), 5)
    images = np.zeros((2, 3, 8, 8), np.uint8)
    with pytest.raises(ValueError, match=r"\(n, 3, 8, 8\) are expected, got \(2, 3, 9, 8\)"):
        crop(np.zeros((2, 3, 9, 8), np.uint8))
    for out in (np.empty((2, 3, 5, 5)), np.empty((1, 3, 5, 5), np.float32)):
        with pytest.raises(ValueError, match="out must be float32"):
            crop(images, None, out)
    with pytest.raises(ValueError, match="out must be float32"):
        TenViews(crop)(images, None, np.empty((9, 2, 3, 5, 5), np.float32))
