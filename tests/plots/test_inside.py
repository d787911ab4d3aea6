"""The pictures of what goes on inside: what is in them, and that they can always be drawn."""

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from minialex import plots
from minialex.plots.codes import retrieval
from minialex.plots.colour import film, kernels_by_tower, saturations
from minialex.plots.neighbours import neighbours
from minialex.plots.signals import first_steps
from minialex.plots.style import AMOUNT, SIGNED
from minialex.runs.sizes import Size

RNG = np.random.default_rng(0)
COLOUR = np.full((3, 12, 10), 128, np.uint8)


def drawn(figure):
    """The figure as pixels (H, W, 3)."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def some_outputs(towers=2):
    names = [f".{t}" for t in range(towers)] if towers > 1 else [""]
    parts = {}
    for end in names:
        parts |= {
            f"conv1{end}": RNG.normal(size=(2, 5, 6, 4)),
            f"relu1{end}": RNG.random((2, 5, 6, 4)),
            f"flatten{end}": RNG.random((2, 120)),
            f"fc4{end}": RNG.normal(size=(2, 150)),
            f"dropout4{end}": RNG.normal(size=(2, 150)),
        }
    return parts | {"fc5": RNG.normal(size=(2, 3))}


def test_a_row_for_each_layer_both_towers_side_by_side():
    figure = plots.activations(some_outputs(), COLOUR, "a title with $ signs_{")
    assert titles(figure)[0] == "a title with $ signs_{"
    shown = [title.split(":")[0] for title in titles(figure)[1:]]
    assert shown == [
        "conv1, tower 0",
        "conv1, tower 1",
        "relu1, tower 0",
        "relu1, tower 1",
        "fc4, tower 0",
        "fc4, tower 1",
        "fc5",
    ]
    left, right = (next(a for a in figure.axes if a.get_title(loc="left").startswith(f"relu1, tower {t}")) for t in (0, 1))
    drawn(figure)
    assert left.get_position().x1 <= right.get_position().x0
    assert left.get_images()[0].get_clim() == right.get_images()[0].get_clim()


def test_every_number_is_there_once_and_the_sign_decides_the_scale():
    outputs = some_outputs()
    figure = plots.activations(outputs, COLOUR, layers=["conv1", "relu1"])
    by_title = {axes.get_title(loc="left").split(":")[0]: axes.get_images()[0] for axes in figure.axes[1:]}
    for name in ("conv1", "relu1"):
        image = by_title[f"{name}, tower 1"]
        values = np.ma.filled(image.get_array().astype(float), np.nan)
        np.testing.assert_allclose(np.sort(values[~np.isnan(values)]), np.sort(outputs[f"{name}.1"][0].ravel()))
        largest = max(np.abs(outputs[f"{name}.{t}"][0]).max() for t in (0, 1))
        assert image.get_clim() == pytest.approx((-largest if name == "conv1" else 0, largest))
        assert image.get_cmap().name == (SIGNED.name if name == "conv1" else AMOUNT.name)


@pytest.mark.parametrize("towers", [1, 2, 3])
def test_nets_with_any_number_of_towers(towers):
    assert drawn(plots.activations(some_outputs(towers), COLOUR)).std() > 5


def test_layers_that_are_all_zero_and_a_grey_picture():
    drawn(plots.activations({"relu1.0": np.zeros((1, 2, 3, 3)), "relu1.1": np.zeros((1, 2, 3, 3))}, np.zeros((1, 8, 8))))


def test_a_layer_that_there_is_not():
    with pytest.raises(ValueError, match="there are the layers conv1, relu1, flatten, fc4, dropout4, fc5, asked for conv9"):
        plots.activations(some_outputs(), COLOUR, layers=["conv9"])


@pytest.mark.parametrize("shape", [(40, 3, 3), (50,)])
def test_what_is_heard_adds_up(shape):
    sent = [RNG.random(shape), RNG.random(shape)]
    figure = plots.exchange(sent, np.array([[3.0, 1.0], [0.0, 0.0]]), COLOUR, "conv3", count=16, crossed=1234)
    bars = figure.axes[3]
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([0.75, 0, 0.25, 0])
    assert [text.get_text() for text in bars.texts] == ["75%", "", "25%", ""]
    assert "1,234 bytes" in bars.get_title(loc="left")
    kind = "maps" if len(shape) == 3 else "neurons"
    assert f"tower 0 sends the strongest 16 of {shape[0]} {kind}" in titles(figure)
    drawn(figure)


def test_where_the_map_has_its_zero_in_the_middle():
    covered = np.zeros((6, 5))
    covered[2, 3] = -0.25
    figure = plots.where_it_looks(COLOUR[:, :6, :5], covered, RNG.normal(size=(3, 6, 5)), "a cat, 90.0%", "cat.png")
    assert figure.axes[1].get_images()[0].get_clim() == (-0.25, 0.25)
    assert titles(figure)[0] == "the net says a cat, 90.0%"
    assert drawn(figure).std() > 5
    drawn(plots.where_it_looks(COLOUR[:, :6, :5], np.zeros((6, 5)), np.zeros((3, 6, 5)), "x"))


def test_dead_units_are_counted_and_units_sorted():
    layers = [("relu1.0", np.array([0.5, 0, 1])), ("relu1.1", np.array([0.0, 0, 0.25])), ("relu2", np.array([0.75]))]
    figure = plots.busy_units(layers, 200)
    first, second = figure.axes[:2]
    assert [line.get_label() for line in first.get_lines()] == ["tower 0: 1 of 3 dead", "tower 1: 2 of 3 dead"]
    assert list(first.get_lines()[0].get_ydata()) == [0, 0.5, 1]
    assert second.get_lines()[0].get_label() == "all units: 0 of 1 dead"
    assert "200 images" in figure.get_suptitle()
    drawn(figure)


def test_a_net_without_relus():
    with pytest.raises(ValueError, match="no ReLU"):
        plots.busy_units([], 10)


def some_sizes(epochs):
    return [
        Size(epoch, f"{layer}.{key}", 0.1 * epoch, 0.001)
        for epoch in range(1, epochs + 1)
        for layer in ("conv1.0", "conv1.1", "fc5")
        for key in ("weight", "bias")
    ]


@pytest.mark.parametrize("epochs", [1, 2, 90])
def test_sizes_a_plot_for_each_layer(epochs):
    figure = plots.weight_sizes(some_sizes(epochs))
    conv1, fc5 = figure.axes[:2]
    assert (conv1.get_title(loc="left"), fc5.get_title(loc="left")) == ("conv1", "fc5")
    np.testing.assert_allclose(conv1.get_lines()[0].get_ydata(), [0.1 * epoch for epoch in range(1, epochs + 1)])
    np.testing.assert_allclose(conv1.get_lines()[3].get_ydata(), [0.001] * epochs)
    assert fc5.get_yscale() == "log"
    assert f"{0.001 / (0.1 * epochs):.1e}" in fc5.get_title(loc="right")
    drawn(figure)


def test_sizes_of_weights_that_do_not_move():
    drawn(plots.weight_sizes([Size(1, "conv1.weight", 0.0, 0.0), Size(2, "conv1.weight", 0.1, 0.0)]))
    with pytest.raises(ValueError, match="no rows of weights"):
        plots.weight_sizes([])


def moments(count=3):
    return [[RNG.normal(size=(6, 3, 4, 4)), RNG.normal(size=(6, 3, 4, 4))] for _ in range(count)]


def test_a_film_has_a_frame_for_each_moment():
    kept, curve = moments(), RNG.random((3, 2))
    figures = [kernels_by_tower(kept, at, curve, 2 / 3, "conv1") for at in range(3)]
    assert [figure.get_suptitle() for figure in figures] == [
        "conv1, before the first step",
        "conv1, after epoch 1",
        "conv1, after epoch 2",
    ]
    assert [len(figure.axes[2].get_lines()[0].get_ydata()) for figure in figures] == [1, 2, 3]
    movie = Image.open(io.BytesIO(film(figures, seconds=0.2, last=1.0)))
    assert movie.n_frames == 3
    times = []
    for frame in range(3):
        movie.seek(frame)
        times.append(movie.info["duration"])
    assert times == [200, 200, 1000]


def test_saturations_put_the_more_colourful_tower_first():
    runs = [np.array([[0.6, 0.7], [0.5, 0.3]]), np.array([[0.6, 0.7], [0.2, 0.3]])]
    left, right = saturations(runs, [0.2, 0.001], 2 / 3).axes
    assert [line.get_ydata()[-1] for line in left.get_lines()[:4]] == [0.5, 0.3, 0.3, 0.2]
    assert [bar.get_height() for bar in right.patches] == pytest.approx([0.2, 0.1])
    assert [text.get_text() for text in right.texts] == ["chance 20%", "chance < 1%"]


def test_neighbours_of_the_same_class_have_a_frame():
    pictures = [[COLOUR] * 3] * 2
    columns = [("near", pictures, [[0, 1, 0], [0, 0, 0]]), ("pixels", pictures, [[1, 1, 1], [2, 0, 0]])]
    figure = neighbours([COLOUR] * 2, [0, 2], ["a", "b", "c"], columns)
    frames = [to_hex(axes.spines["top"].get_edgecolor()).upper() for axes in figure.axes]
    orange = plots.ORANGE
    assert [colour == orange for colour in frames] == [
        *[False, True, False, True, False, False, False],
        *[False, False, False, False, True, False, False],
    ]
    boxes = [axes.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    drawn(figure)


def test_first_steps_with_a_layer_that_gets_no_gradient():
    profile = {"active": [0.5, 0.0], "spread": [1.0, 0.1], "gradient": [0.0, 0.1]}
    names = {"one": 1, "two": 2}
    figure = first_steps(
        {name: [[3.0, 2.0, 1.0]] for name in names},
        dict.fromkeys(names, (0.01, 0.003)),
        dict.fromkeys(names, profile),
        dict.fromkeys(names, profile),
        ["relu1", "fc8"],
        10,
    )
    assert "none at all" in [text.get_text() for text in figure.axes[4].texts]
    assert any("too high" in text.get_text() for text in figure.axes[1].texts)
    assert drawn(figure).std() > 5


def test_retrieval_can_be_drawn():
    points = [(16, [0.2, 0.3]), (32, [0.4, 0.5])]
    figure = retrieval(points, points, [("vectors", 0.6), ("pixels", 0.2)], [("vectors", 900.0, 1536), ("32 bits", 20.0, 4)])
    assert "20 µs, 4 bytes" in figure.axes[1].texts[1].get_text()
    drawn(figure)
