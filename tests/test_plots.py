"""The pictures: what is in them, that they can always be drawn, and that they leave matplotlib's own state alone."""

import io
import subprocess
import sys
from math import log, nan

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from minialex import plots
from minialex.training import Epoch, Step


def an_epoch(number, **values):
    """Epoch `number` of three steps each; loss and errors fall as 1 / number."""
    loss = {"train_loss": 2 / number, "test_loss": 2.5 / number, "top1_error": 0.5 / number, "top5_error": 0.25 / number}
    rest = {"epoch": number, "step": 3 * number, "lr": 0.1, "images_per_second": 9.0, "seconds": 1.0}
    return Epoch(**loss | rest | values)


def steps_of(epochs):
    return [Step(1 + n // 3, n + 1, (n + 1) / 3, 0.1, 2.3 - n / 10, 8, 0.1) for n in range(3 * epochs)]


def drawn(figure):
    """The figure as pixels (H, W, 3)."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_curves_show_what_was_measured():
    left, right = plots.curves([an_epoch(1), an_epoch(2, lr=0.01)], steps_of(2), 10, "a run").axes
    loss, errors = lines_of(left), lines_of(right)
    np.testing.assert_array_equal(loss["training, mean of an epoch"].get_xydata(), [(1, 2), (2, 1)])
    np.testing.assert_array_equal(loss["test, after the epoch"].get_xydata(), [(1, 2.5), (2, 1.25)])
    np.testing.assert_allclose(loss["training, each step"].get_xydata(), [((n + 1) / 3, 2.3 - n / 10) for n in range(6)])
    np.testing.assert_allclose(errors["top-1: 25.00% at the end"].get_xydata(), [(1, 50), (2, 25)])
    np.testing.assert_allclose(errors["top-5: 12.50% at the end"].get_ydata(), [25, 12.5])
    assert any(np.allclose(line.get_ydata(), log(10)) for line in left.get_lines())
    assert "ln(10) = 2.303" in left.texts[0].get_text()
    assert list(loss["lr lowered"].get_xdata()) == [1, 1]


def test_an_epoch_that_was_cut_short_ends_where_it_was_cut():
    figure = plots.curves([an_epoch(1), an_epoch(2, step=4)], steps_of(2)[:4], 10)
    assert list(lines_of(figure.axes[0])["test, after the epoch"].get_xdata()) == [1, pytest.approx(4 / 3)]


@pytest.mark.parametrize(
    ("epochs", "steps"),
    [
        ([], []),
        ([], steps_of(1)[:1]),
        ([an_epoch(1, test_loss=nan, top1_error=nan, top5_error=nan)], steps_of(1)),
        ([an_epoch(1, train_loss=1e9, top1_error=0.0, top5_error=0.0)], steps_of(1)),
        ([an_epoch(n + 1) for n in range(90)], []),
    ],
    ids=["nothing", "one step", "no test", "diverged", "ninety epochs"],
)
def test_curves_can_always_be_drawn(epochs, steps):
    picture = drawn(plots.curves(epochs, steps, 1000))
    assert picture.shape[1] > 1000
    assert picture.std() > 5


def test_kernels_a_block_for_each_tower():
    rng = np.random.default_rng(0)
    state = {f"conv1.{t}.weight": rng.normal(size=(5, 1, 3, 3)) for t in (0, 1)} | {"conv10.weight": np.zeros((2, 2, 3, 3))}
    figure = plots.kernels(state)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"tower {t}: 5 kernels of 3 x 3 x 1" for t in (0, 1)]
    drawn(figure)


def test_kernels_of_three_channels_are_colours_on_one_scale():
    weight = np.zeros((2, 3, 2, 2), np.float32)
    weight[0, :, 0, 0] = (0.5, 0, -0.5)
    weight[1, :, 1, 1] = (-0.25, -0.25, 0.25)
    figure = plots.kernels({"conv1.weight": weight})
    shown = figure.axes[0].get_images()[0].get_array()
    np.testing.assert_allclose(shown[1, 1], (1, 0.5, 0))
    np.testing.assert_allclose(shown[2, 5], (0.25, 0.25, 0.75))
    np.testing.assert_allclose(shown[2, 2], (0.5, 0.5, 0.5))
    np.testing.assert_allclose(shown[0, 0], plots.GROUND)


def test_kernels_that_are_all_zero():
    drawn(plots.kernels({"conv1.weight": np.zeros((4, 1, 3, 3), np.float32)}))


@pytest.mark.parametrize("state", [{}, {"fc4.weight": np.zeros((3, 2))}, {"conv1.weight": np.zeros((3, 2))}])
def test_a_net_without_such_a_layer(state):
    with pytest.raises(ValueError, match="no convolution called 'conv1'"):
        plots.kernels(state)


@pytest.mark.parametrize(
    ("out", "channels", "kH", "kW"), [(48, 3, 11, 11), (16, 1, 3, 3), (7, 2, 3, 5), (1, 1, 1, 1), (3, 3, 2, 4)]
)
def test_every_kernel_is_in_the_picture_once(out, channels, kH, kW):
    weight = np.arange(out * channels * kH * kW, dtype=np.float64).reshape(out, channels, kH, kW)
    picture = plots.tile(weight)
    assert picture.shape[2] == (3 if channels == 3 else 1)
    values = picture[~np.isnan(picture)]
    np.testing.assert_array_equal(np.sort(values), weight.ravel())
    where = np.argwhere(~np.isnan(picture[:, :, 0]))[0]
    first = picture[where[0] : where[0] + kH, where[1] : where[1] + kW]
    np.testing.assert_array_equal(first, weight[0].transpose(1, 2, 0) if channels == 3 else weight[0, :1].transpose(1, 2, 0))


# --- predictions ---

CLASSES = ("tench, Tinca tinca", "$x^$", "lily of the valley and other flowers", "d", "e", "f\ng")


def some_predictions(n=3, labels=(1, None, 5), **options):
    p = np.array([[0.1, 0.2, 0.5, 0.05, 0.08, 0.07], [0.9, 0.1, 0, 0, 0, 0], [0.2, 0.25, 0.25, 0.15, 0.1, 0.05]])
    pictures = [np.zeros((3, 70, 70), np.uint8), np.full((1, 8, 8), 255.0), np.zeros((3, 8, 8), np.uint8)]
    return plots.predictions(pictures[:n], p[:n], CLASSES, list(labels[:n]), ["a", "$b_^$.jpg", "c"][:n], **options)


def cells(figure):
    """(the picture's axes, the bars' axes) of each."""
    axes = [axes for axes in figure.axes if axes.get_legend() is None]
    return list(zip(axes[::2], axes[1::2], strict=True))


def bars(axes):
    """(name, share, colour, bold?) from top to bottom."""
    rows = sorted(axes.patches, key=lambda bar: bar.get_y())
    names = [text for text in axes.texts if not text.get_text().endswith("%")]
    return [
        (name.get_text(), bar.get_width(), to_hex(bar.get_facecolor()).upper(), name.get_fontweight() == "bold")
        for name, bar in zip(names, rows, strict=True)
    ]


def test_the_five_likeliest_classes_the_right_one_in_another_colour():
    figure = some_predictions()
    (_, first), (_, second), (_, third) = cells(figure)
    blue, orange = plots.BLUE_TINT, plots.ORANGE_TINT
    assert bars(first) == [
        ("lily of the valley and…", 0.5, blue, False),
        ("$x^$", 0.2, orange, True),
        ("tench", 0.1, blue, False),
        ("e", 0.08, blue, False),
        ("f?g", 0.07, blue, False),
    ]
    assert [name for name, *_ in bars(third)] == ["$x^$", "lily of the valley and…", "tench", "d", "e"]  # 5 is not among them
    assert [axes.get_title() for axes in (first, second, third)] == ["$x^$", "$b_^$.jpg", "f?g"]
    assert all(axes.get_xlim() == (0, 1) for axes in (first, second, third))
    assert [text.get_text() for text in first.texts[1::2]] == ["50.0%", "20.0%", "10.0%", "8.0%", "7.0%"]
    assert drawn(figure).std() > 5


def test_the_bars_run_downwards_and_stay_in_their_frame():
    _, below = cells(some_predictions())[0]
    bottom, top = below.get_ylim()
    assert bottom > top
    assert all(top < bar.get_y() < bar.get_y() + bar.get_height() < bottom for bar in below.patches)


def test_pictures_are_shown_as_they_are():
    (above, _), (grey, _), _ = cells(some_predictions())
    assert above.get_images()[0].get_array().shape == (70, 70, 3)
    (shown,) = grey.get_images()
    assert shown.get_array().shape == (8, 8)
    assert shown.get_clim() == (0, 255)
    assert shown.cmap(shown.norm(255.0))[:3] == (1, 1, 1)


def test_a_legend_only_where_a_class_is_known():
    legends = [axes.get_legend() for axes in some_predictions().axes if axes.get_legend() is not None]
    assert [text.get_text() for legend in legends for text in legend.get_texts()] == ["the right class"]
    assert not [axes for axes in some_predictions(labels=(None,) * 3).axes if axes.get_legend() is not None]


@pytest.mark.parametrize("top", [1, 3, 99])
def test_as_many_classes_as_wanted(top):
    for _, below in cells(some_predictions(top=top)):
        assert len(bars(below)) == min(top, len(CLASSES))


def test_pictures_are_as_large_however_many_there_are():
    p = np.full((9, 6), 1 / 6)
    many = plots.predictions([np.zeros((3, 4, 4), np.uint8)] * 9, p, CLASSES)
    sides = {
        tuple(np.round(above.get_position().size * figure.get_size_inches(), 6))
        for figure in (many, some_predictions(), some_predictions(1))
        for above, _ in cells(figure)
    }
    assert sides == {(2.2, 2.2)}
    (first, _), *_, (last, below) = cells(many)
    assert first.get_position().y0 > last.get_position().y1 > 0
    assert below.get_position().y0 > 0
    inside = [axes.get_window_extent() for axes in many.axes]
    assert not any(a.overlaps(b) for n, a in enumerate(inside) for b in inside[:n])


@pytest.mark.parametrize(("n", "shape"), [(0, (0, 6)), (2, (2, 5)), (2, (1, 6))])
def test_predictions_that_do_not_fit(n, shape):
    with pytest.raises(ValueError, match="predictions: "):
        plots.predictions([np.zeros((3, 4, 4))] * n, np.zeros(shape), CLASSES)


def test_matplotlibs_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    drawn(plots.curves([an_epoch(1)], steps_of(1), 10))
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_imported():
    code = "import sys, minialex.plots as p; p.curves([], [], 10); print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
