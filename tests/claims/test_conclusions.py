"""Each claim's conclusion, from planted rows: what is there is said, and what is not there is not."""

import pytest

from minialex.claims import CLAIMS, augmentation, dropout, ensemble, exchange, fig1, views
from minialex.claims.ablation import against_first
from minialex.claims.learn import Curve
from minialex.claims.rows import by_variant
from tests.claims.planted import planted


def race(relu, tanh, epochs=60):
    """Rows of fig1's results.csv; None where the target was not reached."""
    rows = []
    for name, values in (("ReLU", relu), ("tanh", tanh)):
        for seed, value in enumerate(values):
            known = "" if value is None else str(value)
            rows.append({"variant": name, "seed": str(seed), "lr": "0.002", "epochs": str(epochs), "epochs_to_target": known})
    return rows


def test_ablation():
    assert "the effect is seen" in against_first("it")(planted(0.03))
    assert "not seen" in against_first("it")(planted(0.0003))
    assert "opposite" in against_first("it")(planted(-0.03))


def test_every_other_variant_has_its_sentence():
    said = against_first("the layer")(planted(0.03, names=("all", "without conv3", "without conv4")))
    assert "the layer (without conv3): -3.0 points" in said
    assert "the layer (without conv4): -3.0 points" in said


def test_dropout_tells_the_gap():
    """The test errors are alike, the gaps are not."""
    rows = planted(0.0)
    for row in rows:
        row["train_error"] = str(float(row["test_error"]) - (0.1 if row["variant"] == "with" else 0.25))
    said = dropout.conclude(rows)
    assert said.startswith("dropout: 0.0 points")
    assert "not seen" in said
    assert (
        "The gap between test and training error: -15.0 points (95% interval -15.0 to -15.0, 3 seeds): the effect is seen."
        in said
    )


def test_augmentation_compares_each_step_with_the_one_before():
    names = (augmentation.COLOURED, augmentation.MOVED, augmentation.PLAIN)
    rows = planted(0.03, names=names)
    said = augmentation.conclude(rows)
    assert "colours: -3." in said or "colours: -2.9" in said or "colours: -3" in said
    assert "windows and mirrors: " in said
    moved = said.split("colours:")[0]
    assert "the effect is seen" not in moved  # planted: none


def test_fig1_ratio():
    said = fig1.conclude(race([5, 5.2, 4.9], [30, 31, 29.8]))
    assert "ReLU 5.0 ± 0.2 epochs, tanh 30.3 ± 0.6: 6.0 times as many" in said
    assert "the effect is seen" in said


def test_fig1_without_effect():
    assert "not seen" in fig1.conclude(race([5, 5.2, 4.9], [5.1, 5, 5.05]))
    assert "opposite" in fig1.conclude(race([30, 31, 29.8], [5, 5.2, 4.9]))
    assert "is seen" not in fig1.conclude(race([5], [30]))


def test_fig1_where_a_net_does_not_get_there():
    assert "tanh was not there after 60: more than 12.0 times" in fig1.conclude(race([5, 5, 5], [40, None, 41]))
    assert fig1.conclude(race([None, None], [None, None])).startswith("Neither")


def test_fig1_interpolates():
    curve = [Curve(n, 0.1, 1.0, error, 0.5, 1.0) for n, error in ((1, 0.8), (2, 0.4), (3, 0.2), (4, 0.3))]
    assert fig1.epochs_to(curve, 0.4) == 2
    assert fig1.epochs_to(curve, 0.3) == pytest.approx(2.5)
    assert fig1.epochs_to(curve, 0.9) == pytest.approx(0.5)
    assert fig1.epochs_to(curve[:2], 0.25) != fig1.epochs_to(curve[:2], 0.25)  # nan: not reached


def test_views():
    assert "ten views: -1.5 points" in views.conclude(planted(0.015, names=(views.TEN, views.CENTRE)))


def test_ensemble():
    rows = [
        {"variant": "one net", "seed": str(n), "nets": "1", "test_error": e} for n, e in enumerate(("0.41", "0.40", "0.42"))
    ]
    rows += [
        {"variant": f"average of {k}", "seed": "all", "nets": str(k), "test_error": str(0.41 - 0.01 * (k - 1))}
        for k in (1, 2, 3)
    ]
    assert "the average of 3 nets: -2.0 points" in ensemble.conclude(rows)
    assert ensemble.seeds((7, 1)) == [7, 1, 0, 2, 3]
    assert "| average of 3 | 39.0 % |" in ensemble.report(rows)


def test_exchange_tells_the_price():
    rows = [row | {"conv3_bytes": "3", "all_bytes": "10", "parameters": "1000"} for row in planted(0.02, names=("both", "own"))]
    said = exchange.conclude(rows)
    assert "-2.0 points" in said
    assert "30%" in said
    assert "| both | 1,000 | 0.00 MB |" in exchange.report(rows)


def test_table_by_variant():
    table = by_variant(planted(0.02)).splitlines()
    assert table[2] == "| with | 28.0 ± 0.0 % | 38.0 ± 0.0 % | 3 |"
    assert table[3].startswith("| without | 30.0 ± 0.2 %")


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_says_what_it_is(name):
    claim = CLAIMS[name]
    assert claim.name == name
    assert claim.cost
    assert claim.paper
    assert claim.says.endswith(".")
