"""How fast, and how near to what the machine can do: the measuring behind scripts/bench.py.

Every contestant is a process of its own (`peers.py`): its peak memory is its own, its threads sleep while another has its turn,
and no library's settings reach the next. They take turns, one step each (`turns.py`), so that a machine which grows warm or
busy slows all of them alike.
"""
