"""What is claimed of Flatten."""

from __future__ import annotations

from minialex import layers
from tests.checks.every_layer import MANNERS, NUMBERS
from tests.checks.suite import Suite
from tests.strategies import FlattenCase, shaped_cases

FLATTEN = Suite(layers.Flatten, shaped_cases(FlattenCase), NUMBERS + MANNERS)

check_flatten = FLATTEN.run
