# %% [markdown]
# # 1. A linear layer, softmax, and a gradient by hand
#
# *About 40 minutes. It builds on lesson 0. From school you need: what a derivative is, and the derivatives of $e^x$ and
# $\ln x$.*
#
# The simplest thing that can learn to read digits has one layer. In this lesson you write all of it: scores from pixels,
# probabilities from scores, a loss from probabilities, and the way back. At the end it reads 19 of 20 digits, and its
# parameters are pictures that you can look at.
#
# But the most important thing you take with you is another one: **how to know that a gradient is right.** A net with a wrong
# gradient does not crash. It often even learns, only worse, and nobody notices for years. You will see that happen, and learn
# the test that catches it. It is the test that guards all the code in this project. The way:
#
# - scores: a linear layer, by hand, with loops, and as one product of matrices;
# - softmax and cross-entropy, and how not to overflow;
# - a gradient that is measured, and one that is derived; comparing the two;
# - what a check may overlook: the wrong $h$, the wrong dtype, the wrong question;
# - learning to read.

# %%
from time import perf_counter

import numpy as np

from lessons import check, draw
from minialex.data import digits
from minialex.gradcheck import GradientError, check_layer
from minialex.layers import Linear, SoftmaxCrossEntropy

data = digits()
images, labels = data.prepare(data.train.images).astype(np.float64), data.train.labels
x = images.reshape(len(images), 64)  # each image as a row of 64 numbers
print(x.shape, "numbers from", x.min().round(1), "to", x.max().round(1))

# %% [markdown]
# `data.prepare` has subtracted the **mean image**, the average of all training pictures, and divided by 8. So a positive
# number is a pixel with more ink than on average. (A picture is a grid, but this layer does not care which pixels are
# neighbours. We lay the 8 rows of 8 pixels end to end.)
#
# ## Scores: the linear layer
#
# How could ten scores come from 64 pixels? Here is the simplest way. For each class there is a **weight** for each pixel:
# large and positive if ink at this place speaks for the class, negative if it speaks against it. The score is the sum of
# weight times pixel, plus a number of the class's own, the **bias**:
#
# $$y_o = \sum_d W_{od}\, x_d + b_o$$
#
# $d$ runs over the inputs (pixels), $o$ over the outputs (classes). The weights are a matrix $W$ with a *row for each
# output*. Three pixels and two classes are enough to do it by hand:

# %%
W_small = np.array([[1.0, -1.0, 2.0], [0.0, 1.0, 1.0]])
b_small = np.array([0.5, -1.0])
x_small = np.array([1.0, 2.0, 0.0])
draw.side_by_side(draw.array(W_small, "W"), draw.array(x_small, "x"), draw.array(b_small, "b"))

# %% [markdown]
# The first score is $y_0 = 1 \cdot 1 + (-1) \cdot 2 + 2 \cdot 0 + 0.5 = -0.5$. What is the second?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the second score, from the second row of W, x and the second bias
y1 = 1.0
# END SOLUTION

check.value("y[1]", y1)

# %% [markdown]
# A batch has $N$ images, so $x$ becomes a matrix with a *row for each image*: $y_{no} = \sum_d W_{od}\, x_{nd} + b_o$.
# Written down as it stands, this is three loops, one for each letter:


# %%
def linear_loops(x, weight, bias):
    N, D = x.shape
    O = len(weight)
    y = np.zeros((N, O))
    for n in range(N):  # each image
        for o in range(O):  # each output
            for d in range(D):  # each input
                y[n, o] += weight[o, d] * x[n, d]
            y[n, o] += bias[o]
    return y


linear_loops(x_small[None], W_small, b_small)  # [None]: a batch of one image

# %% [markdown]
# Such loops are slow in Python. But look at the formula: going along a row of $x$ and a *row* of $W$, multiplying and adding
# up, is what a matrix product does with a row and a *column*. So we turn $W$ on its side: $y = x\,W^\top + b$. In NumPy the
# product is `@`, and `W.T` is $W^\top$.
#
# **A good habit:** write the shapes under the formula. $(N, D) \cdot (D, O) = (N, O)$. If the shapes do not fit, the formula
# is wrong.


# %% tags=["exercise"]
def linear_forward(x, weight, bias):
    """x (N, D), weight (O, D), bias (O,) -> y (N, O)."""
    # BEGIN SOLUTION
    # write: one matrix product and one sum
    return x @ weight.T + bias
    # END SOLUTION


report = check.linear_forward(linear_forward)
linear_forward = report.function  # yours if it is right, else ours
report

# %% [markdown]
# Is it worth it? We give 200 images and random weights to both.

# %%
rng = np.random.default_rng(0)
W, b = 0.1 * rng.standard_normal((10, 64)), np.zeros(10)

start = perf_counter()
slow = linear_loops(x[:200], W, b)
middle = perf_counter()
fast = linear_forward(x[:200], W, b)
end = perf_counter()

assert np.allclose(slow, fast)
print(f"three loops {1e3 * (middle - start):.1f} ms, one product {1e3 * (end - middle):.2f} ms")

# %% [markdown]
# The same numbers, hundreds of times faster. All of AlexNet's work will be put into this form; how a convolution becomes a
# matrix product is lesson 3.
#
# ## Probabilities: softmax
#
# A score can be any number. Probabilities must be positive and add up to 1. So: make them positive with $e^z$, then divide by
# their sum. This is called **softmax** (here $z$ are the scores, as is usual when they go into softmax, and $c$ and $k$ are
# classes; in the code there are $C$ of them, the letter that images have for their channels):
#
# $$p_{nc} = \frac{e^{z_{nc}}}{\sum_k e^{z_{nk}}}$$
#
# By hand: the scores of an image with two classes are $0$ and $\ln 3$. How likely is the second class?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the probability of the second class, whose score is ln 3
p1 = 3 / (1 + 3)
# END SOLUTION

check.value("p[1] of [0, ln 3]", p1)

# %% [markdown]
# **A wrong turn that everybody takes once.** Written exactly like the formula, softmax is right, until a score is large:


# %%
def softmax_naive(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


with np.errstate(over="ignore", invalid="ignore"):
    print(softmax_naive(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 1000.0]])))

# %% [markdown]
# $e^{1000}$ has 435 digits; the largest number that a computer holds in 64 bits (a `float64`) has 309. So it becomes `inf`,
# and `inf / inf` is `nan`, not a number. One `nan` in a gradient, and after the next step *all* parameters are `nan`.
#
# The cure: subtract something from all scores of a row. It changes nothing, since above and below the fraction line the same
# factor appears:
#
# $$\frac{e^{z_c - m}}{\sum_k e^{z_k - m}} = \frac{e^{-m}\, e^{z_c}}{e^{-m} \sum_k e^{z_k}} = p_c$$
#
# If $m$ is the row's largest score, the largest exponent is $e^0 = 1$. Nothing can overflow any more.


# %% tags=["exercise"]
def softmax(logits):
    """logits (N, C) -> probabilities (N, C); each row adds up to 1."""
    # BEGIN SOLUTION
    # write: subtract each row's maximum, take exp, divide by each row's sum (keepdims=True keeps the axis)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
    # END SOLUTION


report = check.softmax(softmax)
softmax = report.function
report

# %% [markdown]
# ## The loss: cross-entropy
#
# You know it from lesson 0: minus the logarithm of the probability that the right class $t_n$ got, averaged over the images.
# It has a long name, **cross-entropy**, and is measured in *nats*, because the logarithm is the natural one.
#
# $$L = -\frac{1}{N} \sum_n \ln p_{n\,t_n}$$
#
# Why a logarithm? Look at what it asks for:

# %%
p = np.linspace(0.001, 1, 400)
draw.lines({"": -np.log(p)}, x=p, across="probability of the right class", up="loss of one image", title="-ln p")

# %% [markdown]
# From $p = 1$ to $p = 1/2$ it rises by 0.7; from $1/10$ to $1/100$ by 2.3. To be a little unsure costs little. To be sure and
# wrong costs without limit.
#
# Here hides the second overflow: if a probability is so small that the computer rounds it to 0, its logarithm is $-\infty$.
# But we never need the probability. We need its logarithm, and that can be computed from the scores straight away:
#
# $$\ln p_c = \ln \frac{e^{z_c}}{\sum_k e^{z_k}} = z_c - \ln \sum_k e^{z_k}$$
#
# with the row's maximum subtracted from $z$ first, as before. (To pick from each row the entry of its label:
# `log_p[np.arange(N), labels]`.)


# %% tags=["exercise"]
def cross_entropy(logits, labels):
    """The mean over the images of -ln p[n, labels[n]], a single number."""
    # BEGIN SOLUTION
    # write: log p from the logits, then minus the mean of the right entries
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(labels)), labels].mean())
    # END SOLUTION


report = check.cross_entropy(cross_entropy)
cross_entropy = report.function
report

# %% [markdown]
# Now the whole way from pixels to loss is there. With all weights at 0 all scores are equal, and the loss must be $\ln 10$:

# %%
W, b = np.zeros((10, 64)), np.zeros(10)
print(f"loss {cross_entropy(linear_forward(x, W, b), labels):.6f},  ln 10 = {np.log(10):.6f}")
assert np.isclose(cross_entropy(linear_forward(x, W, b), labels), np.log(10))

# %% [markdown]
# ## A gradient, measured
#
# We want to know, for each weight, how the loss changes when the weight does. That is a derivative,
# $\partial L / \partial W_{od}$; the curly $\partial$ says that all other numbers stay as they are. All these derivatives
# together, in an array of the same shape as $W$, are the gradient. In code we call it `dW`, and always mean
# $\partial L/\partial W$.
#
# One can simply **measure** it. Move the weight a little up and a little down, and see how the loss differs:
#
# $$\frac{\partial L}{\partial W_{od}} \approx \frac{L(W_{od} + h) - L(W_{od} - h)}{2h}$$
#
# This is the slope of the line through two points of the curve. Why two sides, and not just $\big(L(W + h) - L(W)\big)/h$?
# You will see soon. Write it for an array `x` of any shape and any function `f` that makes one number of it.
# (`np.ndindex(*x.shape)` runs through all places of an array. Do not change the caller's `x`: move the numbers of a copy, and
# put each back before you move the next.)


# %% tags=["exercise"]
def numerical_gradient(f, x, h):
    """The array of x's shape with (f(x with x[at] + h) - f(x with x[at] - h)) / (2 h) at each place."""
    # BEGIN SOLUTION
    # write: for each place of x: move it up, move it down, take the difference
    gradient = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[at] += h
        down[at] -= h
        gradient[at] = (f(up) - f(down)) / (2 * h)
    return gradient
    # END SOLUTION


report = check.numerical_gradient(numerical_gradient)
numerical_gradient = report.function
report

# %% [markdown]
# We could train with it! Here is what it costs: one gradient of our 640 weights, on 200 images.

# %%
start = perf_counter()
measured = numerical_gradient(lambda W: cross_entropy(linear_forward(x[:200], W, b), labels[:200]), W, h=1e-5)
seconds = perf_counter() - start
print(f"{W.size} weights: {seconds:.2f} seconds for one gradient")
hours = 61e6 / W.size * seconds / 3600
print(f"at this pace AlexNet's 61 million take {hours:.0f} hours, if its forward pass cost no more than this one")

# %% [markdown]
# So measuring is too slow for learning. But it is *simple*, so simple that you can trust it. Keep it; it will be the judge.
#
# ## A gradient, derived: softmax and cross-entropy
#
# We work backwards, from the loss to the weights. First question: how does the loss change with the scores,
# $\partial L/\partial z$?
#
# Take one image with the right class $t$, and insert the formula for $\ln p_t$:
#
# $$L = -\ln p_t = -z_t + \ln \sum_k e^{z_k}$$
#
# Now differentiate with respect to one score $z_c$. The first part, $-z_t$, only knows the score of the right class: its
# derivative is $-1$ if $c = t$ and 0 otherwise. For the second, use the chain rule, the derivative of $\ln u$ being $1/u$:
#
# $$\frac{\partial}{\partial z_c} \ln \sum_k e^{z_k} = \frac{1}{\sum_k e^{z_k}} \cdot e^{z_c} = p_c$$
#
# It is the softmax again! Together, with $[c = t]$ for "1 if $c = t$, else 0", and with the $1/N$ of the mean over the batch,
#
# $$\boxed{\;\frac{\partial L}{\partial z_{nc}} = \frac{1}{N}\,\big(p_{nc} - [c = t_n]\big)\;}$$
#
# In words: *what the net believes, minus the truth.* With numbers, for one image whose right class is 1:

# %%
z = np.array([[2.0, 1.0, 0.0]])
truth = np.array([[0.0, 1.0, 0.0]])
p = softmax(z)
draw.side_by_side(draw.array(p, "believed: p"), draw.array(truth, "true"), draw.array(p - truth, "dL/dz"), between=["-", "="])

# %% [markdown]
# A step *against* the gradient lowers the scores of classes 0 and 2 and raises that of class 1, and class 0, in which the net
# believed most, is lowered most. The three numbers add up to 0: belief is only moved from one class to another.
#
# Never believe a derivation, not even one in a box. Measure:

# %%
right_class = np.array([1])
print("derived: ", softmax(z) - truth)
print("measured:", numerical_gradient(lambda z: cross_entropy(z, right_class), z, h=1e-5))
assert np.allclose(softmax(z) - truth, numerical_gradient(lambda z: cross_entropy(z, right_class), z, h=1e-5))


# %% tags=["exercise"]
def cross_entropy_backward(logits, labels):
    """dL/dlogits (N, C), for L = cross_entropy(logits, labels)."""
    # BEGIN SOLUTION
    # write: softmax, minus 1 at each row's label, divided by N
    dlogits = softmax(logits)
    dlogits[np.arange(len(labels)), labels] -= 1
    return dlogits / len(labels)
    # END SOLUTION


report = check.cross_entropy_backward(cross_entropy_backward)
cross_entropy_backward = report.function
report

# %% [markdown]
# ## A gradient, derived: the linear layer
#
# A layer in the middle of a net does not know the loss. It only gets told, from the layer above, how the loss changes with
# its *outputs*: $dy_{no} = \partial L/\partial y_{no}$, an array of $y$'s shape. This is called the **upstream gradient**.
# From it the layer must work out how the loss changes with its weights, its bias, and its inputs; the last goes on to the
# layer below, for which it is the upstream gradient. That is all there is to *backpropagation*.
#
# The chain rule says: $\partial L/\partial W_{od}$ is the sum, over all outputs $y$ in which $W_{od}$ appears, of (how the
# loss changes with that output) times (how that output changes with $W_{od}$). It is a sum because a tiny change of $W_{od}$
# changes each of these outputs a little, each of them moves the loss a little, and tiny moves add up. So ask of each number:
# **in which outputs does it appear, and with what factor?** Look at
#
# $$y_{no} = \sum_d W_{od}\, x_{nd} + b_o$$
#
# | number | appears in | with the factor | so its gradient is | as matrices |
# |---|---|---|---|---|
# | $W_{od}$ | $y_{no}$, for every image $n$ | $x_{nd}$ | $\sum_n dy_{no}\, x_{nd}$ | $dy^\top x$ |
# | $b_o$ | $y_{no}$, for every image $n$ | $1$ | $\sum_n dy_{no}$ | sum over the rows |
# | $x_{nd}$ | $y_{no}$, for every output $o$ | $W_{od}$ | $\sum_o dy_{no}\, W_{od}$ | $dy\, W$ |
#
# Check the shapes: $dW$ must be $(O, D)$, like $W$. $dy^\top x$ is $(O, N) \cdot (N, D)$. It fits, and no other product of
# the two would.
#
# By hand, with two images. The weight $W_{00}$ was multiplied by pixel 0 of image 0 (which is 1) and by pixel 0 of image 1
# (which is 3). If the upstream gradients there are $10$ and $-2$, then $dW_{00} = 10 \cdot 1 + (-2) \cdot 3 = 4$.

# %%
x_two = np.array([[1.0, 2.0, 0.0], [3.0, 0.0, 1.0]])
dy_two = np.array([[10.0, 0.0], [-2.0, 1.0]])
dW_two = dy_two.T @ x_two
draw.side_by_side(draw.array(dy_two.T, "dyᵀ"), draw.array(x_two, "x"), draw.array(dW_two, "dW"), between=["·", "="])


# %% tags=["exercise"]
def linear_backward(dy, x, weight):
    """dy (N, O), x (N, D), weight (O, D) -> dx (N, D), dweight (O, D), dbias (O,)."""
    # BEGIN SOLUTION
    # write: one line of the table for each of the three
    dx = dy @ weight
    dweight = dy.T @ x
    dbias = dy.sum(axis=0)
    return dx, dweight, dbias
    # END SOLUTION


report = check.linear_backward(linear_backward)
linear_backward = report.function
report

# %% [markdown]
# And the two together give the gradient that we measured above. One backward pass gives all 640 slopes at once:

# %%
start = perf_counter()
dlogits = cross_entropy_backward(linear_forward(x[:200], W, b), labels[:200])
_, dW, db = linear_backward(dlogits, x[:200], W)
print(f"{1e3 * (perf_counter() - start):.2f} ms, instead of {1e3 * seconds:.0f} ms")

assert np.allclose(dW, measured, atol=1e-8)
print(f"largest difference between derived and measured: {np.abs(dW - measured).max():.1e}")

# %% [markdown]
# ## It learns
#
# Now everything is there. 150 steps, each with all training images, each moving every number a little against its slope. (Why
# the rate is 0.3, and what one does better, is lesson 8.)


# %%
def learn(gradient, steps=150, lr=0.3):
    """Start at 0, go downhill; gradient(logits, labels) says which way that is. Returns W, b and the loss of every step."""
    W, b, losses = np.zeros((10, 64)), np.zeros(10), []
    for _ in range(steps):
        logits = linear_forward(x, W, b)
        losses.append(cross_entropy(logits, labels))
        _, dW, db = linear_backward(gradient(logits, labels), x, W)
        W, b = W - lr * dW, b - lr * db
    return W, b, losses


x_test = data.prepare(data.test.images).reshape(-1, 64).astype(np.float64)


def test_error(W, b):
    return (linear_forward(x_test, W, b).argmax(axis=1) != data.test.labels).mean()


W, b, losses = learn(cross_entropy_backward)
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f},  test error {test_error(W, b):.1%}")
draw.pictures(W.reshape(10, 8, 8), captions=range(10), signed=True)

# %% [markdown]
# These are the ten rows of $W$, laid out as pictures: orange is where ink speaks for the digit, blue where it speaks against
# it. The 0 does not like ink in its middle. They started at zero; all of it came out of the gradient.
#
# ## A wrong gradient
#
# Suppose somebody reasons: "the net should believe more in the right class. So I raise the score of the right class, and the
# others will follow." The gradient then has the term for $c = t$, and zeros elsewhere:


# %%
def right_class_only(logits, labels):
    """Wrong: the other classes are left out."""
    dlogits = np.zeros_like(logits)
    rows = np.arange(len(labels))
    dlogits[rows, labels] = softmax(logits)[rows, labels] - 1
    return dlogits / len(labels)


W_wrong, b_wrong, losses_wrong = learn(right_class_only)
print(f"right gradient: loss {losses[-1]:.3f}, test error {test_error(W, b):.1%}")
print(f"wrong gradient: loss {losses_wrong[-1]:.3f}, test error {test_error(W_wrong, b_wrong):.1%}")
draw.lines({"right gradient": losses, "wrong gradient": losses_wrong}, up="loss", title="Both go down")

# %% [markdown]
# It learns! The two curves can hardly be told apart. Only on the digits of the test it is clearly worse, and who would notice
# without the other to compare with? Bugs like this one have lived in published code for years, because "the loss goes down"
# was the only test.
#
# **That the loss goes down proves nothing.** So we do not look at the loss. We compare with the measured gradient:

# %%
logits = rng.standard_normal((4, 10))
some_labels = np.array([3, 1, 4, 1])
measured = numerical_gradient(lambda z: cross_entropy(z, some_labels), logits, h=1e-5)
for name, gradient in {"right": cross_entropy_backward, "wrong": right_class_only}.items():
    received = gradient(logits, some_labels)
    error = np.abs(received - measured).max() / np.abs(measured).max()
    print(f"{name}: off by {error:.1e} of the largest number")

# %% [markdown]
# About one part in ten thousand million, against one half. There is no doubt left.
#
# ## What a check can overlook
#
# A check is a piece of code, too, and can be wrong in its own ways. Here are the three that matter.
#
# ### 1. The wrong step h
#
# How small should $h$ be? "As small as possible" is the natural answer, and it is wrong. Let us take the slope of one weight,
# which we now know to fourteen digits, and measure it with different $h$:
#
# - one-sided: $\big(L(W+h) - L(W)\big)/h$
# - two-sided: $\big(L(W+h) - L(W-h)\big)/2h$
# - two-sided again, but with everything in `float32` (seven digits), as nets are usually computed.

# %%
x200, t200 = x[:200], labels[:200]
W0 = 0.1 * rng.standard_normal((10, 64))
b0 = np.zeros(10)
at = (3, 20)  # any weight will do
_, dW0, _ = linear_backward(cross_entropy_backward(linear_forward(x200, W0, b0), t200), x200, W0)


def loss_when_moved(step, dtype=np.float64):
    """The loss, in this dtype, with one weight moved."""
    moved = W0.astype(dtype)
    moved[at] += dtype(step)
    log_p = linear_forward(x200.astype(dtype), moved, b0.astype(dtype))
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    return -log_p[np.arange(200), t200].mean()


steps = 10.0 ** np.arange(-15, 0)
one_sided = [(loss_when_moved(h) - loss_when_moved(0)) / h for h in steps]
two_sided = [(loss_when_moved(h) - loss_when_moved(-h)) / (2 * h) for h in steps]
with np.errstate(divide="ignore"):
    single = [float(loss_when_moved(h, np.float32) - loss_when_moved(-h, np.float32)) / (2 * h) for h in steps]


def relative(slopes):
    return np.maximum(np.abs(np.array(slopes) - dW0[at]) / abs(dW0[at]), 1e-16)


draw.lines(
    {"one-sided": relative(one_sided), "two-sided": relative(two_sided), "two-sided, float32": relative(single)},
    x=steps,
    across="h",
    up="relative error",
    title="Why h matters",
    log="xy",
)

# %% [markdown]
# (The relative error is the error as a share of the slope. From one line of the grid to the next is a factor of a hundred.)
# Read it from right to left. With a large $h$ the line through two points is not yet the tangent. Making $h$ ten times
# smaller makes the one-sided error ten times smaller, but the two-sided one *a hundred* times: to the left and to the right
# of the point the curve bends away by nearly the same amount, and in the difference that cancels. That is why we take two
# sides.
#
# Then the curves turn up again. $L(W + h)$ and $L(W - h)$ are now nearly equal; in their difference the leading digits
# cancel, and what is left is rounding noise, divided by a tiny $2h$. With $h = 10^{-15}$ nothing is left.
#
# For two sides in float64, about $10^{-5}$ is best, and gives ten good digits. In float32 there is *no* good $h$: at best
# three or four digits. This is why gradients are always checked in float64, even if the net will run in float32.
#
# > **An aside, which you may skip.** There is a way without any subtraction. Take an imaginary step: with $i = \sqrt{-1}$,
# > $f(x + ih) \approx f(x) + ih\,f'(x)$, so that the slope is the imaginary part divided by $h$. Nothing is subtracted,
# > nothing cancels, and $h$ can be $10^{-30}$. NumPy computes with complex numbers without being asked. minialex checks its
# > smooth layers this way, too.

# %%
h = 1e-30
moved = W0.astype(complex)
moved[at] += 1j * h
log_p = linear_forward(x200, moved, b0)
log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
slope = -log_p[np.arange(200), t200].mean().imag / h
print(f"complex step {slope:.16f}\nderived      {dW0[at]:.16f}")
assert np.isclose(slope, dW0[at], rtol=1e-12)

# %% [markdown]
# ### 2. The wrong question
#
# A layer in the middle has many outputs. To check it, one needs one number, so people add all outputs up and check the
# gradient of the sum; the upstream gradient is then all ones. It is convenient, and blind. Take softmax as a layer: its
# outputs *always* add up to 1, whatever the scores are. So the gradient of the sum is 0, and this "backward pass" passes:


# %%
def softmax_backward_of_a_lazy_person(dy, logits):
    return np.zeros_like(logits)


z = rng.standard_normal((2, 5))
ones = np.ones_like(z)
measured = numerical_gradient(lambda z: (ones * softmax(z)).sum(), z, h=1e-5)
print("upstream of ones:   off by", np.abs(softmax_backward_of_a_lazy_person(ones, z) - measured).max().round(10))

dy = rng.standard_normal(z.shape)
measured = numerical_gradient(lambda z: (dy * softmax(z)).sum(), z, h=1e-5)
print("random upstream:    off by", np.abs(softmax_backward_of_a_lazy_person(dy, z) - measured).max().round(3))

# %% [markdown]
# So: always a **random** upstream gradient $dy$, and the loss $L = \sum dy \cdot y$. Then nothing cancels by accident.
#
# ### 3. The wrong example
#
# One case is not enough. Here is a `Linear` whose author forgot a transposition. With three inputs and three outputs all
# shapes fit. `check_layer` is minialex's own judge: it draws a random upstream gradient, measures every number, and raises an
# error that says what is wrong, where, and what it looks like.


# %%
class Forgetful(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = self.grads["weight"].T  # wrong
        return dx


def judge(layer, x):
    try:
        print("right:", check_layer(layer, x))
    except GradientError as problem:
        print("wrong:", problem)


judge(Linear(3, 3, std=1.0, dtype=np.float64), rng.standard_normal((4, 3)))
judge(Forgetful(3, 3, std=1.0, dtype=np.float64), rng.standard_normal((4, 3)))
judge(Forgetful(1, 1, std=1.0, dtype=np.float64), rng.standard_normal((4, 1)))  # one input, one output

# %% [markdown]
# (A *coordinate* is one number that was moved up and down. What a *kink* is, lesson 2 shows.)
#
# With three inputs it is caught. With one input and one output it passes: a single number is its own transpose. An example
# that is too simple hides mistakes, and so does one that is too regular. So when you call `check.linear_backward`, it tries
# many cases of different sizes, $N$, $D$ and $O$ all different, float32 and float64, arrays whose memory lies in unusual
# order; and when one fails, it looks for the smallest that still does. The library that draws them is called Hypothesis. The
# same checks run on minialex's own layers, and the hundreds of errors that we planted in these on purpose are all found.
#
# ## What you have written is what minialex has
#
# Its layers are objects, which keep their parameters in `params`, and in `backward` fill `grads`. The numbers are yours:

# %%
layer, loss = Linear(64, 10, std=0.1, dtype=np.float64), SoftmaxCrossEntropy()
value = loss.forward(layer.forward(x), labels)
dx = layer.backward(loss.backward())

W, b = layer.params["weight"], layer.params["bias"]
mine = linear_forward(x, W, b)
my_dx, my_dW, my_db = linear_backward(cross_entropy_backward(mine, labels), x, W)
assert np.isclose(value, cross_entropy(mine, labels))
assert np.allclose(dx, my_dx)
assert np.allclose(layer.grads["weight"], my_dW)
assert np.allclose(layer.grads["bias"], my_db)
print("all equal")

# %% [markdown]
# ## Recap
#
# - A linear layer is $y = xW^\top + b$; backwards, $dx = dy\,W$, $dW = dy^\top x$, $db = \sum_n dy_n$. Each follows from: *in
#   which outputs does the number appear, and with what factor?*
# - Softmax: subtract the maximum first. Cross-entropy: take $\ln p$ from the scores, not from the probabilities.
# - Their gradient together is $(p - \text{truth})/N$.
# - A falling loss proves nothing. A measured gradient does: two sides, $h \approx 10^{-5}$, float64, a random upstream
#   gradient, many odd shapes.
#
# ## Five questions
#
# **1.** Where did the $1/N$ go? In `linear_backward` there is none, though the loss is a mean over $N$ images.
#
# <details><summary>Answer</summary>
#
# It is in `dy`. The loss divides by $N$, so its backward pass does, and every gradient below it carries the factor along.
# Dividing once more in the layer would be wrong (and is a common mistake).
#
# </details>
#
# **2.** The gradient of an image's scores is $p - \text{truth}$. When is it all zeros, and what does that mean?
#
# <details><summary>Answer</summary>
#
# When $p$ is 1 for the right class and 0 for all others. The net is right and certain, and this image has nothing more to
# teach it. Hard images push, easy ones do not.
#
# </details>
#
# **3.** You check a gradient with two sides and $h = 10^{-10}$ in float64, and it is off by $10^{-5}$. Is the gradient wrong?
#
# <details><summary>Answer</summary>
#
# Not necessarily: look at the picture. At $10^{-10}$ the *measurement* has only five or six good digits. Take $10^{-5}$ and
# look again.
#
# </details>
#
# **4.** Why does it not help to add 5 to all ten biases?
#
# <details><summary>Answer</summary>
#
# All scores of every image grow by 5, and softmax does not notice: $e^5$ stands above and below the fraction line. For the
# same reason the gradient of an image's scores adds up to 0.
#
# </details>
#
# **5.** All weights started at 0, and it learned. Would that work if there were a second linear layer on top, starting at 0
# as well?
#
# <details><summary>Answer</summary>
#
# No. Then $dx = dy\,W = 0$ for the upper layer, since its $W$ is 0: nothing comes down to the lower one; and the upper one's
# $dW = dy^\top x$ is 0, since the lower one's output $x$ is 0. Only the last bias moves. That is why layers start at random
# numbers. How large these should be is lesson 8.
#
# </details>
#
# **Next:** [lesson 2](02_relu_or_tanh.ipynb). One linear layer on top of another is still one linear layer. Something must
# come in between.
