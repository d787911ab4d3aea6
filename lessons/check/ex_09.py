"""Lesson 09: crops, mirror images, principal colours, ten views."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from lessons.check import plain
from lessons.check.exercise import EXERCISES, Arguments, Exercise, Function, Mistake, register
from minialex.arrays import Array


def crop_and_mirror(image: Array, top: int, left: int, size: int, mirror: bool) -> Array:
    """image (C, H, W) -> the window of size x size at (top, left), its columns from right to left where `mirror` is True."""
    view = image[:, top : top + size, left : left + size]
    return view[:, :, ::-1] if mirror else view


def colour_components(pixels: Array) -> tuple[Array, Array]:
    """pixels (n, 3) -> the covariance's eigenvalues (3,), largest first, and eigenvectors (3, 3), one a column."""
    centred = pixels - pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(pixels))
    return values[::-1], vectors[:, ::-1]


def ten_views(image: Array, size: int) -> Array:
    """image (C, H, W) -> (10, C, size, size): the corners row by row, the centre; then the mirror images of all five."""
    bottom, right = image.shape[1] - size, image.shape[2] - size
    places = ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    views = np.stack([image[:, top : top + size, left : left + size] for top, left in places])
    return np.concatenate([views, views[:, :, :, ::-1]])


def image_of(shape: tuple[int, int, int], seed: int, kind: str) -> Array:
    """Pixels that are all different."""
    pixels = np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape)
    return pixels.astype(kind) if kind == "uint8" else pixels - 0.25 * float(np.prod(shape))


@st.composite
def crops(draw: Any) -> Arguments:
    """A window anywhere in an image whose sides differ, the corners included."""
    size = draw(st.integers(1, 3))
    C, H, W = draw(st.integers(1, 3)), size + draw(st.integers(0, 3)), size + draw(st.integers(0, 4))
    image = image_of((C, H, W), draw(st.integers(0, 99)), draw(st.sampled_from(["float64", "uint8"])))
    return image, draw(st.integers(0, H - size)), draw(st.integers(0, W - size)), size, draw(st.booleans())


@st.composite
def view_cases(draw: Any) -> Arguments:
    """An image, and the size of its ten views."""
    size = draw(st.integers(1, 3))
    shape = draw(st.integers(1, 3)), size + draw(st.integers(0, 4)), size + draw(st.integers(0, 5))
    return image_of(shape, draw(st.integers(0, 99)), draw(st.sampled_from(["float64", "uint8"]))), size


@st.composite
def colour_cases(draw: Any) -> Arguments:
    """Pixels whose three eigenvalues are far apart, with a mean that is not 0."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    turned, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return (100 + 20 * rng.standard_normal((draw(st.integers(5, 9)), 3)) * (3, 1, 0.3) @ turned.T,)


def same_components(received: Any, expected: Any) -> bool:
    """The same eigenvalues, and the same eigenvectors up to their signs."""
    (values, vectors), (ours, theirs) = expected, received
    try:
        signs = np.sign((vectors * theirs).sum(axis=0))
        narrow = np.asarray(theirs).dtype == np.float32
        scale = float(np.abs(values).max())
        close = np.allclose(ours, values, rtol=1e-3 if narrow else 1e-7, atol=scale * (1e-4 if narrow else 1e-9))
        return bool(close and np.allclose(theirs * signs, vectors, atol=1e-2 if narrow else 1e-7))
    except (TypeError, ValueError):
        return False


def covariance_with(make: Any) -> Function:
    """colour_components of another covariance."""

    def components(pixels: Array) -> tuple[Array, Array]:
        values, vectors = np.linalg.eigh(make(pixels))
        return values[::-1], vectors[:, ::-1]

    return components


def centred(pixels: Array) -> Array:
    """Pixels less their mean colour."""
    return pixels - pixels.mean(axis=0)


def _ten_around(top: int, left: int, image: Array, size: int) -> Array:
    views = ten_views(image, size)
    views[4] = image[:, top : top + size, left : left + size]
    views[9] = views[4, :, :, ::-1]
    return views


def _ten(order: tuple[int, ...], image: Array, size: int) -> Array:
    return ten_views(image, size)[list(order)]


register(
    Exercise(
        name="crop_and_mirror",
        lesson="09",
        right=crop_and_mirror,
        returns=("view",),
        trials=(plain.trial(lambda: EXERCISES["crop_and_mirror"], crops(), max_examples=40),),
        reward="From one photo of 256 x 256 this makes 2178 views of 224 x 224.",
        then="The other half of the paper's augmentation: colours.",
        lights=("data",),
        mistakes=(
            Mistake(
                "never mirrored",
                lambda i, top, left, size, mirror: crop_and_mirror(i, top, left, size, False),
                "nothing is mirrored",
            ),
            Mistake(
                "always mirrored",
                lambda i, top, left, size, mirror: crop_and_mirror(i, top, left, size, True),
                "every view is mirrored, whatever `mirror` says",
            ),
            Mistake(
                "mirror's sense swapped",
                lambda i, top, left, size, mirror: crop_and_mirror(i, top, left, size, not mirror),
                "it mirrors exactly when it should not",
            ),
            Mistake(
                "upside down",
                lambda i, top, left, size, mirror: crop_and_mirror(i, top, left, size, False)[:, :: -1 if mirror else 1],
                "the rows are turned round, so that the picture stands on its head; a mirror turns the columns round",
            ),
            Mistake(
                "channels reversed",
                lambda i, top, left, size, mirror: crop_and_mirror(i, top, left, size, False)[:: -1 if mirror else 1],
                "the channels are turned round, so that red becomes blue; a mirror turns the columns, the last axis, round",
            ),
            Mistake(
                "mirrored before it is cut",
                lambda i, top, left, size, mirror: crop_and_mirror(i[:, :, ::-1] if mirror else i, top, left, size, False),
                "the image is mirrored before the window is cut, so that the window comes from the other side",
            ),
            Mistake(
                "top and left swapped",
                lambda i, top, left, size, mirror: crop_and_mirror(i, left, top, size, mirror),
                "top and left are swapped",
            ),
            Mistake(
                "end for size",
                lambda i, top, left, size, mirror: i[:, top:size, left:size][:, :, :: -1 if mirror else 1],
                "the slice ends at `size`; it should end at top + size, and left + size",
            ),
        ),
    )
)

register(
    Exercise(
        name="colour_components",
        lesson="09",
        right=colour_components,
        returns=("eigenvalues", "eigenvectors"),
        trials=(plain.trial(lambda: EXERCISES["colour_components"], colour_cases()),),
        reward="The first of them is nearly grey: what photos differ in most is how bright they are.",
        then="Add a little of each to a photo, and see that it is still the same photo in another light.",
        lights=("data",),
        compare=same_components,
        tolerance=1e-7,
        mistakes=(
            Mistake(
                "smallest first",
                lambda pixels: np.linalg.eigh(centred(pixels).T @ centred(pixels) / len(pixels)),
                "the smallest eigenvalue comes first, as np.linalg.eigh gives them: turn both round, the vectors' columns too",
            ),
            Mistake(
                "only the eigenvalues turned round",
                lambda pixels: (colour_components(pixels)[0], colour_components(pixels)[1][:, ::-1]),
                "the eigenvalues are turned round, the eigenvectors are not: column k belongs to eigenvalue k",
            ),
            Mistake(
                "rows turned round",
                lambda pixels: (colour_components(pixels)[0], colour_components(pixels)[1][::-1, ::-1]),
                "the eigenvectors' rows are turned round: each vector is a column, so turn the columns round",
            ),
            Mistake(
                "vectors in the rows",
                lambda pixels: (colour_components(pixels)[0], colour_components(pixels)[1].T),
                "the eigenvectors stand in the rows; each should be a column",
            ),
            Mistake(
                "mean not taken off",
                covariance_with(lambda pixels: pixels.T @ pixels / len(pixels)),
                "the mean colour is not subtracted first, so that the first component points at the mean",
            ),
            Mistake(
                "divided by n - 1",
                covariance_with(lambda pixels: np.cov(pixels.T)),
                "the covariance is divided by n - 1, as np.cov does; here it is the mean over the n pixels",
            ),
            Mistake(
                "not divided",
                covariance_with(lambda pixels: centred(pixels).T @ centred(pixels)),
                "the products are summed over the pixels; the covariance is their mean",
            ),
            Mistake(
                "square roots",
                lambda pixels: (np.sqrt(np.maximum(colour_components(pixels)[0], 0)), colour_components(pixels)[1]),
                "these are the standard deviations, the square roots of the eigenvalues",
            ),
        ),
    )
)

register(
    Exercise(
        name="ten_views",
        lesson="09",
        right=ten_views,
        returns=("views",),
        trials=(plain.trial(lambda: EXERCISES["ten_views"], view_cases()),),
        reward="Ten looks at one picture: averaging what the net says of them won the paper more than one per cent.",
        then="Why averaging helps, and what exactly is averaged.",
        lights=("data",),
        shape_hint="Ten views of (C, size, size) each, stacked: (10, C, size, size).",
        mistakes=(
            Mistake(
                "view and mirror image in turn",
                lambda image, size: _ten((0, 5, 1, 6, 2, 7, 3, 8, 4, 9), image, size),
                "each view is followed by its mirror image; here the five views come first, then the five mirror images",
            ),
            Mistake(
                "centre first",
                lambda image, size: _ten((4, 0, 1, 2, 3, 9, 5, 6, 7, 8), image, size),
                "the centre comes first; here it is the fifth, after the corners",
            ),
            Mistake(
                "corners down the columns",
                lambda image, size: _ten((0, 2, 1, 3, 4, 5, 7, 6, 8, 9), image, size),
                "the corners go down the left side first; here they go row by row, top left, top right, then the bottom",
            ),
            Mistake(
                "halves rounded one by one",
                lambda image, size: _ten_around(image.shape[1] // 2 - size // 2, image.shape[2] // 2 - size // 2, image, size),
                "the centre starts at H // 2 - size // 2; halve the margin, (H - size) // 2, which differs for odd sizes",
            ),
            Mistake(
                "not mirrored",
                lambda image, size: _ten((0, 1, 2, 3, 4, 0, 1, 2, 3, 4), image, size),
                "the last five are the same as the first five: they should be mirrored",
            ),
            Mistake(
                "upside down",
                lambda image, size: np.concatenate([ten_views(image, size)[:5], ten_views(image, size)[:5, :, ::-1]]),
                "the last five stand on their heads; a mirror turns the columns round",
            ),
            Mistake(
                "mirrored corners in the other order",
                lambda image, size: np.concatenate([ten_views(image, size)[:5], ten_views(image[:, :, ::-1], size)[:5]]),
                "the image is mirrored before the windows are cut, so that left and right corners change places",
            ),
        ),
    )
)
