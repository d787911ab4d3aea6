"""What goes wrong between towers. Broadcast has no backward pass (the host wants no gradient): its mutants are of forward."""

from __future__ import annotations

from functools import partial

from minialex import towers
from tests.checks.towers import check_broadcast, check_exchange, check_gather, check_towers
from tests.mutants.engine import Mutant, layer

_Forward = partial(Mutant, within="forward")

BROADCAST = layer(
    "Broadcast",
    towers,
    check_broadcast,
    _Forward(
        "batch shared out",
        "tuple(arrived[device] for device in self.devices)",
        "tuple(arrived[device][t :: len(self.devices)] for t, device in enumerate(self.devices))",
        "each tower gets a part of the images (data parallel); here every tower sees the whole batch",
    ),
    _Forward(
        "all towers read the first one's copy",
        "tuple(arrived[device] for device in self.devices)",
        "(arrived[self.devices[0]],) * len(self.devices)",
        "every tower is given the array of the first device",
    ),
    _Forward(
        "copies in the wrong order",
        "for device in self.devices)",
        "for device in self.devices[::-1])",
        "the copies are handed to the towers in reverse",
    ),
    _Forward(
        "first batch for ever",
        "on_all(places, lambda wire: wire.carry(images), wires)",
        'self.__dict__.setdefault("kept", tuple(wire.to.put(images) for wire in wires))',
        "the first batch is kept and handed out for ever",
    ),
    _Forward(
        "height and width swapped",
        "pack(xs[0])",
        "pack(xs[0].swapaxes(-1, -2) if xs[0].ndim == 4 else xs[0])",
        "the rows and columns of the images are swapped",
    ),
    _Forward(
        "always float32",
        "pack(xs[0])",
        'pack(xs[0].astype("float32"))',
        "the images are narrowed to float32 on the way",
    ),
    _Forward(
        "ledger forgotten",
        "wire.announce(images)",
        "pass",
        "nothing is written into the ledger",
    ),
    Mutant(
        "host taken for the first device",
        "self._wire(None, to,",
        "self._wire(devices[0], to,",
        "the batch is taken to be on the first device already, so that it gets the host's own array",
        "place",
    ),
    Mutant(
        "gradient sent back",
        "return ()",
        "return dys",
        "a gradient comes back that nobody has asked for",
    ),
)

TOWERS = layer(
    "Towers",
    towers,
    check_towers,
    Mutant(
        "towers swapped",
        "tower.backward(dy), self.towers, dys)",
        "tower.backward(dy), self.towers[::-1], dys)",
        "each tower's gradient goes into another tower's layers",
    ),
    Mutant(
        "devices swapped",
        "on_all(self.devices,",
        "on_all(self.devices[::-1],",
        "each tower's backward pass runs on another tower's device",
    ),
    Mutant(
        "gradients swapped",
        "return on_all(self.devices, lambda tower, dy: tower.backward(dy), self.towers, dys)",
        "return on_all(self.devices, lambda tower, dy: tower.backward(dy), self.towers, dys)[::-1]",
        "the towers' gradients come back in the wrong order",
    ),
    Mutant(
        "first tower's gradient for all",
        "self.towers, dys)",
        "self.towers, dys[:1] * len(dys))",
        "every tower gets the first one's dy",
    ),
    Mutant(
        "first tower's layers for all",
        "self.towers, dys)",
        "self.towers[:1] * len(dys), dys)",
        "every tower runs through the first one's layers",
    ),
    Mutant(
        "gradient shared out",
        "tower.backward(dy)",
        "tower.backward(dy / len(dys))",
        "dy is divided by the number of towers, as data parallelism would; these towers share nothing",
    ),
    Mutant(
        "first layer of each tower left out",
        "tower.backward(dy)",
        'tower.backward(dy) if not hasattr(tower, "layers") else tower.layers[-1].backward(dy)',
        "only the last layer of each tower is run backwards",
    ),
    Mutant(
        "one after another",
        "return on_all(self.devices, lambda tower, dy: tower.backward(dy), self.towers, dys)",
        "return tuple(d.submit(tower.backward, dy).result() for d, tower, dy in zip(self.devices, self.towers, dys))",
        "each tower waits for the one before it: right numbers, at half the speed",
    ),
    _Forward(
        "train not handed on",
        "tower.forward(x, train)",
        "tower.forward(x)",
        "the towers are not told whether this is training",
    ),
)

SUM = "reduce(add, (self._back[s, t].carry(parts[s][t]) for s in towers))"

EXCHANGE = layer(
    "Exchange",
    towers,
    check_exchange,
    Mutant(
        "no sum",
        SUM,
        "self._back[t, t].carry(parts[t][t])",
        "only the tower's own gradient counts; all towers read its maps, so theirs add up",
    ),
    Mutant(
        "own part left out",
        SUM,
        "reduce(add, (self._back[s, t].carry(parts[s][t]) for s in towers if s != t), 0 * parts[t][t])",
        "the tower's own part is left out: it read its own maps, too",
    ),
    Mutant(
        "own part counted twice",
        SUM,
        "reduce(add, (self._back[s, t].carry(parts[s][t]) for s in towers), parts[t][t])",
        "the tower's own part is counted twice",
    ),
    Mutant(
        "averaged",
        SUM,
        f"{SUM} / len(dys)",
        "the towers' gradients are averaged instead of added",
    ),
    Mutant(
        "slices swapped between towers",
        "pack(dy[:, cut]) for cut in self._cuts",
        "pack(dy[:, cut]) for cut in self._cuts[::-1]",
        "each tower gets the gradient of another tower's maps",
    ),
    Mutant(
        "maps dealt out in turn",
        "pack(dy[:, cut]) for cut in self._cuts",
        "pack(dy[:, t :: len(dys)]) for t in range(len(dys))",
        "the maps are dealt out to the towers in turn; they lie tower after tower",
    ),
    Mutant(
        "cut along the batch",
        "pack(dy[:, cut])",
        "pack(dy[cut])",
        "the gradient is cut along the images instead of the maps",
    ),
    Mutant(
        "copy forgotten",
        "self._back[s, t].carry(parts[s][t])",
        "parts[s][t]",
        "another device's array is read without copying it across",
    ),
    Mutant(
        "one buffer for two copies",
        "self._back[s, t].carry(parts[s][t]) for s in towers",
        "self._back[min(towers, key=lambda r: (self.devices[r] is self.devices[t], r)), t].carry(parts[s][t]) for s in towers",
        "all towers' gradients arrive in the same buffer: the last one overwrites the others before they are added",
    ),
    Mutant(
        "dy added to in place",
        "reduce(add,",
        "reduce(lambda total, part: total.__iadd__(part),",
        "the sum is written into the first tower's gradient",
    ),
    Mutant(
        "order of the sum from the owner on",
        "for s in towers))",
        "for s in sorted(towers, key=lambda s: self.devices[s] is not self.devices[t])))",
        "what is at home is added first, so that the rounding depends on where the towers are",
    ),
    Mutant(
        "ledger forgotten",
        "self._back[s, t].announce(parts[s][t])",
        "pass",
        "what crosses is not written into the ledger",
    ),
    _Forward(
        "maps joined in the wrong order",
        "join(tuple(self._out[s, to].carry(x) for s, x in enumerate(xs)))",
        "join(tuple(self._out[s, to].carry(x) for s, x in enumerate(xs))[::-1])",
        "the towers' maps are joined in reverse",
    ),
)

PARTS = "[pack(dy[:, cut]) for cut in self._cuts]"

GATHER = layer(
    "Gather",
    towers,
    check_gather,
    Mutant(
        "first slice for all",
        PARTS,
        "[pack(dy[:, self._cuts[0]])] * len(self._cuts)",
        "every tower gets the gradient of the first one's maps",
    ),
    Mutant(
        "slices swapped between towers",
        PARTS,
        PARTS.replace("self._cuts", "self._cuts[::-1]"),
        "each tower gets the gradient of another one's maps",
    ),
    Mutant(
        "not cut at all",
        PARTS,
        "[pack(dy)] * len(self._cuts)",
        "every tower gets the gradient of all maps",
    ),
    Mutant(
        "maps dealt out in turn",
        PARTS,
        "[pack(dy[:, t :: len(self._cuts)]) for t in range(len(self._cuts))]",
        "the maps are dealt out to the towers in turn; they lie tower after tower",
    ),
    Mutant(
        "cut along the batch",
        "pack(dy[:, cut])",
        "pack(dy[cut])",
        "the gradient is cut along the images instead of the maps",
    ),
    Mutant(
        "shared out",
        PARTS,
        "[pack(dy[:, cut] / len(self._cuts)) for cut in self._cuts]",
        "the gradient is divided by the number of towers",
    ),
    Mutant(
        "only the owner learns",
        PARTS,
        "[pack(dy[:, cut] * float(t == self.owner)) for t, cut in enumerate(self._cuts)]",
        "only the tower at home gets its gradient, the others zeros",
    ),
    Mutant(
        "left at home",
        "wire.carry(part), self._back",
        "part, self._back",
        "the slices are not copied to their towers' devices",
    ),
    Mutant(
        "ledger forgotten",
        "wire.announce(part)",
        "pass",
        "what crosses is not written into the ledger",
    ),
    Mutant(
        "cuts counted wrong by one",
        "slice(a, b)",
        "slice(max(a - 1, 0), max(b - 1, 0))",
        "the slices are off by one map",
        "_slices",
    ),
    _Forward(
        "owner's maps first",
        "for wire, x in zip(self._out, xs, strict=True))))",
        "for wire, x in sorted(zip(self._out, xs, strict=True), key=lambda pair: pair[0].source is not home))))",
        "the owner's maps come first, whichever tower it is",
    ),
)
