# %% [markdown]
# # 14. Making it fast
#
# *About 40 minutes. You need lessons 3 and 4 (im2col) and lesson 10 (devices).*
#
# **The question.** One training step of AlexNet takes about 4,000 million operations for each picture, and the
# paper's training looks at a hundred million pictures. How fast could *your* machine be at best? And what keeps a
# program from it?
#
# The numbers in this lesson are measured on the machine that runs it. Yours will differ from those that somebody else
# sees, and from your own of a minute ago. So the text makes no promises. It says what to look for, and why.

# %%
import os
import time
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lessons import check, draw
from minialex.devices import parse_devices
from minialex.layers import Conv2d, Linear, ReLU, fast, im2col
from minialex.layers.fast.toom_cook import matrices

rng = np.random.default_rng(14)
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
devices = parse_devices("cpu,cpu")  # two virtual devices, a thread each
print(f"cores that we may use: {cores}; from now on, each matrix product runs on one of them")


def random(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def random_maps(N, C, H, W):
    """Of shape (N, C, H, W), but with the channels last in memory; what that means comes below."""
    return random(N, H, W, C).transpose(0, 3, 1, 2)


# %% [markdown]
# ## How to time something
#
# Timing is an experiment, and most people do it wrong. Four habits:
#
# - **Warm up.** The first call finds memory that was never touched, and nothing of its own in the processor's *caches*
#   (small, fast memories, which keep what was used last). Do not count it.
# - **Repeat, and take the least.** Whatever disturbs a measurement (another program, the machine's own housekeeping)
#   makes it longer, never shorter.
# - **Take turns.** To compare A and B, measure A B A B A B, not A A A B B B: a machine that grows warm slows down.
# - **Check the results.** The fastest way to a wrong answer is of no interest.


# %%
def compare(works, repeats=4):
    """The least seconds of each piece of work; they take turns, and the first round does not count."""
    taken = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn:
                taken[name].append(time.perf_counter() - start)
    return {name: min(each) for name, each in taken.items()}


# %% [markdown]
# ## The roof
#
# A processor does two things: it fetches numbers, and it computes with them. Each has its own top speed, and both can
# be measured.
#
# - **The peak rate** of operations (an addition or a multiplication; a multiply-add is two). The product of two large
#   matrices comes near to it.
# - **The bandwidth** of the memory: how many bytes a second come from it or go to it. Copying a large array comes
#   near to that.

# %%
a, b, out = random(1024, 1024), random(1024, 1024), np.empty((1024, 1024), np.float32)
source = np.zeros(16 << 20, np.float32)  # 64 MB: more than caches hold
target = np.ones_like(source)
works = {"product": lambda: np.matmul(a, b, out=out), "copy": lambda: np.copyto(target, source)}
best = compare(works, repeats=6)
peak = 2 * 1024**3 / best["product"]
bandwidth = 2 * source.nbytes / best["copy"]  # each byte is read and written
print(f"peak rate:  {peak / 1e9:6.0f} thousand million operations a second (GFLOP/s), one core")
print(f"bandwidth:  {bandwidth / 1e9:6.1f} thousand million bytes a second (GB/s), one core")
print(f"while one number of 4 bytes comes from memory: time for {4 * peak / bandwidth:.0f} operations")

# %% [markdown]
# The last line is the most important fact about today's computers: while a number is on its way, there is time for
# many operations. **Computing is cheap, fetching is dear.** A program that does little with each number that it
# fetches will wait, however clever it is.
#
# Let us call the number of operations for each byte that *must* be moved the **intensity** of a piece of work. Then
#
# $$\text{rate} \le \min(\text{peak}, \; \text{intensity} \times \text{bandwidth})$$
#
# Drawn with logarithmic axes, it is a roof: a slope, then a flat part. That picture is called the **roofline**
# (Williams, Waterman and Patterson, 2009). Where do AlexNet's layers stand under it? For each we count the
# operations, and the bytes of its input, its weights and its output, each moved once. Then we time it.
# (`minialex.layers.fast` has the same layers under the same names, computed in faster ways. AlexNet is made of those.
# This lesson says what is in them.)


# %%
def point(layer, x, operations):
    """(operations a byte, operations a second) of one forward pass."""
    y = layer.forward(x)
    moved = x.nbytes + y.nbytes + sum(p.nbytes for p in layer.params.values())
    (taken,) = compare({"it": lambda: layer.forward(x)}, repeats=3).values()
    return operations / moved, operations / taken


def multiplying(layer, x):
    return point(layer, x, 2 * layer.multiply_adds(x.shape))


maps = random_maps(16, 48, 27, 27)
conv1 = Conv2d(3, 48, 11, stride=4, padding=(0, 3, 0, 3))  # one tower's half of each layer
conv2, fc7 = Conv2d(48, 128, 5, padding=2), Linear(4096, 2048)
points = {
    "ReLU": point(ReLU(), maps, maps.size),
    "response normalisation": point(fast.LocalResponseNorm(), maps, 12 * maps.size),  # about 12
    "conv1": multiplying(conv1, random_maps(4, 3, 224, 224)),
    "conv2": multiplying(conv2, random_maps(8, 48, 27, 27)),
    "fc7, 1 picture": multiplying(fc7, random(1, 4096)),
    "fc7, 128 pictures": multiplying(fc7, random(128, 4096)),
}
draw.roofline(peak, bandwidth, points)

# %% [markdown]
# Three things to see:
#
# - ReLU and normalisation stand further left than any convolution: few operations for each number. Clever computing
#   will not make them fast. But one can *not move* the numbers, and do these layers while the numbers are still in
#   the cache. That is what "blocks" are about, below. (A point *above* the slope found its numbers in the cache. One
#   far below it moves more than it must: it goes over the numbers several times, or asks the system for fresh memory
#   at each call.)
# - The linear layer fc7 with one picture moves 34 MB of weights, to use each of them once. With 128 pictures, the same
#   weights serve 128 times. **That is why one trains with batches.**
# - Convolutions stand on the right: each weight serves at hundreds of places. They come nearest to the roof. What is
#   missing is mostly im2col: time spent on copying.
#
# ## Layout: what lies side by side
#
# Memory is one long row of numbers. An array of shape $(N, C, H, W)$ has to be laid out in it, and there are two
# usual ways.
#
# - **Channels first**: the whole first channel, then the whole second one, ...
# - **Channels last**: all channels of the first pixel, then all channels of the second one, ...
#
# The processor fetches memory in pieces of 64 bytes, 16 numbers at once, and is fastest when it can go straight
# ahead. im2col copies patches. Where does one patch of 3 × 3 lie, in a small picture of 8 × 8 with 4 channels?

# %%
C, H, W, k = 4, 8, 8, 3
first = np.arange(C * H * W).reshape(C, H, W)  # the addresses, channels first
last = np.arange(H * W * C).reshape(H, W, C).transpose(2, 0, 1)  # the same shape, channels last
strips = {}
for name, addresses in (("channels first", first), ("channels last", last)):
    patch = np.sort(addresses[:, 2 : 2 + k, 3 : 3 + k].ravel())
    runs = 1 + (np.diff(patch) > 1).sum()
    strips[f"{name}: {runs} runs of {patch.size // runs} numbers"] = (C * H * W, patch)
draw.memory_strips(strips)

# %% [markdown]
# Channels first, a patch lies in $C \cdot kH$ runs of $kW$ numbers. Channels last, in $kH$ runs of $kW \cdot C$
# numbers. For conv2's half that is 240 runs of 5, or 5 runs of 240. Let us see what that means for the copying.
# (`sliding_window_view` gives all patches as a view, without copying anything; the copying happens in `np.copyto`.)


# %%
def patches(padded, order):
    return sliding_window_view(padded, (5, 5), axis=(2, 3)).transpose(order)


channels_first = random(4, 48, 31, 31)  # already padded: 27 + 2 + 2
channels_last = np.ascontiguousarray(channels_first.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
assert np.array_equal(channels_first, channels_last)  # the same numbers, the same shape
print("strides in bytes:", channels_first.strides, "and", channels_last.strides)

cuv, uvc = np.empty((4, 27, 27, 48, 5, 5), np.float32), np.empty((4, 27, 27, 5, 5, 48), np.float32)
layouts = compare(
    {
        "channels first": lambda: np.copyto(cuv, patches(channels_first, (0, 2, 3, 1, 4, 5))),
        "channels last": lambda: np.copyto(uvc, patches(channels_last, (0, 2, 3, 4, 5, 1))),
    }
)
assert np.array_equal(cuv.transpose(0, 1, 2, 4, 5, 3), uvc)
for name, taken in layouts.items():
    print(f"im2col, {name:15} {1000 * taken:6.2f} ms, {1e9 * taken / uvc.size:.2f} ns a number")

# %% [markdown]
# That is why the columns have the order $q = (u, v, c)$ in this whole project. There is a second gain. The product
# $Y = X W^T$ has a row for each place $(n, i, j)$ and a column for each kernel: it *is* a channels-last array. No
# transposition follows, and the next layer finds what it likes. `Conv2d` returns a view of it, so that you still see
# $(N, C, H, W)$:

# %%
y = Conv2d(48, 128, 5, padding=2).forward(random_maps(2, 48, 27, 27))
print("shape", y.shape, "strides", y.strides)
assert y.transpose(0, 2, 3, 1).flags.c_contiguous

# %% [markdown]
# ## Blocks: stay in the cache
#
# Between the processor and the memory there are **caches**: small memories that are much faster, and that keep what
# was used last. A core has a few megabytes. Lesson 3 had the bill for conv2's columns: nearly a gigabyte for a batch.
# To write a gigabyte to memory and to read it again is what the roofline warns of.
#
# But nobody needs all columns at once. Make them for *some* pictures, multiply, throw them away; take the next ones.
# The memory for the columns is used again and again, so it stays in the cache. `Conv2d.workspace_bytes` says how much
# room the columns may have. Let us try from one picture to all.

# %%
x = random_maps(16, 48, 27, 27)
one_picture = 27 * 27 * 5 * 5 * 48 * 4


def in_blocks_of(pictures):
    layer = Conv2d(48, 128, 5, padding=2, rng=np.random.default_rng(0))
    layer.workspace_bytes = {"numpy": pictures * one_picture}
    return layer


sizes = [1, 2, 4, 8, 16]
layers = {size: in_blocks_of(size) for size in sizes}
expected = layers[1].forward(x)
assert all(np.allclose(layer.forward(x), expected, atol=1e-4) for layer in layers.values())
blocks = compare({size: partial(layer.forward, x) for size, layer in layers.items()})

figure, ax = plt.subplots(figsize=(6, 2.8), dpi=80, layout="constrained")
ax.plot(sizes, [1000 * blocks[size] / len(x) for size in sizes], "o-")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes, [f"{size}\n{size * one_picture / 1e6:.0f} MB" for size in sizes])
ax.set_ylim(0, 1.15e3 * max(blocks.values()) / len(x))
ax.set_xlabel("pictures in a block, and their columns")
ax.set_title("conv2's half, ms for each picture", loc="left", fontsize=11)
plt.show()

# %% [markdown]
# How much small blocks gain depends on your caches, and on who else is using them. What is certain: they are hardly
# ever worse, and the memory for the columns does not grow with the batch. (Very small blocks can be slower where the
# products become too small: a 13 × 13 map has only 169 rows.) This layer gives the columns 6 MB; its fast twin in
# `minialex.layers.fast` gives them less than half of that.
#
# minialex goes one step further. From conv1 to pool2 each picture goes its own way, so a few pictures are taken
# *through all layers of that stretch* before the next few begin (`minialex.layers.fast.Blocked`). ReLU and
# normalisation then find their numbers in the cache: this is how one gets above the slope.
#
# ## Threads: two towers at the same time
#
# A core is one worker. The paper used two GPUs; a laptop has at least two cores. How do you keep both busy?
#
# Python has a lock that lets only one thread run Python code at a time. But NumPy lets go of it while it copies, adds
# or multiplies large arrays. So threads do help, *if* the pieces of work are large. Below, two devices of lesson 10
# do the same work: first one of them does all of it, then each does its half. Once with a convolution, once with a
# loop in Python.

# %%
half = random_maps(8, 48, 27, 27)


def a_convolution():
    Conv2d(48, 128, 5, padding=2, rng=np.random.default_rng(0)).forward(half)


def a_loop():
    total = 0
    for n in range(300_000):
        total += n * n
    return total


def on(workers, work):
    for future in [worker.submit(work) for worker in workers]:
        future.result()


one, two = devices
for work in (a_convolution, a_loop):
    taken = compare({"one": partial(on, [one, one], work), "two": partial(on, [one, two], work)})
    alone, together = 1000 * taken["one"], 1000 * taken["two"]
    gain = f"{alone / together:.2f} times as fast"
    print(f"{work.__name__:14} one thread {alone:6.1f} ms, two threads {together:6.1f} ms: {gain}")

# %% [markdown]
# On a machine with two free cores, the convolution should come near to 2, and the loop stays at 1. (If the
# convolution does not: is something else running?)
#
# There is another way to use two cores: let the matrix product itself run on both. minialex does not, on a CPU. Then
# only the products would be shared, and copies, ReLU and normalisation would still run on one core. With a tower for
# each core, *everything* runs on both. (The division of work that the paper found for two GPUs is good for two cores,
# too.)
#
# ## Fewer multiplications: Winograd's idea
#
# So far we did the same work in a better way. Can one do less? Take a filter of three weights (*taps*) $g_0, g_1, g_2$ that
# slides over four numbers $d_0, \dots, d_3$. That gives two outputs:
#
# $$y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2 \qquad\qquad y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$$
#
# Six multiplications, one would say. Shmuel Winograd showed in 1980 that four are enough. (Blue lines are added,
# orange ones subtracted.)

# %%
draw.winograd()

# %% [markdown]
# Why does it work? Follow $m_1 + m_2$, the two products in the middle:
#
# $$m_1 = (d_1 + d_2) \, \frac{g_0 + g_1 + g_2}{2} \qquad m_2 = (d_2 - d_1) \, \frac{g_0 - g_1 + g_2}{2}$$
#
# Multiply out, and half of the terms cancel: $m_1 + m_2 = d_1 g_1 + d_2 (g_0 + g_2)$. What is $y_0$ minus that?
# $d_0 g_0 - d_2 g_0 = (d_0 - d_2) \, g_0$, a single product: $m_0$. The other output goes the same way, with
# $m_1 - m_2$.
#
# The sums of taps are made once and serve for all places, so they cost nothing. What remains are additions, which are
# not what a convolution's time is made of.
#
# Let us check it, against NumPy's own.

# %%
d, g = rng.standard_normal(4), rng.standard_normal(3)
m = [
    (d[0] - d[2]) * g[0],
    (d[1] + d[2]) * (g[0] + g[1] + g[2]) / 2,
    (d[2] - d[1]) * (g[0] - g[1] + g[2]) / 2,
    (d[1] - d[3]) * g[2],
]
assert np.allclose([m[0] + m[1] + m[2], m[1] - m[2] - m[3]], np.correlate(d, g))

# %% [markdown]
# ### Where the trick comes from
#
# Do you know how to multiply two polynomials, say $1 + 2x$ and $3 + x + x^2$, with four multiplications instead of six?
# The product has degree 3, so four of its values determine it. Take the values of both at $x = 0$, at $1$, at $-1$, and
# "at infinity" (the highest coefficient); multiply them in pairs; find the polynomial that has these four values.
# Only the step in the middle multiplies unknown numbers by unknown numbers. Now $\frac{g_0 + g_1 + g_2}{2}$ looks familiar: it
# is half the value of $g_0 + g_1 x + g_2 x^2$ at $x = 1$, and its neighbour is that at $-1$.
#
# A sliding filter is such a product with its matrix transposed. In general $m$ outputs of $r$ taps take
# $n = m + r - 1$ multiplications, at $n$ points:
#
# $$y = A \, \big( (G g) \odot (B d) \big)$$
#
# with three small matrices that follow from the points alone (`minialex/layers/fast/toom_cook.py` is half a page).
# For two outputs of three taps:

# %%
for name, matrix in zip("AGB", matrices(2, 3), strict=True):
    print(f"{name} =", np.array2string(matrix + 0.0, prefix=f"{name} = "))

# %% [markdown]
# (Compare with the picture: two signs have changed places, which does not change $y$.)
#
# For images the matrices work along the rows and along the columns: tiles of $m \times m$ outputs from $n \times n$
# inputs, with $n^2$ multiplications instead of $m^2 r^2$. And the sum over the channels comes *between* the products and
# the last step, so each of the $n^2$ places is a matrix product of its own. How large should a tile be? The larger, the
# fewer multiplications. But more points are larger numbers ($2^7 = 128$), which cancel in the end, and what they have lost by
# rounding stays lost:

# %%
print("taps  outputs  multiplications an output, in two dimensions   error in float32")
for r, m in ((3, 1), (3, 2), (3, 4), (3, 5), (3, 6), (5, 2), (5, 4)):
    A, G, B = (each.astype(np.float32) for each in matrices(m, r))
    taps, inputs = random(r, 4000), random(m + r - 1, 4000)
    outputs = A @ ((G @ taps) * (B @ inputs))
    truth = np.array([(taps.astype(float) * inputs[i : i + r]).sum(axis=0) for i in range(m)])
    error = np.abs(outputs - truth).max() / np.abs(truth).max()
    print(f"{r:4} {m:7} {(m + r - 1) ** 2 / m**2:18.2f}, in place of {r * r:2}   {error:25.0e}")

# %% [markdown]
# minialex takes $n = 8$ at most, and of those tiles the ones that cost least: $m = 4$ for conv2's 5 × 5 kernels; for 3 × 3 on
# maps of 13 × 13 tiles of two sizes, since three tiles of 5 would reach over the edge: $13 = 5 + 4 + 4$.

# %%
x = random_maps(8, 192, 13, 13)
plain = Conv2d(192, 192, 3, padding=1, rng=rng)
winograd = fast.Conv2d(192, 192, 3, padding=1)
winograd.params["weight"][...] = plain.params["weight"]
exact = Conv2d(192, 192, 3, padding=1, dtype=np.float64)
exact.params["weight"][...] = plain.params["weight"]
truth = exact.forward(x.astype(np.float64))
scale = np.abs(truth).max()
taken = compare({"plain": lambda: plain.forward(x), "Winograd": lambda: winograd.forward(x)})
for name, layer in (("plain", plain), ("Winograd", winograd)):
    off = np.abs(layer.forward(x) - truth).max() / scale
    assert off < 1e-4
    print(f"conv4's half, {name:9} {1000 * taken[name]:6.1f} ms, relative error {off:.1e}")

# %% [markdown]
# The products take 4.2 times fewer multiplications here. The time does not shrink by as much, because tiles have to be
# cut, turned by $B$ and $A$, and put together: copies and small products, further to the left under the roof. And it
# has a price: the rounding errors are some thirty times as large as the plain convolution's. That is still little beside
# what a GPU does to the numbers when it is allowed to use TF32, which keeps ten bits of each; training does not notice.
#
# ## Your own im2col
#
# Now it is your turn. Write an im2col, as fast as you can. It has to pass the same check as in lesson 3; then it runs
# against minialex's, and the convolution that you get from it against PyTorch, if PyTorch is installed.
#
# Ideas: the loop over $(u, v)$ of lesson 3. Or one `np.copyto` from a `sliding_window_view`, with the stride as a
# step in its slices. Pad into channels-last memory first. Which axis should be copied in the innermost loop? Does
# `np.zeros` for the padded array cost you anything? Must the padded copy be made at all, when there is no padding?


# %% tags=["exercise"]
def my_im2col(x, kernel, stride, padding):
    """x (N, C, H, W), any memory order -> columns (N, oH, oW, kH, kW, C), as fast as you can."""
    # BEGIN SOLUTION
    # write: your fastest im2col; the one of lesson 3 is a good start
    (N, C, H, W), (sH, sW) = x.shape, stride
    top, bottom, left, right = padding
    padded = x.transpose(0, 2, 3, 1)
    if any(padding):
        padded = np.zeros((N, top + H + bottom, left + W + right, C), x.dtype)
        padded[:, top : top + H, left : left + W] = x.transpose(0, 2, 3, 1)
    view = sliding_window_view(padded, kernel, axis=(1, 2))[:, ::sH, ::sW]  # (N, oH, oW, C, kH, kW)
    return np.ascontiguousarray(view.transpose(0, 1, 2, 4, 5, 3))
    # END SOLUTION


yours = check.fast_im2col(my_im2col)
yours


# %%
def with_loop(x, kernel, stride, padding):
    """Lesson 3's: one slice for each place in the kernel, from channels-first memory."""
    (N, C, H, W), (kH, kW), (sH, sW), (top, bottom, left, right) = x.shape, kernel, stride, padding
    padded = np.zeros((N, C, top + H + bottom, left + W + right), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    oH, oW = (top + H + bottom - kH) // sH + 1, (left + W + right - kW) // sW + 1
    columns = np.empty((N, oH, oW, kH, kW, C), x.dtype)
    for u in range(kH):
        for v in range(kW):
            seen = padded[:, :, u : u + sH * oH : sH, v : v + sW * oW : sW]
            columns[:, :, :, u, v] = seen.transpose(0, 2, 3, 1)
    return columns


def table(title, seconds):
    print(title)
    for name, taken in seconds.items():
        bar = "#" * max(1, round(40 * taken / max(seconds.values())))
        print(f"    {name:38} {1000 * taken:8.2f} ms  {bar}")


layer = Conv2d(48, 128, 5, padding=2, rng=np.random.default_rng(0))
x = random_maps(4, 48, 27, 27)
asked = (5, 5), (1, 1), (2, 2, 2, 2)
assert np.array_equal(yours.function(x, *asked), im2col(x, *asked))
who = "yours" if yours.passed else "ours, for want of yours"
makers = {who: yours.function, "the loop of lesson 3": with_loop, "minialex": im2col}
works = {name: partial(make, x, *asked) for name, make in makers.items()}
table("im2col, 4 pictures for conv2's half", compare(works))

# %% [markdown]
# And the convolution as a whole, all with one core. PyTorch has no use for im2col here: it has kernels in machine
# code, made for this processor and this shape.

# %%
weight, bias = layer.params["weight"], layer.params["bias"]
W = np.ascontiguousarray(weight.transpose(0, 2, 3, 1).reshape(128, -1).T)


def your_convolution(x):
    Y = yours.function(x, *asked).reshape(-1, len(W)) @ W + bias
    return Y.reshape(len(x), 27, 27, 128).transpose(0, 3, 1, 2)


convolutions = {f"with im2col, {who}": your_convolution, "minialex, plain": layer.forward}
try:
    import torch
except ImportError:
    print("PyTorch is not installed here, so it does not take part.")
else:
    torch.set_num_threads(1)
    w_torch, b_torch = torch.from_numpy(weight), torch.from_numpy(bias)

    def pytorch(x):
        with torch.no_grad():
            y = torch.nn.functional.conv2d(torch.from_numpy(x), w_torch, b_torch, padding=2)
            return y.numpy()

    convolutions["PyTorch"] = pytorch

x = random_maps(8, 48, 27, 27)
expected = layer.forward(x)
for name, convolution in convolutions.items():
    assert np.allclose(convolution(x), expected, atol=1e-4), name
works = {name: partial(convolution, x) for name, convolution in convolutions.items()}
table("conv2's half, forward, 8 pictures, one core", compare(works))
product = 2 * layer.multiply_adds(x.shape) / peak
print(f"the product alone, at the peak rate measured above: {1000 * product:.2f} ms")

# %% [markdown]
# If PyTorch is near to the last line, so are we all: the matrix product is what takes the time, and nobody gets
# around it with im2col. Then what is left is everything around the products, and that is where a whole net is won or
# lost: normalisation, pooling, the update, and how often each number crosses the memory. `docs/performance.md` has
# whole training steps beside PyTorch's, and the list of what was tried and did not help.
#
# ## Recap
#
# - Two limits: how fast a core computes, and how fast numbers reach it. Intensity decides which of them counts.
# - Batches and convolutions have high intensity: each weight serves many times. ReLU and normalisation have low
#   intensity: do them while the numbers are in the cache.
# - Channels last makes a patch a few long runs, and the product's result is in place.
# - Blocks of pictures keep columns in the cache. Memory does not grow with the batch.
# - Threads help where each piece of work is large. A tower for each core lets everything run twice.
# - Winograd: a tile of 4 × 4 outputs of a 5 × 5 kernel takes 64 multiplications in the place of 400, and a little more
#   rounding.
# - Measure: warm up, repeat, take turns, check the result.
#
# ## Five questions
#
# <details><summary>1. You buy a processor that computes twice as fast, with the same memory. Which layers gain?</summary>
#
# Those under the flat part of the roof: convolutions, and linear layers with large batches. ReLU and normalisation
# gain nothing.
# </details>
#
# <details><summary>2. Why is a linear layer slow with one picture, though it has few operations?</summary>
#
# It has to fetch every weight to use it once: half an operation for each byte.
# </details>
#
# <details><summary>3. Why is the first call of a function often slower than the second?</summary>
#
# Its memory is fresh (the system hands out pages one by one when they are first touched), the caches hold something
# else, and libraries set themselves up.
# </details>
#
# <details><summary>4. In backward, minialex makes the columns again. How can doing work twice be faster?</summary>
#
# Kept columns would go out to memory and come back. Making them again takes a copy from a picture that is much
# smaller, into a block that is in the cache.
# </details>
#
# <details><summary>5. conv1 has 11 × 11 kernels and a stride of 4: too many points. minialex does it in tiles nevertheless. How?</summary>
#
# Make every 4 × 4 pixels one, with 16 · 3 = 48 channels. Over these the stride is 1, and the kernel has 3 × 3 taps (the
# last ones reach one pixel beyond 11, where the weights count as 0).
# </details>
#
# ## The end of the path
#
# This was the last lesson. You have written every layer of AlexNet, forwards and backwards. You have proven them, let
# two devices talk, trained the net, looked into it, and asked of each of its ideas whether it was needed. The rest of
# minialex is now yours to read: each file in `minialex/layers` is a page that you could have written yourself.

# %%
moved = sum(p.nbytes for p in fc7.params.values()) + 4 * (4096 + 2048)  # question 2
intensity = 2 * fc7.multiply_adds((1, 4096)) / moved
print(f"fc7's half with one picture: {intensity:.2f} operations for each byte")
assert 0.45 < intensity < 0.55
