"""Looking inside a net: what its layers give, what they listen to, what they have learned. Each idea is a file.

Nothing here draws (plots/ does) or prints; every function takes a net and gives host arrays. scripts/look_inside.py shows
all of it for a run.
"""

from minialex.inside.activations import features, outputs
from minialex.inside.colour import chance, saturation, saturations
from minialex.inside.exchanges import Exchanged, exchanges
from minialex.inside.gradient import pixel_gradient
from minialex.inside.neighbours import nearest
from minialex.inside.occlusion import occlusion
from minialex.inside.signals import Signal, signals
from minialex.inside.units import Units, units
from minialex.inside.watch import watching

__all__ = [
    "Exchanged",
    "Signal",
    "Units",
    "chance",
    "exchanges",
    "features",
    "nearest",
    "occlusion",
    "outputs",
    "pixel_gradient",
    "saturation",
    "saturations",
    "signals",
    "units",
    "watching",
]
