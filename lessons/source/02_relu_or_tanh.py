# %% [markdown]
# # 2. ReLU or tanh?
#
# *About 30 minutes. It builds on lesson 1: the linear layer, and upstream gradients.*
#
# The first thing that the paper tells of its net is neither its size nor its two cards. It is what a neuron does with its sum
# (section 3.1): it throws away the negative part. A neuron $\max(0, x)$ is called a **ReLU**, a *rectified linear unit*. At
# the time, most people used $\tanh x$. The paper's Figure 1 shows a net with ReLUs that learns six times as fast as its twin
# with tanh. How can so small a change matter so much?
#
# In this lesson you
#
# - see why a neuron needs a bend at all,
# - write the bends, and their backward passes,
# - repeat Figure 1 in miniature, and look inside to see *why*,
# - find out when tanh is just as good, and what ReLU dies of.

# %%
from time import perf_counter

import numpy as np

from lessons import check, draw
from minialex.data import digits
from minialex.devices import parse_devices
from minialex.gradcheck import check_layer
from minialex.layers import Flatten, Linear, ReLU, Sequential, SoftmaxCrossEntropy, Tanh
from minialex.optim import SGD

data = digits()
labels = data.train.labels
rng = np.random.default_rng(0)
parse_devices("cpu")  # from here on NumPy computes on one core: for products as small as these, that is faster than sharing

# %% [markdown]
# ## Why a bend?
#
# Put one linear layer on top of another: $y = (x W_1^\top)\, W_2^\top$. Two layers, many weights. But brackets in a product
# of matrices may be moved:
#
# $$(x W_1^\top)\, W_2^\top = x\, (W_1^\top W_2^\top) = x\,(W_2 W_1)^\top$$
#
# That is *one* linear layer, with the weights $W_2 W_1$. Ten layers on top of each other can do no more than one:

# %%
x = rng.standard_normal((5, 64))
W1, W2 = rng.standard_normal((100, 64)), rng.standard_normal((10, 100))
assert np.allclose((x @ W1.T) @ W2.T, x @ (W2 @ W1).T)

# %% [markdown]
# So between the layers something must happen that is *not* linear. It is done to each number by itself, and is called the
# **activation function**, or the *nonlinearity*. Almost any bend will do. These are the three that the field has tried most:


# %%
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


draw.bends(
    {
        "ReLU": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
        "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
        "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    }
)

# %% [markdown]
# Look at the right picture. To the right of 0, ReLU's slope is 1, always. The slopes of the others go to 0 on both sides:
# there the curve on the left is flat. A neuron in a flat part is called **saturated**. Keep that in mind.
#
# ## Forwards


# %% tags=["exercise"]
def relu_forward(x):
    """max(0, x), number by number, for an array of any shape."""
    # BEGIN SOLUTION
    # write: 0 where x is negative, x itself elsewhere
    return np.maximum(x, 0)
    # END SOLUTION


report = check.relu_forward(relu_forward)
relu_forward = report.function
report

# %% [markdown]
# ## Backwards
#
# A layer gets $dy = \partial L/\partial y$ from above and must return $dx = \partial L/\partial x$. Here every $y$ depends on
# a single $x$, its own. So the chain rule has a single term:
#
# $$dx = dy \cdot \frac{\mathrm{d}y}{\mathrm{d}x}$$
#
# For ReLU the slope $\mathrm{d}y/\mathrm{d}x$ is 1 where $x > 0$ and 0 where $x < 0$. So the gradient either passes, or it
# does not. By hand:

# %%
x = np.array([[-1.0, 2.0, 0.5, -3.0, 1.0]])
dy = np.array([[7.0, 5.0, -4.0, -2.0, 0.0]])
dx = np.array([[0.0, 5.0, -4.0, 0.0, 0.0]])
draw.side_by_side(draw.array(x, "x"), draw.array(x > 0, "x > 0"), draw.array(dy, "dy"), draw.array(dx, "dx"))

# %% [markdown]
# **A wrong turn.** It is tempting to apply ReLU to the gradient: `np.maximum(dy, 0)`. But whether the gate is open was
# decided on the way *forward*, by $x$. The sign of $dy$ has nothing to do with it: in the third place above, $-4$ passes.


# %% tags=["exercise"]
def relu_backward(dy, x):
    """dL/dx from dy = dL/dy and the x of the forward pass; at x = 0 the slope is taken as 0."""
    # BEGIN SOLUTION
    # write: dy where x is positive, 0 elsewhere
    return dy * (x > 0)
    # END SOLUTION


report = check.relu_backward(relu_backward)
relu_backward = report.function
report

# %% [markdown]
# **And at exactly 0?** There is a kink, and no slope. To the left it is 0, to the right 1. Every number from 0 to 1 would be
# defensible; nearly everybody takes 0, and so do we. What does a gradient check say there? A check that only takes the
# difference of two sides finds $1/2$, and calls a right layer wrong. minialex's looks at both sides separately, notices that
# they disagree, and asks only that the gradient lies between. It counts such places:

# %%
x = rng.standard_normal((4, 10))
x[1, 3] = 0.0
print(check_layer(ReLU(), x))

# %% [markdown]
# Now tanh. From school you may know that its derivative is $1 - \tanh^2 x$. Since $\tanh x$ is $y$ itself, which the forward
# pass has computed already,
#
# $$dx = dy \cdot (1 - y^2).$$
#
# The layer needs to remember only $y$, not $x$. How steep is tanh where $y = 0.96$?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the slope of tanh at the place where its output is 0.96
slope = 1 - 0.96**2
# END SOLUTION

check.value("slope of tanh at y = 0.96", slope)


# %% tags=["exercise"]
def tanh_backward(dy, y):
    """dL/dx from dy = dL/dy and the *output* y of the forward pass."""
    # BEGIN SOLUTION
    # write: dy times the slope, which follows from y alone
    return dy * (1 - y**2)
    # END SOLUTION


report = check.tanh_backward(tanh_backward)
tanh_backward = report.function
report

# %% [markdown]
# ReLU is the cheaper one, too. It compares; tanh needs an exponential:

# %%
x = rng.standard_normal((128, 48, 20, 20)).astype(np.float32)
for name, function in {"ReLU": relu_forward, "tanh": np.tanh}.items():
    function(x)
    start = perf_counter()
    for _ in range(3):
        function(x)
    print(f"{name}: {1e3 * (perf_counter() - start) / 3:5.1f} ms for {x.size / 1e6:.1f} million numbers")

# %% [markdown]
# But that is not why ReLU won. In a net, nearly all time goes into the products of matrices. Whatever makes a net learn six
# times as fast, it is not this.
#
# ## Figure 1 in miniature
#
# The paper compares two nets of four layers that differ in nothing but the neuron, on colour photos of 32 × 32 pixels. It
# asks how many epochs each needs until 25% of the *training* images are wrong. Its learning rates were chosen *for each net
# separately*, to make each as fast as possible. That is important: a rate that suits one may be terrible for the other, and
# then the comparison would only show that.
#
# We take four linear layers, our digits, and the pixels as the paper fed them: grey values of 0 to 255, minus the mean image.
# Digits are easier than photos, so we ask for 5% instead of 25%.
#
# (Three names in the next cell: `Sequential` runs layers one after the other. `std` says how large the random weights are at
# the start, their standard deviation. `SGD` is the rule that moves the weights. The last two are the subject of lesson 8.)

# %%
centred = (data.train.images - data.mean).astype(np.float32)  # as stored: 0..16, minus the mean image
pixels = centred * (255 / 16)


def four_layers(neuron, seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(
        flatten=Flatten(),
        fc1=Linear(64, 64, std=0.1, rng=rng), bend1=neuron(),
        fc2=Linear(64, 64, std=0.1, rng=rng), bend2=neuron(),
        fc3=Linear(64, 64, std=0.1, rng=rng), bend3=neuron(),
        fc4=Linear(64, 10, std=0.1, rng=rng),
    )  # fmt: skip


EVERY, TARGET = 5, 0.05


def learn(net, images, lr, seed=0, steps=160, stop=0.0, frozen="none"):
    """The training error before the first step and after every fifth. The layer called `frozen` stays as it is."""
    loss, sgd, rng = SoftmaxCrossEntropy(), SGD(net, lr=lr, weight_decay=0), np.random.default_rng(seed)
    errors = []
    with np.errstate(all="ignore"):  # too large a rate ends in nan; its error then is that of a guess
        for step in range(steps + 1):
            if step % EVERY == 0:
                errors.append(np.mean(net.forward(images).argmax(axis=1) != labels))
                if errors[-1] <= stop:
                    break
            batch = rng.integers(len(labels), size=64)
            loss.forward(net.forward(images[batch]), labels[batch])
            net.backward(loss.backward())
            for name, gradient in net.grads.items():
                if name.startswith(frozen):
                    gradient[...] = 0
            sgd.step()
    return np.array(errors)


def steps_needed(errors):
    """Steps until the training error is at the target; nan if that never happens."""
    there = np.flatnonzero(errors <= TARGET)
    return float(EVERY * there[0]) if len(there) else np.nan


RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
NEURONS = {"ReLU": ReLU, "tanh": Tanh}


def try_rates(images):
    """For each neuron, the steps needed with each rate."""

    def steps(neuron, lr):
        return steps_needed(learn(four_layers(neuron), images, lr, stop=TARGET))

    return {name: [steps(neuron, lr) for lr in RATES] for name, neuron in NEURONS.items()}


needed = try_rates(pixels)
title = f"Steps until {TARGET:.0%} training error, pixels 0 to 255"
draw.lines(needed, x=RATES, across="learning rate", up="steps", log="x", title=title)

# %% [markdown]
# Where a point is missing, the net did not get there in 160 steps. As you see, the two need quite different rates. Now the
# best rate for each, three times, with three different random starts:


# %%
def fastest(needed):
    """The rate with which each neuron was fastest."""
    return {name: RATES[int(np.nanargmin(counts))] for name, counts in needed.items()}


def compare(images, needed):
    curves = {}
    for name, lr in fastest(needed).items():
        runs = [learn(four_layers(NEURONS[name], seed), images, lr, seed) for seed in range(3)]
        counts = ", ".join(f"{steps_needed(run):.0f}" for run in runs)
        curves[f"{name}, lr {lr}"] = 100 * np.mean(runs, axis=0)
        print(f"{name}: {counts} steps until {TARGET:.0%}; after 160 steps {np.mean([run[-1] for run in runs]):.1%} are wrong")
    places = EVERY * np.arange(len(runs[0]))
    level = (100 * TARGET, f"{TARGET:.0%}")
    return draw.lines(curves, x=places, up="% wrong", title="Training error, mean of three starts", level=level, top=40)


compare(pixels, needed)

# %% [markdown]
# Like the paper's Figure 1: the ReLU net is there in about half the steps, and goes on to nearly zero, while the tanh net
# crawls and still makes mistakes at the end. (The factor is about two here; the paper had six, with a larger net and harder
# pictures.)
#
# ## Look inside
#
# Let us see what the neurons of both nets say, before the first step, to all training images:


# %%
def look_inside(net, images):
    """What comes out of every layer, and the gradient that arrives at every layer's output."""
    outputs, gradients, loss, y = {}, {}, SoftmaxCrossEntropy(), images
    for name, layer in net.by_name().items():
        outputs[name] = y = layer.forward(y)
    loss.forward(y, labels)
    dy = loss.backward()
    for name, layer in reversed(net.by_name().items()):
        gradients[name] = dy
        dy = layer.backward(dy)
    return outputs, gradients


BENDS = ["bend1", "bend2", "bend3"]
seen = {name: look_inside(four_layers(neuron), pixels) for name, neuron in NEURONS.items()}
draw.histograms({name: {bend: outputs[bend] for bend in BENDS} for name, (outputs, _) in seen.items()})

# %% [markdown]
# Look at `tanh, bend1`. The sums that arrive there are of the size of 50, and $\tanh 50$ is 1, to forty digits. So nearly
# every neuron of the first layer says either $-1$ or $+1$, and stands in the flat part. The ReLU net has large numbers there,
# but *large is not flat*.
#
# What does it do to the gradient? A layer's backward pass multiplies $dy$ by the slope, $1 - y^2$, and that is next to
# nothing:

# %%
outputs, gradients = seen["tanh"]
print(f"first layer, neurons with |y| > 0.99: {np.mean(np.abs(outputs['bend1']) > 0.99):.0%}")


def size(a):
    """The typical size of a number in a: the root of the mean square."""
    return np.sqrt(np.mean(np.square(a, dtype=np.float64)))


points = [name for name in outputs if name != "flatten"]
sizes = {name: [size(gradients[point]) for point in points] for name, (_, gradients) in seen.items()}
draw.by_layer({"size of the gradient at each layer's output": sizes}, points, width=7)

# %% [markdown]
# Read it from right to left: that is the way of the gradient. From `fc4` down to `bend1` both nets do about equally well.
# Then, in the step from `bend1` to `fc1`, the tanh net loses nine tenths of its gradient, and the ReLU net next to nothing.
#
# What does reach `fc1` comes through the few gates that happen to stand on the steep part: for each neuron, some two images
# of a batch of 64. Is that enough to learn from? Here is a way to ask. **Forbid** the first layer to learn (its weights stay
# at their random start) and see how much worse the net becomes:

# %%
for name, lr in [*fastest(needed).items(), ("tanh", 0.1)]:
    for frozen, says in {"none": "all layers learn", "fc1": "first layer frozen"}.items():
        runs = [learn(four_layers(NEURONS[name], seed), pixels, lr, seed, frozen=frozen) for seed in range(2)]
        print(f"{name}, lr {lr:<6} {says:18}: after 160 steps {np.mean([run[-1] for run in runs]):5.1%} are wrong")

# %% [markdown]
# The ReLU net misses its first layer, as one would expect. The tanh net is *better off without* its own! What the first layer
# gets through its few open gates is not worth much as a direction, but it is multiplied by large pixels, so that the weights
# are thrown about; and the layers above must cope with inputs that keep changing. A saturated layer does not just learn
# slowly. It disturbs the others.
#
# ## So is tanh bad?
#
# **Here is where people stop, and take the wrong lesson home.** What made the neurons saturate? Large sums; and these came
# from large pixels. What if we divide the pixels, so that they lie between $-2$ and $2$?

# %%
small = centred / 8
needed_small = try_rates(small)
print("learning rate" + "".join(f"{lr:8}" for lr in RATES))
for name, counts in needed_small.items():
    print(f"{name}, steps   " + "".join(f"{count:8.0f}" for count in counts))
compare(small, needed_small)

# %% [markdown]
# (`nan` in the table: not there in 160 steps.) The difference is gone; on these easy pictures tanh is no slower. It never was
# a matter of the formula: it was **saturation**. Large pixels are only the quickest way to it. In a long training on harder pictures the weights grow, and
# neurons can drift into the flat parts by themselves, in any layer; and they do not easily get out again, since there is
# little gradient to bring them back. With ReLU you need not worry about that.
#
# There is a neat reason why ReLU does not mind large numbers. For any $a > 0$,
#
# $$\max(0, a x) = a \max(0, x).$$
#
# Numbers that are ten times as large come out ten times as large, and have the same slope. (But the learning rate must be
# another one. Compare the ReLU net's best rate in the picture of rates with that in the table: which way did it go?)

# %%
x = rng.standard_normal(1000)
assert np.allclose(relu_forward(16 * x), 16 * relu_forward(x))
assert not np.allclose(np.tanh(16 * x), 16 * np.tanh(x))

# %% [markdown]
# ## What ReLU dies of
#
# ReLU has a flat part as well: the left half. A neuron that is at 0 for one image is no harm, as long as it speaks for
# another. But a neuron whose sum is negative for **all** images gets no gradient from any of them. Its weights and its bias
# then never change again. It is **dead**. How does a neuron die? One step that is too large is enough, if it throws the sum
# far below zero. We do it by hand, with the bias:

# %%
layer, relu = Linear(64, 1, std=0.1, dtype=np.float64), ReLU()
x = rng.standard_normal((500, 64))
for bias in (1.0, 0.0, -1.0, -4.0):
    layer.params["bias"][...] = bias
    y = relu.forward(layer.forward(x))
    layer.backward(relu.backward(np.ones_like(y)))
    print(f"bias {bias:4.1f}: speaks for {np.mean(y > 0):4.0%} of the images, size of dW {size(layer.grads['weight']):6.2f}")

# %% [markdown]
# That is why the paper starts the biases of many layers at 1: most sums are then positive, most gates open. (The paper: "This
# initialization accelerates the early stages of learning by providing the ReLUs with positive inputs.") Lesson 8 shows where
# even this goes wrong.
#
# ## What minialex has

# %%
x, dy = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
relu, tanh = ReLU(), Tanh()
assert np.allclose(relu.forward(x), relu_forward(x))
assert np.allclose(relu.backward(dy), relu_backward(dy, x))
assert np.allclose(tanh.forward(x), np.tanh(x))
assert np.allclose(tanh.backward(dy), tanh_backward(dy, np.tanh(x)))
print("all equal")

# %% [markdown]
# One small difference: minialex's ReLU remembers its output $y$, not its input. That is enough, since $y > 0$ exactly where
# $x > 0$; and $y$ has to be kept anyway, as the next layer's input.
#
# **An exercise without a check.** Change `four_layers` to use 20 neurons a layer, or `std=0.3`, and run *Figure 1 in
# miniature* again. Predict first: which of the two nets will mind?
#
# ## Recap
#
# - Without a bend, ten linear layers are one.
# - ReLU: $dx = dy\,[x > 0]$. tanh: $dx = dy\,(1 - y^2)$. The gate is set on the way forward.
# - A saturated neuron passes no gradient on, and whatever is below it does not learn. tanh saturates on both sides, ReLU only
#   on one.
# - To compare two things fairly, choose the learning rate for each.
# - With small inputs and small weights tanh does well. ReLU does well without such care.
#
# ## Five questions
#
# **1.** Three tanh layers on top of each other, each with $y = 0.96$. By what factor does a gradient shrink on its way
# through the three bends? And through three ReLUs with $x > 0$?
#
# <details><summary>Answer</summary>
#
# $0.0784^3 \approx 0.0005$; and by $1^3 = 1$. (The linear layers in between have their say as well, but that is the same for
# both.)
#
# </details>
#
# **2.** May ReLU's forward pass work in place, writing $y$ over $x$?
#
# <details><summary>Answer</summary>
#
# For ReLU's own gradient, yes: it needs only $y$. But $x$ is the output of the layer below, and some layers need their output
# on the way back (tanh does). And the caller may still want $x$. minialex never changes an argument.
#
# </details>
#
# **3.** For the same start, a net with pixels of 0 to 255 needs a smaller rate with ReLU than one with pixels of $-2$ to 2.
# Why?
#
# <details><summary>Answer</summary>
#
# The first layer's gradient is $dW = dy^\top x$: large $x$, large gradient, large steps. And its outputs are larger, and so
# on upwards.
#
# </details>
#
# **4.** Half of the neurons in the histogram `ReLU, bend1` are at 0. Are they dead?
#
# <details><summary>Answer</summary>
#
# The histogram counts neurons times images. A neuron that is silent for half of the images is in good health: it
# distinguishes. Dead is one that is silent for all of them.
#
# </details>
#
# **5.** A friend tells you: "I replaced tanh by ReLU, and the net did not learn any more." What do you ask first?
#
# <details><summary>Answer</summary>
#
# Which learning rate, and was it chosen anew? A rate that suits tanh kills ReLUs here: look at the first picture of rates.
#
# </details>
#
# **Next:** [lesson 3](03_convolution.ipynb), convolution: a linear layer that knows which pixels are neighbours.
