"""The lessons' checks: what is right passes, what is wrong is refused, and known mistakes are called by their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from lessons import check
from lessons.check import EXERCISES, VALUES, Exercise, Mistake, Planted, Report, Value, judging, register, register_value
from lessons.check.badge import BUILT, PARTS, badge
from lessons.check.diagnose import diagnose
from lessons.check.judging import judge
from lessons.check.probe import Call
from lessons.check.samples import samples
from lessons.check.values import weigh
from minialex.layers.im2col import im2col
from tests.mutants.engine import Mutant

EACH = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
MISTAKES = [pytest.param(e, m, id=f"{e.name}: {m.name}") for e in EXERCISES.values() for m in e.mistakes]
PLANTED = [
    pytest.param(e, place, mutant, id=f"{e.name}: {mutant.name}")
    for e in EXERCISES.values()
    for place in e.planted
    for mutant in place.mutants()
]

# Mutants that no function of the learner's kind can have: those of groups, of padding where there is none, of what a layer
# keeps from call to call, and of the dtype of weights that are not x's.
ELSEWHERE = {
    "linear_backward": {"gradients pile up", "dW in x's dtype", "dx in W's dtype"},
    "cross_entropy_backward": {"log p overwritten"},
    "conv_backward": {
        "dx with the first group's weights",
        "dW from the first group's maps",
        "gradients pile up",
        "dW in x's dtype",
    },
    "maxpool_backward": {
        "padding of zeros wins",
        "padding of zeros takes the gradient",
        "padding of -infinity takes the gradient",
        "padding not cut off",
        "top and left swapped",
        "overhang of ceil_mode forgotten",
    },
    "lrn_backward": {"alpha not divided", "window across the group's edge", "y overwritten"},
    "sgd_update": {"first rows only", "last rows left out"},
    "exchange_backward": {"ledger forgotten", "maps joined in the wrong order", "order of the sum from the owner on"},
}
# Mutants that are refused before their numbers are looked at, and the words that say why.
MANNERS = {
    "dy overwritten": "writes into dy",
    "dy used up": "writes into dy",
    "gradient overwritten": "writes into dw",
    "dy added to in place": "writes into",
    "always float64": "should be float32",
    "db in float64": "should be float32",
    "dx always in float64": "should be float32",
    "copy forgotten": "mixes arrays",  # only where arrays know their device
}


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No long search for the smallest case: what a mistake is called does not depend on it."""
    monkeypatch.setattr(judging, "SHRINKING", 0.02)


@EACH
def test_the_right_function_passes(exercise: Exercise) -> None:
    report = judge(exercise, exercise.right)
    assert report.passed, repr(report)
    assert report.function is exercise.right
    assert exercise.reward in repr(report)
    assert exercise.reward in text_of(report._repr_html_())


@EACH
def test_an_open_exercise_says_what_to_write(exercise: Exercise) -> None:
    def unwritten(*arguments: Any) -> Any:
        raise NotImplementedError("write this: the very thing")

    report = judge(exercise, unwritten)
    assert (report.state, report.passed) == ("open", False)
    assert report.function is exercise.right
    assert "not written yet" in repr(report)
    assert "write this: the very thing" in repr(report)
    assert "write this: the very thing" in text_of(report._repr_html_())


@EACH
def test_what_is_said_is_well_formed(exercise: Exercise) -> None:
    assert re.fullmatch(r"\d\d", exercise.lesson)
    assert exercise.right.__doc__ or exercise.right.__name__ == "<lambda>"
    assert set(exercise.lights) <= PARTS | {"all"}
    assert exercise.reward.endswith((".", "!", "?"))
    for mistake in exercise.mistakes:
        assert mistake.looks_like
        assert not mistake.looks_like.endswith(".")
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_a_typical_mistake_is_named(exercise: Exercise, mistake: Mistake) -> None:
    report = judge(exercise, mistake.function)
    assert report.state == "wrong", f"{mistake.name} passes"
    assert mistake.looks_like in report.diagnosis or says_it(report, mistake), repr(report)
    assert report.function is exercise.right


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize(("exercise", "place", "mutant"), PLANTED)
def test_a_planted_mutant_is_refused_and_named(exercise: Exercise, place: Planted, mutant: Mutant) -> None:
    mistake = Mistake(mutant.name, place.extract(place.subject.planted(mutant)), mutant.looks_like)
    report = judge(exercise, mistake.function)
    if mutant.name in ELSEWHERE.get(exercise.name, ()):
        assert report.passed, f"{mutant.name} can be told, so take it out of ELSEWHERE"
    elif mutant.name in MANNERS:
        assert report.state == "wrong"
        assert MANNERS[mutant.name] in report.says
    else:
        assert report.state == "wrong", f"{mutant.name} passes"
        assert mistake.looks_like in report.diagnosis or equivalent(exercise, report, mistake), repr(report)


def says_it(report: Report, mistake: Mistake) -> bool:
    """Whether another mistake that is the same on every case is named."""
    return equivalent(report.exercise, report, mistake)


def equivalent(exercise: Exercise, report: Report, mistake: Mistake) -> bool:
    """Whether the mistake that is named computes the same as this one, wherever this one is wrong."""
    return bool(report.mistakes) and all(
        name in diagnose(replaced(exercise, named), mistake.function, Call(samples(exercise)[0])).mistakes
        for name, named in report.mistakes.items()
    )


def replaced(exercise: Exercise, mistake: Mistake) -> Exercise:
    """The exercise, with this as its only mistake."""
    return replace(exercise, mistakes=(mistake,), planted=())


# What goes wrong before the numbers are looked at


def right(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    return EXERCISES["conv_backward"].right(dy, x, weight, stride, padding)


def returns_nothing(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    right(dy, x, weight, stride, padding)


def returns_one(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    return right(dy, x, weight, stride, padding)[0]


def returns_two(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    return right(dy, x, weight, stride, padding)[:2]


def returns_a_list(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    dx, dweight, dbias = right(dy, x, weight, stride, padding)
    return dx, dweight, dbias.tolist()


def returns_none_among_others(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    dx, dweight, _ = right(dy, x, weight, stride, padding)
    return dx, dweight, None


def another_shape(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    dx, dweight, dbias = right(dy, x, weight, stride, padding)
    return dx, dweight, dbias[:, None]


def axes_not_moved(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    dx, dweight, dbias = right(dy, x, weight, stride, padding)
    return dx, dweight.transpose(0, 2, 3, 1), dbias


def wider(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    return tuple(part.astype(np.float64) for part in right(dy, x, weight, stride, padding))


def raises(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    dx = np.zeros_like(x)
    dx[len(x)] = 1  # past the end
    return dx


def writes_in_place(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    dy *= 2
    return right(dy / 2, x, weight, stride, padding)


def leaves(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (returns_nothing, ("conv_backward returns None", "return dx, dweight, dbias")),
        (returns_one, ("returns one ndarray; 3 things are wanted",)),
        (returns_two, ("returns 2 things; 3 are wanted",)),
        (returns_a_list, ("dbias should be a NumPy array, yours is a list", "np.array")),
        (returns_none_among_others, ("dbias is None",)),
        (another_shape, ("dbias should have the shape (1,), yours has (1, 1)",)),
        (axes_not_moved, ("dweight should have the shape", "transpose")),
        (wider, ("dx should be float32 for float32 input, yours is float64", "np.zeros")),
        (raises, ("IndexError", "dx[len(x)] = 1  # past the end", "line ")),
        (writes_in_place, ("writes into dy, which belongs to the caller", "dy *= 2")),
        (leaves, ("raises SystemExit",)),
        (lambda dy, x: None, ("your function takes (dy, x); it will be given (dy, x, weight, stride, padding)",)),
        ("conv_backward", ("wants your function, not a str",)),
        (None, ("wants your function",)),
    ],
    ids=lambda value: getattr(value, "__name__", "") if callable(value) else "",
)
def test_slips_are_said_in_a_line(function: Any, words: tuple[str, ...]) -> None:
    report = check.conv_backward(function)
    assert report.state == "wrong"
    for shown in (repr(report), text_of(report._repr_html_())):
        for word in words:
            assert word in shown
        assert "Traceback" not in shown
    assert report.function is EXERCISES["conv_backward"].right


def test_a_failure_shows_the_smallest_case() -> None:
    def forgets_the_stride(dy: Any, x: Any, weight: Any, stride: Any, padding: Any) -> Any:
        O, C, kH, kW = weight.shape
        X = im2col(x, (kH, kW), stride, padding)
        dY, W = dy.transpose(0, 2, 3, 1).reshape(-1, O), weight.transpose(0, 2, 3, 1).reshape(O, -1)
        print("the shape of X is", X.shape)
        dweight = (dY.T @ X.reshape(len(dY), -1)).reshape(O, kH, kW, C).transpose(0, 3, 1, 2) / len(x)
        return EXERCISES["col2im"].right((dY @ W).reshape(X.shape), x.shape, (1, 1), padding), dweight, dY.sum(axis=0)

    report = check.conv_backward(forgets_the_stride)
    assert any("the stride is forgotten when scattering back" in text for text in report.diagnosis)
    assert any("is divided by N; the loss has done that already" in text for text in report.diagnosis), "both are named"
    dy, x, weight, stride, _ = report.arguments
    assert max(dy.size, x.size, weight.size) <= 12
    assert (x == np.round(x)).all(), "whole numbers, to be followed by hand"
    outcomes = zip(forgets_the_stride(*report.arguments), right(*report.arguments), strict=True)
    assert not all(np.allclose(received, expected) for received, expected in outcomes)
    for shown in (repr(report), text_of(report._repr_html_())):
        for word in (": expected", "received", "difference", f"stride = {stride}", "the shape of X is", "dx: the stride"):
            assert word in shown


def test_two_mistakes_are_told_apart_by_what_they_spoil() -> None:
    def two_mistakes(dy: Any, x: Any, weight: Any) -> Any:
        return dy @ weight, dy.T @ x / len(x), dy[0].copy()

    report = check.linear_backward(two_mistakes)
    assert {name: mistake.name for name, mistake in report.mistakes.items()} == {
        "dweight": "averaged over the batch",
        "dbias": "db of the first image",
    }


def test_an_unknown_mistake_is_shown_without_a_name() -> None:
    report = check.relu_forward(lambda x: np.maximum(x, 0) + 0.125 * (x > 1))
    assert report.state == "wrong"
    assert report.diagnosis == ()
    assert "It looks like this" not in repr(report)
    assert "received" in repr(report)


def test_a_function_may_be_defined_anew() -> None:
    def relu(x: Any) -> Any:
        return np.abs(x)

    assert not check.relu_forward(relu).passed

    def relu(x: Any) -> Any:  # type: ignore[no-redef]
        return np.maximum(x, 0)

    assert check.relu_forward(relu).passed


def test_every_check_gives_the_same_again() -> None:
    def wrong(dy: Any, x: Any) -> Any:
        return dy * (x >= 0.5)

    first, second = check.relu_backward(wrong), check.relu_backward(wrong)
    assert repr(first) == repr(second)
    assert first._repr_html_() == second._repr_html_()


def test_a_function_that_is_another_each_time_is_noticed() -> None:
    calls = iter(range(10**9))
    report = check.relu_forward(lambda x: np.maximum(x, 0) * (1 + (next(calls) % 7 == 5)))
    assert report.state == "wrong"


def test_what_comes_from_chance_is_left_alone() -> None:
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002  a learner's own draws must not depend on our checks
    check.relu_forward(np.abs)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_a_slow_function_is_judged_on_fewer_cases() -> None:
    def slow(x: Any, weight: Any, bias: Any, stride: Any, padding: Any) -> Any:
        sum(range(1_000_000))
        return EXERCISES["conv_forward"].right(x, weight, bias, stride, padding)

    report = check.conv_forward(slow)
    assert report.passed
    assert report.cases < 25


def test_names_are_found_by_themselves() -> None:
    assert {"conv_backward", "value", "softmax"} <= set(dir(check))
    assert "conv_backward(dy, x, weight, stride, padding) -> dx, dweight, dbias" in (check.conv_backward.__doc__ or "")
    with pytest.raises(AttributeError, match="did you mean 'conv_backward'"):
        _ = check.conv_bakward
    with pytest.raises(ValueError, match="already"):
        register(replace(EXERCISES["relu_forward"]))


def test_listeners_hear_every_report() -> None:
    heard: list[Any] = []
    check.listeners.append(heard.append)
    try:
        report = check.relu_forward(np.abs)
    finally:
        check.listeners.remove(heard.append)
    assert heard == [report]


# Numbers


@pytest.fixture
def ten() -> Iterator[Value]:
    value = Value("ten", 10.0, "twice five", 1e-3, "Count your fingers.", ((5.0, "that is one hand"),))
    register_value(value)
    yield value
    del VALUES["ten"]


@pytest.mark.parametrize(
    ("got", "state", "words"),
    [
        (10.0, "passed", "twice five"),
        (10.005, "passed", "twice five"),
        (np.float32(10), "passed", "twice five"),
        (lambda: 10, "passed", "twice five"),
        (None, "open", "write this: twice five"),
        (5, "wrong", "that is one hand"),
        (7, "wrong", "Yours is 7; wanted is twice five. Count your fingers."),
        ("ten", "wrong", "should be a number"),
        (np.ones(3), "wrong", "should have the shape ()"),
        (lambda: 1 / 0, "wrong", "ZeroDivisionError"),
    ],
)
def test_a_number_is_weighed(ten: Value, got: Any, state: str, words: str) -> None:
    report = check.value("ten", got)
    assert report.state == state
    assert words in repr(report)
    assert words in text_of(report._repr_html_())
    if state != "passed":
        assert report.number == 10


def test_a_number_not_worked_out_yet_is_open(ten: Value) -> None:
    def unwritten() -> float:
        raise NotImplementedError("write this: both hands")

    report = check.value("ten", unwritten)
    assert report.state == "open"
    for shown in (repr(report), text_of(report._repr_html_())):
        assert "not written yet" in shown
        assert "write this: both hands" in shown


def test_an_unknown_number_is_an_error(ten: Value) -> None:
    with pytest.raises(AttributeError, match="did you mean 'ten'"):
        check.value("tenn", 10)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_the_numbers_of_the_lessons_are_right_by_themselves(value: Value) -> None:
    assert weigh(value, value.expected).passed
    assert all(not weigh(value, wrong).passed for wrong, _ in value.mistakes)


# The page


class Balanced(HTMLParser):
    """Collects the text of a page, and sees that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        assert tag != "script"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def text_of(html: str) -> str:
    """The text of a piece of HTML, which must be well-formed."""
    page = Balanced()
    page.feed(html)
    assert page.open == []
    return "".join(page.text)


@pytest.mark.parametrize("function", [np.abs, lambda x: np.maximum(x, 0), lambda x: "<b>&", lambda x: x @ x])
def test_the_page_is_well_formed(function: Callable[..., Any]) -> None:
    html = check.relu_forward(function)._repr_html_()
    text_of(html)
    assert "<b>&" not in html.replace("<b>&amp;", "")


def test_the_badge_lights_what_is_built() -> None:
    conv, everything, nothing = badge(("conv",), "04"), badge(("all",), "08"), badge((), "00")
    assert conv.count(",0.95)") == 10, "five layers in two towers"
    assert everything.count(",0.95)") > 40
    assert ",0.95)" not in nothing
    assert set(BUILT) == PARTS
    text_of(conv)
