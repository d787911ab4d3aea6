# %% [markdown]
# # 5. Overlapping pooling
#
# *About 30 minutes. It builds on lessons 3 and 4: windows, strides, and adding up where windows overlap.*
#
# A convolution answers the question "where in the picture does my kernel fit?", and it answers for every place. AlexNet's
# first layer asks at 55 × 55 places, with 96 kernels. Does the layer above need to know to the pixel?
#
# Mostly not. That there is an edge *about here* is worth knowing; that it is in column 31 and not in column 32 is an
# accident of how somebody held the camera. So the paper puts **max-pooling** layers between some of its convolutions:
# look at a small window of a map, keep the largest number, forget the rest.
#
# Its windows are 3 pixels wide and stand 2 pixels apart, so they **overlap** (section 3.4). In this lesson you
#
# - write the forward pass and the backward pass,
# - see how a `+=` in NumPy can lose gradient without a word,
# - and meet **ties**, where a gradient check lies to you.

# %%
from time import perf_counter

import numpy as np
from sklearn.datasets import load_digits, load_sample_images

from lessons import check, draw
from minialex.gradcheck import GradientError, check_layer
from minialex.layers import Conv2d, MaxPool2d, ReLU

# %% [markdown]
# ## What pooling keeps, and what it forgets
#
# Take a photo that comes with scikit-learn, a Chinese temple, and one kernel: dark on the left, bright on the right. (You
# met it in lesson 3. A net has to learn its kernels; here we simply write one down.) The **map** below shows how strongly
# each place of the photo answers to it.
#
# We make the map smaller in two ways, three times each:
#
# - **max-pooling**: the largest of every 3 × 3 window, windows 2 apart;
# - **skipping**: take every second pixel, throw the others away.

# %%
photo = load_sample_images().images[0][60:287, 180:407].mean(axis=2)[None, None] / 255  # (N, C, H, W) = (1, 1, 227, 227), grey

edges = Conv2d(1, 1, kernel_size=3, padding=1, dtype=np.float64)
edges.params["weight"][...] = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
relu, pool = ReLU(), MaxPool2d(kernel_size=3, stride=2)


def answers(image):
    """Where the kernel fits; the outermost pixels, which see the border, are left out."""
    return relu.forward(edges.forward(image))[:, :, 2:-2, 2:-2]


def skip(x):
    return x[:, :, ::2, ::2]


pooled, skipped = [answers(photo)], [answers(photo)]
for _ in range(3):
    pooled.append(pool.forward(pooled[-1]))
    skipped.append(skip(skipped[-1]))

draw.maps({"max-pooling": [a[0, 0] for a in pooled], "skipping": [a[0, 0] for a in skipped]})

# %% [markdown]
# Skipping leaves dust: whether a thin line survives is luck. Max-pooling keeps every strong answer and only becomes vague
# about where it was.
#
# Now hold the camera a little differently: move the photo by **one** pixel. How much do the maps change? We measure the
# typical change of a pixel, as a share of how much the pixels of that map differ among themselves.

# %%
moved_photo = np.roll(photo, 1, axis=3)


def change(a, b):
    return np.sqrt(((a - b) ** 2).mean()) / a.std()


a, b = answers(photo), answers(moved_photo)
c, d = a, b
print("           max-pooling   skipping")
for _ in range(4):
    print(f"{a.shape[2]:3} × {a.shape[3]:3}  {change(a, b):10.0%}  {change(c, d):10.0%}")
    a, b, c, d = pool.forward(a), pool.forward(b), skip(c), skip(d)

# %% [markdown]
# Before pooling, one pixel changes the map as if it were another picture: over 100%. Each pooling layer about halves
# that. Skipping never helps.
#
# That is what pooling buys. The price is plain, too: a net that must say *where* something is, to the pixel, has thrown
# that away. AlexNet only has to say *what* there is.
#
# ## Where the windows stand
#
# A window is $k$ pixels wide (the paper writes $z$), and the next one stands $s$ pixels further, the **stride**. So
# windows start at pixels $0, s, 2s, \dots$, and the one that starts at $i\,s$ needs the pixels up to $i\,s + k - 1$. The
# last one must still fit into $H$ pixels: $i\,s + k \le H$. Hence $i \le (H - k)/s$, and, counting $i = 0$ as well,
#
# $$oH = \left\lfloor \frac{H - k}{s} \right\rfloor + 1 .$$
#
# Do not trust a formula with a "+ 1" in it before you have counted:


# %%
def places(H, k, s):
    return (H - k) // s + 1


for H in range(3, 60):
    for k in range(1, 4):
        for s in range(1, 5):
            starts = [start for start in range(0, H, s) if start + k <= H]  # counted
            assert places(H, k, s) == len(starts)

sizes = [55]
while sizes[-1] >= 13:
    sizes.append(places(sizes[-1], k=3, s=2))
print("AlexNet's maps:", " → ".join(map(str, sizes)))
assert sizes == [55, 27, 13, 6]

# %% [markdown]
# **A wrong turn.** "A stride of 2 halves the picture" is nearly true, and the *nearly* bites. Take 8 pixels: windows
# start at 0, 2 and 4, the last one covers pixels 4 to 6, and nobody looks at pixel 7.

# %%
x = np.zeros((1, 1, 8, 8))
x[0, 0, 7, 7] = 100.0  # the loudest pixel of all, in the last row and column
for layer in (MaxPool2d(3, 2), MaxPool2d(3, 2, ceil_mode=True)):
    y = layer.forward(x)
    print(f"{layer}: output {y.shape[2]} × {y.shape[3]}, its largest number {y.max():g}")

# %% [markdown]
# `ceil_mode=True` lets the last window hang over the edge: 4 places instead of 3. AlexNet does not need it: 55, 27 and 13
# are all odd, so $H - 3$ can be divided by 2 and every pixel is seen. On pictures of 32 × 32 it matters.
#
# Some pixels are seen more often than others. How many windows look at each pixel of a 7 × 7 image?

# %%
seen = np.zeros((7, 7), int)
for i in range(places(7, 3, 2)):
    for j in range(places(7, 3, 2)):
        seen[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += 1
draw.array(seen, "how many windows look at this pixel")

# %% [markdown]
# Up to four. Keep this picture in mind: on the way back, up to four gradients will come home to one pixel.
#
# ## By hand
#
# Five by five pixels, four windows. Find the four largest numbers yourself before you look at the right side.

# %%
x = np.array(
    [
        [1.0, 0.0, 2.0, 3.0, 1.0],
        [4.0, 6.0, 5.0, 0.0, 2.0],
        [3.0, 1.0, 7.0, 2.0, 9.0],
        [0.0, 2.0, 1.0, 8.0, 3.0],
        [5.0, 3.0, 4.0, 1.0, 0.0],
    ]
)
draw.winners(x, kernel=(3, 3), stride=(2, 2))

# %% [markdown]
# (The coloured dots mark each window's winner. The frames are drawn a little smaller than the windows, so that you can
# tell them apart.)
#
# The 7 in the middle lies in all four windows and wins in two of them, blue and green. The 8 is larger than the 7 and
# wins nowhere: it lies in one window only, and so does a 9.
#
# Here are other windows on the same image; move the slider. Which of them leave pixels unseen?

# %%
shapes = [(2, 1), (2, 2), (2, 3), (3, 2), (4, 1), (5, 1)]  # width and stride
draw.flipbook(
    [draw.winners(x, kernel=(k, k), stride=(s, s)) for k, s in shapes],
    [f"windows {k} wide, {s} apart" for k, s in shapes],
    start=2,
)

# %% [markdown]
# ## Exercise 1: forward
#
# $$y[n, c, i, j] = \max_{u, v} \; x[n, c,\; i\,sH + u,\; j\,sW + v], \qquad 0 \le u < kH, \; 0 \le v < kW$$
#
# Each map is pooled on its own; maps never mix. `kernel` is $(kH, kW)$ and `stride` is $(sH, sW)$; they need not be
# square. Loops are welcome. Nobody looks at the clock yet.


# %% tags=["exercise"]
def maxpool_forward(x, kernel, stride):
    """x (N, C, H, W) -> y (N, C, oH, oW): the largest number under each window."""
    # BEGIN SOLUTION
    # write: for each place (i, j), the largest number of the window that starts at row i sH, column j sW
    (kH, kW), (sH, sW) = kernel, stride
    N, C, H, W = x.shape
    oH, oW = (H - kH) // sH + 1, (W - kW) // sW + 1
    y = np.empty((N, C, oH, oW), x.dtype)
    for i in range(oH):
        for j in range(oW):
            window = x[:, :, i * sH : i * sH + kH, j * sW : j * sW + kW]
            y[:, :, i, j] = window.max(axis=(2, 3))
    return y
    # END SOLUTION


check.maxpool_forward(maxpool_forward)

# %% [markdown]
# ## Backward: who was it?
#
# As always we are given `dy`: how much the loss $L$ changes when each $y$ changes. We want the same for each $x$.
#
# Look at one window. Raise its **winner** by a hair $\varepsilon$: the maximum rises by $\varepsilon$. Raise any
# **other** pixel by a hair: it is still not the largest, and nothing happens. So
#
# $$
# \frac{\partial y[i, j]}{\partial x[h, w]} =
# \begin{cases} 1 & \text{if } (h, w) \text{ is the winner of window } (i, j) \\ 0 & \text{otherwise.} \end{cases}
# $$
#
# A pixel may win in several windows, and then it acts on $L$ in several ways. The chain rule adds those up:
#
# $$dx[h, w] = \sum_{(i, j)\ \text{won by}\ (h, w)} dy[i, j] .$$
#
# There is nothing to multiply with. The backward pass of max-pooling is a postman: he reads on each window's door who won
# there, and carries the letter home. With the $dy$ on the right, the 7 gets $1 + 3 = 4$ and the 9 gets $2 + 4 = 6$:

# %%
dy = np.array([[1.0, 2.0], [3.0, 4.0]])
draw.winners(x, kernel=(3, 3), stride=(2, 2), dy=dy)

# %%
layer = MaxPool2d(3, 2)
layer.forward(x[None, None])
dx = layer.backward(dy[None, None])[0, 0]
assert (dx[2, 2], dx[2, 4], dx.sum()) == (4, 6, dy.sum())
draw.array(dx, "dx")

# %% [markdown]
# One more thing to see: each window gives its whole $dy$ to exactly one pixel. So the sum of `dx` is the sum of `dy`, map
# by map. That is a test of one line, and it catches a good deal. Watch it catch two things that people really write.
#
# **Wrong turn 1: `=` where `+=` is meant.** While windows did not overlap, nobody noticed.

# %%
rows, columns = np.array([[2, 2], [2, 2]]), np.array([[2, 4], [2, 4]])  # where the winners of our four windows are

wrong = np.zeros((5, 5))
for i in range(2):
    for j in range(2):
        wrong[rows[i, j], columns[i, j]] = dy[i, j]  # the second letter replaces the first
print("sum of dx:", wrong.sum(), "  sum of dy:", dy.sum())
draw.difference(dx, wrong)

# %% [markdown]
# **Wrong turn 2: `+=` that does not add.** You want to get rid of the loops and hand NumPy all the places at once:

# %%
wrong = np.zeros((5, 5))
wrong[rows, columns] += dy
print("sum of dx:", wrong.sum(), "  sum of dy:", dy.sum())
draw.array(wrong, "dx[rows, columns] += dy")

# %% [markdown]
# There it stands, a `+=`, and the 7 has 3 instead of 4. NumPy does not go from place to place. It first *reads* all four
# places (all zero), adds `dy`, and then *writes* all four results. Where a place occurs twice, the last write wins. No
# warning, no error; and a net trained with this still learns something.
#
# `np.add.at` goes from place to place:

# %%
right = np.zeros((5, 5))
np.add.at(right, (rows, columns), dy)
assert np.array_equal(right, dx)
draw.array(right, "np.add.at(dx, (rows, columns), dy)")

# %% [markdown]
# ## Exercise 2: backward
#
# `dy` is (N, C, oH, oW), and `dx` has the shape of `x`. If several pixels of a window are equally large, give everything
# to the **first** one, reading the window like a page: row by row, from the left. (`argmax` does just that. Why it must
# be decided at all comes next.)


# %% tags=["exercise"]
def maxpool_backward(dy, x, kernel, stride):
    """dx (N, C, H, W): each window's dy goes to its winner, and adds up there."""
    # BEGIN SOLUTION
    # write: find each window's winner with argmax, and add its dy there
    (kH, kW), (sH, sW) = kernel, stride
    N, C, oH, oW = dy.shape
    n, c = np.indices((N, C))
    dx = np.zeros_like(x)
    for i in range(oH):
        for j in range(oW):
            window = x[:, :, i * sH : i * sH + kH, j * sW : j * sW + kW]
            u, v = np.divmod(window.reshape(N, C, kH * kW).argmax(axis=2), kW)
            dx[n, c, i * sH + u, j * sW + v] += dy[:, :, i, j]  # one pixel for each (n, c): no place occurs twice
    return dx
    # END SOLUTION


check.maxpool_backward(maxpool_backward)

# %% [markdown]
# ## Ties: where the check lies
#
# Let us look at the smallest window there is, two pixels: $y = \max(a, b)$. Keep $b = 2$ and turn $a$ up slowly.

# %%
draw.kink(at=2.0)


# %%
def slope(f, x, h=1e-5):
    """The central difference of lesson 1: how fast f rises at x."""
    return (f(x + h) - f(x - h)) / (2 * h)


for a in (1.0, 3.0, 2.0):
    print(f"a = {a}: the slope of max(a, 2) is measured as {slope(lambda a: max(a, 2.0), a):.3f}")

# %% [markdown]
# Left of the kink the slope is 0: $b$ wins. Right of it, 1: $a$ wins. **At** the kink there is no slope, but the central
# difference does not know that. It looks a little to the left and a little to the right, and reports the mean of two
# truths: one half.
#
# So what is the gradient of $\max(a, b)$ at $a = b$? Three answers are in use:
#
# | | $da$ | $db$ | who does it |
# |---|---|---|---|
# | the **first** gets all | 1 | 0 | minialex, PyTorch's `max_pool2d`, most others |
# | **all** who tie get all | 1 | 1 | the AlexNet code of 2012 |
# | they **share** | ½ | ½ | PyTorch's `amax`, for one |
#
# Let us ask the numerical check, moving $a$ alone, then $b$ alone, then both together:

# %%
measured = {
    "a alone": slope(lambda t: max(2 + t, 2), 0.0),
    "b alone": slope(lambda t: max(2, 2 + t), 0.0),
    "both together": slope(lambda t: max(2 + t, 2 + t), 0.0),
}
print("moving          measured    first      all    share")
for (way, found), (a, b) in zip(measured.items(), [(1, 0), (0, 1), (1, 1)], strict=True):
    first, everyone, share = 1 * a + 0 * b, 1 * a + 1 * b, 0.5 * a + 0.5 * b  # what each answer says of this way
    print(f"{way:14}  {found:8.2f} {first:8.2f} {everyone:8.2f} {share:8.2f}")

# %% [markdown]
# Read the first two rows: a check that moves one number at a time accepts *share*, and calls *first* wrong by a whole
# half. Read the third row: when both rise together the maximum rises with slope 1, and this is a real slope, without a
# kink. *First* and *share* say 1. *All* says 2, and that is wrong: it hands on twice the gradient that came in.
#
# So at a tie the check **lies both ways**. It refuses *first*, which is as right as anything can be there. And if you
# "repair" that by being generous (½ off is fine, slopes between 0 and 1 are fine), then it accepts *all*, for 1 does lie
# between 0 and 1.
#
# What is a fair demand, then? At a kink, the gradient must lie between the slopes to either side **in every direction**,
# not only along the axes. *First* passes: 1 and 0 lie between 0 and 1, and their sum is 1. *All* does not. minialex's
# checker asks for that along every axis and in one direction that moves everything at once, and when it meets kinks it
# says so. (It normally refuses to judge an `x` with many kinks; `max_kinks=1` lets it.)


# %%
class AllWhoTie(MaxPool2d):
    """The 2012 way: every pixel that equals the maximum gets the whole gradient. Windows of 2 × 2 here."""

    def forward(self, x, train=True):
        self.x, self.y = x, super().forward(x)
        return self.y

    def backward(self, dy):
        return (self.x == self.y.repeat(2, axis=2).repeat(2, axis=3)) * dy.repeat(2, axis=2).repeat(2, axis=3)


tied = np.array([[[[1.0, 2.0], [2.0, 0.0]]]])
for layer in (MaxPool2d(2), AllWhoTie(2)):
    try:
        print(f"{type(layer).__name__}: {check_layer(layer, tied, max_kinks=1)}")
    except GradientError as error:
        print(f"{type(layer).__name__}: {error}")

# %% [markdown]
# Of `AllWhoTie` it says: each of these numbers *may* be right, but not all of them together. Just what we found in the
# third row.
#
# A cheaper cure is to **keep away from ties** when you check, and to test the rule for ties separately, with exact
# numbers. Random numbers are not quite safe. Two that differ by less than the step $h$ are a tie as far as the check can
# see:

# %%
almost = np.array([2.0, 2.0 + 1e-6])  # the second wins, no doubt
measured = slope(lambda a: max(a, almost[1]), almost[0])
print(f"the loser's slope is 0; measured with h = 1e-5: {measured:.2f}")

# %% [markdown]
# So the checks of this project fill their images with equally spaced numbers in random order: every pixel is different
# from every other by far more than $h$. Then MaxPool2d passes without a single kink:

# %%
rng = np.random.default_rng(5)
apart = rng.permutation(np.linspace(-3, 1, 2 * 3 * 7 * 6)).reshape(2, 3, 7, 6)
print(check_layer(MaxPool2d(3, 2), apart))

# %% [markdown]
# ### Are ties rare?
#
# In a check with random numbers, nearly. In a net, not at all. ReLU makes zeros, and a window of nothing but zeros is a
# tie of nine. Here are scikit-learn's digits, a random convolution, and ReLU:

# %%
digits = load_digits().images[:200, None] / 16  # (200, 1, 8, 8)
conv = Conv2d(1, 16, 3, padding=1, std=0.4, dtype=np.float64, rng=np.random.default_rng(0))


def ties(x):
    """For each 3 × 3 window, 2 apart: how many of its pixels equal the largest; and the largest."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    largest = windows.max(axis=(4, 5))
    return (windows == largest[..., None, None]).sum(axis=(4, 5)), largest


for name, x in {"the digits themselves": digits, "after conv and ReLU": ReLU().forward(conv.forward(digits))}.items():
    equal, largest = ties(x)
    of_zeros = np.mean(largest[equal > 1] == 0)
    print(f"{name:22}  windows with a tie: {np.mean(equal > 1):4.0%};  of these, ties of zeros: {of_zeros:4.0%}")

# %% [markdown]
# After ReLU a fifth of the windows are tied, nearly every one of them at zero. Does it matter, then, which rule we take?
# Think before you run the next cell: where does the gradient go *after* it has left the pooling layer?

# %%
z = conv.forward(digits)  # a net's order: conv → ReLU → pool
relu, first = ReLU(), MaxPool2d(2)
y = first.forward(relu.forward(z))
everybody = AllWhoTie(2)
everybody.forward(relu.forward(z))

dy = rng.standard_normal(y.shape)
d_first, d_all = first.backward(dy), everybody.backward(dy)
print(f"of {z.size} numbers, the two rules differ in")
print(f"{np.count_nonzero(d_first != d_all):8} before ReLU's backward pass")
print(f"{np.count_nonzero(relu.backward(d_first) != relu.backward(d_all)):8} after it")

# %% [markdown]
# ReLU's own backward pass lets nothing through where its output was zero (lesson 2). Whatever we send to a tie of zeros
# dies at that gate. (The few that are left come from flat patches of ink, where neighbours are equal and not zero.) So in
# AlexNet the old rule and ours hardly differ. In a net that pools whole numbers, such as pixels, they would.
#
# ## Make it fast
#
# Your loops visit every place: in AlexNet's first pooling layer 27 × 27 of them, and each visit costs Python a
# microsecond or ten. Turn the loops round. There are only $kH \times kW = 9$ *offsets* $(u, v)$ inside a window. For
# one offset, the pixels of **all** windows at once are a slice with a stride: `x[:, :, u::sH, v::sW]`, cut to oH × oW.
# The maximum is then nine passes over whole arrays:


# %%
def maxpool_by_offsets(x, kernel, stride):
    (kH, kW), (sH, sW) = kernel, stride
    N, C, H, W = x.shape
    oH, oW = (H - kH) // sH + 1, (W - kW) // sW + 1
    y = np.full((N, C, oH, oW), -np.inf, x.dtype)
    for u in range(kH):
        for v in range(kW):
            np.maximum(y, x[:, :, u : u + sH * (oH - 1) + 1 : sH, v : v + sW * (oW - 1) + 1 : sW], out=y)
    return y


def maxpool_one_by_one(x, kernel, stride):
    """Every single number by a loop: what the formula says, to the letter."""
    (kH, kW), (sH, sW) = kernel, stride
    N, C, H, W = x.shape
    y = np.empty((N, C, (H - kH) // sH + 1, (W - kW) // sW + 1), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, c, i * sH : i * sH + kH, j * sW : j * sW + kW].max()
    return y


x = rng.standard_normal((4, 16, 55, 55)).astype(np.float32)
yours = check.maxpool_forward(maxpool_forward).function  # ours, as long as yours is not right
ways = {
    "one by one": lambda: maxpool_one_by_one(x, (3, 3), (2, 2)),
    "yours": lambda: yours(x, (3, 3), (2, 2)),
    "nine offsets": lambda: maxpool_by_offsets(x, (3, 3), (2, 2)),
    "minialex": lambda: MaxPool2d(3, 2).forward(x),
}
expected = ways["one by one"]()
for name, way in ways.items():
    assert np.array_equal(way(), expected)
    times = []
    for _ in range(1 if name == "one by one" else 5):
        start = perf_counter()
        way()
        times.append(perf_counter() - start)
    print(f"{name:14} {1e3 * min(times):8.2f} ms")

# %% [markdown]
# The backward pass can be turned round, too, and there is a neat trick for the ties. `waiting` holds each window's
# gradient until its winner is met; offsets come in reading order, so the *first* winner takes it, and what is left is
# zero.


# %%
def maxpool_backward_by_offsets(dy, x, kernel, stride):
    (kH, kW), (sH, sW) = kernel, stride
    oH, oW = dy.shape[2:]
    y, dx, waiting = maxpool_by_offsets(x, kernel, stride), np.zeros_like(x), dy.copy()
    for u in range(kH):
        for v in range(kW):
            here = np.s_[:, :, u : u + sH * (oH - 1) + 1 : sH, v : v + sW * (oW - 1) + 1 : sW]
            won = waiting * (x[here] == y)
            dx[here] += won  # a slice names no place twice, so += is safe here
            waiting -= won
    return dx


check.maxpool_backward(maxpool_backward_by_offsets)

# %% [markdown]
# This is how `minialex/layers/pool.py` does it. You can read that file now: the rest of it is about padding and about
# windows that hang over the edge. (Its padding is $-\infty$, not 0. Question 4 asks why.)
#
# ## Was it worth it?
#
# Windows that meet (2 wide, 2 apart) instead of windows that overlap (3 wide, 2 apart) give an output of nearly the same
# size. The paper found its errors 0.4 (top-1) and 0.3 (top-5) percentage points lower with overlap, and that such nets
# are a little harder to overfit. A small gain, on a big net. Lesson 13 asks what you can see of it at home. One thing you
# can see right here is the shift of one pixel again:

# %%
overlapping, meeting = MaxPool2d(3, 2), MaxPool2d(2, 2)
a, b = answers(photo), answers(moved_photo)
c, d = a, b
print("change after a shift of one pixel:   overlapping   meeting")
for _ in range(3):
    a, b, c, d = overlapping.forward(a), overlapping.forward(b), meeting.forward(c), meeting.forward(d)
    print(f"{a.shape[2]:27} × {a.shape[3]:3}  {change(a, b):12.0%}  {change(c, d):8.0%}")

# %% [markdown]
# ## Recap
#
# - Max-pooling keeps how strong an answer is and forgets to the pixel where it was. Maps are pooled one by one.
# - Output size: $\lfloor (H - k)/s \rfloor + 1$. What does not fit is not seen, unless the last window may hang over.
# - Backward is a postman: each window's `dy` goes to its winner. Windows overlap, so it **adds up**; the sum of `dx` is
#   the sum of `dy`.
# - `dx[rows, columns] += dy` does not add where a place occurs twice. `np.add.at` does, and slices are safe.
# - At a tie there is no gradient. Choose a rule, test the rule by itself, and keep ties away from numerical checks.
#
# ## Five questions
#
# **1.** A map is 13 × 13, windows are 3 wide and 2 apart. How large is the output? And with windows 2 wide, 2 apart?
#
# <details><summary>Answer</summary>
#
# (13 − 3)/2 + 1 = 6. With 2 wide: ⌊11/2⌋ + 1 = 6 as well, but then the last row and column are not seen by anybody.
#
# </details>
#
# **2.** How many parameters does a pooling layer learn? How many multiplications does it do?
#
# <details><summary>Answer</summary>
#
# None, and none: it only compares.
#
# </details>
#
# **3.** Your backward pass has `=` in place of `+=`, and you check it with windows 2 wide, 2 apart. What does the check
# say?
#
# <details><summary>Answer</summary>
#
# That all is well. No pixel lies in two windows, so nothing is ever overwritten. A check must use the geometry that can
# break.
#
# </details>
#
# **4.** You want a border around the image, so you pad with zeros and pool. What is wrong if all pixels are negative?
#
# <details><summary>Answer</summary>
#
# The zeros win: the layer answers with a number that is nowhere in the picture, and backward sends gradients into the
# border. Padding must never win, so it has to be −∞. After ReLU nobody would notice, and so this slip lives long in
# published code.
#
# </details>
#
# **5.** *Average* pooling takes the mean of each window. What is its backward pass, and can it have ties?
#
# <details><summary>Answer</summary>
#
# Each pixel of the window gets $dy / (kH kW)$, and again everything adds up where windows overlap. The mean has no
# kinks, so there are no ties: every gradient check can be trusted.
#
# </details>
#
# **Next:** [lesson 6](06_response_normalisation.ipynb), the layer of AlexNet whose gradient nearly nobody checks properly.
