"""Memory on a GPU for columns: one array for each stream, which all convolutions that work there use in turn.

Work in a stream runs in order, so nobody has to wait: the next user's kernels begin when this one's have ended. The array lives
as long as its stream, and grows to the largest that was asked for.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from minialex.arrays import Array, array_module, empty

_kept: WeakKeyDictionary[Any, dict[Any, Array]] = WeakKeyDictionary()


def workspace(like: Any, numbers: int) -> Array:
    """At least so many numbers of like's dtype, of any value; they are the caller's until somebody else asks."""
    mine = _kept.setdefault(array_module(like).cuda.get_current_stream(), {})
    kind = like.device.id, like.dtype  # all GPUs have the same null stream
    if kind not in mine or mine[kind].size < numbers:
        mine.pop(kind, None)  # the old one may go before the new one comes
        mine[kind] = empty(like, (numbers,))
    return mine[kind]
