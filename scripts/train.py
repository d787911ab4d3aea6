"""Train a net from the command line: `python scripts/train.py --help`.

A thin layer over minialex.runs: it reads the flags, says what happens, and ends as it should whatever happens.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from time import perf_counter

from minialex.checkpoint import CheckpointError
from minialex.console import Refused, complain, progress, stop_signals
from minialex.data import DataError
from minialex.newfile import check_new, write_new
from minialex.recipes import RecipeError
from minialex.runs import report
from minialex.runs.build import default_recipe
from minialex.runs.flags import asked_for, parser
from minialex.runs.session import Session, Stopped
from minialex.runs.start import begin
from minialex.trace import Tracer, chrome
from minialex.training import NonFinite, Step


def main(arguments: Sequence[str] | None = None) -> int:
    """One run. The exit code: 0 well, 1 it went wrong on the way, 2 it could not begin, 130 Ctrl-C, 143 SIGTERM."""
    flags = parser().parse_args(arguments)
    own = {name: getattr(flags, name) for name in ("recipe", "config", "out", "resume", "download")}
    try:
        if flags.trace is not None:
            check_new(flags.trace)
        session, notices = begin(asked_for(flags), **own)
    except (Refused, RecipeError, DataError, CheckpointError) as refusal:
        return complain("train.py", str(refusal), 2)
    except MemoryError:
        return complain("train.py", "there is not enough memory for this net and these data", 2)
    except KeyboardInterrupt:
        return complain("train.py", "stopped before the first step", 130)
    with session.folder:
        return run(session, notices, flags.trace)


def run(session: Session, notices: Sequence[str], trace: str | None) -> int:
    """From the first line to the last."""
    try:
        for notice in notices:
            print(f"resume     {notice}", flush=True)
        if session.finished:
            return already_finished(session)
        print(report.head(session), flush=True)
        return learn(session) if trace is None else traced(session, trace)
    except KeyboardInterrupt:
        return complain("train.py", f"stopped at once; what was saved before is in {session.run.path}. {go_on(session)}", 130)
    except CheckpointError as failure:
        return complain("train.py", f"{failure}. {go_on(session)}", 1)
    except OSError as failure:
        return complain("train.py", f"writing failed: {failure.strerror or failure}. {go_on(session)}", 1)


def learn(session: Session) -> int:
    """Train, show it, and draw the pictures, however it ends."""
    trouble, code, copies, start = "", 0, "", perf_counter()
    learning = session.recipe.learning
    try:
        with stop_signals() as asked, progress(report.images_to_go(session)) as screen:
            session.asked_to_stop = lambda: asked() != 0
            for event in session.events():
                if isinstance(event, Step) and event.step == learning.steps:
                    copies = report.copies_of(session.net)
                report.show(screen, session, event)
                if asked() and not session.finished:
                    session.settle()
                    raise Stopped
    except Stopped:
        session.save()
        session.run.write_weights(session.net.state_dict())
        code = asked()
        trouble = f"stopped by {'Ctrl-C' if code == 130 else 'SIGTERM'} after {session.at.step:,} steps; all is saved. "
        trouble += go_on(session)
    except NonFinite as failure:
        lower = min(learning.lr / 10, default_recipe(session.recipe.data.set, session.recipe.net.name).learning.lr)
        trouble, code = f"{failure}. Learning has diverged; try a lower rate, such as --lr {lower:g}. {kept(session)}", 1
    except DataError as failure:
        trouble, code = f"{failure}. {kept(session)}", 1
    except MemoryError:
        trouble, code = f"not enough memory for batches of {learning.batch_size} images. Try a smaller --batch-size", 1

    draw(session)
    if copies:
        print(f"\nthe copies of one step, with a batch of {learning.batch_size}\n{copies}")
    print(report.tail(session, perf_counter() - start), flush=True)
    return complain("train.py", trouble, code) if trouble else 0


def traced(session: Session, file: str) -> int:
    """learn, with the timeline of a few steps written to `file`, and drawn, however it ends."""
    from minialex.plots import timeline  # noqa: PLC0415  matplotlib takes a second, and not at the start

    with Tracer(session.net, session.optimizer, session.batches, skip=1) as tracer:
        code = learn(session)
    if not any(span.kind == "update" for span in tracer.spans()):
        return complain("train.py", "no timeline: it begins with the second step, and there was none", code)
    write_new(file, json.dumps(chrome(tracer.spans())).encode())
    session.run.write_picture("timeline.png", timeline(tracer.spans(), f"{session.run.path.name}: one training step"))
    print(f"timeline   {file}, for https://ui.perfetto.dev; {session.run.path / 'timeline.png'}", flush=True)
    return code


def draw(session: Session) -> None:
    """The run's pictures."""
    from minialex import plots  # noqa: PLC0415  matplotlib takes a second, and not at the start

    steps, run = session.trace.steps(), session.run
    run.write_picture("curves.png", plots.curves(session.at.done, steps, session.net.num_classes, run.path.name))
    run.write_picture("kernels.png", plots.kernels(session.net.state_dict()))


def already_finished(session: Session) -> int:
    """Nothing to learn; but what a kill after the last checkpoint may have left undone is done now."""
    session.run.write_weights(session.net.state_dict())
    draw(session)
    print(f"finished   {session.run.path} has learned all that its recipe asks for; nothing to do (--epochs N goes on to N)")
    print(report.tail(session, session.at.seconds), flush=True)
    return 0


def kept(session: Session) -> str:
    """What a run that went wrong can be taken up from."""
    if not session.folder.last.exists():
        return "No checkpoint had been saved yet"
    return f"{session.folder.last} holds the last good moment"


def go_on(session: Session) -> str:
    """The command that goes on with this run, as it must be typed here."""
    return f"To go on: {shlex.join([*map(nearest, (sys.executable, __file__)), '--resume', str(session.run.path)])}"


def nearest(path: str) -> str:
    """The path from here, if it lies below; else as it is."""
    below = os.path.relpath(path)
    return path if below.startswith(os.pardir) else below


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # an overflow ends in NonFinite, which says more
    code = main()
    sys.stdout.flush()
    os._exit(code) if code in (130, 143) else sys.exit(code)  # who was told to stop waits for no thread
