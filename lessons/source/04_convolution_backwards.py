# %% [markdown]
# # 4. Convolution, backwards
#
# *About 40 minutes. You need lesson 1 (how a gradient passes through a linear layer, and how to check one) and lesson
# 3 (im2col).*
#
# **The question.** A convolution has put out $y$. Further up, somebody computed a loss $L$ from it, one number that
# says how bad the net's answer was. Down to us comes an array `dy`, of the shape of $y$: its entry $[n, o, i, j]$
# says how fast $L$ grows when $y[n, o, i, j]$ grows by a tiny bit. In short, $dy = \partial L / \partial y$. From it
# we need three things:
#
# - `dweight`: how much each weight should change. For learning.
# - `dbias`: the same for each bias.
# - `dx`: what to tell the layer below, which cannot learn without it.
#
# One rule is enough for all three. **If a number went into several places, its gradient is the sum of what comes back
# from each of them.** That is the chain rule for many paths, and you used it in lesson 1. So all that we have to do
# is follow one number, and see where it went.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

from lessons import check, draw
from minialex.gradcheck import check_layer
from minialex.layers import Conv2d, im2col
from minialex.plots import ORANGE

x = np.array([[1.0, 2.0, 0.0], [3.0, 1.0, 2.0], [0.0, 1.0, 1.0]])
w = np.array([[1.0, -1.0], [2.0, 0.0]])


def convolve(x, w, b=0.0, s=1):
    """One picture, one channel, one kernel, stride s: the sum of lesson 3, as plain as it gets."""
    kH, kW = w.shape
    oH, oW = (x.shape[0] - kH) // s + 1, (x.shape[1] - kW) // s + 1
    y = np.empty((oH, oW))
    for i, j in np.ndindex(oH, oW):
        y[i, j] = b + (w * x[i * s : i * s + kH, j * s : j * s + kW]).sum()
    return y


y = convolve(x, w)
draw.side_by_side(draw.array(x, "x"), draw.array(w, "w"), draw.array(y, "y"), between=("*", "="))

# %% [markdown]
# This is the example of lesson 3. Say the gradient that comes from above is this `dy`:

# %%
dy = np.array([[1.0, 0.0], [2.0, -1.0]])
draw.array(dy, "dy")

# %% [markdown]
# It says: if $y[0, 0]$ grows by a little, so does the loss, by as much. $y[0, 1]$ does not matter at all. $y[1, 0]$
# matters twice as much as $y[0, 0]$. And if $y[1, 1]$ grows, the loss falls.
#
# ## Follow one weight
#
# Take the weight $w[0, 1] = -1$, the top right one. Where was it used? Once for every output, for it is at the same
# place in the kernel at all four places that the kernel took:
#
# | output | the pixel that lay under $w[0, 1]$ |
# |---|---|
# | $y[0, 0]$ | $x[0, 1] = 2$ |
# | $y[0, 1]$ | $x[0, 2] = 0$ |
# | $y[1, 0]$ | $x[1, 1] = 1$ |
# | $y[1, 1]$ | $x[1, 2] = 2$ |
#
# If $w[0, 1]$ grows by a tiny $h$, then $y[0, 0]$ grows by $2h$, because there the weight is multiplied by 2. The
# loss grows by $dy[0, 0] \cdot 2h$ for that. The other three outputs bring their shares, and they add up:
#
# $$dw[0, 1] = dy[0, 0] \cdot 2 + dy[0, 1] \cdot 0 + dy[1, 0] \cdot 1 + dy[1, 1] \cdot 2 = 2 + 0 + 2 - 2 = 2$$
#
# Do not believe it: nudge the weight, and look. As a loss we may take $L = \sum dy \cdot y$. Its gradient with
# respect to $y$ is $dy$, and that is all that we want of it.


# %%
def loss(x, w, s=1):
    return (dy * convolve(x, w, s=s)).sum()


h = 1e-6
up, down = w.copy(), w.copy()
up[0, 1] += h
down[0, 1] -= h
slope = (loss(x, up) - loss(x, down)) / (2 * h)
print("the slope when w[0, 1] is nudged:", round(slope, 6))
assert np.isclose(slope, 2)

# %% [markdown]
# Look at the pixels in the table once more: $x[0, 1], x[0, 2], x[1, 1], x[1, 2]$. They are a window of $x$, of the
# size of *y*, that begins at $(0, 1)$. Every weight $w[u, v]$ sees such a window, the one that begins at $(u, v)$:

# %%
figure, axes = plt.subplots(1, 4, figsize=(8.4, 2.3), dpi=80, layout="constrained")
for ax, (u, v) in zip(axes, np.ndindex(2, 2), strict=True):
    seen = np.zeros((3, 3))
    seen[u : u + 2, v : v + 2] = 1
    draw.readers(x.astype(int), ax, f"what w[{u}, {v}] saw", lit=seen)
plt.show()

# %% [markdown]
# With a stride $(sH, sW)$ the pixels of the window lie that far apart. So, for one channel,
#
# $$dw[u, v] = \sum_{i, j} dy[i, j] \; x[i \, sH + u, \; j \, sW + v]$$
#
# and the same with more indices for many pictures, channels and kernels:
#
# $$dW[o, c, u, v] = \sum_{n, i, j} dy[n, o, i, j] \; x_{padded}[n, c, \; i \, sH + u, \; j \, sW + v]$$
#
# The sum runs over the pictures $n$ as well: the weight was used for each of them. Now do $dw[1, 0]$ with a pencil.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the sum of dy times the pixels that lay under w[1, 0]
slope_of_w10 = 1 * 3 + 0 * 1 + 2 * 0 + (-1) * 1
# END SOLUTION

check.value("dw[1, 0]", slope_of_w10)

# %% [markdown]
# **The bias** is the easiest. It was added to every output, with a factor of 1. So $db = \sum_{i, j} dy[i, j]$, here
# $1 + 0 + 2 - 1 = 2$; with many pictures and kernels,
#
# $$db[o] = \sum_{n, i, j} dy[n, o, i, j]$$
#
# People write `mean` here, because "it should not depend on how many places there are". But it does: nudge the bias,
# and *all* outputs move.


# %%
def numerical(f, a, h=1e-6):
    """The slope of f when each entry of a is nudged, from lesson 1."""
    slopes = np.zeros_like(a)
    for at in np.ndindex(a.shape):
        kept = a[at]
        a[at] = kept + h
        above = f()
        a[at] = kept - h
        slopes[at] = (above - f()) / (2 * h)
        a[at] = kept
    return slopes


dw = np.empty((2, 2))
for u, v in np.ndindex(2, 2):
    dw[u, v] = (dy * x[u : u + 2, v : v + 2]).sum()  # the window that w[u, v] saw
assert np.allclose(dw, numerical(lambda: loss(x, w), w))

bias = np.zeros(1)
assert np.isclose(dy.sum(), numerical(lambda: (dy * convolve(x, w, b=bias[0])).sum(), bias)[0])
shown = draw.array(dy, "dy"), draw.array(x, "x"), draw.array(dw, "dw")
draw.side_by_side(*shown, between=("*", "="))

# %% [markdown]
# (The picture says it: for stride 1, $dw$ is itself a convolution, of $x$ with the "kernel" $dy$.)
#
# ## Follow one pixel
#
# Now the other way round. Take the pixel in the middle, $x[1, 1] = 1$. Which outputs did it go into? All four, and
# each time it lay under *another* weight:
#
# | output | the weight that lay on $x[1, 1]$ |
# |---|---|
# | $y[0, 0]$ | $w[1, 1] = 0$ |
# | $y[0, 1]$ | $w[1, 0] = 2$ |
# | $y[1, 0]$ | $w[0, 1] = -1$ |
# | $y[1, 1]$ | $w[0, 0] = 1$ |
#
# $$dx[1, 1] = dy[0, 0] \cdot 0 + dy[0, 1] \cdot 2 + dy[1, 0] \cdot (-1) + dy[1, 1] \cdot 1 = 0 + 0 - 2 - 1 = -3$$
#
# The pixel in the corner, $x[0, 0]$, went into $y[0, 0]$ only, under $w[0, 0]$: $dx[0, 0] = dy[0, 0] \cdot 1 = 1$. So
# pixels differ in how many patches read them. Here is that number for a picture of 5 × 6 and a kernel of 3 × 3:


# %%
def readers(H, W, kernel, stride, padding=(0, 0, 0, 0)):
    """How many patches read each pixel: number the pixels, and count the copies."""
    names = np.arange(1.0, H * W + 1).reshape(1, 1, H, W)
    copies = im2col(names, kernel, stride, padding).astype(int).ravel()
    return np.bincount(copies, minlength=H * W + 1)[1:].reshape(H, W)


figure, axes = plt.subplots(1, 4, figsize=(11, 2.5), dpi=75, layout="constrained")
for ax, (stride, padding) in zip(axes, [(1, 0), (1, 1), (2, 0), (3, 0)], strict=True):
    counts = readers(5, 6, (3, 3), (stride, stride), (padding,) * 4)
    draw.readers(counts, ax, f"stride {stride}, padding {padding}")
plt.show()

# %% [markdown]
# To go through the pixels one by one and ask "who read you?" is awkward: the answer depends on the stride and on the
# border. It is easier from the other end. Each *output* knows which patch it read, and with which weights. So let
# each output bring its share back to its patch, and let the shares **add up** where patches overlap:
#
# $$dx_{padded}[i \, sH + u, \; j \, sW + v] \mathrel{+}= dy[i, j] \; w[u, v] \qquad \text{for all } i, j, u, v$$


# %%
def scatter(dy, w, shape, s=1):
    """dx for one picture, channel and kernel: each output's share goes back to its patch."""
    kH, kW = w.shape
    dx = np.zeros(shape)
    for i, j in np.ndindex(dy.shape):
        dx[i * s : i * s + kH, j * s : j * s + kW] += dy[i, j] * w
    return dx


dx = scatter(dy, w, x.shape)
assert dx[1, 1] == -3
assert dx[0, 0] == 1
assert np.allclose(dx, numerical(lambda: loss(x, w), x))
shown = draw.array(dy, "dy"), draw.array(w, "w"), draw.array(dx, "dx")
draw.side_by_side(*shown, between=("scattered with", "gives"))

# %% [markdown]
# One line of code. Three wrong turns lead off it, and everybody takes one of them sooner or later. Let us take all
# three on purpose, with a stride of 2 and a larger picture, and see what comes out.
#
# - **`=` where `+=` is meant.** "I put the gradient where it belongs." But the last patch wipes out what the others
#   brought.
# - **The stride forgotten.** The forward pass read patches that lie two pixels apart; the backward pass puts them
#   back side by side.
# - **Averaged.** "That pixel is counted four times, so I divide by four." It *was* used four times. A pixel with more
#   readers has more influence on the loss. The gradient must say so.

# %%
rng = np.random.default_rng(4)
picture = rng.integers(0, 5, (7, 7)).astype(float)
kernel = rng.integers(-2, 4, (3, 3)).astype(float)
upstream = rng.integers(-2, 3, (3, 3)).astype(float)
truth = numerical(lambda: (upstream * convolve(picture, kernel, s=2)).sum(), picture).round(6)


def overwritten(dy, w, shape):
    dx = np.zeros(shape)
    for i, j in np.ndindex(dy.shape):
        dx[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] = dy[i, j] * w  # wrong
    return dx


def stride_forgotten(dy, w, shape):
    dx = np.zeros(shape)
    for i, j in np.ndindex(dy.shape):
        dx[i : i + 3, j : j + 3] += dy[i, j] * w  # wrong
    return dx


def averaged(dy, w, shape):
    return scatter(dy, w, shape, s=2) / readers(*shape, (3, 3), (2, 2))  # wrong


assert np.allclose(scatter(upstream, kernel, (7, 7), s=2), truth)  # right
shown = [draw.array(truth, "the true dx", largest=6)]
attempts = {"= for +=": overwritten, "stride forgotten": stride_forgotten, "averaged": averaged}
for name, wrong in attempts.items():
    got = wrong(upstream, kernel, (7, 7))
    off = ~np.isclose(got, truth)
    cosine = (got * truth).sum() / np.sqrt((got**2).sum() * (truth**2).sum())
    print(f"{name:18} {off.mean():4.0%} of the pixels wrong; cosine to the true dx {cosine:+.2f}")
    shown.append(draw.array(got, name, largest=6, marks=off))
    assert off.any()
draw.side_by_side(*shown)

# %% [markdown]
# (Framed: what is wrong.) Look at the cosines. A cosine of 1 would be the same direction. These gradients are wrong,
# but they still point more or less uphill, and two of them nearly straight uphill. A net that follows them **still
# learns**, only worse. That is why such errors live so long in people's code: the loss goes down, and nobody looks
# further. A falling loss proves nothing. A check proves it.
#
# ## With matrices
#
# So far one channel, one kernel. For the whole of it, remember what lesson 3 made of convolution:
#
# $$X = \text{im2col}(x) \qquad Y = X W^T + b$$
#
# with a row $p = (n, i, j)$ for each place and a column $q = (u, v, c)$. The second step is a linear layer. You know
# its backward pass from lesson 1, and nothing about it is new. With $dY$ as a matrix too, a row for each $p$, a
# column for each kernel $o$:
#
# $$dW = dY^T X \qquad dW[o, q] = \sum_p dY[p, o] \; X[p, q]$$
# $$db = \sum_p dY[p]$$
# $$dX = dY \, W \qquad dX[p, q] = \sum_o dY[p, o] \; W[o, q]$$
#
# Compare the first with the formula for $dW[o, c, u, v]$ that we found by following one weight. It is the same sum: a
# row $p$ is a place, and $X[p, q]$ is the pixel that lay under weight $q$ there.
#
# What is left is the first step. $dX$ has a gradient for every entry of $X$, and the entries of $X$ are *copies* of
# pixels. So a pixel's gradient is the sum of the gradients of all its copies. That step is called **col2im**:
#
# $$dx_{padded}[n, c, \; i \, sH + u, \; j \, sW + v] \mathrel{+}= dX[(n, i, j), (u, v, c)]$$
#
# ## col2im is a transpose
#
# There is a second way to see this, and it is worth two minutes. im2col only copies. Copying is linear: so there is a
# matrix $S$ of zeros and ones with $X_{flat} = S \, x_{flat}$. Each row of $S$ has a single 1: it says which pixel
# this entry of $X$ is a copy of. We can find $S$ by asking im2col what it does to a picture with one white pixel, for
# each pixel in turn:

# %%
S = np.stack([im2col(pixel.reshape(1, 1, 3, 3), (2, 2)).ravel() for pixel in np.eye(9)], axis=1)
assert np.array_equal(S @ x.ravel(), im2col(x.reshape(1, 1, 3, 3), (2, 2)).ravel())
assert np.array_equal(S.sum(axis=1), np.ones(16))  # every entry of X is a copy of one pixel

figure, ax = plt.subplots(figsize=(3.6, 4.6), dpi=80, layout="constrained")
ax.pcolormesh(S[::-1], cmap="Blues", vmax=1.4, edgecolors="#DDDDDD", linewidth=0.5)
ax.add_patch(plt.Rectangle((4, 0), 1, 16, fill=False, edgecolor=ORANGE, linewidth=2))
entries = [f"X[{p}, {q}]" for p in range(4) for q in range(4)]
pixels = [f"x[{i},{j}]" for i in range(3) for j in range(3)]
ax.set_yticks(np.arange(16) + 0.5, entries[::-1], fontsize=7)
ax.set_xticks(np.arange(9) + 0.5, pixels, fontsize=7, rotation=60)
ax.set_title("S: which pixel each entry of X copies", fontsize=10, loc="left")
plt.show()

# %% [markdown]
# Read the framed column from top to bottom: the middle pixel $x[1, 1]$ has four copies. To go back through a matrix
# is to multiply with its transpose, as in lesson 1: $dx = S^T \, dX$. The product with that column adds up the four
# copies' gradients. **col2im is $S^T$.** Nobody builds $S$, for it is enormous and almost empty. But the picture
# answers every question about averaging: $S^T$ has ones in it, and no quarters.
#
# It also gives a test that needs no derivatives. For any $x$ and any $d$, the number $\sum \text{im2col}(x) \cdot d$
# must equal $\sum x \cdot \text{col2im}(d)$, since $(S x) \cdot d = x \cdot (S^T d)$. Mathematicians call col2im the
# *adjoint* of im2col. `check` will draw random $x$ and $d$ and ask just that.

# %%
d = rng.standard_normal((1, 2, 2, 2, 2, 1))
adjoint = (S.T @ d.ravel()).reshape(3, 3)
by_hand = np.zeros((3, 3))
for i, j in np.ndindex(2, 2):
    by_hand[i : i + 2, j : j + 2] += d[0, i, j, :, :, 0]
assert np.allclose(adjoint, by_hand)
assert np.isclose((im2col(x.reshape(1, 1, 3, 3), (2, 2)) * d).sum(), (x * adjoint).sum())

# %% [markdown]
# ## Exercise 1: col2im
#
# `columns` has the shape $(N, oH, oW, kH, kW, C)$, and `x_shape` is $(N, C, H, W)$. Return the sum for every pixel,
# in the shape `x_shape`.
#
# The loop that was good for im2col is good here, with the two sides exchanged and `+=` for `=`. For one place
# $(u, v)$ in the kernel, no two patches write to the same pixel (two patches lie at least one pixel apart). So one
# sliced `+=` for each $(u, v)$ is safe. Add into a padded array of zeros, and cut the padding off at the end.
#
# One more trap, if you would rather use index arrays: `a[[0, 0]] += 1` adds **once**, not twice. NumPy reads, adds,
# then writes.

# %%
a = np.zeros(2)
a[[0, 0]] += 1
print("a[[0, 0]] += 1      ", a)
np.add.at(a, [0, 0], 1)
print("then np.add.at(...) ", a)


# %% tags=["exercise"]
def col2im(columns, x_shape, stride, padding):
    """columns (N, oH, oW, kH, kW, C) -> (N, C, H, W): each pixel collects from all its copies."""
    # BEGIN SOLUTION
    # write: for each (u, v) add columns[:, :, :, u, v] onto a slice of zeros, then cut the padding off
    (_, oH, oW, kH, kW, _), (N, C, H, W) = columns.shape, x_shape
    (sH, sW), (top, bottom, left, right) = stride, padding
    padded = np.zeros((N, top + H + bottom, left + W + right, C), columns.dtype)
    for u in range(kH):
        for v in range(kW):
            padded[:, u : u + sH * oH : sH, v : v + sW * oW : sW] += columns[:, :, :, u, v]
    return padded[:, top : top + H, left : left + W].transpose(0, 3, 1, 2)
    # END SOLUTION


scattered = check.col2im(col2im)
scattered

# %% [markdown]
# ## Exercise 2: the whole backward pass
#
# Three products and a col2im. `im2col` is imported from minialex above: `im2col(x, kernel, stride, padding)`;
# `scattered.function` is your col2im, or ours if yours is not there yet.
#
# The letters to hold on to: $dY$ is $(p, o)$, so bring the kernels of `dy` to the last axis *before* you reshape. $W$
# is $(o, q)$ with $q = (u, v, c)$, as in lesson 3. And `dweight` must go the way back, from $(o, u, v, c)$ to
# $(O, C, kH, kW)$.


# %% tags=["exercise"]
def conv_backward(dy, x, weight, stride, padding):
    """dx (N, C, H, W), dweight (O, C, kH, kW), dbias (O,), from dy (N, O, oH, oW)."""
    # BEGIN SOLUTION
    # write: dweight from dY.T @ X, dbias from the rows of dY, dx from col2im of dY @ W
    O, C, kH, kW = weight.shape
    columns = im2col(x, (kH, kW), stride, padding)
    X = columns.reshape(-1, kH * kW * C)
    W = weight.transpose(0, 2, 3, 1).reshape(O, -1)
    dY = dy.transpose(0, 2, 3, 1).reshape(-1, O)
    dweight = (dY.T @ X).reshape(O, kH, kW, C).transpose(0, 3, 1, 2)
    dbias = dY.sum(axis=0)
    dX = (dY @ W).reshape(columns.shape)
    dx = scattered.function(dX, x.shape, stride, padding)
    return dx, dweight, dbias
    # END SOLUTION


backward = check.conv_backward(conv_backward)
backward

# %% [markdown]
# If something is wrong, you see the smallest case in which it is, and often what it looks like. Try it: write
# `dY.mean(axis=0)`, or forget the stride on purpose. The check is the one that minialex's own code has to pass.
#
# ## Why the check draws a random `dy`
#
# A habit from many tutorials: set `dy` to ones, as if the loss were the sum of all outputs. It looks harmless. Here
# is a backward pass that is wrong: it has rows and columns of `dy` mixed up. With ones, nobody can tell.


# %%
def mixed_up(dy, x, weight, stride, padding):
    return backward.function(dy.transpose(0, 1, 3, 2), x, weight, stride, padding)  # wrong


batch, weight = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3))
for name, dy4 in (("ones", np.ones((2, 4, 4, 4))), ("random", rng.standard_normal((2, 4, 4, 4)))):
    given = dy4, batch, weight, (1, 1), (0, 0, 0, 0)
    right, wrong = backward.function(*given), mixed_up(*given)
    agree = all(np.allclose(a, b) for a, b in zip(right, wrong, strict=True))
    print(f"dy = {name:7} the right one and the wrong one agree: {agree}")
    assert agree == (name == "ones")

# %% [markdown]
# minialex's layers go through such a check for every kind of kernel, stride and padding. This is one case of it, on
# minialex's own `Conv2d`; it raises if a single gradient is off.

# %%
sides = {"stride": (2, 1), "padding": (0, 1, 2, 0)}
layer = Conv2d(3, 4, (3, 2), **sides, dtype=np.float64, std=0.5, rng=rng)
check_layer(layer, rng.standard_normal((2, 3, 6, 5)))
y4 = layer.forward(batch)
dy4 = rng.standard_normal(y4.shape)
dx4 = layer.backward(dy4)
mine = backward.function(dy4, batch, layer.params["weight"], **sides)
for ours, yours in zip((dx4, layer.grads["weight"], layer.grads["bias"]), mine, strict=True):
    assert np.allclose(ours, yours)
print(layer, "agrees in dx, dweight and dbias")

# %% [markdown]
# ## Put it to use: find a hidden kernel
#
# Somebody has moved a secret 3 × 3 kernel over a picture of noise. You have the picture and the result. Can you find
# the kernel? Start from zeros, and let your `dweight` lead the way: $w \leftarrow w - \text{rate} \cdot dw$. The loss
# is half the mean of $(y - target)^2$, so $dy = (y - target) / \text{number of outputs}$.

# %%
noise = rng.standard_normal((1, 1, 40, 40))
secret = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0.0]]).reshape(1, 1, 3, 3)
secret_layer, guess = (Conv2d(1, 1, 3, padding=1, dtype=np.float64) for _ in range(2))
secret_layer.params["weight"][...] = secret
target = secret_layer.forward(noise)
guess.params["weight"][...] = 0

losses, steps = [], {}
for step in range(13):
    if step in (0, 1, 3, 12):
        steps[step] = guess.params["weight"][0, 0].copy()
    off = guess.forward(noise) - target
    losses.append(0.5 * (off**2).mean())
    w = guess.params["weight"]
    _, dweight, _ = backward.function(off / off.size, noise, w, (1, 1), (1, 1, 1, 1))
    w -= 0.7 * dweight
print("losses:", *(f"{value:.2g}" for value in losses))
assert np.allclose(guess.params["weight"], secret, atol=0.01)
shown = [draw.array(np.round(k, 2), f"after step {n}", largest=4) for n, k in steps.items()]
draw.side_by_side(*shown)

# %% [markdown]
# That is learning, all of it. AlexNet does the same with 2.3 million convolution weights, and with a loss that
# compares names instead of pictures.
#
# ## Where the turned kernel comes in
#
# Lesson 3 promised it. Look at the table of the middle pixel again: as the output index goes up, the weight's index
# goes *down*. For stride 1, $dx$ is a convolution of $dy$, with zeros around it, with the kernel turned by 180
# degrees, and the roles of $o$ and $c$ exchanged. No scattering is needed. (With a larger stride there would be gaps
# to fill between the outputs. col2im works for all.)

# %%
dy4 = rng.standard_normal((2, 4, 4, 4))
dx4, _, _ = backward.function(dy4, batch, weight, (1, 1), (0, 0, 0, 0))
turned = Conv2d(4, 3, 3, padding=2, dtype=np.float64)  # padding of k - 1 all around
turned.params["weight"][...] = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
assert np.allclose(turned.forward(dy4), dx4)

# %% [markdown]
# ## Time it
#
# The forward pass is one product. The backward pass is two of the same size, and it makes the columns again, because
# nobody wants to keep them (lesson 3 had the bill: nearly a gigabyte), and scatters. So expect two to five times as
# long. (`Conv2d` here is written to be read, so yours may well beat it. Lesson 14 is about speed.)

# %%
batch = rng.standard_normal((8, 48, 27, 27), dtype=np.float32)
layer = Conv2d(48, 128, 5, padding=2, rng=rng)  # one tower's half of AlexNet's second layer
dy4 = rng.standard_normal((8, 128, 27, 27), dtype=np.float32)


def seconds(work, repeats=3):
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


forward_time = seconds(lambda: layer.forward(batch))
backward_time = seconds(lambda: layer.backward(dy4))
given = dy4, batch, layer.params["weight"], (1, 1), (2, 2, 2, 2)
yours_time = seconds(lambda: backward.function(*given))
print(f"forward            {1000 * forward_time:6.0f} ms")
ratio = backward_time / forward_time
print(f"backward           {1000 * backward_time:6.0f} ms, {ratio:.1f} times as long")
print(f"your backward pass {1000 * yours_time:6.0f} ms")

# %% [markdown]
# ## Recap
#
# - A number that went into several places gets the *sum* of what comes back from them. Never the mean, never only the
#   last.
# - One weight was used at every place: $dW = dY^T X$. The bias too: $db$ is the sum of $dY$'s rows.
# - One pixel was copied to every patch that read it: $dX = dY \, W$, then col2im adds up the copies.
# - col2im is the transpose of im2col; the sum over $\text{im2col}(x) \cdot d$ equals the sum over
#   $x \cdot \text{col2im}(d)$.
# - A wrong gradient can still make the loss fall. Check with a random `dy`, and against nudges.
#
# ## Five questions
#
# <details><summary>1. The stride is larger than the kernel. What is dx where no patch looked?</summary>
#
# Zero. Nothing in the loss depends on that pixel. col2im never writes to it.
# </details>
#
# <details><summary>2. Why does the sum for dweight run over the batch, while dx has one entry for each picture?</summary>
#
# All pictures share the weights, so each brings a share. A pixel belongs to one picture, and no other picture's
# output depends on it.
# </details>
#
# <details><summary>3. Does the backward pass need the weights? The bias? The input? The output?</summary>
#
# The weights for dx, the input for dweight. Neither the bias nor the output: $y$ depends on $b$ with the factor 1,
# whatever they are.
# </details>
#
# <details><summary>4. For the first layer, nobody needs dx. What does that save?</summary>
#
# One of the three products, and col2im. A third of the layer's multiply-adds; minialex skips it
# (`input_gradient = False`).
# </details>
#
# <details><summary>5. What is the gradient with respect to the padding's zeros, and what happens to it?</summary>
#
# col2im collects it like any other, in the padded array. Then it is cut off: a zero that is always zero has nothing
# to learn from it.
# </details>
#
# **Next:** [lesson 5](05_overlapping_pooling.ipynb): pooling, where patches overlap as well, and only one pixel of
# each gets the gradient.

# %%
two, five = np.ones((1, 1, 2, 2)), np.ones((1, 1, 5, 5))
dx5, _, _ = backward.function(two, five, two, (3, 3), (0, 0, 0, 0))
assert (dx5[0, 0, 2] == 0).all()  # question 1: the third row is never read
weight, sides = layer.params["weight"], ((1, 1), (2, 2, 2, 2))
both = backward.function(dy4[:2], batch[:2], weight, *sides)[1]  # question 2
each = [backward.function(dy4[n : n + 1], batch[n : n + 1], weight, *sides)[1] for n in range(2)]
assert np.allclose(both, each[0] + each[1], rtol=1e-3, atol=1e-2)
print("the answers hold")
