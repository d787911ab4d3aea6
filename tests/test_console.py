"""What the command lines share: types of flags, a bar or lines, Ctrl-C."""

import argparse
import os
import signal

import pytest

from minialex import console
from minialex.console import Bar, Lines, Parser, ctrl_c, duration, one_of, progress, real, stop_signals, whole


@pytest.mark.parametrize(
    ("read", "good", "value"),
    [
        (whole(1), "7", 7),
        (whole(0), "0", 0),
        (real(lambda x: x > 0, "above 0"), "1e-2", 0.01),
        (one_of(["alexnet", "small"]), "small", "small"),
    ],
)
def test_what_a_flag_takes(read, good, value):
    assert read(good) == value


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "two", "", "nan"])
def test_what_is_no_whole_number(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number of at least 1"):
        whole(1)(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "-inf", "fast", ""])
def test_what_is_no_number_that_fits(text):
    with pytest.raises(argparse.ArgumentTypeError, match="a number above 0"):
        real(lambda x: x > 0, "above 0")(text)


def test_the_nearest_name_is_suggested():
    read = one_of(["alexnet", "alexnet_grouped", "small"])
    with pytest.raises(argparse.ArgumentTypeError, match="there is no 'smal'; did you mean small"):
        read("smal")
    with pytest.raises(argparse.ArgumentTypeError, match="there is no 'xyz'; There are alexnet, alexnet_grouped, small"):
        read("xyz")


def test_errors_are_one_line(capsys):
    parser = Parser(prog="train.py")
    parser.add_argument("--epochs", type=whole(1))
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--epochs", "0"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "train.py: argument --epochs: must be a whole number of at least 1, got '0'; see --help"
    ]


def test_no_bar_without_a_terminal(capsys):
    with progress(10) as screen:
        assert isinstance(screen, Lines)
        screen.advance(5, "epoch 1")
        screen.line("epoch 1 is over")
    assert capsys.readouterr().out == "epoch 1 is over\n"


def test_a_line_now_and_then_without_a_terminal(capsys, monkeypatch):
    clock = iter([0.0, 40.0, 41.0, 50.0]).__next__
    monkeypatch.setattr(console, "perf_counter", clock)
    with Lines(100) as screen:
        screen.advance(20, "epoch 1  step 1")  # at 40 s; the line is out at 41 s
        screen.advance(20, "epoch 1  step 2")  # at 50 s: too early for another
    assert capsys.readouterr().out == "epoch 1  step 1  0 images/s, 2 min 40 s left\n"


def test_the_bar(capsys):
    with Bar(10) as screen:
        screen.advance(5, "epoch 1  loss 2.3")
        screen.line("epoch 1 is over")
        screen.advance(5, "epoch 2  loss 1.5")
    shown = capsys.readouterr().out
    assert "epoch 1 is over\n" in shown
    assert "images/s" in shown
    assert "left" in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.25, "8.2 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (250, "4 min 10 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_first_ctrl_c_is_noted_and_the_second_leaves():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), ctrl_c() as pressed:  # noqa: PT012
        assert not pressed()
        os.kill(os.getpid(), signal.SIGINT)
        assert pressed()
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_either_signal_gives_its_exit_code(number, code):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_signals() as asked:
        assert asked() == 0
        os.kill(os.getpid(), number)
        assert asked() == code
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
