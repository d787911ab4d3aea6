"""What goes wrong in the update rule."""

from __future__ import annotations

from functools import partial

from minialex import optim
from tests.checks.optim import check_sgd
from tests.mutants.engine import Mutant, layer

_Update = partial(Mutant, within="update")
CALL = "update(w, layer.grads[key], self.velocity[name], lr, self.momentum, decay, unless)"
DECAY = "v[part] -= xp.multiply(w[part], weight_decay * lr, out=term)"

SGD = layer(
    "SGD",
    optim,
    check_sgd,
    Mutant(
        "decay on biases",
        "0.0 if is_bias else self.weight_decay",
        "self.weight_decay",
        "biases decay, too; the paper's decay is on weights only",
        "_update",
    ),
    Mutant(
        "rate outside the velocity",
        CALL,
        "v = self.velocity[name]; v *= self.momentum; "
        "v -= layer.grads[key] + (0 if is_bias else self.weight_decay) * w; w += lr * v",
        "w <- w + lr v: when the rate drops, the old velocity drops with it at once (today's usual rule, not the paper's)",
        "_update",
    ),
    _Update(
        "decay without the rate",
        "weight_decay * lr",
        "weight_decay",
        "the decay is not multiplied by the learning rate",
    ),
    _Update(
        "decay makes weights grow",
        "v[part] -= xp.multiply(w[part]",
        "v[part] += xp.multiply(w[part]",
        "the decay has the wrong sign: weights grow",
    ),
    _Update(
        "decay of the velocity",
        "xp.multiply(w[part], weight",
        "xp.multiply(v[part], weight",
        "the decay is applied to the velocity, not to the weight",
    ),
    _Update(
        "decay past the velocity",
        DECAY,
        "w[part] *= 1 - weight_decay * lr",
        "the decay acts on the weight at once, and is not in the velocity",
    ),
    _Update(
        "uphill",
        "v[part] -= xp.multiply(dw[part], lr, out=term)",
        "v[part] += lr * dw[part]",
        "the step goes up the gradient: the sign is wrong",
    ),
    _Update(
        "momentum damps the gradient",
        "xp.multiply(dw[part], lr, out=term)",
        "xp.multiply(dw[part], (1 - momentum) * lr, out=term)",
        "the gradient is multiplied by 1 - momentum, too",
    ),
    _Update(
        "momentum on the gradient",
        "v[part] *= momentum\n        v[part] -= xp.multiply(dw[part], lr, out=term)",
        "v[part] -= lr * dw[part]; v[part] *= momentum",
        "the new gradient is multiplied by the momentum, too",
    ),
    _Update(
        "Nesterov's",
        "w[part] += v[part]",
        "w[part] += momentum * v[part] - lr * dw[part]",
        "this is Nesterov's momentum: it looks one step ahead",
    ),
    _Update(
        "velocity forgotten",
        "v[part] *= momentum",
        "v[part] = 0",
        "the old velocity is not used: there is no momentum",
    ),
    _Update(
        "velocity not damped",
        "v[part] *= momentum",
        "pass",
        "the old velocity is not multiplied by the momentum: it never fades",
    ),
    _Update(
        "gradient overwritten",
        "v[part] -= xp.multiply(dw[part], lr, out=term)",
        "dw[part] *= lr; v[part] -= dw[part]",
        "the gradient is multiplied by the rate in place",
    ),
    _Update(
        "first rows only",
        "range(0, len(w), rows)",
        "range(0, rows, rows)",
        "only the first rows of a large array are updated",
    ),
    _Update(
        "last rows left out",
        "range(0, len(w), rows)",
        "range(0, max(len(w) - rows, 0) + 1, rows)",
        "the last rows of a large array, fewer than the others, are not updated",
    ),
    _Update(
        "a copy updated",
        "w[part] += v[part]",
        "w = w + v",
        "the new weights are put into a new array that nobody reads",
    ),
    Mutant(
        "stale gradient",
        "layer.grads[key], self",
        'self.__dict__.setdefault("old", {}).setdefault(name, layer.grads[key]), self',
        "the gradient of the first step is used for ever",
        "_update",
    ),
    Mutant(
        "one velocity for two layers",
        'f"{prefix}.{key}" if prefix else key',
        "key",
        "parameters of the same name in different layers share one velocity",
        "_update",
    ),
    Mutant(
        "velocity always float64",
        "zeros_like(w)",
        'zeros_like(w, dtype="float64")',
        "the velocity is always float64",
        "_update",
    ),
    Mutant(
        "biases' rate for weights",
        "if is_bias else 1.0",
        "if not is_bias else 1.0",
        "bias_lr is applied to the weights",
        "_update",
    ),
    Mutant(
        "one rate for all layers",
        '* self.rates.get(name.split(".")[0], 1.0)',
        "",
        "a layer's own rate is forgotten",
        "_update",
    ),
    Mutant(
        "a layer's rate for one tower only",
        'self.rates.get(name.split(".")[0], 1.0)',
        'self.rates.get(name.split(".")[0] if ".1." not in name else name, 1.0)',
        "the second tower's half of a layer goes on at the rate of all others",
        "_update",
    ),
    Mutant(
        "a layer's rate outside the velocity",
        CALL,
        "old, own = w.copy(), self.rates.get(name.split('.')[0], 1.0); update(w, layer.grads[key], self.velocity[name], "
        "lr / own if own else 0.0, self.momentum, 0.0 if is_bias else self.weight_decay); w -= (1 - own) * (w - old)",
        "the step is scaled, and not the rate: the velocity is that of a layer without a rate of its own",
        "_update",
    ),
)
