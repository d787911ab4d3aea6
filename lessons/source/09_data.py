# %% [markdown]
# # 9. Data: the same photo, never twice the same
#
# *About 40 minutes. You need lesson 1 (a linear layer and its gradient). From lesson 3 you know that an image is an array (C, H, W).*
#
# **The question.** AlexNet has 61 million weights and saw 1.2 million photos. With so many weights for each photo, it could learn the photos
# by heart, and be of no use for any other. More photos would help. Nobody has them. Can we make more out of those
# that we have, for nothing, and without lying to the net?
#
# The paper's answer is four small things that are done to a photo before the net sees it (sections 2 and 4.1): a **window** of it, its
# **mirror image**, a touch of another **colour**, less the **mean**. And a fifth, in tests: look at it **ten times**. You will build all five.
#
# We need photos, and no network. scikit-learn brings two along, a temple and a flower. They are our whole data set.

# %%
import time

import numpy as np

from lessons import check, draw
from minialex.data import digits
from minialex.data.augment import Augmentation, ColourNoise, strengths_table
from minialex.data.colours import Sums
from minialex.data.views import CentreCrop, TenViews, average
from minialex.layers import Linear

photos = draw.two_photos()  # the shorter side was made 256 pixels long, and the central square was cut out
temple, flower = photos
print("photos:", photos.shape, photos.dtype, "from", photos.min(), "to", photos.max())
draw.photo_row(photos)

# %% [markdown]
# Two photos, three channels (red, green, blue), 256 rows, 256 columns. Each number is a brightness from 0 to 255, and takes one byte. That is
# what `uint8` means: an **u**nsigned **int**eger of **8** bits. It is how photos are kept, and it has a trap in it, which we will
# step into on purpose.
#
# First another trap. Most programs that read a picture give you (H, W, C): three colours for each pixel, one pixel after another. A net wants (C, H, W).
# The sizes are the same, so people write `reshape`. But `reshape` does not move axes. It counts the numbers anew.

# %%
as_read = flower.transpose(1, 2, 0)  # (H, W, C), as a program that opens a file would give it
right = as_read.transpose(2, 0, 1)  # moves the last axis to the front
wrong = np.ascontiguousarray(as_read).reshape(3, 256, 256)  # has the right shape, and is no flower
draw.photo_row([right, wrong], ["transpose", "reshape"])

# %% [markdown]
# No error, and the right shape. A net would be trained on the right-hand picture, and would even learn a little. **Look at
# your data.** It takes one line, and finds more mistakes than any other line in these lessons.
#
# ## Windows
#
# A photo is kept with 256 x 256 pixels. The net reads 224 x 224. So there is a choice of which 224 x 224, and that is the trick: choose
# another window every time. How many are there? Take an image of 4 x 4, and windows of 3 x 3.

# %%
small = np.arange(16).reshape(4, 4)
draw.side_by_side(
    draw.array(small, "the image"),
    *(draw.array(small[top : top + 3, left : left + 3], f"top {top}, left {left}") for top in (0, 1) for left in (0, 1)),
)

# %% [markdown]
# Four windows. The top edge can stand in row 0 or 1: not at 2, for the window would hang out at the bottom. In general the largest `top` is $H - h$, and
# 0 counts too:
#
# $$\text{places} = (H - h + 1)\,(W - w + 1)$$
#
# Work it out for AlexNet: windows of 224 x 224 in 256 x 256, and each of them mirrored or not.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the number of different views of one photo, mirrored or not
views = (256 - 224 + 1) ** 2 * 2
# END SOLUTION

check.value("views of a photo", views)

# %% [markdown]
# The paper says 2048, which is $32 \cdot 32 \cdot 2$: it counts 32 places along a side. Its published code draws from 33. You are in good company if you
# forgot the 0.
#
# The same slip has a worse twin, in code. NumPy's `rng.integers(0, 32)` never gives 32, so the last row and the last column of the photo are
# never shown. Say `endpoint=True`.

# %%
rng = np.random.default_rng(0)
without, with_it = rng.integers(0, 32, 10_000), rng.integers(0, 32, 10_000, endpoint=True)
print("the largest top that is drawn:", without.max(), "without endpoint=True,", with_it.max(), "with it")
draw.photo_windows(temple, [(0, 0), (32, 0), (16, 16)], 224)

# %% [markdown]
# Now write it. The window's top left corner is at (`top`, `left`), it is `size` x `size` pixels large, and if `mirror` is true, what is left in it
# comes to the right.


# %% tags=["exercise"]
def crop_and_mirror(image, top, left, size, mirror):
    """image (C, H, W) -> (C, size, size)."""
    # BEGIN SOLUTION
    # write: cut the window out, then turn it round if mirror says so
    window = image[:, top : top + size, left : left + size]
    return window[:, :, ::-1] if mirror else window
    # END SOLUTION


report = check.crop_and_mirror(crop_and_mirror)
report

# %% [markdown]
# Play with it (in a running notebook the sliders move; elsewhere you see one picture), then look at a whole table of draws.

# %%
crop = report.function  # yours if it is right, else ours


def one_window(top, left, mirror):
    return draw.photo_row([flower, crop(flower, top, left, 224, mirror)], ["the photo", "what the net sees"], size=1.6).figure


draw.sliders(one_window, top=(0, 32, 32), left=(0, 32, 0), mirror=(0, 1, 1))

# %%
drawn = [(*rng.integers(0, 32, 2, endpoint=True), rng.random() < 0.5) for _ in range(12)]
draw.photo_row([crop(temple, top, left, 224, mirror) for top, left, mirror in drawn], size=1.4)

# %% [markdown]
# Twelve training images out of one. Are they really twelve? No. Two windows share most of their pixels: even the two that are furthest apart, in
# opposite corners, have $(224 - 32)^2$ pixels in common, 73% of them. 2178 views of one photo are worth much less than 2178 photos. But they do
# take something away from a net that wants to learn by heart: no weight can rely on what stands in row 17.
#
# **When is a mirror image a lie?** A mirrored temple is a temple. What about digits?

# %%
eight_by_eight = digits().train
chosen = [int(np.flatnonzero(eight_by_eight.labels == d)[3]) for d in (2, 3, 4, 5, 7)]
them = eight_by_eight.images[chosen]
draw.pictures(np.concatenate([them, them[..., ::-1]]), ["2", "3", "4", "5", "7"] + ["?"] * 5, columns=10)

# %% [markdown]
# To call the right-hand ones 2, 3, 4, 5 and 7 would be a lie: nobody writes so. **A change is allowed if the label stays true, and if the result could turn up in a test.** That is
# a question about the world, and no formula answers it. minialex mirrors photos, and leaves digits alone.
#
# ## What is subtracted
#
# Every pixel is between 0 and 255: never negative. That is bad for learning, and you can see why in one line. For a neuron of a linear layer,
# $y = \sum_i w_i x_i + b$, lesson 1 gave
#
# $$dw_i = dy \cdot x_i$$
#
# If all $x_i \ge 0$, then all $dw_i$ of the neuron have the **same sign**, that of $dy$. For one image, all of the neuron's weights must go up together or down
# together. If one should go up and another down, the net can only zigzag. Subtract the mean, and the signs are mixed:

# %%
layer = Linear(3 * 256 * 256, 4, dtype=np.float64, rng=np.random.default_rng(1))
dy = np.random.default_rng(2).standard_normal((1, 4))
mean_image = photos.mean(axis=0)
for name, pixels in (("pixels as they are", flower), ("less the mean image", flower - mean_image)):
    x = pixels.reshape(1, -1).astype(float)
    layer.forward(x)
    layer.backward(dy)
    dw = layer.grads["weight"]
    assert np.allclose(dw, dy.T @ x)  # dw_i = dy x_i
    print(f"{name}: the share of each neuron's gradients that are positive:", (dw > 0).mean(axis=1).round(2))

# %% [markdown]
# (One share in the first line is 0.95 rather than 1, because some pixels are exactly 0. A gradient of 0 has no sign.)
#
# The mean image is the mean over all training photos, pixel by pixel. Here is ours:

# %%
draw.photo_row(
    [temple, flower, mean_image, 127 + (flower - mean_image) / 2], ["temple", "flower", "mean image", "flower less the mean"]
)

# %% [markdown]
# With two photos, both are still to be seen in it, like ghosts. With 1.2 million, the ghosts vanish, and a nearly even brownish grey is left. (In the last picture 0
# is shown as middle grey.)
#
# Three things about the mean that people get wrong:
#
# 1. **It is the training set's**, for training and for test images alike. The net's weights were learned for numbers from which this mean was
#    subtracted. And a mean that was taken over test images would be a peep at the test.
# 2. **It is one mean for all photos.** Subtract each photo's own mean, and the net no longer knows day from night.
# 3. And `uint8` cannot be negative. Now we step into the trap:

# %%
ten, twenty = np.array([10], np.uint8), np.array([20], np.uint8)
print("10 - 20 in uint8 is", (ten - twenty)[0])

wrapped = flower - mean_image.astype(np.uint8)  # both uint8: what is below 0 comes back at the top
meant = flower.astype(np.float32) - mean_image.astype(np.float32)
print("wrong:", wrapped.min(), "to", wrapped.max(), "   right:", meant.min(), "to", meant.max())
draw.photo_row([wrapped, 127 + meant / 2], ["uint8 - uint8", "float32 - float32"])

# %% [markdown]
# $10 - 20 = 246$: it runs backwards through 0 and comes in again at 255, like a clock. Again no error. Make the numbers `float32` first, then subtract.
#
# ## The directions of colour
#
# Light changes. The same flower is redder in the evening, and darker under a cloud. A photo shows one light; a net should know the flower in any. So change the light a
# little, at random. But how? Add something to red, green and blue each by itself? Then many photos would turn pink or
# turquoise, which is no light that there is.
#
# The paper's idea: **ask the photos how their colours vary, and vary them along the same directions.** Take every pixel as a point in space: its coordinates
# are its red, its green and its blue. Here are 1500 of our 131,072 points, each in its own colour, seen from three sides:

# %%
pixels = photos.transpose(0, 2, 3, 1).reshape(-1, 3).astype(np.float64)  # (n, 3)
draw.colour_cloud(pixels)

# %% [markdown]
# It is no ball. It is a cigar: long from black to white, thinner from blue to orange, and very thin in the third direction. If red is
# large, green and blue mostly are as well. We want the cigar's axes. You need no new mathematics for them, only school calculus. First a case for a
# pencil: four pixels, and only two colours.

# %%
four = np.array([[7.0, 7.0], [3.0, 3.0], [6.0, 4.0], [4.0, 6.0]])  # red, green
mean = four.mean(axis=0)
d = four - mean
draw.side_by_side(
    draw.array(four, "x: a pixel each row"), draw.array(mean, "mean"), draw.array(d, "d = x - mean"), between=("−", "=")
)

# %% [markdown]
# How far do they spread? In red: the mean of the squared distances from the mean, $(2^2 + 2^2 + 1^2 + 1^2) / 4 = 2.5$. That is the **variance** of red. It has the
# unit of a square: if $d$ is measured in grey levels, the variance is in grey levels *squared*. Its root is the **standard deviation**, in grey levels. Remember that, it will matter.
#
# In green it is 2.5, too. And do they go together? The mean of the products is $(2 \cdot 2 + (-2)(-2) + 1 \cdot (-1) + (-1) \cdot 1)/4 = 1.5$, the **covariance**. It is positive:
# if red is above its mean, green mostly is too. All of that in one matrix:
#
# $$C = \frac{1}{n} \sum_i d_i\, d_i^T = \frac{1}{n}\, d^T d = \begin{pmatrix} 2.5 & 1.5 \\ 1.5 & 2.5 \end{pmatrix}$$
#
# Now take any direction, a vector $p$ of length 1. How far along $p$ a point lies is $p \cdot d_i$. So the variance *in the direction $p$* is
#
# $$\frac{1}{n} \sum_i (p \cdot d_i)^2 = p^T \Big( \frac{1}{n} \sum_i d_i d_i^T \Big)\, p = p^T C\, p$$
#
# (Vectors are columns here, and $p^T$ is $p$ as a row. So $d\, d^T$, a column times a row, is a matrix: all products of two of its numbers. And $p^T C\, p$, a row times a matrix times a column, is one number. In NumPy: `p @ C @ p`. And $C$ is the covariance here, not the number of channels.) Turn $p$ round in a circle, and watch it:

# %%
C = d.T @ d / len(d)
angles = np.radians(np.arange(0, 181, 3))
variances = []
for angle in angles:
    p = np.array([np.cos(angle), np.sin(angle)])
    assert np.isclose(((d @ p) ** 2).mean(), p @ C @ p)  # the formula above
    variances.append(p @ C @ p)
draw.lines({"": variances}, x=np.degrees(angles), across="angle of p, in degrees", up="variance along p", size=(6, 2.6))

# %% [markdown]
# Largest at 45°, where the variance is 4. Smallest at 135°, where it is 1. The long axis is the direction of the largest variance, and we can find it without trying all
# angles. At a maximum, a tiny step aside changes nothing. Let $q$ be at a right angle to $p$, and step from $p$ to $p + \varepsilon q$. (Its length is still 1, but for something with $\varepsilon^2$.) The variance changes by
# $2 \varepsilon\, q^T C p$ ($C$ is symmetric, so $q^T C p = p^T C q$, and both terms are the same; and there is something with $\varepsilon^2$, which is much smaller). So at the maximum $q^T (C p) = 0$ for every $q$ that is at a right angle to $p$. Then
# $C p$ itself has no part at a right angle to $p$. It points along $p$:
#
# $$C\, p = \lambda\, p$$
#
# Such a $p$ is called an **eigenvector** of $C$, and the number $\lambda$ its **eigenvalue**. What is $\lambda$? Multiply by $p^T$ from the left:
# $p^T C p = \lambda\, p^T p = \lambda$. **The eigenvalue is the variance along its eigenvector.** Try it with a pencil for $p = (1, 1)/\sqrt 2$:
# $C\, p = (2.5 + 1.5,\; 1.5 + 2.5)/\sqrt 2 = 4\, p$. So $\lambda = 4$, as in the picture.
#
# NumPy finds them all: `np.linalg.eigh`, for symmetric matrices such as $C$. Two things to know. It gives the *smallest* eigenvalue first. And the
# eigenvectors are the **columns** of the matrix that it returns, not the rows.

# %%
values, vectors = np.linalg.eigh(C)
print("eigenvalues:", values)
for k in range(2):
    assert np.allclose(C @ vectors[:, k], values[k] * vectors[:, k])  # C p = lambda p
    assert np.isclose(((d @ vectors[:, k]) ** 2).mean(), values[k])  # the eigenvalue is the variance
draw.array(vectors, "eigenvectors, one in each column")

# %% [markdown]
# Your turn, for pixels of any number $D$ of colours. The largest eigenvalue comes first, and column $k$ belongs to eigenvalue $k$. (If $p$ is an eigenvector, then so is
# $-p$. Either is right.)


# %% tags=["exercise"]
def colour_components(pixels):
    """pixels (n, D) -> eigenvalues (D,), the largest first, and eigenvectors (D, D), column k belonging to eigenvalue k."""
    # BEGIN SOLUTION
    # write: the covariance of the pixels (divide by n), its eigenvalues and eigenvectors, the largest first
    d = pixels - pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(d.T @ d / len(d))
    return values[::-1], vectors[:, ::-1]
    # END SOLUTION


report = check.colour_components(colour_components)
report

# %%
eigenvalues, eigenvectors = report.function(pixels)
eigenvectors = eigenvectors * np.sign(eigenvectors[np.abs(eigenvectors).argmax(axis=0), np.arange(3)])  # largest entry positive

counted = Sums(256, 256)  # minialex's own, which counts in whole numbers and so is exact for any number of photos
counted.add(photos.transpose(0, 2, 3, 1))
assert np.allclose(counted.colours().eigenvalues, eigenvalues)
assert np.allclose(counted.colours().eigenvectors, eigenvectors)

for k in range(3):
    print(
        f"p{k + 1} = {eigenvectors[:, k].round(2)}   variance {eigenvalues[k]:8.0f}   standard deviation {eigenvalues[k] ** 0.5:6.1f}"
    )
draw.colour_cloud(pixels, pixels.mean(axis=0), eigenvalues, eigenvectors)

# %% [markdown]
# The arrows are one standard deviation long. The first axis has about as much of each colour: it is brightness. The second goes from blue to orange, as daylight does
# between noon and evening. Here is the flower, moved along each axis. (By more than will ever be drawn: here $\alpha$ goes up to 0.6, later
# it is mostly between -0.2 and 0.2.)

# %%
draw.colour_axes(flower, eigenvalues, eigenvectors)

# %% [markdown]
# Along p1 the sun comes out. Along p2 it sets. Neither makes the flower something else.
#
# So this is what the paper adds: for each image, three random numbers $\alpha_1, \alpha_2, \alpha_3$ from a normal distribution with standard deviation 0.1, and then **the same colour for
# every pixel of the image**. People draw the numbers anew for each pixel. That is no other light, that is noise:

# %%
axes = eigenvectors * np.sqrt(eigenvalues)  # column k: one standard deviation along p_k
one_colour = (axes @ (0.3 * rng.standard_normal(3)))[:, None, None]  # 0.3, not 0.1, to make it plain
each_pixel = (axes @ (0.3 * rng.standard_normal((3, 256 * 256)))).reshape(3, 256, 256)
draw.photo_row(
    [flower, flower + one_colour, flower + each_pixel],
    ["the photo", "one colour for the image", "one for each pixel: wrong"],
    size=1.8,
)

# %% [markdown]
# ## What is lambda's unit?
#
# There is a riddle in the paper here. Its formula multiplies $\alpha_k$ by the **eigenvalue** $\lambda_k$:
#
# $$\text{colour} = \sum_k \alpha_k\, \lambda_k\, p_k$$
#
# You know what an eigenvalue is: a variance, in grey levels *squared*. But we want to add grey levels. The cell above has the
# standard deviation, $\sqrt{\lambda_k}$, and that is what the published 2012 code has, too:
#
# $$\text{colour} = \sum_k \alpha_k\, \sqrt{\lambda_k}\; p_k$$
#
# Does it make a difference? Let us see what the three readings add to the flower. The third is the first once more, but with pixels from 0 to 1 rather than 0 to 255.

# %%
code2012 = ColourNoise(eigenvalues, eigenvectors, strength="code2012")  # alpha sqrt(lambda)
paper = ColourNoise(eigenvalues, eigenvectors, strength="paper")  # alpha lambda
paper_0_to_1 = ColourNoise(
    eigenvalues / 255**2, eigenvectors, strength="paper"
)  # a variance of numbers that are 255 times smaller

alphas = rng.standard_normal((5, 3))
shown = []
for noise, unit in ((paper, 1), (code2012, 1), (paper_0_to_1, 255)):
    colours = unit * noise.colours(alphas)
    print("brightness that is added:", colours.mean(axis=1).round(1))
    shown += [flower + colour[:, None, None] for colour in colours]
labels = ["lambda, 0..255"] * 5 + ["sqrt(lambda)"] * 5 + ["lambda, 0..1"] * 5
draw.photo_row(shown, labels, columns=5, size=1.2)

# %% [markdown]
# To the letter, on 0 to 255, the formula blots the photo out. On 0 to 1 the very same formula makes a mild change. **A formula whose result depends on the unit that you measure in
# has something missing in it.** The one with the root does not: measure in grey levels or in shares of 1, it adds the same light.

# %%
code_0_to_1 = ColourNoise(eigenvalues / 255**2, eigenvectors, strength="code2012")
assert np.allclose(code2012.colours(alphas), 255 * code_0_to_1.colours(alphas), rtol=1e-4)  # the same light in either unit
assert np.allclose(paper.colours(alphas), 255**2 * paper_0_to_1.colours(alphas), rtol=1e-4)  # 255 times too strong, or too weak

print("For ImageNet's photos, in grey levels of 255, what one standard deviation of alpha adds:\n")
print(strengths_table())

# %% [markdown]
# The second line is the paper's formula on the numbers that the paper's net reads: 1483 grey levels, where there are only 255. It cannot have been meant. The first line is what
# the authors ran. The third is what many later programs do, and call it AlexNet's. minialex takes the first, and has the others as a switch.
# Whoever rebuilds a paper meets such places. It is worth writing down which reading one took.
#
# ## All of it at once, and what it costs
#
# `Augmentation` is minialex's machine for training images. For each epoch (one pass over all images) it draws, from one seed, a window, a mirror and a colour for every image.

# %%
augment = Augmentation((3, 256, 256), 224, mirror=True, colour=code2012, mean=mean_image)
draws = augment.draw(seed=0, epoch=1, count=2)
batch = augment(photos, draws)
print("tops", draws.tops, "lefts", draws.lefts, "mirrored", draws.mirrored, "   batch:", batch.shape, batch.dtype)

# the same by hand, for the flower
top, left, mirrored, colour = draws.tops[1], draws.lefts[1], draws.mirrored[1], draws.colours[1]
by_hand = crop(flower.astype(np.float32), top, left, 224, mirrored) - mean_image[:, 16:240, 16:240] + colour[:, None, None]
assert np.allclose(batch[1], by_hand, atol=1e-3)

epochs = [augment(photos, augment.draw(seed=0, epoch=e, count=2))[1] for e in range(1, 13)]
draw.photo_row([127 + view / 2 for view in epochs], [f"epoch {e}" for e in range(1, 13)], size=1.3)

# %% [markdown]
# Twelve epochs, one flower, never twice the same. (Look at the line `by_hand`: the mean image's *central* window is subtracted, wherever the window of the photo is. The 2012 code did so.
# One could also move the mean along. As the mean of many photos is nearly even, it matters little.)
#
# The paper calls this "computationally free". Here is what it costs, against what the net takes:

# %%
many = photos[np.arange(64) % 2]
table = augment.draw(seed=0, epoch=1, count=64)
out = augment(many, table)
seconds = []
for _ in range(5):
    start = time.perf_counter()
    augment(many, table, out)
    seconds.append(time.perf_counter() - start)
each = min(seconds) / 64
print(f"one view of 224 x 224: {1e3 * each:.2f} ms of one core")

# %% [markdown]
# To learn from that view AlexNet takes some 60 ms of a core (`docs/performance.md` has the measurement): more than a hundred times as long. And the views can be made by another core while
# the net computes: minialex's `Loader` makes the next batches in the background. That is the paper's point. The GPUs never wait for it.
#
# ## Ten views
#
# In a test there is no chance. The net looks at ten fixed windows of the photo: the four corners and the centre, and the mirror images of these five. It gives
# probabilities for each, and the ten are averaged. In the paper this lowers the error from 39.0% to 37.5%.
#
# The order is: top left, top right, bottom left, bottom right, centre, then their mirror images in the same order. For the centre the margin is halved, and
# rounded down.


# %% tags=["exercise"]
def ten_views(image, size):
    """image (C, H, W) -> (10, C, size, size)."""
    # BEGIN SOLUTION
    # write: the four corners, the centre, then the mirror images of these five
    _, H, W = image.shape
    bottom, right = H - size, W - size
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    five = np.stack([image[:, top : top + size, left : left + size] for top, left in places])
    return np.concatenate([five, five[:, :, :, ::-1]])
    # END SOLUTION


report = check.ten_views(ten_views)
report

# %%
views = report.function(temple, 224)
assert np.array_equal(views, TenViews(CentreCrop((3, 256, 256), 224))(temple[None])[:, 0])
names = ["top left", "top right", "bottom left", "bottom right", "centre"]
draw.photo_row(views, names + ["its mirror image"] * 5, columns=5, size=1.4)

# %% [markdown]
# What is averaged are the **probabilities**, not the logits (the net's raw outputs, before softmax). Why does averaging help at all? Look at the loss of one image. View $v$ gives the right class
# the probability $p_v$ and has the loss $-\ln p_v$. Averaged, the loss is $-\ln$ of the mean of the $p_v$. The curve of $-\ln$ bends upwards, so its value at the mean lies
# below the mean of its values:
#
# $$-\ln\Big(\frac{1}{10} \sum_v p_v\Big) \;\le\; \frac{1}{10} \sum_v -\ln p_v$$
#
# **The loss of the average is never above the average loss.** That holds for any net and any image. (For the *error* there is no such promise. But it mostly falls, too.)

# %%
logits = 3 * rng.standard_normal((10, 500, 4))  # ten views, 500 images, 4 classes: a net that is unsure of itself
labels = rng.integers(0, 4, 500)
logits[:, np.arange(500), labels] += 1.5  # but leans towards the right class
p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
p_right = p[:, np.arange(500), labels]
loss_of_average, average_loss = -np.log(average(p)[np.arange(500), labels]), -np.log(p_right).mean(axis=0)
assert (loss_of_average <= average_loss + 1e-12).all()
print(
    f"loss of one view, on average: {average_loss.mean():.3f}     loss of the averaged probabilities: {loss_of_average.mean():.3f}"
)
print(
    f"error of one view, on average: {(p.argmax(2) != labels).mean():.1%}   error of the averaged probabilities: {(average(p).argmax(1) != labels).mean():.1%}"
)

# %% [markdown]
# (These views disagree with each other as if they were ten strangers. Real views of one photo resemble each other. That is why the paper gains 1.5 points, and not 25.)
#
# ## Recap
#
# - **Windows and mirror images**: 2178 views of each photo. They are relatives, not strangers, but no weight can rely on a place.
# - A change is allowed if the label stays true and a test could show the like.
# - **The mean** of the training set is subtracted, so that a neuron's gradients can have both signs. In `float32`, not in `uint8`.
# - **Colours** vary along the eigenvectors of their covariance; an eigenvalue is the variance along its eigenvector.
# - Add $\alpha \sqrt\lambda\, p$. With $\lambda$ in its place, the result depends on the unit.
# - **Ten views** are averaged as probabilities. The loss of the average is never above the average loss.
# - And look at your data.
#
# With your own photos all of this is one command: `python scripts/train.py --net alexnet --data FOLDER`. `docs/augmentation.md` says what each switch does.
#
# ## If you want more
#
# - Add noise with $\alpha$ drawn for **p3 only**, twenty standard deviations strong. What light is that? Why is it wise to leave it weak?
# - `ColourNoise` needs a covariance. Take it from the temple alone, and colour the flower with it. Would you notice?
# - Windows of 224 in 256 can be mirrored. Which other changes keep a photo's label true? Which keep a digit's?
#
# ## Five questions
#
# **1.** Photos are kept with 300 x 300 pixels, and the net reads 224 x 224. How many windows are there?
#
# <details><summary>Answer</summary>
#
# $(300 - 224 + 1)^2 = 77^2 = 5929$, without mirror images.
#
# </details>
#
# **2.** A friend's net of ten classes gets 90% of its training images right, and 10% of the test images: as many as if it guessed. In training it sees `image - mean`. What would you look at first?
#
# <details><summary>Answer</summary>
#
# What it sees in the test. Perhaps nothing is subtracted there, or the test images are in another order of axes, or still `uint8`. Draw one image of each as the net sees them, side by side.
#
# </details>
#
# **3.** All pixels of a data set are multiplied by 2. What happens to $\lambda_1$, and to $\sqrt{\lambda_1}$?
#
# <details><summary>Answer</summary>
#
# A variance is made of squares: $\lambda_1$ becomes 4 times as large, $\sqrt{\lambda_1}$ twice, like the pixels. So $\alpha \sqrt{\lambda}\, p$ stays in step with them, and $\alpha \lambda\, p$ does not.
#
# </details>
#
# **4.** Why is one colour drawn for the whole image, and not one for each pixel?
#
# <details><summary>Answer</summary>
#
# Another light changes all of a picture at once. A colour for each pixel is noise, which the mean over a few neighbouring pixels nearly takes out again: the net
# would learn nothing about light from it.
#
# </details>
#
# **5.** Should you average over ten views *during training*, too?
#
# <details><summary>Answer</summary>
#
# No. It would cost ten times as much for each step. And the net would be asked to be right on average only; now it is asked to be right for every single view.
#
# </details>
#
# **Next:** [lesson 10](10_two_devices.ipynb), where the net is cut in two.
