"""What goes wrong in the gradient of softmax and cross-entropy."""

from __future__ import annotations

from minialex.layers import loss
from tests.checks import check_softmax_cross_entropy
from tests.mutants.engine import Mutant, layer

LABEL = "dlogits[xp.arange(len(labels)), labels] -= 1"

SOFTMAX_CROSS_ENTROPY = layer(
    "SoftmaxCrossEntropy",
    loss,
    check_softmax_cross_entropy,
    Mutant(
        "1/N missing",
        "dlogits /= len(labels)",
        "pass",
        "the loss is a mean over the batch, its gradient here is that of the sum: 1/N is missing",
    ),
    Mutant(
        "label's -1 missing",
        LABEL,
        "pass",
        "the gradient is p / N; the right class's -1 is missing",
    ),
    Mutant(
        "label's -1 in every row",
        LABEL,
        "dlogits[:, labels] -= 1",
        "every label's -1 is put into every row: index rows and columns together",
    ),
    Mutant(
        "label's -1 in the wrong row",
        LABEL,
        LABEL.replace(", labels]", ", labels[::-1]]"),
        "the -1 of each label stands in another image's row",
    ),
    Mutant(
        "label's -1 replaces p",
        LABEL,
        LABEL.replace("-=", "= -"),
        "the right class gets -1 where p - 1 is meant: = where -= is meant",
    ),
    Mutant(
        "label's -1 not divided",
        f"{LABEL}\n        dlogits /= len(labels)",
        f"dlogits /= len(labels); {LABEL}",
        "1/N is applied to p but not to the label's -1",
    ),
    Mutant(
        "divided by the classes",
        "dlogits /= len(labels)",
        "dlogits /= dlogits.shape[1]",
        "the gradient is divided by the number of classes, not of images",
    ),
    Mutant(
        "divided by both",
        "dlogits /= len(labels)",
        "dlogits /= dlogits.size",
        "the gradient is divided by the number of all logits, not of images",
    ),
    Mutant(
        "sign flipped",
        "dlogits /= len(labels)",
        "dlogits /= -len(labels)",
        "the gradient has the wrong sign: it is p - 1, not 1 - p",
    ),
    Mutant(
        "log p for p",
        "xp.exp(log_p)",
        "log_p.copy()",
        "log p stands where p is meant",
    ),
    Mutant(
        "log p overwritten",
        "xp.exp(log_p)",
        "xp.exp(log_p, out=log_p)",
        "backward overwrites what forward saved, so a second one differs",
    ),
    Mutant(
        "always float64",
        "xp.exp(log_p)",
        'xp.exp(log_p).astype("float64")',
        "the gradient is always float64",
    ),
    Mutant(
        "overflows",
        "logits - logits.real.max(axis=1, keepdims=True)",
        "logits - 0",
        "the row's maximum is not subtracted: large logits overflow",
        "mean",
    ),
)
