# %% [markdown]
# # 12. What it learned
#
# *About 35 minutes. It puts lessons 3 to 11 to use, and needs none of their formulas.*
#
# You have built a net, and it works. What is in it? The paper looks in three places (section 6.1):
#
# - at the **kernels** of the first layer (its figure 3),
# - at its **predictions**, right and wrong (figure 4, left),
# - and at **neighbours**: which pictures does the net find alike (figure 4, right)?
#
# We do all three with a small two-tower net, trained here and now. You will write the search for neighbours. And since
# looking inside a net is a fine way to fool oneself, there is a rule for the whole lesson: **whatever you see, look at a
# net that has learned nothing, too.**

# %%
import numpy as np
from sklearn.datasets import load_sample_images

from lessons import check, draw
from minialex import inside, plots
from minialex.data import Minibatches, digits
from minialex.devices import parse_devices
from minialex.evaluation import evaluate, predict
from minialex.nets import small_towers
from minialex.optim import SGD
from minialex.training import train

data = digits()
devices = parse_devices("cpu,cpu")


def move(images, down, right):
    """The same digits, moved by a pixel or not at all: down and right are -1, 0 or 1. What leaves the picture is lost."""
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return wide[:, :, 1 - down : 9 - down, 1 - right : 9 - right]


coins = np.random.default_rng(12)


def moved_at_random(images):
    """Each image moved its own way, as a net's input: the crops of lesson 9, in miniature."""
    ways = coins.integers(-1, 2, size=(len(images), 2))
    return data.prepare(np.concatenate([move(images[n : n + 1], *way) for n, way in enumerate(ways)]))


untrained, net = small_towers(devices, seed=0), small_towers(devices, seed=0)  # twins: they start with the same weights
batches = Minibatches(data.train, batch_size=64, seed=0, prepare=moved_at_random)
optimizer = SGD(net, lr=0.03)
for epochs, lr in ((7, 0.03), (2, 0.003)):  # seven epochs at full speed, two at a tenth (lesson 8)
    optimizer.lr = lr
    for _ in train(net, batches, optimizer, epochs=epochs):
        pass

print(f"a net that has learned nothing: {evaluate(untrained, data.test, data.prepare).top1_error:.1%} wrong")
print(f"our net:                        {evaluate(net, data.test, data.prepare).top1_error:.1%} wrong")

# %% [markdown]
# ## Kernels
#
# AlexNet's first kernels have 11 × 11 pixels and three colours: room for a picture. One could see edges in all directions
# in them, stripes, spots of colour. And in every run, the authors report, one tower's kernels had hardly any colour and
# the other's were full of it. Nobody had told them to share the work like that.
#
# Ours have 3 × 3 pixels and no colour. Look at them, and then at those of the twin before learning:

# %%
draw.smaller(plots.kernels(net.state_dict()))

# %%
draw.smaller(plots.kernels(untrained.state_dict()))

# %% [markdown]
# Did you find an edge, a corner, a spot among the first ones? Surely. Did you find some among the second ones? Surely,
# too: **nine random numbers look like something.** They are twins, besides: learning has moved the kernels only by so
# much.

# %%
before, after = untrained.state_dict(), net.state_dict()
for tower in (0, 1):
    w0, w1 = (state[f"conv1.{tower}.weight"].reshape(16, 9) for state in (before, after))
    share = np.linalg.norm(w1 - w0, axis=1) / np.linalg.norm(w0, axis=1)
    print(f"tower {tower}: by {share.min():.0%} to {share.max():.0%} of their size, {np.median(share):.0%} in the middle")

# %% [markdown]
# So small kernels tell little about learning. What a kernel *answers* says more than what it looks like. Here is a digit,
# and what the layers of both towers make of it (each small square is a map: white is 0, blue is a strong answer):

# %%
one = data.test.images[data.test.labels == 3][:1]
outputs = inside.outputs(net, data.prepare(one))
draw.smaller(plots.activations(outputs, one[0] * 15.9, layers=["relu1", "pool2", "relu3", "relu4", "fc5"]), dpi=76)

# %% [markdown]
# From layer to layer the maps become smaller, and fewer of them answer. In the first row you can still guess the digit; in
# `relu4`, the last hidden layer, it is a pattern of 64 numbers from each tower, of which most are zero. That pattern is what
# we shall look at in a moment. (`fc5` are the ten scores; a negative one is orange.)
#
# ## Predictions
#
# Softmax gives ten numbers that add up to 1. Here are digits of the test set: four that the net has wrong, and four about
# which it is least sure.

# %%
probabilities = predict(net, data.test.images, data.prepare)
labels, likeliest = data.test.labels, probabilities.argmax(axis=1)
wrong = np.flatnonzero(likeliest != labels)
unsure = [n for n in probabilities.max(axis=1).argsort() if n not in wrong]
shown = [*wrong[:4], *unsure[: 8 - len(wrong[:4])]]

pictures = [data.test.images[n] * 15.9 for n in shown]  # 0..16 becomes 0..255
draw.smaller(
    plots.predictions(pictures, probabilities[shown], data.classes, labels=[int(labels[n]) for n in shown], top=4), dpi=76
)

# %% [markdown]
# Some of these would make you hesitate, too. As in the paper, the mistakes are mostly sensible ones.
#
# May we read the bars as "how sure it is"? On digits like those it has learned from, roughly: where it says 99% and more,
# it is nearly always right.

# %%
sure = probabilities.max(axis=1)
for low, high in ((0.0, 0.7), (0.7, 0.9), (0.9, 0.99), (0.99, 1.0)):
    these = (sure > low) & (sure <= high)
    print(f"sure {low:4.0%} to {high:4.0%}: {these.sum():4} digits, {(likeliest == labels)[these].mean():4.0%} right")

# %% [markdown]
# **A wrong turn: taking a high bar for knowledge.** We show the net four things that are no digits: noise, an empty
# sheet, a chessboard, and a bit of a photo.

# %%
rng = np.random.default_rng(0)
photo = load_sample_images().images[1][200:328:16, 300:428:16].mean(axis=2)
board = np.indices((8, 8)).sum(axis=0) % 2 * 16
nonsense = np.stack([rng.integers(0, 17, (8, 8)), np.zeros((8, 8)), board, 16 * photo / 255])[:, None].astype(np.float32)

names = ["noise", "empty sheet", "chessboard", "photo"]
draw.smaller(
    plots.predictions(list(nonsense * 15.9), predict(net, nonsense, data.prepare), data.classes, names=names, top=4), dpi=76
)

# %% [markdown]
# It has an opinion on everything, and some of its bars are high. Of course: its ten numbers *must* add up to 1, and "none
# of these" is not among them. The bars compare digits with each other. They do not say whether there is a digit.
#
# ## Neighbours
#
# The last hidden layer turns a picture into 128 numbers (in AlexNet: 4096). The classes are read off from them by one
# linear layer, so whatever the net knows about the picture has to be in there. Two pictures whose **vectors** are close
# are alike *to the net*. The paper shows that such neighbours are of the same kind even where their pixels have little in
# common: elephants in any pose.
#
# Close means the ordinary distance (Euclid's): $\sqrt{\sum_d (a_d - b_d)^2}$.
#
# ## Exercise: nearest


# %% tags=["exercise"]
def nearest(query, vectors, k):
    """query (D,), vectors (N, D) -> the indices of the k rows of vectors that are nearest to query, the nearest first."""
    # BEGIN SOLUTION
    # write: the distance of each row to query, and the places of the k smallest (np.argsort)
    distances = ((vectors - query) ** 2).sum(axis=1)  # without the root: it would not change their order
    return np.argsort(distances, kind="stable")[:k]
    # END SOLUTION


check.nearest(nearest)

# %% [markdown]
# For all questions at once, there is a formula worth knowing. $(a - b)^2 = a^2 - 2ab + b^2$, summed over all components,
# turns distances into a matrix product:
#
# $$\|a - b\|^2 = \|a\|^2 - 2\, a \cdot b + \|b\|^2$$
#
# Without it, the differences of $Q$ questions and $N$ pictures are a block of $Q \times N \times D$ numbers. For
# AlexNet's 1.2 million photos and a thousand questions that would be 5 million million.

# %%
a, b = rng.standard_normal((5, 128)), rng.standard_normal((7, 128))
block = ((a[:, None] - b[None]) ** 2).sum(axis=2)
product = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
assert np.allclose(block, product)
indices, _ = inside.nearest(a, b, 3)  # minialex's, which uses the product
assert np.array_equal(indices, block.argsort(axis=1)[:, :3])

# %% [markdown]
# Now ask: for five digits of the test set, which of the 1438 training digits are nearest, in their pixels, and in the
# hidden layer? (Orange: another digit than the one asked for.)


# %%
def pixels(images):
    return images.reshape(len(images), -1).astype(np.float32)


def hidden(images, of=net):
    return inside.features(of, images, data.prepare)


def compare(questions, labels):
    found, wrong = {}, {}
    for way, vectors in {"in pixels": pixels, "in the hidden layer": hidden}.items():
        found[way], _ = inside.nearest(vectors(questions), vectors(data.train.images), 6)
        wrong[way] = data.train.labels[found[way]] != labels[:, None]
    return draw.neighbours(questions[:, 0], found, data.train.images[:, 0], wrong)


some = [int(np.flatnonzero(labels == digit)[3]) for digit in (0, 3, 4, 7, 8)]
compare(data.test.images[some], labels[some])

# %% [markdown]
# Disappointed? Both are right nearly everywhere. These digits are small, tidy, and all stand in the middle; two sevens
# simply have the same pixels black.
#
# So move the five digits **one pixel down and to the right**, and ask again.

# %%
compare(move(data.test.images[some], 1, 1), labels[some])

# %% [markdown]
# Pixel by pixel, a moved 7 is now closer to all kinds of things that happen to have ink in the same places. The hidden
# layer is disturbed far less. (Where it stumbles, look at what has been lost at the edge.)
#
# Five examples can be lucky. Count: of the six nearest, how many are the right digit, over the whole test set? And, as
# promised, ask the twin that has learned nothing as well.

# %%
ways = {
    "pixels": pixels,
    "hidden layer, untrained": lambda images: hidden(images, of=untrained),
    "hidden layer, trained": hidden,
}
moves = {"as scanned": (0, 0), "1 right": (0, 1), "1 down": (1, 0), "1 down, 1 right": (1, 1)}

print(" " * 26 + "".join(f"{name:>17}" for name in moves))
for way, vectors in ways.items():
    known, row = vectors(data.train.images), []
    for step in moves.values():
        indices, _ = inside.nearest(vectors(move(data.test.images, *step)), known, 6)
        row.append((data.train.labels[indices] == labels[:, None]).mean())
    print(f"{way:26}" + "".join(f"{share:17.0%}" for share in row))

# %% [markdown]
# Take your time with this table.
#
# - *As scanned*, pixels are as good as our net. On easy data a simple method may be all you need, and it should always be
#   asked first.
# - *Moved*, pixels break down. The hidden layer does not: that a 7 is a 7 wherever it stands is something the net has
#   **learned**. We showed it moved digits in training.
# - The *untrained* twin is no better than pixels, with the same layers, convolutions, pooling and all. So it is not the
#   architecture that does it. It is what was learned in it.
#
# Without that last row you might have given pooling the credit.
#
# ## The whole set at once
#
# 128 numbers cannot be drawn, two can. The two directions in which a cloud of points is widest are its **principal
# components** (lesson 9 finds them for colours). Here is the test set, moved a pixel down and to the right, in pixels and
# in the hidden layer:


# %%
def flat(vectors):
    """(N, D) -> (N, 2): the coordinates along the two widest directions."""
    centred = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:2].T


moved = move(data.test.images, 1, 1)
draw.clouds({"in pixels": flat(pixels(moved)), "in the hidden layer": flat(hidden(moved))}, labels)

# %% [markdown]
# On the right, each digit keeps more to itself. It is a shadow of something with 128 dimensions: what overlaps here may
# lie far apart in a direction that you do not see.
#
# ## What does one neuron like?
#
# A favourite pastime: take a hidden neuron, and look for the pictures on which it answers most strongly.


# %%
def favourites(of, neurons, count=10):
    answers = hidden(data.test.images, of)
    return {f"neuron {n}": data.test.images[answers[:, n].argsort()[::-1][:count], 0] for n in neurons}


busy = (hidden(data.test.images) > 0).mean(axis=0)
neurons = np.flatnonzero((busy > 0.05) & (busy < 0.5))[:6]
draw.gallery(favourites(net, neurons))

# %% [markdown]
# "This one likes zeros; that one fours." It is tempting to give each neuron a name. Remember the rule of this lesson.
# Here are neurons of the twin that has learned **nothing**:

# %%
busy = (hidden(data.test.images, untrained) > 0).mean(axis=0)
draw.gallery(favourites(untrained, np.flatnonzero((busy > 0.05) & (busy < 0.5))[:6]))

# %% [markdown]
# They have their preferences, too! Ten pictures that have the *same ink in the same places* excite the same random
# weights. That the favourites of a neuron resemble each other proves nothing. To say that a neuron has learned something
# you need a number, and the same number for a net that has not. For instance: how pure is the choice, over all neurons
# that ever answer?


# %%
def purity(answers):
    """Of the ten images with the largest answers: the share that shows the commonest digit, on average over the neurons."""
    chosen = labels[answers.argsort(axis=0)[::-1][:10]]  # (10, neurons)
    return np.mean([np.bincount(column).max() / 10 for column in chosen.T])


for name, answers in {
    "dice instead of neurons": rng.random((len(labels), 128)),
    "the untrained net": hidden(data.test.images, of=untrained),
    "our net": hidden(data.test.images),
}.items():
    alive = answers[:, answers.max(axis=0) > 0]
    print(f"{name:24} {alive.shape[1]:3} of 128 ever answer; of ten favourites, {purity(alive):.0%} are one digit")

# %% [markdown]
# There is a difference. Now you know how large it is; and how much of it comes without any learning.
#
# ## Recap
#
# - Kernels of 3 × 3 tell little. AlexNet's, of 11 × 11 and three colours, tell more; and there, too, the twin belongs
#   beside them.
# - Softmax compares the classes with each other. "None of these" is not on the list.
# - The last hidden layer is a place where *alike* means what the net was taught. Distances there survive what was varied
#   in training.
# - Whatever you see inside a net: look at a net that has learned nothing, and count.
#
# ## Five questions
#
# **1.** Would the neighbours in the *logits* (ten numbers) do as well as those in the hidden layer?
#
# <details><summary>Answer</summary>
#
# For "same digit?", about as well. But logits only keep what separates the ten classes. How slanted a 7 is, or whether it
# has a bar, is of no use there; the hidden layer may still know.
#
# </details>
#
# **2.** You train with mirrored pictures as well. What happens to the neighbours of a 2?
#
# <details><summary>Answer</summary>
#
# A mirrored 2 becomes a neighbour of a 2; and a 5, which resembles a mirrored 2, comes nearer as well. The net becomes
# blind to whatever you vary: for photos of cats that is right, for digits it is not.
#
# </details>
#
# **3.** Why is it the last *hidden* layer that is compared, and after ReLU?
#
# <details><summary>Answer</summary>
#
# It is what the classifier reads: a neuron that ReLU has silenced plays no part in the answer, however negative it was
# before. Before ReLU, such differences would count.
#
# </details>
#
# **4.** The neighbours of 1.2 million photos, by 4096 numbers each: what does one question cost, and what did the authors
# suggest?
#
# <details><summary>Answer</summary>
#
# About 5 thousand million multiplications, and 20 GB of numbers to read. Section 6.1 suggests learning short binary codes
# for those vectors (with an autoencoder, a net that learns to copy its input through a few neurons), which can be compared
# much faster.
#
# </details>
#
# **5.** Somebody shows you the favourite pictures of one neuron: nine faces. What do you ask?
#
# <details><summary>Answer</summary>
#
# How was this neuron chosen, and from how many? What does it answer to all the other pictures? And what do the favourites
# of an untrained net look like?
#
# </details>
#
# **Next:** [lesson 13](13_was_each_idea_needed.ipynb): take the ideas out again, one by one.
