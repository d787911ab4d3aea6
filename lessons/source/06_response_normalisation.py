# %% [markdown]
# # 6. Response normalisation
#
# *About 35 minutes. It builds on lesson 1 (how to check a gradient) and lesson 2 (ReLU).*
#
# ReLU has no ceiling. At some place of a picture one kernel may answer with 3, its neighbour with 300, and the layer
# above hears little but the 300. In real nerves there is a remedy, *lateral inhibition*: who is loud makes the neighbours
# quieter. AlexNet borrows the idea (section 3.3): after ReLU, each answer is divided by how loud the channels around it
# are.
#
# $$y_i = \frac{x_i}{\Big(k + \alpha \sum_{j \in W(i)} x_j^2\Big)^{\beta}}$$
#
# Honestly: most nets of later years do without it. It is here for three reasons. It is part of AlexNet, where the paper
# counts 1.4 percentage points of error for it. Its backward pass is a pattern that you will meet again in every
# normalisation of today's nets: a number acts on its own output, and through a **shared denominator** on those of others.
# And it is the best example there is of a gradient check that looks straight at a wrong gradient **and sees nothing**.

# %%
from time import perf_counter

import numpy as np
from sklearn.datasets import load_sample_images

from lessons import check, draw
from minialex.devices import parse_devices
from minialex.gradcheck import GradientError, check_layer
from minialex.layers import Conv2d, LocalResponseNorm, ReLU

# %% [markdown]
# ## Who competes with whom
#
# Take one pixel of one image. It has $C$ numbers, one for each kernel: its **channels** $x_0, x_1, \dots, x_{C-1}$. Only
# these meet in the formula; pixels never mix. In the letters of the code:
#
# | letter | name in the code | in the paper | what it is |
# |---|---|---|---|
# | $W(i)$ | `size` | $n = 5$ | the window: `size` channels around $i$, fewer at the ends |
# | $\alpha$ | `alpha` | $10^{-4}$ | how much the neighbours count |
# | $\beta$ | `beta` | 0.75 | how hard we divide |
# | $k$ | `k` | 2 | keeps us from dividing by zero |
#
# With `size` 5 the window of channel 7 is 5, 6, **7**, 8, 9: itself and two to each side. That channels 7 and 8 are
# neighbours means nothing at the start. It is just their order. But since they compete, learning can arrange the kernels
# accordingly.
#
# Move the slider and watch channel 4, which is loud, and channels 2, 3, 5 and 6 beside it. (Grey: before. Blue: after.
# Here $k = 1$, so that with $\alpha = 0$ nothing would change.)

# %%
x = [2, 3, 1, 3, 9, 2, 4, 1, 3, 3, 0, 4]
draw.competition(x, alphas=[0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])

# %% [markdown]
# At $\alpha = 0.0001$, the paper's, you cannot see anything happen. Remember that. It will come back.
#
# ## By hand
#
# Three channels, $x = (1, 2, 2)$, with `size` 3 and $\alpha = \beta = k = 1$. Write $d_i$ for what stands in the big
# brackets.
#
# - $d_0 = 1 + (1^2 + 2^2) = 6$: channel 0 has no left neighbour,
# - $d_1 = 1 + (1^2 + 2^2 + 2^2) = 10$,
# - $d_2 = 1 + (2^2 + 2^2) = 9$.
#
# So $y = (1/6, \; 2/10, \; 2/9)$. Does minialex agree?

# %%
x = np.array([1.0, 2.0, 2.0])
layer = LocalResponseNorm(size=3, alpha=1.0, beta=1.0, k=1.0)
y = layer.forward(x.reshape(1, 3, 1, 1)).ravel()
assert np.allclose(y, [1 / 6, 2 / 10, 2 / 9])
draw.side_by_side(draw.array(x, "x"), draw.array(np.array([6.0, 10.0, 9.0]), "d"), draw.array(y, "y"))

# %% [markdown]
# Channels 1 and 2 came in equally loud. Channel 1 leaves quieter, because it has a neighbour more.
#
# ## Exercise 1: forward
#
# $$d_i = k + \alpha \sum_{j \in W(i)} x_j^2, \qquad y_i = x_i \, d_i^{-\beta}$$
#
# `x` is (N, C, H, W). The window of channel $i$ is $i - \lfloor \texttt{size}/2 \rfloor, \dots$, `size` channels in all;
# those that do not exist are left out. `size` may be even: with 4, the window of 7 is 5, 6, 7, 8. Do all pixels at once,
# and loop over the channels.


# %% tags=["exercise"]
def lrn_forward(x, size, alpha, beta, k):
    """x (N, C, H, W) -> y of the same shape."""
    # BEGIN SOLUTION
    # write: d for each channel, from the squares in its window; then y = x * d ** -beta
    C = x.shape[1]
    d = np.full_like(x, k)
    for i in range(C):
        low, high = max(i - size // 2, 0), min(i - size // 2 + size, C)
        d[:, i] += alpha * (x[:, low:high] ** 2).sum(axis=1)
    return x * d**-beta
    # END SOLUTION


check.lrn_forward(lrn_forward)

# %% [markdown]
# ## The derivation, step by step
#
# We are given $dy_m$ for every channel $m$ (how much the loss $L$ changes with $y_m$) and want $dx_i$. The question to
# ask is always the same: **on which outputs does $x_i$ act, and how?**
#
# **Step 1. Find the ways.** $x_i$ stands in two kinds of places.
#
# - It is the numerator of its own output: $x_i \to y_i$.
# - It stands under the fraction bar of every channel $m$ whose window holds $i$: $x_i \to d_m \to y_m$. Its own channel
#   is among these.
#
# **Step 2. The numerator.** Hold all $d$ still. Then $y_i = x_i \, d_i^{-\beta}$ is a straight line in $x_i$, with slope
#
# $$d_i^{-\beta} \qquad \text{(the own term).}$$
#
# **Step 3. The denominator.** Hold the numerator still, and go along $x_i \to d_m \to y_m$:
#
# $$
# \frac{\partial d_m}{\partial x_i} = 2 \alpha x_i \quad (\text{if } i \in W(m)), \qquad
# \frac{\partial y_m}{\partial d_m} = -\beta \, x_m \, d_m^{-\beta - 1} .
# $$
#
# Their product is
#
# $$- 2 \alpha \beta \, x_i \; x_m \, d_m^{-\beta - 1} \qquad \text{(the neighbours' term).}$$
#
# **Step 4. Both together** make a table: row $m$, column $i$, "how does $y_m$ change with $x_i$?" Such a table of all
# slopes is called the **Jacobian**. Here it is for the three numbers from above, the own term and the neighbours' term
# apart:

# %%
beta = 1.0
d = np.array([6.0, 10.0, 9.0])
in_window = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]])  # row m, column i: is i in W(m)?

own = np.diag(d**-beta)
neighbours = -2 * beta * in_window * x[None, :] * (x * d ** (-beta - 1))[:, None]  # alpha is 1
draw.side_by_side(
    draw.array(own, "own"), draw.array(neighbours, "neighbours"), draw.array(own + neighbours, "Jacobian"), between=["+", "="]
)

# %% [markdown]
# Orange is up, blue is down. Raise $x_1$ (the middle column): $y_1$ rises by its own term, but all three outputs are
# pushed down. The corner is zero: channels 0 and 2 do not see each other.
#
# Did we get it right? Measure every entry: move one $x_i$ to both sides, see what all $y$ do.

# %%
measured, h = np.empty((3, 3)), 1e-6
for i in range(3):
    step = np.zeros(3)
    step[i] = h
    up, down = (layer.forward((x + s).reshape(1, 3, 1, 1)).ravel() for s in (step, -step))
    measured[:, i] = (up - down) / (2 * h)
assert np.allclose(measured, own + neighbours, atol=1e-9)
print("largest difference:", abs(measured - (own + neighbours)).max())

# %% [markdown]
# **Step 5. The chain rule.** $dx_i$ is the sum over all outputs of "what the output is worth" times "how it changes with
# $x_i$":
#
# $$
# dx_i = \sum_m dy_m \frac{\partial y_m}{\partial x_i}
# = dy_i \, d_i^{-\beta} \; - \; 2 \alpha \beta \, x_i \sum_{m:\, i \in W(m)} dy_m \, x_m \, d_m^{-\beta-1} .
# $$
#
# **Step 6. Tidy up.** $x_m d_m^{-\beta}$ is nothing but $y_m$, which we have already. So, with $t_m = dy_m \, y_m / d_m$,
#
# $$\boxed{\; dx_i = dy_i \, d_i^{-\beta} \; - \; 2 \alpha \beta \, x_i \sum_{m:\, i \in W(m)} t_m \;}$$
#
# Note what stands where. $x_i$ is *outside* the sum, $d_m$ is *inside* it, in $t_m$. This is where people go wrong.

# %%
dy = np.array([0.5, -1.0, 2.0])
t = dy * y / d
dx = dy * d**-beta - 2 * beta * x * (t @ in_window)
assert np.allclose(dx, dy @ (own + neighbours))
assert np.allclose(dx, layer.backward(dy.reshape(1, 3, 1, 1)).ravel())
draw.array(dx, "dx")

# %% [markdown]
# ### Whose window am I in?
#
# One trap is left. Forward, channel $i$ sums over **its own window** $W(i)$. Backward, it sums over the channels $m$ **in
# whose windows it lies**. For an odd size that is the same set: I see you exactly if you see me. For an even size it is
# not. With size 4, channel 2 sees 0, 1, 2, 3, and it is seen by 1, 2, 3 and 4.
#
# In pictures: let $B[j, i] = 1$ where $j \in W(i)$. Then forward is $d = k + \alpha \, x^2 B$, and backward needs the
# *transpose*, $t B^\mathsf{T}$.


# %%
def band(C, size):
    """B (C, C): B[j, i] = 1 where channel j lies in the window of channel i."""
    j, i = np.indices((C, C))
    low = i - size // 2
    return ((low <= j) & (j < low + size)).astype(float)


B = band(6, size=4)
assert np.array_equal(band(6, size=5), band(6, size=5).T)  # odd: nothing to get wrong
draw.side_by_side(draw.array(B, "B: column i is the window of i"), draw.array(B.T, "its transpose: column i is who sees i"))

# %% [markdown]
# ## Exercise 2: backward


# %% tags=["exercise"]
def lrn_backward(dy, x, size, alpha, beta, k):
    """dx (N, C, H, W), the formula in the box."""
    # BEGIN SOLUTION
    # write: d again, then t = dy * y / d, then for each i the sum of t over the channels whose windows hold i
    C = x.shape[1]
    d = np.full_like(x, k)
    for i in range(C):
        low, high = max(i - size // 2, 0), min(i - size // 2 + size, C)
        d[:, i] += alpha * (x[:, low:high] ** 2).sum(axis=1)
    y = x * d**-beta
    t = dy * y / d
    s = np.empty_like(x)
    for i in range(C):  # m - size // 2 <= i < m - size // 2 + size, solved for m
        low, high = max(i + size // 2 - size + 1, 0), min(i + size // 2 + 1, C)
        s[:, i] = t[:, low:high].sum(axis=1)
    return dy * d**-beta - 2 * alpha * beta * x * s
    # END SOLUTION


check.lrn_backward(lrn_backward)

# %% [markdown]
# ## A check that sees nothing
#
# Here are four backward passes. Each contains a slip that is easily made; the third stands in a public library that
# thousands have learned from.


# %%
def parts(x, size, alpha, beta, k):
    """d, y and the sum over windows, for all the versions below."""
    B = band(x.shape[1], size)
    d = k + alpha * np.einsum("njhw,ji->nihw", x**2, B)  # at each pixel (n, h, w): the sum over j of x_j² B[j, i]
    return d, x * d**-beta, lambda t: np.einsum("nmhw,im->nihw", t, B)


def right(dy, x, size, alpha, beta, k):
    d, y, over = parts(x, size, alpha, beta, k)
    return dy * d**-beta - 2 * alpha * beta * x * over(dy * y / d)


def no_neighbours(dy, x, size, alpha, beta, k):
    d, _, _ = parts(x, size, alpha, beta, k)
    return dy * d**-beta  # only the own term


def no_beta(dy, x, size, alpha, beta, k):
    d, y, over = parts(x, size, alpha, beta, k)
    return dy * d**-beta - 2 * alpha * x * over(dy * y / d)


def own_x_twice(dy, x, size, alpha, beta, k):
    d, _, over = parts(x, size, alpha, beta, k)
    return dy * d**-beta - 2 * alpha * beta * x * x * over(dy * d ** (-beta - 1))  # the second x should be x_m, in the sum


def d_outside(dy, x, size, alpha, beta, k):
    d, y, over = parts(x, size, alpha, beta, k)
    return dy * d**-beta - 2 * alpha * beta * x * over(dy * y) / d  # divided by d_i; d_m belongs inside the sum


slips = {
    "neighbours' term forgotten": no_neighbours,
    "β forgotten": no_beta,
    "x_i where x_m is meant": own_x_twice,
    "d_i where d_m is meant": d_outside,
}

# %% [markdown]
# You check them as everybody does. Random numbers of about size 1, central differences, and "a relative error below 0.001
# is fine". And of course with the constants that you are going to use, the paper's: $\alpha = 10^{-4}$.

# %%
rng = np.random.default_rng(6)
x = rng.standard_normal((2, 7, 2, 3))
dy = rng.standard_normal(x.shape)  # random, never ones (lesson 1)
paper = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0}


def measured_gradient(dy, x, constants, h=1e-4):
    """dL/dx for L = sum(dy * y), by central differences, one number of x at a time."""
    layer, dx = LocalResponseNorm(**constants), np.empty_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = h
        dx[at] = np.sum(dy * (layer.forward(x + step) - layer.forward(x - step))) / (2 * h)
    return dx


def relative_error(received, expected):
    return abs(received - expected).max() / abs(expected).max()


expected = measured_gradient(dy, x, paper)
for name, backward in {"right": right, **slips}.items():
    error = relative_error(backward(dy, x, **paper), expected)
    print(f"{name:28} relative error {error:.0e}   {'passes' if error < 1e-3 else 'FAILS'}")

# %% [markdown]
# **All of them pass.** Even the one without any neighbours' term, which has understood half of the layer.
#
# You see why in the box: the neighbours' term carries the factor $2\alpha\beta$, here 0.00015. Whatever nonsense stands
# there is 0.00015 times nonsense. So be stricter? Let us ask each slip at several $\alpha$, and see who catches it.

# %%
alphas = [1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0]
errors = np.empty((len(slips), len(alphas)))
for column, alpha in enumerate(alphas):
    constants = {**paper, "alpha": alpha}
    for row, backward in enumerate(slips.values()):
        errors[row, column] = relative_error(backward(dy, x, **constants), right(dy, x, **constants))
draw.seen_by(errors, list(slips), [f"α = {alpha:g}" for alpha in alphas])

# %% [markdown]
# Read the left column. Allow 0.001, and you catch none of the four. Allow only 0.000001, and the last one *still* gets
# through: its error is of size $\alpha^2$. minialex's own checker, which is strict, does not see it either:


# %%
class YourLRN(LocalResponseNorm):
    """minialex's forward pass with another backward pass."""

    def __init__(self, backward, **constants):
        super().__init__(**constants)
        self.other, self.constants = backward, constants

    def forward(self, x, train=True):
        self.x = x
        return super().forward(x, train)

    def backward(self, dy):
        return self.other(dy, self.x, **self.constants)


for alpha in (1e-4, 0.5):
    try:
        print(f"alpha = {alpha}: passes.", check_layer(YourLRN(d_outside, **{**paper, "alpha": alpha}), x))
    except GradientError as error:
        print(f"alpha = {alpha}: FAILS.", error)

# %% [markdown]
# Now read the right columns. At $\alpha = 0.5$ every slip is off by several per cent at least. **No check has to be
# clever there**, not even strict.
#
# (Why does anybody allow 0.001? Because many check in float32. There even a *right* gradient is only measured to three or
# four digits, and the slips of the left column drown in that:)

# %%
x32, dy32 = x.astype(np.float32), dy.astype(np.float32)
error = relative_error(measured_gradient(dy32, x32, paper, h=np.float32(1e-3)), right(dy, x, **paper))
print(f"the right gradient against central differences in float32: off by {error:.0e}")

# %% [markdown]
# ### "But I only ever use 0.0001"
#
# Then who cares about such a small term? Look at the formula once more: $\alpha$ and $x$ never come alone, only as
# $\alpha x^2$. If all $x$ are $s$ times as large, that is the same as an $\alpha$ that is $s^2$ times as large:
#
# $$\mathrm{LRN}(s\,x; \; \alpha) = s \cdot \mathrm{LRN}(x; \; s^2 \alpha)$$

# %%
s = 70.0
one = LocalResponseNorm(alpha=1e-4).forward(s * x)
other = s * LocalResponseNorm(alpha=s**2 * 1e-4).forward(x)
assert np.allclose(one, other)
print("alpha = 0.0001 with numbers of size 70 is alpha =", round(s**2 * 1e-4, 2), "with numbers of size 1")

# %% [markdown]
# And AlexNet's numbers *are* large. Its pixels go from 0 to 255, nobody divides them. Here is its first convolution, on a
# real photo, with weights as they are before any learning:

# %%
photo = load_sample_images().images[0][100:324, 200:424].transpose(2, 0, 1)[None].astype(np.float64)
photo -= photo.mean()
conv1 = Conv2d(3, 48, kernel_size=11, stride=4, padding=(0, 3, 0, 3), std=0.01, dtype=np.float64, rng=np.random.default_rng(1))
loud = ReLU().forward(conv1.forward(photo))
B = band(48, 5)
sums = np.einsum("njhw,ji->nihw", loud**2, B)
print(f"largest answer: {loud.max():.0f}")
print(f"alpha times the sum of squares: mean {1e-4 * sums.mean():.2f}, largest {1e-4 * sums.max():.2f}; k is 2")

dy1 = rng.standard_normal(loud.shape)
print("\nwhat each slip does there, at alpha = 0.0001:")
for name, backward in slips.items():
    print(f"{name:28} relative error {relative_error(backward(dy1, loud, **paper), right(dy1, loud, **paper)):.0e}")

# %% [markdown]
# The same slips, the same $\alpha$: the first three are now wrong by about a tenth, hundreds of times more than the check
# had seen, and the last one a hundred thousand times more. And these are kernels before they have learned anything.
# Should they become three times as strong, the sums become nine times as large, and pass $k$. The check at size 1 was not
# looking at the layer that the net uses.
#
# **Check a formula where each of its terms counts**, not with the numbers that you happen to use. The tests of this
# project draw $\alpha$ from 0.1 to 1, sizes odd and even, and so did `check.lrn_backward` when it looked at yours.
#
# ## Make it fast
#
# Your loop goes over channels. There is a way without any loop: put all channels of a pixel in one row, all pixels below
# each other. That is a matrix $X$ with $N \cdot H \cdot W$ rows and $C$ columns, and the sums over windows are **one
# matrix product** with the band $B$ from above. Most of $B$ is zeros, so this multiplies far more than it must. But
# matrix products are what computers do best.
#
# Whether it is faster depends on something you cannot see in the formulas: how `x` lies in **memory**. NumPy's arrays (N,
# C, H, W) keep each *map* in one piece. minialex's nets keep all *channels of a pixel* in one piece, which is better for
# convolutions (lesson 14). We time both. (On a *device*, lesson 10: so that the products keep to one core, like the
# rest.)


# %%
def lrn_one_by_one(x, size, alpha, beta, k):
    """Every number by itself: what the formula says, to the letter."""
    y = np.empty_like(x)
    for n, i, h, w in np.ndindex(x.shape):
        low, high = max(i - size // 2, 0), min(i - size // 2 + size, x.shape[1])
        y[n, i, h, w] = x[n, i, h, w] * (k + alpha * (x[n, low:high, h, w] ** 2).sum()) ** -beta
    return y


def lrn_by_band(x, size, alpha, beta, k):
    N, C, H, W = x.shape
    X = x.transpose(0, 2, 3, 1).reshape(-1, C)
    d = k + alpha * ((X * X) @ band(C, size).astype(x.dtype))
    return (X * d**-beta).reshape(N, H, W, C).transpose(0, 3, 1, 2)


yours = check.lrn_forward(lrn_forward).function  # ours, as long as yours is not right
maps_together = rng.standard_normal((1, 48, 27, 27)).astype(np.float32)
channels_together = np.ascontiguousarray(maps_together.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
assert np.array_equal(maps_together, channels_together)  # the same numbers, in another order in memory

expected = lrn_one_by_one(maps_together, *paper.values())
(device,) = parse_devices("cpu")
print("                    maps together   channels together")
for name, way, repeats in (("one by one", lrn_one_by_one, 1), ("yours", yours, 7), ("one product", lrn_by_band, 7)):
    row = []
    for x in (maps_together, channels_together):
        assert np.allclose(device.submit(way, x, *paper.values()).result(), expected, rtol=1e-5)
        times = []
        for _ in range(repeats):
            start = perf_counter()
            device.submit(way, x, *paper.values()).result()
            times.append(perf_counter() - start)
        row.append(min(times))
    print(f"{name:16} {1e3 * row[0]:14.2f} ms {1e3 * row[1]:14.2f} ms")

# %% [markdown]
# A loop over channels picks one number from each pixel, and then the next: with channels together that jumps through the
# whole memory, five times over. The product reads what lies side by side. Same sums, same results; the order of memory
# decides.
#
# ## Same name, other formula
#
# Before you compare with anybody, look up what they call alpha.
#
# | where | what multiplies the sum of squares | $k$ unless you say otherwise |
# |---|---|---|
# | the paper, minialex | $\alpha$ | 2 |
# | the 2012 code | $\alpha / \texttt{size}$ | 1 (they set it to 2) |
# | PyTorch, Caffe, ONNX | $\alpha / \texttt{size}$ | 1 |
#
# So the paper's text and the code that its authors ran differ by a factor of five. In minialex, `alpha_over_size=True`
# gives the second reading:

# %%
x = 100 * rng.standard_normal((1, 8, 2, 2))
y = LocalResponseNorm(5, alpha=1e-4).forward(x)
same = LocalResponseNorm(5, alpha=5e-4, alpha_over_size=True).forward(x)
other = LocalResponseNorm(5, alpha=1e-4, alpha_over_size=True).forward(x)
assert np.allclose(same, y)
assert not np.allclose(other, y, rtol=0.1)

# %% [markdown]
# ## Recap
#
# - Each answer is divided by a measure of how loud the channels in its window are; $x_i$ acts on its own output directly,
#   and on all in whose windows it lies.
# - Two ways, two terms: $dx_i = dy_i d_i^{-\beta} - 2\alpha\beta x_i \sum_m t_m$. $x_i$ outside, $d_m$ inside, windows
#   turned round.
# - A check at $\alpha = 10^{-4}$ on small numbers cannot see the second term. Check where every term counts.
# - Only $\alpha x^2$ matters: what is invisible at size 1 is large at size 100.
#
# ## Five questions
#
# **1.** You check at $\alpha = 0.5$, but always with size 5 and size 3. Which slip of this lesson can you never find?
#
# <details><summary>Answer</summary>
#
# The window that is not turned round. For odd sizes $B$ is its own transpose, so right and wrong compute the same. Draw
# even sizes, too.
#
# </details>
#
# **2.** What does the layer do to an image in which all channels of a pixel are 0, and what is its gradient there?
#
# <details><summary>Answer</summary>
#
# $d = k$, so $y = 0$. The neighbours' term has the factor $x_i = 0$, so $dx_i = dy_i \, k^{-\beta}$. This is what $k > 0$
# is for: without it we would divide by zero.
#
# </details>
#
# **3.** You want the paper's text in PyTorch. What do you write?
#
# <details><summary>Answer</summary>
#
# `LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)`. PyTorch divides alpha by the size, and its k is 1 unless you say
# so.
#
# </details>
#
# **4.** Somebody's test calls the layer's outputs right if they agree to 0.001 with those of a reference, at
# $\alpha = 10^{-4}$ and numbers of size 1. Name a layer that passes and is no normalisation at all.
#
# <details><summary>Answer</summary>
#
# $y = x / k^{\beta}$: no neighbours, no squares. It is off by about $\beta \alpha \sum x_j^2 / k \approx 0.0002$.
# Well-known test suites let exactly this through. So the forward pass, too, wants a large $\alpha$.
#
# </details>
#
# **5.** In the two-tower AlexNet each tower has 48 of the 96 channels of its first layer. Do channels 47 and 48 compete?
#
# <details><summary>Answer</summary>
#
# No. They live on different devices, and normalisation reads only its own tower's maps. Channel 47 has two neighbours
# below it and none above. A one-piece AlexNet that normalises over all 96 is another net; minialex's `groups=2` keeps the
# border.
#
# </details>
#
# **Next:** [lesson 7](07_dropout.ipynb), a layer that is random on purpose.
