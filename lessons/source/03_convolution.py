# %% [markdown]
# # 3. Convolution
#
# *About 40 minutes. You need lesson 1: a linear layer is $Y = X W^T + b$, and its backward pass.*
#
# **The question.** A linear layer looks at all numbers of its input at once. AlexNet's pictures have 224 × 224 pixels
# of three colours. What would a linear layer cost there, and what would it have to learn?

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images

from lessons import check, draw
from minialex.layers import Conv2d

pixels = 3 * 224 * 224
outputs = 96 * 55 * 55  # what AlexNet's first layer puts out: 96 maps of 55 x 55
print(f"a linear layer from {pixels:,} pixels to {outputs:,} outputs: {pixels * outputs:,} weights")
print(f"AlexNet's first layer, with as many outputs:            {96 * 3 * 11 * 11:,} weights")

# %% [markdown]
# Forty-four billion weights would not fit any machine that you own. And most of them would be a waste. An edge in the
# top left corner and the same edge at the bottom right would be learned twice, by different weights, from different
# examples.
#
# Two ideas bring the number down by a factor of a million:
#
# - **Look at a small patch only.** An output sees 11 × 11 pixels, not all of them. What matters in a picture (an
#   edge, a spot, a corner) is mostly made of pixels that are close together.
# - **Use the same weights at every place.** A set of weights that finds an edge here finds it there too.
#
# A small set of weights that is moved over the picture is called a **kernel** (or filter). What it puts out at all
# its places, in the order of the places, is a picture again, called a **map**. Moving a kernel over a picture, and
# taking a weighted sum at each place, is called **convolution**.
#
# ## What a kernel sees
#
# Here are three kernels of 3 × 3, with weights chosen by hand, on a photograph. How the sum is computed comes next;
# for now, only look. White is a large sum, black a very negative one, grey is zero.

# %%
photo = load_sample_images().images[1]  # (427, 640, 3), numbers from 0 to 255
flower = photo[::2, 100:527:2].mean(axis=2) / 255  # its middle, smaller, grey, 0 to 1
kernels = {
    "dark left of bright": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "dark above bright": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "a pixel unlike its neighbours": np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
}


def move_over(picture, kernel):
    """The weighted sum under the kernel, at each of its places in the picture."""
    kH, kW = kernel.shape
    oH, oW = picture.shape[0] - kH + 1, picture.shape[1] - kW + 1
    return sum(kernel[u, v] * picture[u : u + oH, v : v + oW] for u in range(kH) for v in range(kW))


figure, axes = plt.subplots(1, 4, figsize=(11, 3), dpi=70, layout="constrained")
axes[0].imshow(flower, cmap="gray")
axes[0].set_title("the picture")
for ax, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
    seen = move_over(flower, kernel)
    ax.imshow(seen, cmap="gray", vmin=-0.6, vmax=0.6)
    ax.set_title(name, fontsize=11)
for ax in axes:
    ax.set_axis_off()
plt.show()

# %% [markdown]
# Each kernel answers one question at every place. AlexNet's first layer asks 96 questions, and nobody wrote them: it
# *learned* its kernels from examples. Some of them look much like the first two here (the paper's Figure 3 shows them all;
# lesson 12 looks at what a net of ours has learned).
#
# ## By hand
#
# Take a picture $x$ of 3 × 3 pixels and a kernel $w$ of 2 × 2. Lay the kernel on the top left corner. Multiply each
# pixel by the weight that lies on it. Add up the four products: that is the first output. Then move the kernel one
# pixel to the right, and so on.

# %%
x = np.array([[1, 2, 0], [3, 1, 2], [0, 1, 1]])
w = np.array([[1, -1], [2, 0]])
draw.side_by_side(draw.array(x, "x"), draw.array(w, "w"))

# %% [markdown]
# The kernel has 2 × 2 places to stand, so there are 2 × 2 outputs:
#
# $$y[0, 0] = 1 \cdot 1 + 2 \cdot (-1) + 3 \cdot 2 + 1 \cdot 0 = 5$$
#
# $$y[0, 1] = 2 \cdot 1 + 0 \cdot (-1) + 1 \cdot 2 + 2 \cdot 0 = 4$$
#
# $$y[1, 0] = 3 \cdot 1 + 1 \cdot (-1) + 0 \cdot 2 + 1 \cdot 0 = 2$$
#
# The last one is yours. Work out $y[1, 1]$ with a pencil, and put it into the next cell.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the sum of weight times pixel, with the kernel in the bottom right corner
last_output = 1 * 1 + 2 * (-1) + 1 * 2 + 1 * 0
# END SOLUTION

check.value("y[1, 1]", last_output)

# %% [markdown]
# In general, output $(i, j)$ is the sum under a kernel whose top left corner lies on pixel $(i, j)$. With $(u, v)$
# for a place inside the kernel:
#
# $$y[i, j] = b + \sum_{u, v} w[u, v] \; x[i + u, j + v]$$
#
# The number $b$ is a **bias**, as in a linear layer. One kernel has one bias, the same at all places.

# %%
y_by_hand = np.zeros((2, 2), int)
for i, j in np.ndindex(2, 2):  # all places (0, 0), (0, 1), (1, 0), (1, 1)
    for u, v in np.ndindex(2, 2):
        y_by_hand[i, j] += w[u, v] * x[i + u, j + v]  # here b = 0
assert np.array_equal(y_by_hand, [[5, 4], [2, 1]])
assert np.array_equal(y_by_hand, move_over(x, w))  # the function above, which does all places at once
shown = draw.array(x, "x"), draw.array(w, "w"), draw.array(y_by_hand, "y")
draw.side_by_side(*shown, between=("*", "="))

# %% [markdown]
# ### "But that is cross-correlation"
#
# Right. In mathematics, a convolution turns the kernel by 180 degrees first: it has $x[i - u, j - v]$ where we have
# $x[i + u, j + v]$. What we compute is called cross-correlation. Everybody in this field says convolution all the
# same.
#
# Does it matter? Not for learning: whoever learns the weights learns them turned. It matters when you compare with
# other software. NumPy has both, in one dimension. And in lesson 4 the turned kernel will come up by itself.

# %%
signal, taps = np.array([0, 0, 1, 0, 0]), np.array([1, 2, 3])
print("correlate (what nets do):  ", np.correlate(signal, taps))
print("convolve (mathematics):    ", np.convolve(signal, taps, "valid"))
turned = taps[::-1]
assert np.array_equal(np.correlate(signal, taps), np.convolve(signal, turned, "valid"))

# %% [markdown]
# ## How many places are there?
#
# Now let us give the kernel more freedom. Three numbers say where it may stand, along each side of the picture:
#
# - the **kernel size** $kH$ (and $kW$ along the other side),
# - the **stride** $sH$: how many pixels it moves from one place to the next,
# - the **padding**: zeros put around the picture first, so that the kernel may stand half outside. $top$ rows above,
#   $bottom$ rows below.
#
# Place $i$ begins at row $i \, sH$ of the padded picture and needs $kH$ rows from there. It fits as long as
# $i \, sH + kH \le H + top + bottom$. The largest such $i$ is a division that is rounded down, and because we count
# from 0 there is one place more:
#
# $$oH = \left\lfloor \frac{H + top + bottom - kH}{sH} \right\rfloor + 1$$
#
# The ruler below is one side of a picture. Grey is padding, each orange bar is one place of the kernel, and a hatched
# pixel is read at no place. Move the sliders. When does the end of a picture remain unread? And when pixels in the
# middle? (If you read this without running it, there is one still picture.)

# %%
sides = {"before": (0, 3, 1), "after": (0, 3, 0)}  # each slider: the least, the most, where it begins
draw.sliders(draw.kernel_places, size=(1, 16, 12), kernel=(1, 7, 4), stride=(1, 5, 2), **sides)

# %% [markdown]
# A formula is soon believed. So let us count the places one by one, for thousands of cases, and compare.


# %%
def output_size(size, kernel, stride, before, after):
    return (size + before + after - kernel) // stride + 1


cases = 0
for size in range(1, 13):
    for kernel in range(1, 6):
        for stride in range(1, 5):
            for before in range(3):
                for after in range(3):
                    length = size + before + after
                    if length >= kernel:
                        starts = range(0, length, stride)
                        counted = sum(1 for start in starts if start + kernel <= length)
                        assert output_size(size, kernel, stride, before, after) == counted
                        cases += 1
print(f"{cases} cases: the formula is right")

# %% [markdown]
# Padding of $(kH - 1) / 2$ on both sides, for an odd kernel and a stride of 1, keeps the size: $oH = H$. AlexNet uses
# that from its second layer on (5 × 5 with padding 2, then 3 × 3 with padding 1).
#
# ### The puzzle of 224
#
# The paper says that the pictures have 224 × 224 pixels, that the first layer has kernels of 11 × 11 with a stride of
# 4, and its Figure 2 shows 55 × 55 outputs. No padding is mentioned. Compute it:

# %%
print((224 - 11) / 4 + 1, "places, rounded down:", output_size(224, 11, 4, 0, 0))

# %% [markdown]
# The last quarter of a place does not exist. So is it 54? People have puzzled over this ever since. What happened is
# in the code of 2012: it rounds *up*, and its kernels read zeros where the last place hangs out over the picture. The
# picture is padded after all, on two sides only: three rows of zeros at the bottom, three columns on the right.
#
# Other people found other ways to 55. Some cut 227 × 227 pixels out of the photo. Some pad by 2 on all four sides.

# %%
ways = {
    "the code of 2012: 3 zeros, bottom and right": (224, 0, 3),
    "pictures of 227 pixels": (227, 0, 0),
    "padding of 2 on all sides": (224, 2, 2),
}
for name, (size, before, after) in ways.items():
    print(f"{name:45} {output_size(size, 11, 4, before, after)}")
    assert output_size(size, 11, 4, before, after) == 55
conv1 = Conv2d(3, 96, 11, stride=4, padding=(0, 3, 0, 3))
assert conv1.output_shape((1, 3, 224, 224)) == (1, 96, 55, 55)

# %% [markdown]
# All three give 55. But they are not the same net: the kernels stand on different pixels. minialex does what the code
# of 2012 did. Its padding is always given for four sides, $(top, bottom, left, right)$, so that this can be said at
# all.
#
# ## Channels
#
# A colour picture is three grids of numbers: red, green and blue. We say that it has three **channels**. The 96 maps
# that AlexNet's first layer puts out are 96 channels for the next layer.
#
# **A kernel is as deep as its input.** A kernel of AlexNet's first layer is a block of 3 × 11 × 11 weights. It is
# moved over the picture in two directions only. At each place, *all* products are added up, over the channels too, to
# *one* number. So one kernel makes one map, whatever the number of channels is. For 96 maps there are 96 kernels,
# each with its own bias.
#
# From here on, arrays have these shapes and letters. A whole **batch** of $N$ pictures is computed at once.
#
# | | shape | indices |
# |---|---|---|
# | $x$, the input | $(N, C, H, W)$ | $n$ picture, $c$ channel, row, column |
# | $W$, the weights of $O$ kernels | $(O, C, kH, kW)$ | $o$ kernel, $c$ channel, $u$ row, $v$ column |
# | $b$, the biases | $(O)$ | |
# | $y$, the output | $(N, O, oH, oW)$ | $n$, $o$, $i$ row, $j$ column |
#
# $$y[n, o, i, j] = b[o] + \sum_{c, u, v} W[o, c, u, v] \; x_{padded}[n, c, \; i \, sH + u, \; j \, sW + v]$$
#
# (The letter $W$ has two jobs: the width of the picture, and the weights. In code the weights are called `weight`.)
#
# Read the formula once more, slowly. It is the whole of convolution; everything else in this lesson is about
# computing it.
#
# ## Exercise 1: the loop
#
# Write it as plainly as you can. No speed is needed: a loop over $n$, $o$, $i$ and $j$, and inside it one sum over a
# patch. `stride` is $(sH, sW)$ and `padding` is $(top, bottom, left, right)$.
#
# `np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))` puts the zeros around. What people stumble on: the
# stride belongs to the *place* ($i \, sH$), not to the step inside the kernel ($u$).


# %% tags=["exercise"]
def conv_naive(x, weight, bias, stride, padding):
    """y (N, O, oH, oW), by a loop over all its numbers."""
    # BEGIN SOLUTION
    # write: pad x with zeros, then y[n, o, i, j] is the sum of patch * weight[o], plus bias[o]
    (N, C, H, W), (O, _, kH, kW) = x.shape, weight.shape
    (sH, sW), (top, bottom, left, right) = stride, padding
    padded = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    oH, oW = (top + H + bottom - kH) // sH + 1, (left + W + right - kW) // sW + 1
    y = np.empty((N, O, oH, oW), x.dtype)
    for n in range(N):
        for o in range(O):
            for i in range(oH):
                for j in range(oW):
                    patch = padded[n, :, i * sH : i * sH + kH, j * sW : j * sW + kW]
                    y[n, o, i, j] = (patch * weight[o]).sum() + bias[o]
    return y
    # END SOLUTION


naive = check.conv_naive(conv_naive)
naive

# %% [markdown]
# From here on the lesson uses `naive.function`: that is yours if it is right, and ours if it is not written yet.
#
# ## How slow is it?
#
# Each output of a convolution takes $C \, kH \, kW$ multiplications, each with an addition. We call such a pair a
# **multiply-add** and count those. Let us time a small layer, and reckon what AlexNet's convolutions would take for
# *one* picture.

# %%
rng = np.random.default_rng(3)
x = rng.standard_normal((1, 16, 27, 27))
weight, bias = rng.standard_normal((32, 16, 5, 5)), rng.standard_normal(32)
start = time.perf_counter()
expected = naive.function(x, weight, bias, (1, 1), (2, 2, 2, 2))
slow = time.perf_counter() - start

multiply_adds = expected.size * 16 * 5 * 5
# AlexNet's conv1 to conv5, for one picture, forward only (we come to these numbers at the end of the lesson):
alexnet = 105_415_200 + 223_948_800 + 149_520_384 + 112_140_288 + 74_760_192
picture = alexnet / multiply_adds * slow
rate = multiply_adds / slow / 1e6
print(f"{multiply_adds:,} multiply-adds in {slow:.3f} s: {rate:,.0f} million a second")
print(f"AlexNet's five convolutions need {alexnet / 1e6:,.0f} million: {picture:.1f} s for one picture")
training = 90 * 1.2e6 * 3 * picture  # 90 epochs, 1.2 million pictures; 1 forward + 2 backward
print(f"AlexNet's training, at this rate: {training / (365 * 24 * 3600):.0f} years")

# %% [markdown]
# The sum itself is not slow. Your computer makes billions of multiply-adds a second, if it is given large pieces of
# work. A loop in Python hands them out in crumbs.
#
# ## One matrix product
#
# There is one operation on which people have spent forty years of care, on every machine: the product of two large
# matrices. **If we can write convolution as a matrix product, all of that is ours.** And we can.
#
# Look at one output again. It is a sum of products of two lists of numbers: the numbers under the kernel, and the
# weights. Both lists have $kH \cdot kW \cdot C$ entries. That is a row of one matrix times a column of another.
#
# So write each patch as **one row** of a matrix $X$. There is a row for each place $p = (n, i, j)$, and a column for
# each $q = (u, v, c)$:
#
# $$X[p, q] = x_{padded}[n, c, \; i \, sH + u, \; j \, sW + v]$$
#
# Write each kernel as one row of a matrix $W$, with the same order of $q$. Then the long formula becomes
#
# $$Y[p, o] = \sum_q X[p, q] \; W[o, q] + b[o] \qquad \text{that is} \qquad Y = X W^T + b$$
#
# and that is *the linear layer of lesson 1*. Each patch is an "example", each kernel is one output of the layer.
#
# Here it is for the 3 × 3 picture from above. Its kernel has four places, so $X$ has four rows. Find the four patches
# in them.

# %%
X = np.array(
    [
        [1, 2, 3, 1],  # the patch at (0, 0), read row by row
        [2, 0, 1, 2],  # at (0, 1)
        [3, 1, 0, 1],  # at (1, 0)
        [1, 2, 1, 1],  # at (1, 1)
    ]
)
W = w.reshape(1, 4)  # one kernel, so one row
Y = X @ W.T
assert np.array_equal(Y.ravel(), y_by_hand.ravel())
shown = draw.array(X, "X"), draw.array(W.T, "W transposed"), draw.array(Y, "Y")
draw.side_by_side(*shown, between=("times", "="))

# %% [markdown]
# Making $X$ is called **im2col**, "image to columns". (Many people lay each patch down as a column; then $X$ is our
# $X^T$, and the name fits better. A row for a patch is what makes it a linear layer.)
#
# Play with it. Point at a pixel, and see the kernel come to it and its row of $X$ light up. Every blue cell is a copy
# of the pixel that you point at. Then point into $X$. Change the stride to 2, the padding to 1, the channels to 2.

# %%
draw.im2col_explorer()

# %% [markdown]
# Three things to find out with it, before you read on:
#
# <details><summary>How many copies does a pixel in the middle have, with k = 3 and s = 1? And a corner pixel?</summary>
#
# Nine, one for each place in the kernel where it can lie. A corner pixel has one (without padding).
# </details>
#
# <details><summary>Make X smaller than the picture.</summary>
#
# A stride larger than the kernel, such as k = 2, s = 3: pixels between the patches are not read at all.
# </details>
#
# <details><summary>With k = s = 2, X is exactly as large as the picture (if the size is even). What has im2col done?</summary>
#
# It has put the same numbers in another order: the patches do not overlap, so each pixel is copied once.
# </details>
#
# ## Exercise 2: im2col
#
# Return the patches with their six indices, $(N, oH, oW, kH, kW, C)$. In that shape,
# `reshape(N * oH * oW, kH * kW * C)` is the matrix $X$, because NumPy counts the last index fastest.
#
# You could loop over the places $(i, j)$ and copy a patch at a time. There is a better loop. The kernel has few
# places inside it: in AlexNet's second layer $kH \cdot kW$ is 25 and $oH \cdot oW$ is 729. For one $(u, v)$, *all*
# patches together need the pixels $i \, sH + u$ for $i = 0, 1, \dots, oH - 1$. That is a slice with a step:
#
# `padded[:, :, u : u + sH * oH : sH, v : v + sW * oW : sW]` has the shape $(N, C, oH, oW)$.
#
# (Where the end of a slice lies behind the array, NumPy stops in time.) So 25 large copies do the work of 729 small
# ones. (`move_over`, far above, used the same trick.)


# %% tags=["exercise"]
def im2col(x, kernel, stride, padding):
    """x (N, C, H, W) -> columns (N, oH, oW, kH, kW, C), a copy of every patch."""
    # BEGIN SOLUTION
    # write: pad x, then for each (u, v) copy one slice of it into columns[:, :, :, u, v]
    (N, C, H, W), (kH, kW), (sH, sW) = x.shape, kernel, stride
    top, bottom, left, right = padding
    padded = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    oH, oW = (top + H + bottom - kH) // sH + 1, (left + W + right - kW) // sW + 1
    columns = np.empty((N, oH, oW, kH, kW, C), x.dtype)
    for u in range(kH):
        for v in range(kW):
            seen = padded[:, :, u : u + sH * oH : sH, v : v + sW * oW : sW]
            columns[:, :, :, u, v] = seen.transpose(0, 2, 3, 1)
    return columns
    # END SOLUTION


copied = check.im2col(im2col)
copied

# %% [markdown]
# ## A wrong turn: two orders of q
#
# The weights come as $(O, C, kH, kW)$. It is tempting to write `weight.reshape(O, -1)`. The shapes fit, the product
# runs, no error is raised, and the result is wrong: that order is $(c, u, v)$, but our columns have $(u, v, c)$. Any
# order will do, so long as *both* matrices have it.

# %%
X = copied.function(x, (5, 5), (1, 1), (2, 2, 2, 2)).reshape(27 * 27, 5 * 5 * 16)
tempting = X @ weight.reshape(32, -1).T + bias
right = X @ weight.transpose(0, 2, 3, 1).reshape(32, -1).T + bias
truth = expected.transpose(0, 2, 3, 1).reshape(27 * 27, 32)
print("with (c, u, v): largest error", np.abs(tempting - truth).max())
print("with (u, v, c): largest error", np.abs(right - truth).max())
assert np.allclose(right, truth)
assert not np.allclose(tempting, truth)

# %% [markdown]
# The second error is not quite zero, because additions in another order are rounded otherwise.
#
# ## Exercise 3: convolution as one product
#
# Put it together: columns, one product, the bias, and then the way back from $Y$, a row for each place $(n, i, j)$,
# to $(N, O, oH, oW)$. You may call `copied.function` for the columns.
#
# What people stumble on: $Y$ has the kernels *last*. So first `reshape` to $(N, oH, oW, O)$, then move the last axis
# with `transpose`. To reshape straight to $(N, O, oH, oW)$ gives the right shape and a scrambled picture.


# %% tags=["exercise"]
def conv_forward(x, weight, bias, stride, padding):
    """y (N, O, oH, oW), by im2col and one matrix product."""
    # BEGIN SOLUTION
    # write: X from im2col, Y = X @ W.T + bias with q = (u, v, c), then Y as (N, O, oH, oW)
    O, _, kH, kW = weight.shape
    columns = copied.function(x, (kH, kW), stride, padding)
    N, oH, oW = columns.shape[:3]
    X = columns.reshape(N * oH * oW, -1)
    W = weight.transpose(0, 2, 3, 1).reshape(O, -1)
    Y = X @ W.T + bias
    return Y.reshape(N, oH, oW, O).transpose(0, 3, 1, 2)
    # END SOLUTION


product = check.conv_forward(conv_forward)
product

# %% [markdown]
# ## Time it
#
# The same layer as before, the same numbers. Times differ from machine to machine and from run to run; the ratio
# should not be small.


# %%
def seconds(work, repeats=5):
    """The least of a few tries: what disturbs a measurement only ever makes it longer."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def fast():
    return product.function(x, weight, bias, (1, 1), (2, 2, 2, 2))


assert np.allclose(fast(), expected)
quick = seconds(fast)
print(f"the loop {1000 * slow:9.2f} ms")
print(f"im2col   {1000 * quick:9.2f} ms, {slow / quick:.0f} times as fast")
print(f"that is {multiply_adds / quick / 1e6:,.0f} million multiply-adds a second")

# %% [markdown]
# minialex's own `Conv2d` computes the very same. The only difference that you can see from outside is that it keeps
# what its backward pass will need.

# %%
layer = Conv2d(16, 32, 5, padding=2, dtype=np.float64)
layer.params["weight"][...], layer.params["bias"][...] = weight, bias
assert np.allclose(layer.forward(x), expected)
print(layer, "gives the same numbers")

# %% [markdown]
# ## What it costs
#
# Nothing is free. Patches overlap, and each pixel is copied into all of them. $X$ has about $kH \, kW / (sH \, sW)$
# times as many numbers as $x$. Here is the bill for AlexNet's five convolutions and a batch of 128 pictures, 4 bytes
# a number. (Layers 2, 4 and 5 are split into two halves that do not see each other: that is what the paper's two GPUs
# do. It is called `groups=2` here.)

# %%
shapes = [
    ("conv1", Conv2d(3, 96, 11, stride=4, padding=(0, 3, 0, 3)), (128, 3, 224, 224)),
    ("conv2", Conv2d(96, 256, 5, padding=2, groups=2), (128, 96, 27, 27)),
    ("conv3", Conv2d(256, 384, 3, padding=1), (128, 256, 13, 13)),
    ("conv4", Conv2d(384, 384, 3, padding=1, groups=2), (128, 384, 13, 13)),
    ("conv5", Conv2d(384, 256, 3, padding=1, groups=2), (128, 384, 13, 13)),
]
print("         input     columns   ratio  million multiply-adds a picture")
for name, conv, shape in shapes:
    N, O, oH, oW = conv.output_shape(shape)
    kH, kW = conv.kernel_size
    size, columns = np.prod(shape) * 4 / 1e6, N * oH * oW * kH * kW * shape[1] * 4 / 1e6
    each = conv.multiply_adds(shape) / N / 1e6
    print(f"{name} {size:7.1f} MB {columns:8.1f} MB {columns / size:7.1f} {each:15.1f}")
assert sum(conv.multiply_adds(shape) for _, conv, shape in shapes) == 128 * alexnet

# %% [markdown]
# Nearly a gigabyte for conv2 alone. So minialex makes the columns for a few pictures at a time, uses them at once,
# and throws them away. Lesson 14 shows why that is faster as well.
#
# ## Recap
#
# - A convolution moves a small kernel over the picture; each output is $b$ plus the sum of weight times pixel under
#   it. Few weights, used at every place.
# - A kernel is as deep as its input has channels. One kernel makes one map.
# - $oH = \lfloor (H + top + bottom - kH) / sH \rfloor + 1$. Rounded down: what is left over is not read.
# - im2col copies the patches into the rows of $X$. Then convolution is a linear layer: $Y = X W^T + b$.
# - Both matrices must have the same order of $q$; ours is $(u, v, c)$.
#
# ## Five questions
#
# <details><summary>1. A picture of 32 × 32, a kernel of 5 × 5, padding 2: how large is the map? And with stride 2?</summary>
#
# $(32 + 4 - 5) / 1 + 1 = 32$. With stride 2: $\lfloor 31 / 2 \rfloor + 1 = 16$; one row and one column of padding are
# left over.
# </details>
#
# <details><summary>2. How many numbers does a convolution from 48 to 128 channels with 5 × 5 kernels learn?</summary>
#
# $128 \cdot 48 \cdot 5 \cdot 5 = 153{,}600$ weights and 128 biases: 153,728. The size of the picture does not matter.
# </details>
#
# <details><summary>3. You shift the picture one pixel to the right. What happens to the map?</summary>
#
# With stride 1 it shifts by one too (but for the border). With stride 4 it becomes another map: only a shift by 4
# pixels would move it by one.
# </details>
#
# <details><summary>4. What does a convolution with 1 × 1 kernels do?</summary>
#
# At each pixel, it is a linear layer from the C channels to the O channels, the same at all pixels. im2col then only
# moves an axis.
# </details>
#
# <details><summary>5. And a kernel as large as the whole picture, without padding?</summary>
#
# There is only one place, so it is a linear layer on the flattened picture. X has one row for each picture.
# </details>
#
# **Next:** [lesson 4](04_convolution_backwards.ipynb) goes the other way: how much should each weight change?

# %%
assert output_size(32, 5, 1, 2, 2) == 32
assert output_size(32, 5, 2, 2, 2) == 16
assert sum(p.size for p in Conv2d(48, 128, 5).params.values()) == 153_728
shifted = np.roll(x, 1, axis=3)  # question 3: away from the border, the map moves with the picture
moved = product.function(shifted, weight, bias, (1, 1), (0, 0, 0, 0))
unmoved = product.function(x, weight, bias, (1, 1), (0, 0, 0, 0))
assert np.allclose(moved[..., 1:], unmoved[..., :-1])
one = product.function(x, weight[:, :, :1, :1], bias, (1, 1), (0, 0, 0, 0))  # question 4
assert np.allclose(one, np.einsum("oc,nchw->nohw", weight[:, :, 0, 0], x) + bias[:, None, None])
big = rng.standard_normal((7, 16, 27, 27))  # question 5
whole = product.function(x, big, bias[:7], (1, 1), (0, 0, 0, 0))
assert np.allclose(whole.ravel(), big.reshape(7, -1) @ x.ravel() + bias[:7])
print("the answers hold")
