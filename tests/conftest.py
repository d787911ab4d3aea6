"""What all tests share: Hypothesis's profiles, the devices that layers are tried on, and strict mode.

Profiles: "dev" at home; "ci" where CI is set (the same examples every run); "nightly" for a long search. Choose one with
pytest --hypothesis-profile=nightly, or HYPOTHESIS_PROFILE=nightly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import settings

from minialex.devices import Device, DeviceError, parse_devices, strict_mode

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, database=None, print_blob=True)
settings.register_profile("nightly", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@cache
def why_no_gpu() -> str:
    """Why the tests marked `gpu` cannot run here; empty where they can."""
    try:
        parse_devices("cuda:0")
    except DeviceError as error:
        return str(error)
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none, and say why."""
    if item.get_closest_marker("gpu") and why_no_gpu():
        pytest.skip(why_no_gpu())


@pytest.fixture(scope="session", params=["cpu:0", pytest.param("cuda:0", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Device:
    """Each kind of device in turn: a place where a layer must compute what it computes on plain arrays."""
    return parse_devices(request.param)[0]


@pytest.fixture(autouse=True)
def strict_devices() -> Iterator[None]:
    """Arrays put on a device remember it, and mixing two devices raises."""
    with strict_mode():
        yield
