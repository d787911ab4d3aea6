# %% [markdown]
# # 11. AlexNet, whole
#
# *About 40 minutes. You need lessons 1 to 7 (each layer), and lesson 10 (two towers).*
#
# **The question.** You have built every part. Here is the whole: can you hold it in your head? Sixty-one million weights sound like too much for that. They are not. By the end of this lesson you can
# work out every size, every weight and every multiplication of the net with a pencil, and say where they lie. There is a surprise in it: **the weights and the work are in different places.**
#
# And then the net will learn, here, on your computer, from photos.
#
# Build it. (It draws 61 million random numbers, which takes a few seconds.)

# %%
import time

import numpy as np
from sklearn.datasets import load_sample_images

from lessons import check, draw
from minialex.devices import parse_devices
from minialex.inside.activations import outputs
from minialex.layers import SoftmaxCrossEntropy
from minialex.memory import plan
from minialex.nets import alexnet
from minialex.optim import SGD

devices = parse_devices("cpu,cpu")
net = alexnet(devices)
print(net.summary(batch_size=128))

# %% [markdown]
# That is all there is. Read it slowly, from top to bottom. The columns: the layer's name; what it is; where it lives; the shape of what it puts out for one image (`2 x 48x55x55`: two towers, each with 48 maps of 55 x 55);
# how many parameters, that is weights and biases, it has in both towers together; how many multiplications one image takes; and what crosses between the towers in a step of 128 images.
#
# And the same as a picture, the paper's figure 2, which you know from lesson 10:

# %%
draw.data_flow(net)

# %% [markdown]
# ## Sizes: the riddle of 224
#
# You met the formula in lesson 3, and the riddle. Once more, since every size below comes from it. A kernel of size $k$ moves in steps of $s$ (the stride) over a side of $n$ pixels, with $p_b$ zeros put before it and $p_a$ after it. The first place is 0, and the last one must still fit in: it is at most
# $n + p_b + p_a - k$. Counting in steps of $s$, and the 0 counts too:
#
# $$\text{size} = \Big\lfloor \frac{n + p_b + p_a - k}{s} \Big\rfloor + 1$$
#
# ($\lfloor\ \rfloor$ means: round down. In Python, `//`.) Write it.


# %% tags=["exercise"]
def conv_output_size(size, kernel, stride, padding_before, padding_after):
    """How many places a kernel can take along one side."""
    # BEGIN SOLUTION
    # write: the formula above
    return (size + padding_before + padding_after - kernel) // stride + 1
    # END SOLUTION


report = check.conv_output_size(conv_output_size)
report

# %% [markdown]
# Now AlexNet's first layer: the image is 224 wide, the kernel 11, the stride 4, and the paper says nothing of padding. $(224 - 11)/4 = 53.25$. So 54 places, and a quarter of a step is left over. But the paper's figure shows **55**.
#
# This has cost many people an evening. Nobody can get 55 from what the text says. What the published code did: where the kernel hangs out on the right or at the bottom, it read zeros. That is three columns and
# three rows of zeros, on one side only. Here is the same on a smaller scale, 24 pixels wide, first without them and then with:

# %%
draw.kernel_places(24, kernel=11, stride=4)

# %%
draw.kernel_places(24, kernel=11, stride=4, after=3)

# %%
size = report.function  # yours if it is right, else ours
for who, answer in (
    ("the paper's text", size(224, 11, 4, 0, 0)),
    ("the 2012 code, minialex: zeros on one side", size(224, 11, 4, 0, 3)),
    ("images of 227 pixels, as Caffe took them", size(227, 11, 4, 0, 0)),
    ("two zeros on each side, as PyTorch's torchvision", size(224, 11, 4, 2, 2)),
):
    print(f"{who:50} {answer}")

# %% [markdown]
# Three ways to get 55, and each of them is somewhere called AlexNet. From there on all is whole. Follow one side through the net: (kernel, stride, padding before and after)

# %%
side, sides = 224, [224]
for name, kernel, stride, before, after in (
    ("conv1", 11, 4, 0, 3), ("pool1", 3, 2, 0, 0), ("conv2", 5, 1, 2, 2), ("pool2", 3, 2, 0, 0),
    ("conv3", 3, 1, 1, 1), ("conv4", 3, 1, 1, 1), ("conv5", 3, 1, 1, 1), ("pool5", 3, 2, 0, 0),
):  # fmt: skip
    side = size(side, kernel, stride, before, after)
    sides.append(side)
    print(f"{name}: {side}")
assert sides[1:] == [55, 27, 27, 13, 13, 13, 13, 6]
print("pool5 puts out", 2 * 128 * side * side, "numbers for each image: that is what fc6 reads")

# %% [markdown]
# ## Where the weights lie
#
# With a pencil. In `conv1` there are $2 \cdot 48 = 96$ kernels. Each reads 3 channels of $11 \times 11$ pixels and has a bias: $3 \cdot 11 \cdot 11 + 1 = 364$ parameters. $96 \cdot 364 = 34{,}944$. Look into the
# table: yes.
#
# Now `conv2`: 256 kernels of 5 x 5.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: how many weights and biases conv2 has, in both towers together
in_conv2 = 256 * (48 * 5 * 5 + 1)
# END SOLUTION

check.value("parameters of conv2", in_conv2)

# %% [markdown]
# And the largest layer of all, `fc6`: 4096 neurons, each of which reads all that `pool5` has put out.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: how many weights and biases fc6 has, in both towers together
in_fc6 = 4096 * (2 * 128 * 6 * 6 + 1)
# END SOLUTION

check.value("parameters of fc6", in_fc6)

# %% [markdown]
# Now all of them at once, by the same rule: (kernels) x (what one of them reads + 1).

# %%
kernels_and_reads = {
    "conv1": (96, 3 * 11 * 11),
    "conv2": (256, 48 * 5 * 5),  # its own tower's 48 maps
    "conv3": (384, 256 * 3 * 3),  # both towers' maps: they have met
    "conv4": (384, 192 * 3 * 3),
    "conv5": (256, 192 * 3 * 3),
    "fc6": (4096, 256 * 6 * 6),
    "fc7": (4096, 4096),
    "fc8": (1000, 4096),
}
weights = {name: count * (reads + 1) for name, (count, reads) in kernels_and_reads.items()}
for name, by_pencil in weights.items():
    in_the_net = sum(value.size for key, value in net.params.items() if key.split(".")[0] == name)
    assert by_pencil == in_the_net
    print(f"{name}: {by_pencil:>12,}")
print(f"in all {sum(weights.values()):>12,}")
assert sum(weights.values()) == net.num_parameters == 60_965_224

# %% [markdown]
# 60,965,224: "60 million parameters", says the paper. And it says 650,000 neurons. A neuron here is one number that a convolution or a linear layer puts out, before pooling:

# %%
neurons = {
    "conv1": 96 * 55**2,
    "conv2": 256 * 27**2,
    "conv3": 384 * 13**2,
    "conv4": 384 * 13**2,
    "conv5": 256 * 13**2,
    "fc6": 4096,
    "fc7": 4096,
    "fc8": 1000,
}
print({name: f"{count:,}" for name, count in neurons.items()})
print(f"in all {sum(neurons.values()):,}")

# %% [markdown]
# ## Where the work lies
#
# A convolution computes, for each of its outputs, one multiplication and one addition for each weight of the kernel. We count the pair as one **multiply-add**. (Others count both, and get twice as many *operations*. When
# two people's numbers differ by a factor of 2, this is why.)
#
# Pencil, `conv1`, one image: $96 \cdot 55 \cdot 55$ outputs, each with $3 \cdot 11 \cdot 11 = 363$ multiply-adds: 105,415,200. Write it for any convolution. With `groups`, the channels are dealt out: with `groups=2`
# each kernel reads one half of the input's channels. That is how two towers look if they are written as one layer. (`size` is your function for the sizes.)


# %% tags=["exercise"]
def multiply_adds(shape_in, out_channels, kernel, stride, padding, groups):
    """shape_in (N, C, H, W), kernel (kH, kW), stride (sH, sW), padding (top, bottom, left, right) -> how many for the whole batch."""
    # BEGIN SOLUTION
    # write: (how many numbers the layer puts out) x (how many weights each of them uses)
    N, C, H, W = shape_in
    oH = size(H, kernel[0], stride[0], padding[0], padding[1])
    oW = size(W, kernel[1], stride[1], padding[2], padding[3])
    return N * out_channels * oH * oW * (C // groups) * kernel[0] * kernel[1]
    # END SOLUTION


report = check.multiply_adds(multiply_adds)
report

# %%
count = report.function
work = {
    "conv1": count((1, 3, 224, 224), 96, (11, 11), (4, 4), (0, 3, 0, 3), 1),
    "conv2": count((1, 96, 27, 27), 256, (5, 5), (1, 1), (2, 2, 2, 2), 2),
    "conv3": count((1, 256, 13, 13), 384, (3, 3), (1, 1), (1, 1, 1, 1), 1),
    "conv4": count((1, 384, 13, 13), 384, (3, 3), (1, 1), (1, 1, 1, 1), 2),
    "conv5": count((1, 384, 13, 13), 256, (3, 3), (1, 1), (1, 1, 1, 1), 2),
    "fc6": 4096 * 9216,  # in a linear layer each weight is used once
    "fc7": 4096 * 4096,
    "fc8": 1000 * 4096,
}
assert sum(work.values()) == 724_406_816  # the table's last line
draw.where_it_lies({"weights": weights, "multiply-adds of an image": work, "neurons": neurons})

# %% [markdown]
# There is the surprise.
#
# - **The weights are in the linear layers**: 96% of them, `fc6` alone has 62%.
# - **The work is in the convolutions**: 92% of it.
# - **The neurons are in the first two layers**: 72% of them. That is where the memory for activations goes.
#
# Why? In a convolution each weight is used at *every place* of the image: 3025 times in `conv1`, 169 times in `conv3`. In a linear layer it is used once. So a convolution is much work with few weights, and a linear layer few operations with
# many weights. Much of the engineering of the years since follows from these three pictures. (How to cut the net in two; what to compress; what to leave out. Later nets threw out the large linear layers altogether.)
#
# To learn from an image takes about three times as much: forward once, and backward twice, since the gradient has to be found with respect to the weights *and* with respect to the input.
# (Not for `conv1`: nobody asks for the gradient of the pixels.)

# %%
step = 3 * sum(work.values()) - work["conv1"]
print(
    f"to learn from an image: {step / 1e9:.2f} thousand million multiply-adds, {2 * step / 1e9:.1f} thousand million operations (GFLOP)"
)
print(f"90 times through 1.2 million images: {90 * 1.2e6 * 2 * step:.1e} operations")

# %% [markdown]
# ## Memory
#
# A `float32` has 4 bytes, so the weights take $61 \cdot 4 = 244$ MB. To learn, each weight needs two more numbers: its gradient, and its velocity (lesson 8). That makes 732 MB, whatever the batch.
#
# On top of it come the **activations**. Backward needs what forward has computed, so it must be kept: for every image of the batch. If each layer keeps what it puts out, and each output gets a gradient of the same size:

# %%
windows = draw.two_photos(224).astype(np.float32) - 114
kept = sum(value[0].size for value in outputs(net, windows).values())  # numbers for one image, all layers, both towers
batches = (1, 32, 64, 128, 256)
everything = [(3 * 4 * net.num_parameters + 2 * 4 * kept * n) / 1e6 for n in batches]
print(f"one image: {kept:,} numbers, {4 * kept / 1e6:.1f} MB")
for n, megabytes in zip(batches, everything, strict=True):
    print(f"batch {n:3}: {megabytes:6,.0f} MB")

# %% [markdown]
# With the paper's 128 images it is 2.7 GB, and the images, what arrives from the other tower, and room to work in are not even counted. A card of the authors had 3 GB. Now you see why there are two in the paper.
#
# minialex needs less, with a trick. The first layers, where the activations are, go through the batch **a few images at a time**, keep only their convolutions' outputs, and compute the rest *once more* in the backward pass.
# Some more work for much less memory. Before training, it prints a plan of what each device will hold at the fullest moment:

# %%
plans = [plan(net, n) for n in batches]
print(plans[3])
kinds = {
    "weights, gradients, velocities": ("parameters", "gradients", "velocities"),
    "activations": ("activations", "copies"),
    "workspace": ("workspace",),
}
parts = {
    title: [sum(getattr(use, kind) for use in p.uses for kind in some) / 1e6 for p in plans] for title, some in kinds.items()
}
draw.memory_bars(batches, parts, everything, limit=3000)

# %% [markdown]
# ## Let it learn
#
# Enough counted. We have two photos, and no network. So we make a little world of them: cut windows of 224 x 224 out of the temple and out of the flower, at random places, mirrored or not (lesson 9), and the net must say **which photo a window is from**.
#
# To be honest with ourselves we keep a part of each photo for the test. Cut each photo, as with a paper cutter, into five upright strips of 128 columns. Training windows come from strips 1, 3 and 5; test windows from 2 and 4, which the
# net will never have seen. As the strips are narrow, a window has 112 x 112 pixels, and each pixel is made four.

# %%
photos = np.stack(load_sample_images().images).transpose(0, 3, 1, 2)  # (2, 3, 427, 640)
mean = photos.mean(axis=(0, 2, 3))[:, None, None]


def some_windows(n, rng, strips):
    """n windows (n, 3, 224, 224) from these strips, of temple and flower in turn, less the mean colour; and their labels."""
    labels, views = np.arange(n) % 2, []
    for photo in labels:
        top = rng.integers(0, 427 - 112, endpoint=True)
        left = 128 * rng.choice(strips) + rng.integers(0, 128 - 112, endpoint=True)
        view = photos[photo, :, top : top + 112, left : left + 112]
        views.append(view[:, :, ::-1] if rng.random() < 0.5 else view)
    return (np.stack(views).repeat(2, axis=2).repeat(2, axis=3) - mean).astype(np.float32), labels


test_windows, test_labels = some_windows(32, np.random.default_rng(1), strips=(1, 3))
train_windows, _ = some_windows(6, np.random.default_rng(2), strips=(0, 2, 4))
draw.photo_row([*(train_windows + mean), *(test_windows[:6] + mean)], ["training"] * 6 + ["test"] * 6, columns=6, size=1.45)

# %% [markdown]
# The net is AlexNet to the last layer, with 2 classes in place of 1000. All begins as the paper says: weights from a normal distribution with standard deviation 0.01, biases 1 in `conv2`, `conv4`, `conv5`, `fc6` and
# `fc7`, learning rate 0.01. (Two things are otherwise, to be done in seconds: batches of 8 images, where the paper has 128, and no dropout, which makes learning slower.)

# %%
del net  # its memory is needed for the next one
net = alexnet(devices, num_classes=2, dropout=0.0)
paper_start = net.state_dict()


def learn(start, lr, steps=12, batch_size=8):
    """The losses of the first steps from this start; the net is left as it is then."""
    net.load_state_dict(start)
    loss, optimizer, rng, losses = SoftmaxCrossEntropy(), SGD(net, lr=lr), np.random.default_rng(0), []
    for _ in range(steps):
        images, labels = some_windows(batch_size, rng, strips=(0, 2, 4))
        losses.append(loss.forward(net.forward(images, train=True), labels))
        net.backward(loss.backward())
        optimizer.step()
    return losses


def test():
    logits = net.forward(test_windows)
    wrong = (logits.argmax(axis=1) != test_labels).sum()
    return f"test loss {SoftmaxCrossEntropy().forward(logits, test_labels):.2f}, {wrong} of {len(test_labels)} windows wrong"


def silent():
    """The share of each ReLU layer's neurons that give 0 for every one of the test windows."""
    found = outputs(net, test_windows[:8])
    relus = {name: (y == 0).all(axis=0).mean() for name, y in found.items() if name.startswith("relu")}
    return ", ".join(
        f"{layer} {(relus[layer + '.0'] + relus[layer + '.1']) / 2:.0%}" for layer in ("relu4", "relu5", "relu6", "relu7")
    )


begun = time.perf_counter()
as_in_the_paper = learn(paper_start, lr=0.01)
print("the paper's start:", test(), f"   ({time.perf_counter() - begun:.0f} s)")
print("silent neurons:   ", silent())
draw.lines({"training loss": as_in_the_paper}, level=(np.log(2), "ln 2: knows nothing"), size=(7, 2.6))

# %% [markdown]
# Nothing learned. In the first steps the loss is thrown up, far above $\ln 2 = 0.69$. Then it comes down, and lies still at just that number, which is what one gets for answering "half and half" every time. There it would stay for hours. Is something wrong
# with the net? No: you have proven every layer. **It is the start.** It was made for a thousand classes and a million photos, and does not suit two classes. Anybody who trains AlexNet on a few classes of their own meets this.
#
# Look at it as in lesson 8. Show the fresh net two different photos, and ask each layer: how much of what you put out *depends on the photo*? (The mean difference between the two outputs, divided by the mean size.)


# %%
def depends_on_the_photo(start):
    net.load_state_dict(start)
    shares = {}
    for name, y in outputs(net, windows).items():
        layer, _, tower = name.partition(".")
        if layer.startswith(("conv", "fc")) and tower != "1":
            shares[layer] = abs(y[0] - y[1]).mean() / abs(y).mean()
    return shares


gentle_start = {}
for name, value in paper_start.items():
    if name.endswith("bias"):
        gentle_start[name] = 0.1 * value  # the ones become 0.1
    elif name.startswith(("conv3", "conv4", "conv5")):
        gentle_start[name] = 3 * value  # standard deviation 0.03 there, as in the 2012 code
    else:
        gentle_start[name] = value

curves = {
    "the paper's start": depends_on_the_photo(paper_start),
    "0.03 in conv3 to conv5, biases 0.1": depends_on_the_photo(gentle_start),
}
print({name: f"{values['fc8']:.1%} of the logits depend on the photo" for name, values in curves.items()})
draw.through_the_net(curves, "share that depends on the photo")

# %% [markdown]
# With the paper's start the photo fades from layer to layer. At the end the logits are the same for both photos, to about one per cent. The net is nearly **asleep**, as lesson 8 called it: the small weights make everything smaller, and the biases of 1 drown what is left. And
# those biases make all hidden neurons speak loudly about *nothing*, so that each step at this learning rate overshoots. Once the net has been thrown about like that, neurons fall silent: they give 0 for every window. Look at the shares that were
# printed above, and at `relu7`, the last one before the logits. A ReLU that gives 0 passes no gradient. So hardly anything below it can change any more, and the net answers the same to everything.
#
# The remedies are known. The 2012 code itself starts `conv3` to `conv5` at 0.03; smaller biases, 0.1, are what many found later; and a lower learning rate. Try all three:

# %%
begun = time.perf_counter()
gently = learn(gentle_start, lr=0.001)
print("the gentle start:", test(), f"   ({time.perf_counter() - begun:.0f} s)")
print("silent neurons:  ", silent())
draw.lines(
    {"the paper's start, lr 0.01": np.minimum(as_in_the_paper, 3), "gentle start, lr 0.001": gently},
    level=(np.log(2), "ln 2"),
    size=(7, 3),
)

# %% [markdown]
# (The first curve is cut off at 3.) It learns, within a dozen steps of eight windows. Let us see what it says of windows that it has never seen:

# %%
logits = net.forward(test_windows[:12])
p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
draw.photo_row(list(test_windows[:12] + mean), [f"temple {a:.0%}, flower {b:.0%}" for a, b in p], columns=4, size=2.1)

# %% [markdown]
# **What have we seen, and what not?** AlexNet, whole, learned to tell two photos apart by parts that it had never seen. It did *not* learn what a temple is. Orange against blue would have been enough. For more it needs more photos,
# and you have some. Put them into folders, one for each class, and run
#
# ```
# python scripts/train.py --net alexnet --data FOLDER
# ```
#
# with `FOLDER/cats/1.jpg`, `FOLDER/dogs/1.jpg` and so on. It prepares the photos, sets a fifth of them aside for the test, takes the gentle start that you have just seen, and says so if the net is stuck. With a few hundred photos in each of a few classes, leave it running
# overnight; the more cores, the better, and with a GPU it takes minutes. Why nets get stuck, and which setting helps, is measured by `python scripts/reproduce.py stuck` and told in `docs/reproduction.md`.
#
# ## Recap
#
# - One formula gives all sizes: 224, 55, 27, 13, 6. And 55 needs three zeros that the paper does not mention.
# - 60,965,224 parameters. 96% of them are in the linear layers.
# - 724 million multiply-adds for an image. 92% of them are in the convolutions.
# - Memory: three numbers for each weight, plus the activations of the whole batch. With 128 images that was 2.7 GB in 2012.
# - The paper's start is made for its data. On few classes, begin gently, and look at what depends on the input.
#
# ## If you want more
#
# - Which single change would save the most *weights*? The most *work*? Use your functions: what if `fc6` read 3 x 3 maps, or the stride of `conv1` were 8?
# - Work out the receptive field: how many pixels of the image can one neuron of `conv5` see? (Go backwards: $r \to (r - 1)\,s + k$.)
# - Let the gentle start learn with `lr=0.01`. Then let the paper's start learn with `lr=0.003`. Which of the remedies did it?
#
# ## Five questions
#
# **1.** An image is 300 pixels wide, the kernel 7, the stride 2, with 3 zeros on each side. How many places?
#
# <details><summary>Answer</summary>
#
# $\lfloor (300 + 6 - 7)/2 \rfloor + 1 = \lfloor 149.5 \rfloor + 1 = 150$.
#
# </details>
#
# **2.** `conv3` and `conv4` both have 384 kernels of 3 x 3. But those of `conv3` read the maps of both towers, and those of `conv4` of one only. Then why has `conv3` not twice as many weights? (The table says 885,120 and 663,936.)
#
# <details><summary>Answer</summary>
#
# Because the two do not read the same maps. `conv3` reads those of `pool2`, from both towers: $2 \cdot 128 = 256$. `conv4` reads those of `conv3`, from its own tower: 192, which is half of 384, not of 256. $256/192 = 4/3$, and indeed $885{,}120 / 663{,}936 \approx 4/3$. Always ask what a kernel *reads*.
#
# </details>
#
# **3.** You want to run the net on a phone: to recognise, not to learn. What must fit into its memory?
#
# <details><summary>Answer</summary>
#
# The weights, 244 MB, and two layers' activations at a time. No gradients, no velocities, and no activations have to be kept for a backward pass.
#
# </details>
#
# **4.** The phone's memory is too small, but its processor is fast. Where do you save? And if it is the other way round?
#
# <details><summary>Answer</summary>
#
# Memory: in the linear layers, where the weights are (fewer neurons, or fewer bits for each weight). Work: in the convolutions, above all in conv2 and conv3 (smaller images, larger strides, fewer maps).
#
# </details>
#
# **5.** Your net of 5 classes sits at a loss of 1.61. What does the number tell you? What do you do?
#
# <details><summary>Answer</summary>
#
# $\ln 5 = 1.609$: it says "one in five" to everything. Look at what depends on the input, layer by layer. Then smaller biases, a larger spread in the middle convolutions, a lower learning rate.
#
# </details>
#
# **Next:** [lesson 12](12_what_it_learned.ipynb): look into a net that has learned.
