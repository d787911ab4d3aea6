# %% [markdown]
# # 13. Was each idea needed?
#
# *About 40 minutes. You need lessons 1 to 8, and lesson 10. Some statistics is explained on the way.*
#
# **The question.** The paper has many ideas: overlapping pooling, response normalisation, dropout, five convolutions, towers that meet at `conv3`. Together they won. But which of them was it? Did they all help? Or did some just ride along?
#
# The way to find out is called **ablation**: take one thing out, leave all else as it is, train again, and compare. It sounds easy. It is where most people fool themselves, and so this lesson is about two things at once: *what the ideas do*, and *how to know
# whether you have seen anything at all*.
#
# We use a miniature of AlexNet and the handwritten digits, because everything has to be done in half a minute here. Digits are not photos. At the end we ask honestly what they could show and what not, and where the larger experiments are.

# %%
import numpy as np

from lessons import check, draw
from minialex.data import digits
from minialex.devices import parse_devices
from minialex.layers import (
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
)
from minialex.optim import SGD
from minialex.seeds import generator

parse_devices("cpu")  # one thread for each matrix product from now on: for products as small as these it is quicker
everything = digits(seed=0)
images = everything.prepare(np.concatenate([everything.train.images, everything.test.images]))
labels = np.concatenate([everything.train.labels, everything.test.labels])
print(images.shape, "digits of 8 x 8 pixels")

# %% [markdown]
# ## A miniature with switches
#
# Here is the whole of AlexNet in small: five convolutions, normalisation, overlapping pooling, two towers, dropout. Each idea has a switch. The two towers are written as one layer with `groups=2`. You saw in lessons 10 and 11 that
# this is the same: what a tower does alone, a group does in one layer. And `conv3`, where the towers meet, has one group: it reads everything.


# %%
def miniature(seed, *, without=(), pool=(3, 2), norm=True, dropout=True, meet=True, maps=8, hidden=64):
    """without: which of conv3, conv4, conv5 are left out. pool: (kernel, stride). meet: whether conv3 sees both towers."""

    def conv(name, inputs, outputs, groups=1):
        std = np.sqrt(2 / (9 * inputs / groups))
        return {
            name: Conv2d(inputs, outputs, 3, padding=1, groups=groups, std=std, rng=generator(seed, name)),
            f"relu of {name}": ReLU(),
        }

    def normalisation(name):
        return {name: LocalResponseNorm(5, alpha=0.01, k=1.0, groups=2)} if norm else {}

    layers = conv("conv1", 1, maps) | normalisation("norm1")
    layers |= {"pool1": MaxPool2d(*pool, ceil_mode=True)}  # 8 x 8 -> 4 x 4
    layers |= conv("conv2", maps, 2 * maps, groups=2) | normalisation("norm2")
    for name, groups in (("conv3", 1 if meet else 2), ("conv4", 2), ("conv5", 2)):
        if name not in without:
            layers |= conv(name, 2 * maps, 2 * maps, groups)
    layers |= {"pool5": MaxPool2d(*pool, ceil_mode=True), "flatten": Flatten()}  # 4 x 4 -> 2 x 2
    layers |= {"fc6": Linear(8 * maps, hidden, std=np.sqrt(2 / (8 * maps)), rng=generator(seed, "fc6")), "relu of fc6": ReLU()}
    if dropout:
        layers |= {"dropout6": Dropout(0.5, rng=generator(seed, "dropout6"))}
    return Sequential(**layers, fc7=Linear(hidden, 10, std=np.sqrt(2 / hidden), rng=generator(seed, "fc7")))


def train_and_test(net, seed, steps=160, batch_size=50, lr=0.03):
    """-> (training error, test error): learn from 400 digits, be tested on the other 1397. The seed says which are which."""
    rng = generator(seed, "which digits, and in which order")
    order = rng.permutation(len(labels))
    train, test = order[:400], order[400:]
    loss, optimizer = SoftmaxCrossEntropy(), SGD(net, lr=lr)
    for step in range(steps):
        if step == int(0.7 * steps):
            optimizer.lr = lr / 10
        some = rng.choice(train, batch_size, replace=False)
        loss.forward(net.forward(images[some]), labels[some])
        net.backward(loss.backward())
        optimizer.step()
    wrong = net.forward(images, train=False).argmax(axis=1) != labels
    return wrong[train].mean(), wrong[test].mean()


# %% [markdown]
# Look at the seeds. Every draw has a name: `conv1` of seed 0 starts with the same numbers whether there is a `conv4` or not, and both nets get the same digits in the same order. That is on purpose. If we compare two nets, **only what
# we ask about** should differ.
#
# ## First of all: the same net three times
#
# Before you take anything away, take *nothing* away. How much does the error change if only the seed does?

# %%
SEEDS = 3  # more is better: try 10, and a cup of tea
whole = np.array([train_and_test(miniature(seed), seed) for seed in range(SEEDS)])
for seed, (train_error, test_error) in enumerate(whole):
    print(f"seed {seed}: {test_error:.1%} of the test digits are wrong ({train_error:.1%} of its own training digits)")

# %% [markdown]
# The very same net, and the errors differ by whole points. So if you train a net without `conv4` *once*, and it has an error one point higher, what have you learned? Nothing. That is the first way to fool oneself, and a very common one: **one run is no result.**
#
# Two things make the error scatter. The first you can compute.
#
# ### The test set is finite
#
# Say the net's true error is $e$: of *all* digits that people might ever write it gets the share $e$ wrong. We test it on $n$ of them. Each is wrong with probability $e$, like the toss of a loaded coin. Count 1 for wrong and 0 for right. The mean of one toss is $e$,
# and its variance (the mean squared distance from the mean) is
#
# $$e\,(1 - e)^2 + (1 - e)\,(0 - e)^2 = e\,(1 - e)\,\big[(1 - e) + e\big] = e\,(1 - e)$$
#
# For independent tosses variances add up, so the sum of $n$ has $n\,e\,(1-e)$. The mean is the sum divided by $n$, and a variance, being a square, is divided by $n^2$: $e\,(1-e)/n$. Its root says how far a measured error
# typically is from the true one, the **standard error**:
#
# $$\sqrt{\frac{e\,(1 - e)}{n}}$$


# %% tags=["exercise"]
def standard_error(error, images):
    """The standard error of an error (a share of 0..1) that was measured on so many images."""
    # BEGIN SOLUTION
    # write: the root of e (1 - e) / n
    return np.sqrt(error * (1 - error) / images)
    # END SOLUTION


report = check.standard_error(standard_error)
report

# %%
of_digits = report.function(whole[:, 1].mean(), 1397)
print(f"our digits:  {whole[:, 1].mean():.1%} ± {of_digits:.1%}")

tosses = np.random.default_rng(0).random((2000, 1397)) < 0.09  # 2000 test sets, for a net whose true error is 9%
print(f"tossed:      9.0% ± {tosses.mean(axis=1).std():.1%}     by the formula ± {np.sqrt(0.09 * 0.91 / 1397):.1%}")
draw.seeds_of_one(whole[:, 1], of_digits, "the whole net: the ± that its test set alone gives it")

# %% [markdown]
# Most seeds lie further apart than that. So there is more than the test set: other training digits, another start, another order. This second part cannot be computed, only measured, by running several seeds.
#
# Now ImageNet. The paper's net has a top-1 error of 40.7% on the 50,000 validation images. What is its standard error?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the standard error, as a share, of an error of 0.407 on 50,000 images
of_imagenet = np.sqrt(0.407 * (1 - 0.407) / 50_000)
# END SOLUTION

check.value("standard error of ImageNet's validation", of_imagenet)

# %% [markdown]
# About 0.2 points. The paper's smallest claim, overlapping pooling, is 0.4 points. So even with 50,000 images it is not far above the noise, and each net was trained once, for a week. (It is better than it looks: both nets were tested on
# the *same* images, which helps. How, you will see next.)
#
# ### Pairs
#
# Seed 1 may simply have drawn harder digits. Then *every* net does badly on seed 1, with `conv4` or without. So do not compare the means of two heaps. Compare **seed with seed**: $d_i$ is the error without the idea less the error with it, for seed $i$. What
# both have in common drops out.
#
# With $S$ seeds, the mean difference is $\bar d = \frac{1}{S} \sum_i d_i$. And how sure is it? Its standard error is estimated from the scatter of the $d_i$ themselves:
#
# $$\frac{s}{\sqrt S} \qquad \text{with} \qquad s^2 = \frac{1}{S - 1} \sum_i (d_i - \bar d)^2$$
#
# (Why $S - 1$? The $d_i$ lie closer to *their own* mean than to the true one, which makes the sum too small. With $S - 1$ it is right on average. In NumPy: `ddof=1`.)


# %% tags=["exercise"]
def paired_difference(whole, without):
    """Errors (S,) with and without an idea, seed by seed -> the mean of without - whole, and its standard error."""
    # BEGIN SOLUTION
    # write: the mean of the differences, and their scatter divided by the root of how many there are
    d = without - whole
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))
    # END SOLUTION


report = check.paired_difference(paired_difference)
report

# %% [markdown]
# A rule of thumb: **believe a difference if it is more than twice its standard error.** With only three seeds even that is generous. (Three numbers know little about their own scatter. Who wants to be right in 95 of 100 cases must ask for 4.3 times.)
#
# ## Now take it apart
#
# Seven nets, each without one thing. Before you run the cell, **write down your guess**: which removal hurts most? Which does nothing? It matters that you write it down. Afterwards everything looks as if one had known it.

# %%
my_guess = "conv3 hurts most, ..."  # yours

removals = {
    "conv3": {"without": ("conv3",)},
    "conv4": {"without": ("conv4",)},
    "conv5": {"without": ("conv5",)},
    "normalisation": {"norm": False},
    "overlap of the pooling": {"pool": (2, 2)},
    "dropout": {"dropout": False},
    "the towers' meeting at conv3": {"meet": False},
}
results = {
    name: np.array([train_and_test(miniature(seed, **how), seed) for seed in range(SEEDS)]) for name, how in removals.items()
}

print(f"{'without':<30} {'weights':>8} {'training error':>15} {'test error':>11}   change of the test error, in points")
count = sum(value.size for value in miniature(0).params.values())
print(f"{'(the whole net)':<30} {count:>8,} {whole[:, 0].mean():>15.1%} {whole[:, 1].mean():>11.1%}")
for name, found in results.items():
    mean, error = report.function(whole[:, 1], found[:, 1])
    count = sum(value.size for value in miniature(0, **removals[name]).params.values())
    word = "?" if abs(mean) < 2 * error else "worse without it" if mean > 0 else "BETTER without it"
    print(
        f"{name:<30} {count:>8,} {found[:, 0].mean():>15.1%} {found[:, 1].mean():>11.1%}   {100 * mean:+5.1f} ± {100 * error:3.1f}  {word}"
    )

# %%
draw.ablations(
    {name: found[:, 1] - whole[:, 1] for name, found in results.items()},
    {name: found[:, 0] for name, found in results.items()},
    whole[:, 0],
)

# %% [markdown]
# Each blue dot is a seed, the black stroke their mean, the bar ± two standard errors: orange where it does not touch 0. To the right is the error on the digits that the net has learned from.
#
# Probably this is not what you have written down. (The numbers differ a little from computer to computer.) Not one removal clearly hurts. Where the bar touches 0, **we cannot tell** with three seeds. And where it does not, the net is *better* without! Did the paper err? Think before you read on: what is
# different here?
#
# - **Time.** Our nets learn for 160 steps. Look at the training errors: no net has finished. Whatever makes learning *slower* looks harmful in such a short race, even if it would win a long one. A deeper net is slower to get going. And dropout: the paper says itself that it takes about twice as long.
# - **Size.** Without overlap the digits are recognised better, and clearly so. A window of 3 x 3 in a photo's map of 55 x 55 blurs a detail. In a digit of 8 x 8 it covers more than a third of the
#   width, and the stroke that tells a 3 from an 8 is one pixel thick. What helps in one world harms in another.
# - **Nothing to cure.** Dropout is a remedy against learning by heart, and 160 steps are too few for that disease.
# - **Nothing to see far.** Three convolutions in a row, on maps of 4 x 4, and each reads a neighbourhood of 3 x 3: after the first one, everything has nearly seen everything. There is nothing left for depth to do. In a photo there is.
# - **Nothing to share out.** Digits are grey. In the paper one tower came to look at colours and the other at shapes. Where there is nothing to share out, there is little to tell each other.
#
# And one more warning, about this very picture. With eight seeds, which takes a few minutes, we found for `conv3` -0.4 ± 1.1, for `conv4` -1.2 ± 0.9, for `conv5` 0.0 ± 0.9, for normalisation -0.1 ± 0.8, for the overlap -2.8 ± 0.5, for dropout -2.3 ± 0.7, and for the meeting of the
# towers +1.2 ± 1.1. So the bars of overlap and dropout were right. But if your picture shows `conv3` or `conv4` in orange, that was **the luck of three seeds**, and the meeting's sign has turned round. Twice the standard error is not a proof, least of all when one looks at seven bars at once: the more one looks at, the surer something
# will stick out by chance.
#
# ## Four ways to fool oneself
#
# **1. Picking the best seed.** "I tried a few seeds, here is the best." Watch what it does if *nothing* is different at all. Take a net with an error that scatters by 2 points, and compare the best of five runs with a single run of the
# very same net:

# %%
rng = np.random.default_rng(0)
runs = rng.normal(9.0, 2.0, (10_000, 6))  # errors of six runs of one net, again and again
best_of_five, one_run = runs[:, :5].min(axis=1), runs[:, 5]
print(
    f"'my idea' gains {(one_run - best_of_five).mean():.1f} points on average, and seems to win {(best_of_five < one_run).mean():.0%} of the time"
)

# %% [markdown]
# More than two points, out of nothing. And it need not be seeds: whoever tries ten learning rates for the own idea and one for the other does the same.
#
# **2. Removing more than the idea.** Without `conv4` there are fewer weights. Without the meeting, `conv3` has half as many. Is it the *idea* that was missed, or just the weights? Look at the column `weights` above. One has to compare nets of equal size, too. (The authors did: in the
# published configuration whose towers do not meet at `conv3`, `conv2` has been widened to make up for it.)
#
# **3. Removing less than the idea.** With the paper's own constants, $k = 2$ and $\alpha = 0.0001$, how much does response normalisation do to our digits? Lesson 6:
# $y_i = x_i / (k + \alpha \sum_j x_j^2)^{3/4}$. If the sum is small, nothing remains but $y = x / 2^{3/4}$: all numbers are multiplied by 0.595.


# %%
def what_it_does(x, **constants):
    y = LocalResponseNorm(5, **constants).forward(x)
    ratio = y[x > 1e-3] / x[x > 1e-3]
    return f"y / x is between {ratio.min():.4f} and {ratio.max():.4f}"


after_conv1 = ReLU().forward(miniature(0).layers[0].forward(images[:200]))
print("digits, the paper's k = 2, alpha = 0.0001:", what_it_does(after_conv1, k=2.0, alpha=1e-4))
print("digits, our k = 1, alpha = 0.01:          ", what_it_does(after_conv1, k=1.0, alpha=0.01))

photos = draw.two_photos(224).astype(np.float32) - 114
of_photos = ReLU().forward(Conv2d(3, 48, 11, stride=4, std=0.03, rng=generator(0, "conv1")).forward(photos))
print("photos of 0..255, the paper's constants:  ", what_it_does(of_photos, k=2.0, alpha=1e-4))
assert np.isclose(2**-0.75, 0.5946, atol=1e-4)

# %% [markdown]
# On digits, the paper's normalisation is a multiplication, and no more. A comparison "with and without" would have compared two learning rates. That is why the miniature has other constants; and even with them the effect is mild. On photos,
# with pixels that go up to 255 and weights a little larger than at the start, the denominators really differ from place to place: there the maps do compete.
#
# **4. Looking at many things, and telling of the one that stuck out.** You have just seen it.
#
# ## What the paper found, and what is known besides
#
# | removed | the paper, on ImageNet | the command, on CIFAR-10 |
# |---|---|---|
# | any middle convolution | about 2 points of top-1 error worse, though none has more than 1.5% of the weights | `python scripts/reproduce.py depth` |
# | response normalisation | 1.4 points (top-1), 1.2 (top-5) | `python scripts/reproduce.py lrn` |
# | overlap of the pooling | 0.4 points, 0.3 points | `python scripts/reproduce.py pooling` |
# | dropout | "substantial" overfitting; no number | `python scripts/reproduce.py dropout` |
# | windows and mirror images | substantial overfitting; no number | `python scripts/reproduce.py augmentation` |
# | the second tower | 1.7 points, 1.2 points | `python scripts/reproduce.py two-towers` |
# | the meeting at `conv3` | not in the paper. The notes of the published code: 41.8% rather than 40.7%, with `conv2` widened | `python scripts/reproduce.py exchange` |
# | ReLU (tanh in its place) | six times as many epochs to 25% training error | `python scripts/reproduce.py fig1` |
#
# CIFAR-10 is a set of 60,000 small photos: 32 x 32 pixels, in colour, ten classes. It lies between our digits and ImageNet, and an experiment takes minutes, not weeks. `docs/reproduction.md` sets the paper's numbers and ours side by side, each with its spread over several seeds,
# also where ours do not show the effect. `python scripts/reproduce.py --list` tells what each takes; with `--quick`, the digits do in place of the photos.
#
# And one more thing that is known by now: many nets that came later left response normalisation out and lost nothing. An idea may help in one net, at one time, and be no law.
#
# ## Recap
#
# - An ablation takes out one thing, and leaves all else as it is: the seeds, too.
# - One run is no result. Measure the scatter first, of the *same* net.
# - A finite test set gives an error of $e$ a standard error of $\sqrt{e(1-e)/n}$.
# - Compare seed with seed. Believe what is larger than twice its standard error, and with three seeds be careful still.
# - In 160 steps, digits of 8 x 8 pixels could not show that any idea helps, and showed some of them to harm. That says something about digits, and about 160 steps.
# - The best of several runs always looks like progress.
#
# ## If you want more
#
# - Set `SEEDS = 10`. Which question marks go away? By which factor should the bars shrink?
# - Give dropout time: `train_and_test(..., steps=800)`, with and without. Does its sign change?
# - Take ReLU out: put `Tanh` (from `minialex.layers`) in its place, with the `std` that it wants, $\sqrt{1/(9 \cdot \text{inputs})}$. Which `lr` is fair to both?
# - Remove *nothing*, and compare seeds 0, 1, 2 with 3, 4, 5 as if they were two nets. How often would you have believed in a difference?
#
# ## Five questions
#
# **1.** Two nets were tested on the same 10,000 images, one run each: 11.0% and 11.5%. Is the second one worse?
#
# <details><summary>Answer</summary>
#
# One error's standard error is $\sqrt{0.11 \cdot 0.89/10{,}000} = 0.31$ points. For the difference of two that do not share images it would be 0.44, about as large as the difference itself. As they share the images, somewhat less. And the seeds' own scatter is not even in it. You cannot tell.
#
# </details>
#
# **2.** How many more seeds do you need to make a standard error half as large?
#
# <details><summary>Answer</summary>
#
# Four times as many: it falls with the root of $S$. That is why small effects are so expensive.
#
# </details>
#
# **3.** Without an idea the training error goes up and the test error stays as it was. What might the idea have done?
#
# <details><summary>Answer</summary>
#
# It helped to learn what is only true of the training images: that is, to learn by heart. The net could do without.
#
# </details>
#
# **4.** Why are the differences of pairs often surer than the difference of two means?
#
# <details><summary>Answer</summary>
#
# A seed with hard digits or a bad start makes both errors large. In the difference it drops out. (Where the two errors of a seed have little in common, pairing gains nothing. Look whether the dots of your own picture scatter less than the seeds of the whole net.)
#
# </details>
#
# **5.** Somebody reports that net A beats net B on a famous test set, by 0.1 points, and that 40 nets were tried. What do you think?
#
# <details><summary>Answer</summary>
#
# That the best of 40 always wins. The test set has become something that was learned from. One would want a new one, or at least the mean and the scatter of the 40.
#
# </details>
#
# **Next:** [lesson 14](14_making_it_fast.ipynb): the same net, faster.
