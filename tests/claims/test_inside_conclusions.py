"""What fig3, fig4, codes and stuck conclude from planted rows."""

import numpy as np
import pytest

from minialex.claims import CLAIMS, codes, fig3, fig4_left, fig4_right, stuck
from minialex.data import open_data


def rows_of(variants, **columns):
    """A row for each variant and seed; a column's value is a list by variant."""
    return [
        {"variant": name, "seed": str(seed)} | {key: str(values[place]) for key, values in columns.items()}
        for place, name in enumerate(variants)
        for seed in range(3)
    ]


def colours(chances):
    return [
        {
            "seed": str(n),
            "tower0": "0.2",
            "tower1": "0.6",
            "difference": "0.4",
            "difference_before": "0.01",
            "chance": str(chance),
        }
        | {"test_error": "0.5"}
        for n, chance in enumerate(chances)
    ]


def test_a_specialisation_is_seen_only_where_every_run_has_it():
    assert "The specialisation is seen in every run" in fig3.conclude(colours([0.001, 0.01, 0.04]))
    assert "is not seen at this size" in fig3.conclude(colours([0.001, 0.01, 0.3]))
    assert "Of 3 runs, 2 end" in fig3.conclude(colours([0.001, 0.01, 0.3]))
    assert "is not seen" in fig3.conclude(colours([0.001]))  # one run is not every run


def test_dyed_digits_have_the_colour_in_their_class():
    source = open_data("digits")
    dyed = fig3.coloured(source).dataset
    assert dyed.image_shape == (3, 8, 8)
    assert len(dyed.classes) == 20
    for split, plain in ((dyed.train, source.dataset.train), (dyed.test, source.dataset.test)):
        np.testing.assert_array_equal(split.labels % 10, plain.labels)
        red, _, blue = np.moveaxis(split.images.astype(float), 1, 0)
        more_red = red.sum(axis=(1, 2)) > blue.sum(axis=(1, 2))
        np.testing.assert_array_equal(more_red, split.labels < 10)


def test_five_likeliest():
    said = fig4_left.conclude(rows_of(["small AlexNet"], top1_error=[0.4], top5_error=[0.05]))
    assert "not the likeliest for 40.0 ± 0.0 % of all test images, and not among the five likeliest for 5.0 ± 0.0 %" in said


@pytest.mark.parametrize(
    ("vectors", "said"), [(0.6, "the effect is seen"), (0.3, "nothing is concluded"), (0.1, "the opposite is seen")]
)
def test_neighbours(vectors, said):
    rows = rows_of([fig4_right.VECTORS, fig4_right.PIXELS], same_class=[vectors, 0.3])
    assert said in fig4_right.conclude(rows)


def test_codes_are_set_beside_random_planes():
    names = ["pixels", "vectors", "learned, 16 bits", "random planes, 16 bits", "learned, 64 bits", "random planes, 64 bits"]
    rows = rows_of(
        names,
        precision=[0.2, 0.6, 0.3, 0.4, 0.5, 0.45],
        microseconds=[500, 1000, 90, 90, 100, 100],
        bytes=[3072, 1536, 2, 2, 8, 8],
        images=[5000] * 6,
    )
    said = codes.conclude(rows)
    assert "learned, 64 bits 50.0 ± 0.0 %, random planes of that length 45.0 ± 0.0 %, the vectors 60.0 ± 0.0 %" in said
    assert "192 times smaller than a vector, and a query takes 10% of the time" in said
    assert codes.report(rows).count("\n") == 7
    assert codes.picture(rows).axes


def starts(**changes):
    columns = {
        "lr": [0.01, 0.003],
        "largest_lr": [0.005, 0.005],
        "largest_lr_1000": [0.2, 0.2],
        "classes": [17, 17],
        "steps": [60, 60],
        "worst_loss": [9.0, 4.0],
        "last_loss": [2.84, 2.0],
        "active_after": [0.0, 0.4],
        "spread_before": [0.1, 0.1],
        "sharpness": [700, 700],
    }
    return rows_of(["high", "low"], **columns | changes)


def test_what_became_of_a_start():
    said = stuck.conclude(starts())
    went = "loss up to 9.0, 0% of the units above 0 in the weakest layer; too sharp: the start allows lr 0.005"
    assert f"high is stuck ({went})" in said
    assert "low learns (loss up to 4.0, 40% of the units" in said
    assert "With 1000 classes the first of these starts would allow lr 0.2" in said


def test_alive_but_at_chance_is_no_stuck_net():
    assert "high has learned nothing yet" in stuck.conclude(starts(active_after=[0.3, 0.4]))


def test_a_net_that_diverged_is_stuck():
    assert "high is stuck" in stuck.conclude(starts(last_loss=["nan", 2.0], active_after=["nan", 0.4]))


def test_on_the_brink_and_deaf():
    said = stuck.conclude(starts(largest_lr=[0.012, 0.012], spread_before=[0.01, 0.1]))
    assert "on the brink: the start allows lr 0.012, and the image decides only 1% of the logits" in said


def test_every_setting_is_a_flag_of_train():
    report = stuck.CLAIM.report(
        starts() + rows_of([stuck.SETTINGS[2].name], **{key: [value[0]] for key, value in _columns().items()})
    )
    assert "`--initial code2012 --one-bias 0.1`" in report


def _columns():
    first = starts()[0]
    return {key: [value] for key, value in first.items() if key not in ("variant", "seed")}


def test_all_five_are_there():
    assert {"fig3", "fig4-left", "fig4-right", "codes", "stuck"} <= CLAIMS.keys()
