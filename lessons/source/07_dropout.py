# %% [markdown]
# # 7. Dropout
#
# *About 35 minutes. It builds on lesson 1 (linear layer, softmax, cross-entropy) and lesson 2 (ReLU).*
#
# AlexNet has 61 million numbers to learn and 1.2 million photos to learn from. With so much room, a net can do without
# understanding: it can learn the photos **by heart**. The paper's main remedy sits behind its two large hidden layers
# (section 4.2) and is almost rude in its simplicity: in training, silence each neuron with probability ½. For the next
# image, toss the coins again.
#
# In this lesson you write it (three functions of one line each), find out why the test needs a factor and which, and see
# what one mask means for the gradient. First, let us watch a net learn by heart.

# %%
from time import perf_counter

import numpy as np

from lessons import check, draw
from minialex.data import digits
from minialex.devices import parse_devices
from minialex.evaluation import softmax
from minialex.gradcheck import GradientError, check_layer
from minialex.layers import Dropout, Layer, Linear, ReLU, Sequential, SoftmaxCrossEntropy
from minialex.optim import SGD
from minialex.seeds import generator

data = digits()
x_test, labels_test = data.prepare(data.test.images).reshape(-1, 64), data.test.labels
N, WRONG = 400, 0.3


def few_digits(seed):
    """400 digits to learn from, 30% of them with a wrong label, and the labels as a sloppy person would have written them."""
    chosen = generator(seed, "which digits").permutation(len(data.train))[:N]
    x, labels = data.prepare(data.train.images[chosen]).reshape(N, 64), data.train.labels[chosen].copy()
    spoilt = int(WRONG * N)
    labels[:spoilt] = (labels[:spoilt] + generator(seed, "wrong labels").integers(1, 10, spoilt)) % 10
    return x, labels


def make_net(p, seed=0, width=128):
    """64 pixels -> 128 -> 128 -> 10 classes, with dropout behind both hidden layers; p = 0 drops nothing."""
    rng = generator(seed, "weights")
    return Sequential(
        fc1=Linear(64, width, std=np.sqrt(2 / 64), rng=rng),
        relu1=ReLU(),
        dropout1=Dropout(p, rng=generator(seed, "dropout1")),
        fc2=Linear(width, width, std=np.sqrt(2 / width), rng=rng),
        relu2=ReLU(),
        dropout2=Dropout(p, rng=generator(seed, "dropout2")),
        fc3=Linear(width, 10, std=np.sqrt(2 / width), rng=rng),
    )


def error(net, x, labels):
    """The share of x that the net gets wrong, in test mode."""
    return (net.forward(x, train=False).argmax(axis=1) != labels).mean()


EPOCHS = range(0, 101, 5)


def learn(p, seed=0):
    """100 epochs. Returns the net and its errors every 5 epochs: on what it learns from, and on what it has not seen."""
    net, (x, labels) = make_net(p, seed), few_digits(seed)
    optimizer, loss, order = SGD(net, lr=0.02, weight_decay=0.0), SoftmaxCrossEntropy(), generator(seed, "order")
    curves = [(error(net, x, labels), error(net, x_test, labels_test))]
    for epoch in range(1, EPOCHS[-1] + 1):
        for batch in np.array_split(order.permutation(N), 8):
            loss.forward(net.forward(x[batch], train=True), labels[batch])
            net.backward(loss.backward())
            optimizer.step()
        if epoch in EPOCHS:
            curves.append((error(net, x, labels), error(net, x_test, labels_test)))
    return net, np.array(curves).T


# %% [markdown]
# A small net, 400 digits, and a sloppy helper who wrote a wrong label on every third or so (30%). There is nothing to
# understand about those labels; who gets them right has learned them by heart. (`SGD` is the update rule; lesson 8 is
# about it. For now: it makes the loss smaller. `std`, the size of the random weights at the start, is lesson 8 as well.
# `generator(seed, name)` draws random numbers, for each seed and name the same ones every time. The runs go to a *device*,
# as lesson 10 explains; here it only sees to it that such small products are not shared out among all cores, which would
# take longer than computing them.)

# %%
(device,) = parse_devices("cpu")
without = [device.submit(learn, 0.0, seed).result()[1] for seed in range(3)]
draw.by_heart(EPOCHS, {"no dropout": without}, WRONG)

# %% [markdown]
# Left: after some 40 epochs it gets *all* 400 right, nonsense included. Right: it was at its best very early, and every
# piece of nonsense learned costs it something on digits it has not seen. This is **overfitting**. (Three lines: three
# runs with other digits and other weights.)
#
# ## The idea
#
# A neuron that may be silenced any time cannot agree with three others on how to recognise photo number 4711: next time
# they will not be there. What it computes must be useful in ever-changing company. The paper's second reading: each
# image goes through **another net**, thinned at random, and all these nets share their weights.

# %%
rng = np.random.default_rng(7)
draw.thinned(inputs=4, masks=rng.random((4, 6)) >= 0.5, outputs=3)

# %% [markdown]
# With $H$ hidden neurons there are $2^H$ such nets. AlexNet has $4096 + 4096$ neurons under dropout. Nearly none of these
# nets is ever seen twice.
#
# ## By hand
#
# Two images, six hidden neurons. Write $m$ for the **mask**: 1 stays, 0 is silent. Each number has its own coin.
#
# $$\text{training:} \qquad y = m \, x \qquad \text{(number by number)}$$

# %%
x = np.array([[3.0, 1.0, 4.0, 1.0, 5.0, 9.0], [2.0, 6.0, 5.0, 3.0, 5.0, 8.0]])
mask = np.array([[1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 0]])
draw.side_by_side(draw.array(x, "x"), draw.array(mask, "m"), draw.array(mask * x, "y"), between=["×", "="])

# %% [markdown]
# ## Exercise 1: training


# %% tags=["exercise"]
def dropout_train(x, mask):
    """x of any shape, mask of the same shape (True: stays) -> y."""
    # BEGIN SOLUTION
    # write: keep what the mask keeps, and silence the rest
    return x * mask
    # END SOLUTION


check.dropout_train(dropout_train)

# %% [markdown]
# And how do you toss the coins? `rng.random(shape)` gives numbers spread evenly over 0 to 1. A share $p$ of them lies
# below $p$: those are dropped. Two slips are so common that you should see them once.

# %%
x, p = np.ones((8, 64)), 0.2
right = rng.random(x.shape) >= p
kept_p = rng.random(x.shape) < p  # keeps with probability p, and with p = 0.5 nobody notices
one_for_all = rng.random(x.shape[1]) >= p  # one row of coins: broadcasting gives all 8 images the same mask

for name, mask in {"right": right, "< p": kept_p, "one mask for all": one_for_all}.items():
    y = x * mask
    print(f"{name:18} kept {y.mean():4.0%} of the numbers; different masks in 8 images: {len(np.unique(y, axis=0))}")

# %% [markdown]
# ## The test: everybody speaks, more quietly
#
# When the net is used, we want its best answer, and the same one each time. No coins: all neurons speak. But then, with
# $p = ½$, a neuron of the next layer hears about **twice** as much as it ever did in training. It has learned to cope
# with half a choir, and now the whole one sings.
#
# How much did it hear on average? It receives $\sum_j w_j m_j x_j$. Each $m_j$ is 1 with probability $1 - p$ and 0
# otherwise, so its mean is $1 - p$, and the mean of a sum is the sum of the means:
#
# $$\overline{\sum_j w_j \, m_j \, x_j} = \sum_j w_j \, \overline{m_j} \, x_j = \sum_j w_j \, (1 - p) \, x_j .$$
#
# So in the test every neuron says $(1 - p)$ of what it has to say:
#
# $$\text{test:} \qquad y = (1 - p) \, x$$
#
# A mean over masks can be tried out. Eight neurons have $2^8 = 256$ masks; we simply take all of them, each with its
# probability:

# %%
p, H = 0.2, 8
x, w = rng.random(H) * 3, rng.standard_normal(H)
masks = np.array(list(np.ndindex(*[2] * H)))  # every row is a mask, 256 of them
chance = (1 - p) ** masks.sum(axis=1) * p ** (H - masks.sum(axis=1))  # of each mask
received = (masks * x) @ w

mean = chance @ received
test = ((1 - p) * x) @ w
assert np.isclose(chance.sum(), 1)
assert np.isclose(mean, test)
draw.spread(received, chance, mean, test)

# %% [markdown]
# ## Exercise 2: the test


# %% tags=["exercise"]
def dropout_test(x, p):
    """x of any shape, p: the probability that a neuron was dropped in training -> y."""
    # BEGIN SOLUTION
    # write: what a number is worth on average over the masks
    return x * (1 - p)
    # END SOLUTION


check.dropout_test(dropout_test)

# %% [markdown]
# ### Is the test pass the average of all those nets?
#
# Of the sums, exactly: you have just seen it. Of the *probabilities* that come out at the end, not quite, because softmax
# bends. Look at a net with one layer of ten neurons under dropout, three classes, and all of its 1024 thinned nets:

# %%
p, H = 0.5, 10
x, W, b = rng.random(H), rng.standard_normal((3, H)), rng.standard_normal(3)
masks = np.array(list(np.ndindex(*[2] * H)))
every_net = softmax((masks * x) @ W.T + b)  # (1024, 3): what each thinned net says

test = softmax((((1 - p) * x) @ W.T + b)[None])[0]
arithmetic = every_net.mean(axis=0)
geometric = np.exp(np.log(every_net).mean(axis=0))
geometric /= geometric.sum()  # so that they add up to 1 again
print("the test pass:               ", test.round(4))
print("mean of all nets:            ", arithmetic.round(4))
print("geometric mean, sum made 1:  ", geometric.round(4))
assert np.allclose(geometric, test)

# %% [markdown]
# Near the mean, and *exactly* the geometric mean (multiply 1024 numbers, take the 1024th root), once that is made to add
# up to 1. The reason is a line: the logarithm of softmax is the logits minus a constant, so averaging logarithms averages
# logits, and logits are sums. With more layers it is an approximation. A good one, and it costs one pass instead of
# $2^H$.
#
# ### What happens without the factor?
#
# Let us train a net with dropout and use it in three ways: as it should be, without the factor, and with the coins still
# being tossed. We try it on new digits, labelled by the same sloppy helper: 30% of these labels are nonsense, too, so no
# net can be right more than about 70% of the time.

# %%
net, _ = device.submit(learn, 0.5, 0).result()
no_factor = make_net(p=0.0)  # the same weights in a net that drops nothing and scales nothing
for name, value in net.params.items():
    no_factor.params[name][...] = value

spoilt = rng.permutation(len(labels_test))[: int(WRONG * len(labels_test))]
sloppy = labels_test.copy()
sloppy[spoilt] = (sloppy[spoilt] + rng.integers(1, 10, len(spoilt))) % 10

loss = SoftmaxCrossEntropy()
for name, logits in {
    "as it should be": net.forward(x_test, train=False),
    "factor forgotten": no_factor.forward(x_test, train=False),
    "coins tossed": net.forward(x_test, train=True),
}.items():
    right, sure = (logits.argmax(axis=1) == sloppy).mean(), softmax(logits).max(axis=1).mean()
    print(f"{name:18} {right:4.0%} right, and on average {sure:3.0%} sure of itself   loss {loss.forward(logits, sloppy):.2f}")

# %% [markdown]
# Look at the first line: right in about two thirds of the cases, and about two thirds sure of itself. Learning from the
# sloppy labels it has learned *how sloppy they are*.
#
# The second line is treacherous. Without the factor the net is right just as often: it answers with everything about four
# times as large (two layers, twice each), and the largest stays the largest. If you only look at how often it is right,
# you will never notice. But now it is nearly certain of everything, and the loss shows what that is worth.
#
# ## "Inverted" dropout, as most write it today
#
# Most libraries divide in training instead, and do nothing in the test:
#
# | | training | test |
# |---|---|---|
# | the paper, minialex | $y = m x$ | $y = (1 - p) x$ |
# | inverted | $y = m x / (1 - p)$ | $y = x$ |
#
# The charm: whoever *uses* the net need not know about dropout. Is it the same thing? Put a linear layer $W$ behind it.
# With $W' = (1 - p) W$ the inverted net computes exactly the same, in training and in the test:

# %%
p = 0.5
x, mask = rng.random((5, 8)), rng.random((5, 8)) >= p
W = rng.standard_normal((3, 8))
W_inverted = (1 - p) * W
assert np.allclose((mask * x) @ W.T, (mask * x / (1 - p)) @ W_inverted.T)  # training
assert np.allclose(((1 - p) * x) @ W.T, x @ W_inverted.T)  # test

# %% [markdown]
# The same *function*. Not the same *learning*. Take one step with the same learning rate in both, and compare where they
# are afterwards:

# %%
lr, dz = 0.1, rng.standard_normal((5, 3))  # dz: what arrives from above, the same for both since they compute the same
step = -lr * dz.T @ (mask * x)
step_inverted = -lr * dz.T @ (mask * x / (1 - p))

moved = (1 - p) * step  # in the same letters: W' = (1 - p) W, so this is how far the paper's net moves W'
assert np.allclose(step_inverted, 4 * moved)
print("the inverted net moves", round(np.linalg.norm(step_inverted) / np.linalg.norm(moved), 6), "times as far")

# %% [markdown]
# $1/(1-p)^2 = 4$ times as far. One factor $1/(1-p)$ comes from the larger input, another because the same step counts for
# more in smaller weights. So a learning rate copied from the paper into a library with inverted dropout is four times too
# large for these layers; and weights started with the same spread start from another function. Same idea, other numbers:
# a reason why "the same" net refuses to train.
#
# ## Backward: the gradient takes the way that the number took
#
# When the coins have fallen, $m$ is a constant, and $y = m x$ is as simple as functions get:
# $\partial y / \partial x = m$. So
#
# $$dx = m \, dy ,$$
#
# with **the same** $m$ as in the forward pass. That is why a layer has to remember its mask.
#
# ## Exercise 3: backward


# %% tags=["exercise"]
def dropout_backward(dy, mask):
    """dy and mask of one shape -> dx."""
    # BEGIN SOLUTION
    # write: the gradient passes where the number passed
    return dy * mask
    # END SOLUTION


check.dropout_backward(dropout_backward)

# %% [markdown]
# ### What one mask means for the gradient
#
# One image, one mask; four neurons with pixels below them and classes above. Neurons 1 and 2 are silent. What do the
# weights learn from this image?


# %%
class FixedMask(Layer):
    """A dropout layer whose coins have fallen already."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, x, train=True):
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


mask = np.array([[True, False, False, True]])
below, above = Linear(5, 4, std=1, dtype=np.float64, rng=rng), Linear(4, 3, std=1, dtype=np.float64, rng=rng)
small = Sequential(below, FixedMask(mask), above)
small.forward(rng.standard_normal((1, 5)))
small.backward(rng.standard_normal((1, 3)))
draw.side_by_side(
    draw.array(below.grads["weight"], "below: a row of dW for each neuron"),
    draw.array(above.grads["weight"], "above: a column of dW for each neuron"),
)

# %% [markdown]
# Rows 1 and 2 are zero: what the silent neurons *listen* with learns nothing, as no gradient arrives. Columns 1 and 2 are
# zero: what *listens to them* learns nothing, as they said nothing. For this image they do not exist. That is the thinned
# net of the pictures above, in the gradient.
#
# In a batch of 128 each image has its own mask, and the gradients add up: a weight learns from about half of the images,
# another half for each neuron. That no image at all speaks for a neuron has the probability $2^{-128}$. (With one mask
# for the whole batch it would be ½.)
#
# ### A wrong turn, and a trap for your check
#
# **The wrong turn: a fresh mask in backward.** It looks harmless: the same probability, after all. But gradients then go
# to neurons that said nothing.


# %%
class FreshMask(Dropout):
    """Dropout whose backward pass tosses coins of its own."""

    def backward(self, dy):
        return dy * (np.random.default_rng(1).random(dy.shape) >= self.p)


x = rng.standard_normal((3, 4))
for layer in (Dropout(0.5), FreshMask(0.5)):
    try:
        print(f"{type(layer).__name__}: {check_layer(layer, x)}")
    except GradientError as error_found:
        print(f"{type(layer).__name__}: {error_found}")

# %% [markdown]
# **The trap.** A numerical check calls forward twice, at $x + h$ and at $x - h$. Each call tosses new coins! Here is what
# you measure if you do not think of it, for a number whose slope is either 0 or 1:

# %%
layer, h = Dropout(0.5), 1e-5
naive = [(layer.forward(x + h)[0, 0] - layer.forward(x - h)[0, 0]) / (2 * h) for _ in range(6)]
print("with new coins each time:", ", ".join(f"{slope:,.0f}" for slope in naive))

state = layer.generators()["rng"].bit_generator.state


def same_coins(x):
    layer.generators()["rng"].bit_generator.state = state  # wind the generator back before each call
    return layer.forward(x)


print(f"with the same coins:      {(same_coins(x + h)[0, 0] - same_coins(x - h)[0, 0]) / (2 * h):.6f}")

# %% [markdown]
# Slopes of tens of thousands say: it is not your gradient that is wrong, the function changed under your hands.
# `check_layer` winds back every generator that a layer names in `generators()`; that is what this method is for.
#
# ## Does it help?
#
# Back to the sloppy helper. The same digits, the same wrong labels, the same start; now with dropout.

# %%
start = perf_counter()
with_dropout = [device.submit(learn, 0.5, seed).result()[1] for seed in range(3)]
print(f"{perf_counter() - start:.1f} s")
draw.by_heart(EPOCHS, {"no dropout": without, "dropout ½": with_dropout}, WRONG)

# %% [markdown]
# Look left: the net with dropout gets about as many of its 400 "wrong" as there are wrong labels. The *nonsense* is what
# it does not learn, or only very slowly. Right: on digits that it has not seen it makes about half as many mistakes.
#
# Nothing is free: see how slowly it starts. The paper says that dropout roughly doubles the number of passes that are
# needed. And with a pile of clean data and a small net there is nothing to cure: on digits with clean labels you will
# hardly see a difference.
#
# ## What does it cost?
#
# AlexNet's layer fc7 for a batch of 128, in miniature (1024 neurons instead of 4096):

# %%
x, fc, layer = rng.standard_normal((128, 1024)).astype(np.float32), Linear(1024, 1024), Dropout(0.5)
ways = {
    "fc: the matrix product": lambda: fc.forward(x),
    "dropout: all of it": lambda: layer.forward(x),
    "  tossing coins": lambda: rng.random(x.shape, dtype=np.float32) >= 0.5,
    "  multiplying": lambda: x * np.float32(0.5),
}
for name, way in ways.items():
    times = []
    for _ in range(10):
        start = perf_counter()
        way()
        times.append(perf_counter() - start)
    print(f"{name:28} {1e3 * min(times):6.2f} ms")

# %% [markdown]
# It is the coins that cost, not the multiplying; and beside the matrix product, little. (minialex draws them with a
# generator whose number $i$ can be computed from $i$ alone, so that a thousand threads of a GPU can each toss their own.)
#
# ## Recap
#
# - Training: $y = m x$, each $m$ is 0 with probability $p$, its own coin for each number of each image.
# - Test: $y = (1 - p) x$, the mean over the masks. Forgetting it barely shows in the error, but in the loss.
# - Inverted dropout is the same function; its layers move $1/(1-p)^2$ times as far for the same learning rate.
# - Backward: $dx = m \, dy$ with the same mask. For one image a silent neuron does not exist, below and above.
# - A gradient check of something random must wind the generator back before each call.
#
# ## Five questions
#
# **1.** $p = 0.5$, and somebody has written `p` where `1 - p` is meant. Which test finds it?
#
# <details><summary>Answer</summary>
#
# Any test with another $p$. With one half, $p = 1 - p$, and every mix-up is invisible. Tests should avoid such numbers.
#
# </details>
#
# **2.** Why is there no dropout behind AlexNet's convolutions?
#
# <details><summary>Answer</summary>
#
# The paper uses it where most of the parameters are: 58.6 of the 61 million sit in the three linear layers. A convolution
# shares one kernel among all places of all images, so it has far more to learn from for each of its weights. (Others have
# tried it there since, with small effects.)
#
# </details>
#
# **3.** Is the gradient of the test pass zero, because nothing is learned there?
#
# <details><summary>Answer</summary>
#
# No: $y = (1 - p) x$ has the gradient $(1 - p) \, dy$. Whoever asks which pixels made a trained net say "leopard" needs
# it.
#
# </details>
#
# **4.** ReLU sets numbers to zero, too. What is the difference?
#
# <details><summary>Answer</summary>
#
# ReLU decides by the number: the same input, the same zeros. Dropout decides by a coin: a neuron with the best of reasons
# to speak is silenced as well.
#
# </details>
#
# **5.** Your net with dropout shows a *higher* loss in training than in the test. A mistake?
#
# <details><summary>Answer</summary>
#
# Not necessarily. The training loss is measured with half of the neurons silent, the test loss with all of them. To
# compare, measure the training images in test mode, as `error` does above.
#
# </details>
#
# **Next:** [lesson 8](08_learning.ipynb): momentum, weight decay, and why a net gets stuck.
