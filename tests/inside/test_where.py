"""Where a net looks: the gradient by pixel against finite differences, the occlusion map against algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minialex.inside import occlusion, pixel_gradient
from tests.inside.nets import SHAPE, images, linear, towers


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 1000), label=st.integers(0, 4))
def test_the_gradient_by_pixel_is_the_slope_of_the_logit(seed, label):
    net, x = towers(seed % 7), images(1, seed)[0]
    gradient = pixel_gradient(net, x, label)
    rng = np.random.default_rng(seed)
    step = 1e-6
    for _ in range(6):
        place = tuple(rng.integers(0, SHAPE))
        ahead, behind = x.copy(), x.copy()
        ahead[place] += step
        behind[place] -= step
        slope = (net.forward(ahead[None]) - net.forward(behind[None]))[0, label] / (2 * step)
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-7)


def test_training_goes_on_without_gradients_of_pixels():
    net = towers()
    pixel_gradient(net, images(1)[0], 0)
    assert not any(layer.input_gradient for name, _, layer in net.layers() if name.startswith("conv1"))
    assert all(layer.input_gradient for name, _, layer in net.layers() if not name.startswith("conv1"))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), size=st.integers(1, 5), data=st.data())
def test_the_occlusion_map_of_a_linear_net(seed, size, data):
    stride = data.draw(st.integers(1, size))
    net, x = linear(seed), images(1, seed)[0]
    label = seed % 3
    found = occlusion(net, x, label, size=size, stride=stride, score="logit", batch_size=7)

    _, H, W = SHAPE
    taken = (net.state_dict()["fc1.weight"][label].reshape(SHAPE) * x).sum(axis=0)  # w x, what a covered pixel takes away
    total, count = np.zeros((H, W)), np.zeros((H, W))
    for top in sorted({*range(0, H - size + 1, stride), H - size}):
        for left in sorted({*range(0, W - size + 1, stride), W - size}):
            square = slice(top, top + size), slice(left, left + size)
            total[square] += taken[square].sum()
            count[square] += 1
    assert count.min() > 0
    np.testing.assert_allclose(found, total / count, rtol=1e-9, atol=1e-9)


def test_squares_of_one_pixel_give_w_x_itself():
    net, x = linear(3), images(1, 3)[0]
    taken = (net.state_dict()["fc1.weight"][1].reshape(SHAPE) * x).sum(axis=0)
    np.testing.assert_allclose(occlusion(net, x, 1, size=1, score="logit"), taken, rtol=1e-9, atol=1e-12)


def test_covering_changes_no_argument_and_probabilities_fall_by_less_than_one():
    net, x = towers(), images(1)[0]
    before = x.copy()
    found = occlusion(net, x, 2)
    np.testing.assert_array_equal(x, before)
    assert found.shape == SHAPE[1:]
    assert np.abs(found).max() <= 1


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (9, 1), (3, 4), (3, 0)])
def test_squares_that_cannot_cover_the_image(size, stride):
    with pytest.raises(ValueError, match="cannot cover an image of 9 x 8"):
        occlusion(towers(), images(1)[0], 0, size=size, stride=stride)


@pytest.mark.parametrize("look", [occlusion, pixel_gradient])
def test_a_class_that_there_is_not(look):
    with pytest.raises(ValueError, match=r"classes 0\.\.4, got 5"):
        look(towers(), images(1)[0], 5)
