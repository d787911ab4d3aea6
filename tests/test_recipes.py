"""Recipes: read, refused in words, written, and turned into what they speak of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minialex.console import Refused
from minialex.data import sets
from minialex.data.sets import open_data
from minialex.initial import CODE_2012
from minialex.nets import PRESETS
from minialex.recipes import KEYS, NAMES, DataPart, LearningPart, NetPart, Recipe, RecipeError, dump, load, named, parse
from minialex.recipes.kinds import layer_rates
from minialex.runs import build
from minialex.runs.code2012 import Batches2012
from minialex.runs.start import recipe_of
from minialex.training import Epoch


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_comes_back_from_what_is_written_of_it(name, tmp_path):
    recipe = named(name)
    assert recipe.title
    (tmp_path / "recipe.toml").write_text(dump(recipe))
    assert load(tmp_path / "recipe.toml") == recipe


@given(st.data())
def test_any_recipe_comes_back(data):
    """Every key of every kind, with drawn values, through the text and back."""
    texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
    by_kind = {
        "a text": texts,
        "true or false": st.booleans(),
        "numbers above 0, one after another": st.lists(st.floats(0.001, 99), max_size=3).map(tuple),
        layer_rates.name: st.lists(st.sampled_from(["fc8=10", "conv1=0.1 after 67", " c_1 = 1e-05  after 3 "]), min_size=1),
        "a number of steps (500) or a time (90s, 10min, 2h)": st.sampled_from(["7", "90s", "1.5h", "10min"]),
    }
    values = {}
    for name, key in KEYS.items():
        kind = key.metadata["kind"]
        if kind.name == "a name":
            continue
        drawn = data.draw(by_kind.get(kind.name, st.integers(8, 10**6) if "whole" in kind.name else st.floats(0.3, 0.9)))
        try:
            values[name] = kind.take(drawn)
        except ValueError:
            continue  # a factor must be above 1
    recipe = Recipe(title="Mine.").with_keys(values)
    assert parse(dump(recipe), "here") == recipe


def test_the_paper():
    paper = named("paper")
    learning, data = paper.learning, paper.data
    assert (learning.batch_size, learning.momentum, learning.weight_decay, learning.lr) == (128, 0.9, 0.0005, 0.01)
    assert (learning.epochs, learning.schedule, learning.drops, learning.factor) == (90, "plateau", 3, 10)
    assert (data.size, data.crop, data.mean, data.mirror) == (256, 224, "image", True)
    assert (data.colour_noise, data.colour_strength, data.shrink) == (0.1, "code2012", 1.0)
    assert build.bias_factor(paper) == 1
    assert build.preset(paper.net) == "paper"


def test_the_2012_code_differs_from_the_paper_where_the_document_says():
    paper, code = named("paper").flat(), named("code2012").flat()
    assert {name for name in KEYS if paper[name] != code[name]} == {
        "net.preset",
        "net.initial",
        "net.norm_before_relu",
        "net.alpha_over_size",
        "net.spatial_norm",
        "data.colour_until",
        "data.shrink",
        "data.crop_chunk",
        "data.shuffle",
        "learning.epochs",
        "learning.bias_lr",
        "learning.bias_drops",
        "learning.rates",
        "learning.schedule",
        "learning.drop_at",
    }
    assert build.preset(named("code2012").net) == "code2012"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[learning]\nlrr = 1", "my.toml: unknown key learning.lrr; did you mean lr?"),
        ("[learning]\nbatchsize = 1", "my.toml: unknown key learning.batchsize; did you mean batch_size?"),
        ("[net]\nepochs = 1", "my.toml: unknown key net.epochs; did you mean learning.epochs?"),
        ("[learnin]\nlr = 1", "my.toml: unknown part 'learnin'; did you mean learning?"),
        ("lr = 1", "my.toml: unknown key 'lr'; it belongs under [learning]"),
        ("net = 1", "my.toml: net must be a part, [net], with keys in it"),
        ("[learning]\nlr = 0", "my.toml: learning.lr: must be a number above 0, got 0"),
        ("[learning]\nlr = '0.1'", "my.toml: learning.lr: must be a number above 0, got '0.1'"),
        ("[learning]\nlr = nan", "my.toml: learning.lr: must be a number above 0, got nan"),
        ("[learning]\nlr = true", "my.toml: learning.lr: must be a number above 0, got True"),
        ("[learning]\nepochs = 1.5", "my.toml: learning.epochs: must be a whole number of at least 1, got 1.5"),
        ("[learning]\ndrop_at = 3", "my.toml: learning.drop_at: must be numbers above 0, one after another, got 3"),
        ("[learning]\nschedule = 'drop'", "my.toml: learning.schedule: there is no 'drop'; did you mean drops?"),
        ("[learning]\nrates = 'fc8=10'", "my.toml: learning.rates: must be layers with their factors, one after another: "),
        ("[learning]\nrates = ['fc8']", "my.toml: learning.rates: must be layers with their factors"),
        ("[learning]\nrates = ['fc8=-1']", "my.toml: learning.rates: must be layers with their factors"),
        ("[learning]\nrates = ['fc8=1.2.3']", "my.toml: learning.rates: must be layers with their factors"),
        ("[learning]\nrates = ['fc8=1 before 3']", "my.toml: learning.rates: must be layers with their factors"),
        ("[net]\nname = 'alexnett'", "my.toml: net.name: there is no 'alexnett'; did you mean alexnet?"),
        ("[data]\nmirror = 1", "my.toml: data.mirror: must be true or false, got 1"),
        ("[run]\nsave_every = '5 days'", "my.toml: run.save_every: must be a number of steps (500) or a time"),
        ("recipe = 'papper'", "my.toml: there is no recipe 'papper'; did you mean paper?"),
        ("[net", "my.toml: is no TOML: "),
    ],
)
def test_what_is_no_recipe(text, says):
    with pytest.raises(RecipeError) as refusal:
        parse(text, "my.toml")
    assert says in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "picture.toml").write_bytes(b"\x89PNG\xff")
    with pytest.raises(RecipeError, match="it is no text"):
        load(tmp_path / "picture.toml")


def test_flags_win_over_the_file_and_the_file_over_the_recipe(tmp_path):
    mine = tmp_path / "my.toml"
    mine.write_text('recipe = "paper"\n[learning]\nlr = 0.5\nepochs = 7\n')
    recipe = recipe_of({"learning.epochs": 3}, config=str(mine))
    assert (recipe.learning.epochs, recipe.learning.lr, recipe.learning.batch_size) == (3, 0.5, 128)
    assert recipe_of({}, recipe="digits", config=str(mine)).learning.batch_size == 32


@pytest.mark.parametrize(
    ("asked", "net", "data", "lr", "epochs"),
    [
        ({}, "small", "digits", 0.03, 15),
        ({"data.set": "cifar10"}, "cifar10", "cifar10", 0.001, 40),
        ({"data.set": "photos/birds"}, "alexnet", "photos/birds", 0.01, 60),
        ({"data.set": "photos/birds", "net.name": "small"}, "small", "photos/birds", 0.01, 60),
        ({"net.name": "alexnet", "data.set": "synthetic"}, "alexnet", "synthetic", 0.01, 1),
        ({"net.name": "alexnet_grouped"}, "alexnet_grouped", "digits", 0.01, 90),
    ],
)
def test_the_recipe_that_fits_net_and_data(asked, net, data, lr, epochs):
    recipe = recipe_of(asked)
    assert (recipe.net.name, recipe.data.set, recipe.learning.lr, recipe.learning.epochs) == (net, data, lr, epochs)


def test_a_preset_of_ones_own(monkeypatch):
    """Each of the four keys alone changes its own part of the preset, and the net's pages know it by its name."""
    monkeypatch.setattr(build, "PRESETS", shared := PRESETS.copy())
    paper = shared["paper"]
    for part, wanted in (
        (NetPart("alexnet", norm_before_relu=True), replace(paper, norm_before_relu=True)),
        (NetPart("alexnet", alpha_over_size=True), replace(paper, alpha_over_size=True)),
        (NetPart("alexnet", spatial_norm=True), replace(paper, spatial_norm=True)),
        (NetPart("alexnet", initial="code2012"), replace(paper, initial=CODE_2012)),
        (NetPart("alexnet", preset="code2012", norm_before_relu=False), replace(shared["code2012"], norm_before_relu=False)),
    ):
        assert shared[build.preset(part)] == wanted
        assert shared[build.preset(part)] is shared[build.preset(part)]
    all_four = NetPart("alexnet", alpha_over_size=True, norm_before_relu=True, spatial_norm=True, initial="code2012")
    assert build.preset(all_four) == "code2012"


def test_biases_that_start_at_one_start_elsewhere():
    source = open_data("digits")
    recipe = Recipe()
    net = build.make_net(recipe, source)
    before = net.state_dict()
    net.load_state_dict(before | {"conv2.0.bias": np.ones_like(before["conv2.0.bias"])})
    after = build.with_biases(net, 0.1).state_dict()
    assert (after["conv2.0.bias"] == np.float32(0.1)).all()
    assert all((after[name] == before[name]).all() for name in before if name != "conv2.0.bias")


@pytest.mark.parametrize("name", ["initial", "one_bias", "norm_before_relu", "alpha_over_size", "spatial_norm", "preset"])
def test_keys_that_a_net_has_not_are_refused(name):
    value = {"initial": "he", "one_bias": 0.1, "preset": "paper"}.get(name, True)
    with pytest.raises(Refused, match=rf"--{name.replace('_', '-')} does not go with --net small, only with alexnet,"):
        build.make_net(Recipe(net=NetPart(**{name: value})), open_data("digits"))


def with_learning(**keys):
    return Recipe(net=NetPart("alexnet", preset="code2012"), learning=LearningPart(lr=0.01, **keys))


def test_the_biases_rate_falls_as_often_as_it_is_told():
    """The 2012 code: lr falls three times, the biases' rate once."""
    recipe = with_learning(epochs=8, drop_at=(2, 4, 6), bias_drops=1)
    sgd = build.make_optimizer(recipe, build.make_net(Recipe(), open_data("digits")))
    assert (sgd.lr, sgd.bias_lr) == (0.01, 2.0)
    schedule = build.make_schedule(recipe, sgd)
    rates = []
    for n in range(8):
        sgd.lr = schedule([Epoch(1, 1, 0.1, 1, 1, 1, 1, 1, 1)] * n)
        rates.append((sgd.lr, sgd.lr * sgd.bias_lr))
    np.testing.assert_allclose([lr for lr, _ in rates], np.repeat([0.01, 0.001, 1e-4, 1e-5], 2))
    np.testing.assert_allclose([bias for _, bias in rates], np.repeat([0.02, 0.002, 0.002, 0.002], 2))
    sgd.lr = schedule([])
    assert sgd.bias_lr == 2.0  # whoever goes on from an earlier epoch has the rate of that epoch


def test_a_layers_own_rate_follows_its_timetable():
    """The 2012 code: conv1 a tenth of lr in its last epochs, and then nothing."""
    recipe = Recipe(
        learning=LearningPart(lr=0.1, epochs=8, drop_at=(2,), rates=("conv1=0 after 5", "fc4=3", "conv1=0.1 after 4"))
    )
    sgd = build.make_optimizer(recipe, build.make_net(Recipe(), open_data("digits")))
    assert sgd.rates == {"fc4": 3}
    schedule = build.make_schedule(recipe, sgd)
    conv1 = []
    for n in range(8):
        sgd.lr = schedule([Epoch(1, 1, 0.1, 1, 1, 1, 1, 1, 1)] * n)
        assert sgd.rates["fc4"] == 3
        conv1.append(sgd.rates.get("conv1"))
    assert conv1 == [None] * 4 + [0.1] + [0] * 3
    schedule([])
    assert sgd.rates == {"fc4": 3}


def test_a_rate_for_a_layer_that_is_not_there():
    net = build.make_net(Recipe(), open_data("digits"))
    for rates in (("conv9=1",), ("conv9=1 after 3",)):
        with pytest.raises(
            Refused, match=r"^--rates: there is no layer 'conv9' with weights; did you mean conv\d\? There are "
        ):
            build.make_optimizer(Recipe(learning=LearningPart(rates=rates)), net)


def test_the_2012_recipes_rates_fit_its_net():
    layers = {build.rate(one).layer for one in named("code2012").learning.rates}
    assert layers == {"conv1"}


def some_batches(**options):
    images = np.arange(64, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 12, 12), np.uint8)
    images[:, 0] = np.arange(12, dtype=np.uint8)[:, None]  # red tells the row, green the column, blue which image it is
    images[:, 1] = np.arange(12, dtype=np.uint8)
    data = replace(open_data("digits").dataset, train=sets.digits(0).train)
    split = type(data.train)(images, np.arange(64))
    source = sets.Source(replace(data, train=split, mean=0.0, scale=1.0), "x", "x")
    recipe = Recipe(data=DataPart(crop=8, mean="none", **options), learning=LearningPart(batch_size=16))
    return build.make_batches(recipe, source)


def views(batches, epoch):
    images, labels = (np.concatenate(column) for column in zip(*batches.epoch(epoch), strict=True))
    return images, labels


def test_a_recipe_without_the_habits_of_2012_is_the_loader():
    batches = some_batches(mirror=True)
    assert isinstance(batches, Batches2012)
    _, one = views(batches, 1)
    _, two = views(batches, 2)
    assert sorted(one) == list(range(64))
    assert not (one == two).all()


def test_one_order_for_all_epochs():
    batches = some_batches(shuffle="once")
    (first, one), (second, two) = views(batches, 1), views(batches, 2)
    np.testing.assert_array_equal(one, two)
    assert not (first == second).all()  # the windows are drawn anew


def test_images_in_a_row_share_a_window_and_a_mirror():
    batches = some_batches(mirror=True, crop_chunk=16)
    images, labels = views(batches, 3)
    corners = [tuple(image[:2, 0, 0]) + tuple(image[:2, 0, -1]) for image in images]
    assert all(len(set(corners[n : n + 16])) == 1 for n in range(0, 64, 16))
    assert len(set(corners)) > 1
    np.testing.assert_array_equal(images[:, 2, 0, 0], labels)  # each is still its own image
    alone = [tuple(image[:2, 0, 0]) for image in views(some_batches(mirror=True), 3)[0]]
    assert len(set(alone[:16])) > 4


def test_colours_end_with_their_last_epoch():
    batches = some_batches(colour_noise=0.1, shrink=2.0, colour_until=2)
    (coloured, labels), (plain, plain_labels) = views(batches, 2), views(batches, 3)
    assert not (coloured[:, 2] == labels[:, None, None] / 2).all()
    np.testing.assert_array_equal(plain[:, 2, 0, 0], plain_labels)  # not shrunk either


def test_the_document_has_every_key():
    text = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text()
    for name, key in KEYS.items():
        assert f"| `{name.split('.')[1]}` | {key.metadata['help']} |" in text, name
