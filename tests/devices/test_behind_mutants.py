"""The claims of behind.py can fail: errors planted on the way from a gradient to its update, and from a number to the host."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from minialex import optim
from minialex.training import answers, guard, learner, loop
from tests.devices import behind
from tests.mutants.engine import Mutant, Subject


def judged_by(claim: Callable[..., Any], **options: Any) -> Callable[[], Any]:
    return lambda: claim("0,1", **options)


names_it = judged_by(behind.the_first_gradient_of_the_first_step_is_named)
names_it_by_kernels = judged_by(behind.the_first_gradient_of_the_first_step_is_named, kernels="kernels")
one_stops_all = judged_by(behind.one_device_stops_all)
looks_at_the_batch = judged_by(behind.the_batch_that_failed_is_looked_at)
sees_the_loss = judged_by(behind.a_loss_alone_is_enough)
overflows = judged_by(behind.a_sum_that_overflows_stops_nothing)
learns = judged_by(behind.it_learns_what_cpus_learn)
waits_for_nothing = judged_by(behind.its_steps_wait_for_nothing)
waits_late = judged_by(behind.it_waits_only_for_what_is_long_past)


def planted(module: ModuleType, *mutants: tuple[Callable[[], Any], str, str, str, str]) -> list[Any]:
    """Of (judge, name, within, old, new)."""
    title, cases = module.__name__.split(".")[-1], []
    for judge, name, within, old, new in mutants:
        subject = Subject(title, module, (), (Mutant(name, old, new, "", within),))
        cases.append(pytest.param(subject, judge, id=f"{title}: {name}"))
    return cases


HEARD = "maximum(stopped, self._wires[source, device].carry(answer), out=stopped)"
LOOK, STEP = "        self.guard.look(loss)\n", "        self.optimizer.step(unless=self.guard.stopped)\n"
STALE = "self._wire.carry(labels) if getattr(self._wire.buffer, 'shape', 0) != labels.shape else self._wire.buffer"
READ = "return home.submit(home.read_later, numbers).result()"
MUTANTS = [
    *planted(
        guard,
        (one_stops_all, "each hears itself alone", "Guard._hear_on", HEARD, f"{HEARD} if source is device else None"),
        (one_stops_all, "nobody hears itself", "Guard._hear_on", HEARD, f"{HEARD} if source is not device else None"),
        (names_it, "what was found is forgotten", "Guard._look_on", "xp.maximum(mine,", "xp.maximum(mine * 0,"),
        (names_it, "looks on when all has stopped", "Guard._look_on", "< (stopped == 0)", "< (stopped != 2)"),
        (names_it_by_kernels, "the kernel looks on", "Guard._look_on", "mine, stopped)", "mine, stopped * 0)"),
        (names_it, "named in the order of forward", "Guard.__init__", "reversed(list(net.layers()))", "list(net.layers())"),
        (names_it, "named one off", "Guard.where", "[LOSS] * (device is self._home) + ", "[] + "),
        (overflows, "a sum is proof enough", "Guard._look_on", "xp.isfinite(x)", "xp.isfinite(x.sum())"),
        (sees_the_loss, "nobody looks at the loss", "Guard._look_on", "[loss] * (", "[loss * 0 < 1] * ("),
        (waits_for_nothing, "the host looks", "Guard._look_on", "keepdims=True", "keepdims=bool(found.max()) or True"),
    ),
    *planted(
        learner,
        (names_it, "the update is not guarded", "Learner.step", "unless=self.guard.stopped", ""),
        (names_it, "looks when it is too late", "Learner.step", LOOK + STEP, STEP + LOOK),
        (names_it, "the host is not told", "Learner._numbers", "self.guard.stopped[self.net.home]", "0"),
        (learns, "the labels of before", "Learner._judge", "self._wire.carry(labels)", STALE),
        (waits_late, "the loss is read at once", "Learner.step", READ, READ.replace("return", "r =") + "; r.value(); return r"),
        (waits_for_nothing, "asks the GPU", "Learner._numbers", "empty(2", "empty(2 if loss.item() else 2"),
    ),
    *planted(
        answers,
        (waits_late, "every step is waited for", "Answers.settle", "len(self.open) > most", "len(self.open) > 0"),
        (waits_late, "no step is waited for", "Answers.settle", "len(self.open) > most or ", ""),
        (names_it, "the place is one further", "Answers.take", "= answer.before", "= (n + 1 for n in answer.before)"),
        (names_it, "the total is not told", "Answers.take", "self.at.total = self.total", "self.at.total = 0.0"),
        (learns, "a batch counts once", "Answers.take", "loss * answer.images", "loss"),
        (looks_at_the_batch, "the batch is not kept", "Answers.expect", "reading, batch, images", "reading, None, images"),
        (names_it, "the newest first", "Answers.take", "self.open.popleft()", "self.open.pop()"),
    ),
    *planted(
        optim,
        (names_it, "nothing is put back", "update", "xp.copyto(x, old, where=unless != 0)", "pass"),
        (names_it, "the velocity is not put back", "update", "[(w, w.copy()), (v, v.copy())]", "[(w, w.copy())]"),
        (names_it_by_kernels, "the kernel is not told", "update", "weight_decay, unless)", "weight_decay)"),
        (names_it, "one device's flag for all", "SGD.step", "flags.get(device)", "flags.get(self.net.home)"),
    ),
]


def at_work(module: ModuleType, patch: pytest.MonkeyPatch) -> None:
    """From now on the classes of this module are used."""
    used = ((guard, guard, "Guard"), (guard, learner, "Guard"), (learner, loop, "Learner"), (answers, loop, "Answers"))
    for maker, user, name in (*used, (optim, optim, "SGD")):
        if module.__name__ == maker.__name__:
            patch.setattr(user, name, vars(module)[name])


@pytest.mark.parametrize(("subject", "judge"), MUTANTS)
def test_mutant_is_killed(subject: Subject, judge: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    at_work(subject.planted(subject.mutants[0]), monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception, ValueError)):
        judge()


@pytest.mark.parametrize("module", [guard, learner, answers, optim])
def test_the_same_judges_let_the_healthy_pass(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [each.values for each in MUTANTS if each.values[0].module is module]
    at_work(cases[0][0].real(), monkeypatch)
    for judge in dict.fromkeys(judge for _, judge in cases):
        judge()
