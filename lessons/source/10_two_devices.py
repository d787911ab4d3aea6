# %% [markdown]
# # 10. Two devices
#
# *About 40 minutes. You need lessons 1 and 4: how a gradient comes back through a layer, and that a number which went into several places
# collects the sum of what comes back from each.*
#
# **The question.** The graphics cards that the paper's authors had, in 2012, had 3 GB of memory each. A net as large as they wanted, with all that it has to keep while it
# learns from a batch, did not fit on one. So they took two. That raises a question which has only grown since: **if a net does not fit on
# one device, where do you cut it, and what does the cut cost?**
#
# There is no need for two graphics cards here. minialex has *virtual devices*: `cpu:0` and `cpu:1` are two workers on your own processor. Each has a thread of its own, and
# its own arrays, and is not supposed to touch the other's. If you do have two GPUs: in a program of your own you write `"0,1"` in place of
# `"cpu,cpu"`, and nothing else changes. (This notebook stays with the virtual ones. It does things wrong on purpose that real ones would not let pass.)

# %%
import threading
import time

import numpy as np

from lessons import check, draw
from minialex.data import digits
from minialex.devices import DeviceError, Ledger, parse_devices, strict_mode
from minialex.layers import SoftmaxCrossEntropy
from minialex.nets import alexnet, small_towers
from minialex.optim import SGD
from minialex.towers import Exchange
from minialex.trace import Tracer

devices = parse_devices("cpu,cpu")
for device in devices:
    work = device.submit(lambda: threading.current_thread().name)  # put this call at the end of the device's queue
    print(device.name, "works in the thread", work.result())  # .result() waits until it is done

# %% [markdown]
# ## The cut
#
# There are two ways to share the work between two devices.
#
# - **Share out the images.** Each device has the whole net, and takes half of the batch. This is called *data parallel*. Then both must agree on the
#   weights after every step. It does not make the net any smaller.
# - **Share out the net.** Each device has half of the neurons in each layer, and sees all images. This is called *model parallel*, and it is what the paper does. The two halves are called **towers**.
#
# If every neuron of a layer read every neuron of the layer below, half of all maps would have to cross after each layer. The paper's trick: **let the towers meet only in some places.**
# Here is the whole net. Press *play*, or go through it move by move: a training step, forward and backward. Try another batch size, and
# another wire. (Where you see only a picture, open the notebook in Jupyter and run the cell.)

# %%
net = alexnet(devices)  # 61 million weights: a few seconds
draw.data_flow(net)

# %% [markdown]
# In the first two layers each tower is alone. Before `conv3` they meet: both get all maps. In `conv4` and `conv5` they are alone again. They meet
# before `fc6`, before `fc7`, and at the very end `fc8` lives on device 0 only.
#
# An activation (what a layer puts out) is now no single array. It is a **tuple of arrays, one for each tower**, each on its own device. Only two small layers ever
# move anything across: `Exchange`, where every tower receives the maps of all, and `Gather`, where one device does. You will write the first.
#
# ## Exchange, with a pencil
#
# Two towers, one image, and a single map of 2 x 2 in each:

# %%
x0, x1 = np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.array([[[[5.0, 6.0], [7.0, 8.0]]]])
y = np.concatenate([x0, x1], axis=1)  # along the channels: tower 0's maps, then tower 1's
print("shapes:", x0.shape, x1.shape, "->", y.shape)
draw.side_by_side(
    draw.array(x0, "x0, of tower 0"), draw.array(x1, "x1, of tower 1"), draw.array(y, "y, for each tower"), between=("and", "=")
)

# %% [markdown]
# With $[a, b]$ for "the maps of $a$, followed by those of $b$", and $x_t$ for the maps of tower $t$:
#
# $$y_t = [x_0, x_1] \qquad \text{for every tower } t$$
#
# Both towers get the same, in the same order. (That matters: the weights above count on it.) In your function the tuples have one array for each tower, and there may be more than two.


# %% tags=["exercise"]
def exchange_forward(maps):
    """maps: a tuple, for each tower (N, C, H, W) -> a tuple, for each tower (N, all channels, H, W)."""
    # BEGIN SOLUTION
    # write: for every tower the maps of all towers, joined along the channels
    joined = np.concatenate(maps, axis=1)
    return tuple(joined for _ in maps)
    # END SOLUTION


check.exchange_forward(exchange_forward)

# %% [markdown]
# ## And backwards
#
# Now the gradient comes down. Each tower has computed one for what it *read*, so for all maps, the other's included: $dy_0$ from tower 0, and $dy_1$ from tower 1.

# %%
dy0 = np.array([[[[1.0, 0.0], [2.0, -1.0]], [[3.0, 1.0], [0.0, 2.0]]]])
dy1 = np.array([[[[5.0, 2.0], [0.0, 1.0]], [[-1.0, 4.0], [1.0, 0.0]]]])
draw.side_by_side(draw.array(dy0, "dy0, from tower 0"), draw.array(dy1, "dy1, from tower 1"))

# %% [markdown]
# What is the gradient of tower 0's first number, $x_0[0, 0] = 1$? Think of lesson 4: where did that number go? Work it out before you read on.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the gradient of the number 1 in x0
first = dy0[0, 0, 0, 0] + dy1[0, 0, 0, 0]
# END SOLUTION

check.value("gradient of tower 0's first number", first)

# %% [markdown]
# It went to *two* places: into tower 0's $y_0$, and into tower 1's $y_1$. Each brings back a share, and the shares add up. As a formula, with $dy_s[\text{maps of } t]$ for the slice of
# tower $s$'s gradient that belongs to the maps of tower $t$:
#
# $$dx_t = \sum_s dy_s[\text{maps of } t]$$
#
# This is the only thing in the whole of AlexNet's backward pass that two devices do *together*. Each owner fetches its slice from every tower, and adds. Write it. All towers are equally wide.


# %% tags=["exercise"]
def exchange_backward(gradients):
    """gradients: a tuple, for each tower (N, all channels, H, W) -> a tuple, for each tower (N, C, H, W)."""
    # BEGIN SOLUTION
    # write: for each tower the sum over all gradients of the slice that belongs to its maps
    C = gradients[0].shape[1] // len(gradients)
    return tuple(sum(dy[:, t * C : (t + 1) * C] for dy in gradients) for t in range(len(gradients)))
    # END SOLUTION


report = check.exchange_backward(exchange_backward)
report

# %% [markdown]
# Do not believe the formula, nudge. As a loss we take $L = \sum dy_0 \cdot y_0 + \sum dy_1 \cdot y_1$, whose gradients with respect to $y_0$ and $y_1$ are just $dy_0$ and $dy_1$.


# %%
def loss_of(x0, x1):
    y = np.concatenate([x0, x1], axis=1)
    return (dy0 * y).sum() + (dy1 * y).sum()  # the same y for either tower


dx0, dx1 = report.function((dy0, dy1))
h = 1e-6
for at in np.ndindex(x0.shape):
    up, down = x0.copy(), x0.copy()
    up[at] += h
    down[at] -= h
    assert np.isclose(dx0[at], (loss_of(up, x1) - loss_of(down, x1)) / (2 * h))
draw.side_by_side(draw.array(dy0[:, :1] + dy1[:, :1], "the two slices, added"), draw.array(dx0, "dx0"), between=("=",))

# %% [markdown]
# ## The wrong turn that still learns
#
# The most natural mistake is to forget the other tower: each takes the slice of its *own* gradient, and is content. No shape is wrong. Nothing raises. Let us see how bad it is. Two small
# nets of two towers learn the digits, from the same start, with the same images in the same order. One of them is forgetful.

# %%
data = digits(seed=0)
images, labels = data.prepare(data.train.images), data.train.labels
test_images, test_labels = data.prepare(data.test.images), data.test.labels


def forgetful(dys):
    """Each tower takes its own gradient's slice, and nothing of the other's."""
    C = dys[0].shape[1] // len(dys)
    return tuple(np.ascontiguousarray(dy[:, t * C : (t + 1) * C]) for t, dy in enumerate(dys))


def make(forget, dtype=np.float32, dropout=0.5):
    small = small_towers(devices, seed=1, maps=8, dtype=dtype, dropout=dropout)
    for stage in small.stages:
        if forget and isinstance(stage, Exchange):
            stage.backward = forgetful
    return small


def learn(small, epochs=3, batch_size=64):
    loss, optimizer, rng = SoftmaxCrossEntropy(), SGD(small, lr=0.03), np.random.default_rng(0)
    for _ in range(epochs):
        for chosen in np.array_split(rng.permutation(len(labels)), len(labels) // batch_size):
            loss.forward(small.forward(images[chosen], train=True), labels[chosen])
            small.backward(loss.backward())
            optimizer.step()
    return (small.forward(test_images).argmax(axis=1) != test_labels).mean()


for forget in (False, True):
    print("forgetful:" if forget else "right:    ", f"{learn(make(forget)):.1%} of the test digits are wrong after 3 epochs")

# %% [markdown]
# It learns! Not well, perhaps, but who would look for a mistake there? One would change the learning rate for a week. **A loss that falls proves nothing.** A nudge does. Take one weight of `conv1` on
# device 1, and compare its gradient with the slope:

# %%
x, t = images[:16].astype(np.float64), labels[:16]


def slope(small, name, at, h=1e-5):
    """How fast the loss grows when one weight is nudged."""
    losses = []
    for step in (h, -h):
        state = small.state_dict()
        state[name][at] += step
        small.load_state_dict(state)
        losses.append(SoftmaxCrossEntropy().forward(small.forward(x), t))
        state[name][at] -= step
        small.load_state_dict(state)
    return (losses[0] - losses[1]) / (2 * h)


for forget in (False, True):
    small, loss = make(forget, dtype=np.float64, dropout=0.0), SoftmaxCrossEntropy()
    loss.forward(small.forward(x), t)
    small.backward(loss.backward())
    name, at = "conv1.1.weight", (2, 0, 1, 1)
    gradient, by_nudging = small.grad_dict()[name][at], slope(small, name, at)
    assert np.isclose(gradient, by_nudging, rtol=1e-4) != forget
    print("forgetful:" if forget else "right:    ", f"backward says {gradient:+.6f}, nudging says {by_nudging:+.6f}")

# %% [markdown]
# ## The wire and the ledger
#
# So far both towers were plain arrays in one place. Now let them live on devices. `device.put` makes a copy there. minialex's `Exchange` needs to know the devices, and a **ledger**: the book in which every
# copy is written down.

# %%
ledger, stage = Ledger(), Exchange("conv3")
stage.place(devices, ledger)
maps = (devices[0].put(x0), devices[1].put(x1))
joined = stage.forward(maps)
back = stage.backward((devices[0].put(dy0), devices[1].put(dy1)))
assert all(np.array_equal(devices[t].get(joined[t]), y) for t in (0, 1))
assert np.array_equal(devices[0].get(back[0]), dx0)
assert np.array_equal(devices[1].get(back[1]), dx1)
print(ledger)

# %% [markdown]
# Four crossings. Forward, each tower sends its map, 4 numbers of 8 bytes (they are `float64`), to the other. Backward, a slice of the gradient comes back each way. What stays at home is no
# crossing. Every net keeps such a ledger of its last step. Here is AlexNet's, the real one, for a batch of two images:

# %%
pictures = draw.two_photos(224).astype(np.float32) - 114
logits = net.forward(pictures, train=True)
net.backward(np.full_like(logits, 0.001))
print(net.ledger)

# %% [markdown]
# Read it from top to bottom: it is the step that you have played above, in the order in which it was asked for. (`host` is your computer's main memory, where the images come from and the logits go. These rows are not
# counted as crossings between devices.)
#
# Weights are nowhere in it, nor their gradients. Each device keeps its own, and updates them by itself.
#
# ## What it costs
#
# Now with a pencil, for the paper's batch of 128 images. Before `conv3` each tower sends what its `pool2` has put out. How many bytes is that, one way? A `float32` has 4 bytes. The sizes are in the picture above.

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the bytes that tower 0 sends to tower 1 before conv3, for a batch of 128 images
one_way = 128 * 128 * 13 * 13 * 4
# END SOLUTION

check.value("bytes for conv3, one way", one_way)

# %% [markdown]
# In general, an exchange of maps (N, C, H, W) costs $4 N C H W$ bytes for each copy. With two towers there are two copies forward and two backward; for a `Gather` it is one each way. Let us add it all up, and hold it against the
# ledger.

# %%
reads = {"conv3": (128, 13, 13), "fc6": (128, 6, 6), "fc7": (2048,), "fc8": (2048,)}  # what one tower sends, for one image
copies = {"conv3": 4, "fc6": 4, "fc7": 4, "fc8": 2}  # forward and backward together
per_image = {name: copies[name] * 4 * int(np.prod(shape)) for name, shape in reads.items()}
for name, count in per_image.items():
    assert 2 * count == net.ledger.bytes(name)  # the batch above had two images
    print(f"{name:6} {128 * count / 1e6:5.1f} MB in a step of 128 images")
total = 128 * sum(per_image.values())
print(f"in all {total / 1e6:5.1f} MB")

# %% [markdown]
# 60 MB in each step. Is that much? It takes a comparison. The paper trained 90 times through 1.2 million images in five to six days. And a card of that time could send about 6 GB/s to
# another one.

# %%
images_a_second = 90 * 1.2e6 / (5.5 * 24 * 3600)
step_ms, wire_ms = 1000 * 128 / images_a_second, 1000 * total / 6e9
print(f"a step took about {step_ms:.0f} ms; to send {total / 1e6:.0f} MB takes {wire_ms:.0f} ms, {wire_ms / step_ms:.0%} of it")

# %% [markdown]
# Two per cent of the time: not much to pay for a second card. And the other cuts? Let us price them as well:
#
# - **towers that meet before every layer**: also before `conv2`, `conv4` and `conv5`;
# - **images shared out** (data parallel): each device has all 61 million weights, and in each step sends their gradients to the other, whatever the batch.

# %%
more = {"conv2": (48, 27, 27), "conv4": (192, 13, 13), "conv5": (192, 13, 13)}
everywhere = sum(per_image.values()) + sum(4 * 4 * int(np.prod(shape)) for shape in more.values())
nowhere = per_image["fc8"]  # two nets side by side, joined only at the end
gradients = 2 * 4 * net.num_parameters
batch = np.array([1, 4, 16, 64, 128, 256, 1024, 4096])
cuts = {
    "towers that meet before every layer": batch * everywhere / 1e6,
    "the paper's towers": batch * sum(per_image.values()) / 1e6,
    "towers that meet only at fc8": batch * nowhere / 1e6,
    "images shared out": np.full(len(batch), gradients / 1e6),
}
print(
    f"at 128 images: the paper's {total / 1e6:.0f} MB, everywhere {128 * everywhere / 1e6:.0f} MB, images shared out {gradients / 1e6:.0f} MB"
)
draw.lines(cuts, x=batch, log="xy", across="images in a batch", up="MB that cross in a step", title="what a cut costs")

# %% [markdown]
# What crosses between towers grows with the batch. What crosses when images are shared out grows with the *weights*, and not with the batch. So with small batches and many weights the net is cut, with
# large batches and few weights the images are. AlexNet's convolutions have few weights and large maps, its last layers many weights and small maps: one of its authors later did
# one thing for the former, the other for the latter.
#
# And the price of *not* meeting is paid in another coin. In `conv2`, `conv4` and `conv5` a kernel sees only half of the maps. That is why these layers have half as many weights as they could. Whether it costs accuracy
# you will ask in lesson 13.
#
# ## Strict mode: being wrong on purpose
#
# Our two virtual devices live in one memory. So a layer that *forgets to copy* would work here, and on two real GPUs it would fail, or be slow, depending on the machine. It
# is the kind of bug that shows up in front of an audience. Here is one:


# %%
class Careless(Exchange):
    """Joins the maps where they are. Nobody copied anything."""

    def forward(self, xs, train=True):
        joined = np.concatenate(xs, axis=1)
        return (joined, joined)


careless, empty = Careless("conv3"), Ledger()
careless.place(devices, empty)
wrong = careless.forward((devices[0].put(x0), devices[1].put(x1)))
print("the right numbers:", np.array_equal(wrong[0], y), "   and in the ledger:", len(empty.rows), "rows")

# %% [markdown]
# The numbers are right. But nothing was copied, and so nothing is in the ledger. In **strict mode** an array remembers where it lives, and an operation that mixes two places raises an error, as a GPU would:


# %%
def caught(what, work):
    try:
        work()
        print(f"{what}: nothing said")
    except DeviceError as error:
        print(f"{what}: DeviceError: {error}")


with strict_mode():
    a, b = devices[0].put(x0), devices[1].put(x1)
    caught("a + b", lambda: a + b)
    caught("Careless", lambda: careless.forward((a, b)))
    caught("the wrong worker", lambda: devices[1].submit(lambda: a + 1).result())
    caught("Exchange", lambda: stage.forward((a, b)))

# %% [markdown]
# The third is subtle: nothing is mixed, but the worker of `cpu:1` reaches into the memory of `cpu:0`. The last one, which copies, passes. All of minialex's own tests run in strict mode.
#
# ## At the same time?
#
# The point of two devices is that they work *at the same time*. A **timeline** shows it: a lane for each device, time from left to right. Below, one step of a two-tower net for images of 32 x 32. In each lane the upper boxes
# are the layers, the lower ones the stages that they belong to.

# %%
rng = np.random.default_rng(0)
photos, classes = rng.standard_normal((8, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 8)


def step(small, optimizer, loss):
    loss.forward(small.forward(photos, train=True), classes)
    small.backward(loss.backward())
    optimizer.step()


def trained(places):
    """A net on these devices, after two steps that fill its buffers."""
    small = small_towers(parse_devices(places), input_shape=(3, 32, 32), maps=32)
    parts = small, SGD(small, lr=0.001), SoftmaxCrossEntropy()
    for _ in range(2):
        step(*parts)
    return parts


def watched(parts):
    """What happens in one step: a list of spans, each with a lane, a name, a start and an end."""
    with Tracer(parts[0], parts[1], steps=1) as tracer:
        step(*parts)
    return tracer.spans()


parts = trained("cpu:0,cpu:1")
steps = [watched(parts) for _ in range(5)]
draw.step_lanes(min(steps, key=lambda spans: max(span.end for span in spans)), title=" ")  # the quickest: nobody came between

# %% [markdown]
# Two things to see. The towers really run side by side, and where an exchange stands they **wait for each other**: hatched white. And the exchange itself is thin; the lower picture is a close-up of it.
#
# How much faster are two devices than one? Put both towers on `cpu:0`, where they must take turns, and compare. The net is the same, to the last bit:


# %%
def seconds(parts, times=5):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        step(*parts)
        taken.append(time.perf_counter() - start)
    return min(taken)


one, two = trained("cpu:0,cpu:0"), trained("cpu:0,cpu:1")
alike = all(np.array_equal(value, two[0].state_dict()[name]) for name, value in one[0].state_dict().items())
t1, t2 = seconds(one), seconds(two)
print(f"both towers on cpu:0: {1e3 * t1:.0f} ms a step, {one[0].ledger.bytes():>9,} bytes cross")
print(f"one tower on each:    {1e3 * t2:.0f} ms a step, {two[0].ledger.bytes():>9,} bytes cross; {t1 / t2:.2f} times as fast")
print("the same weights after the same steps:", alike)
assert alike

# %% [markdown]
# With two free cores the factor comes near 2. (If yours is near 1, something else is using them, or there is only one.) It never quite gets there: `fc5`, the last layer, has one owner, and somebody always waits a little.
#
# That the two give **the same bits** is no luck. The owner adds the slices in the order of the towers, wherever they live. Add in the order in which they happen to arrive, and $(a + b) + c$ is no longer always the same as
# $a + (b + c)$: rounding sees to that.
#
# ## Recap
#
# - A net can be cut by images (data parallel) or by neurons (model parallel). The paper cuts by neurons: two towers that meet at four places.
# - An activation is a tuple of arrays, one for each tower. **Forward, `Exchange` joins; backward, it adds the slices**, because each map was read by every tower.
# - The forgetful version learns, too. Only a nudge tells them apart.
# - 60 MB cross in a step of 128 images, about 2% of the time in 2012. Weights and their gradients never cross.
# - Between towers, bytes grow with the batch; with images shared out, they grow with the weights.
# - Strict mode finds, on a laptop, the copy that was forgotten.
#
# ## If you want more
#
# - Let the towers meet one more time: what would an exchange before `conv2` cost in a step of 128 images? (The picture above has the line; you have the formula.)
# - Write `Gather` and its backward pass. It is shorter than `Exchange`. Why is there nothing to add?
# - Three towers: how many copies does an exchange take then, forward? And with $T$ towers?
#
# ## Five questions
#
# **1.** Why is there a sum in the backward pass of `Exchange`, but none in that of `Gather`?
#
# <details><summary>Answer</summary>
#
# In `Exchange` each map is read by every tower, so each tower brings back a share. In `Gather` there is one reader only. Each tower gets back its slice, as it is.
#
# </details>
#
# **2.** Why do weights never cross?
#
# <details><summary>Answer</summary>
#
# Each weight belongs to one neuron, and each neuron to one tower. For its gradient only what the neuron has read and the gradient of what it has put out are needed. Both are on its own device.
#
# </details>
#
# **3.** The batch becomes twice as large. What happens to the bytes in each step? And for the same number of images in all?
#
# <details><summary>Answer</summary>
#
# In each step they double. But there are half as many steps, so for all images together they stay the same. If the images were shared out (data parallel), they would halve.
#
# </details>
#
# **4.** A friend's two-tower net gives the right loss on the CPU, and on two GPUs it stops with an error about memory that cannot be accessed. Where do you look?
#
# <details><summary>Answer</summary>
#
# For an operation on two arrays that live in different places, or work that was queued on the wrong device. On the CPU both are in one memory, so nobody notices. Strict mode raises at that very line.
#
# </details>
#
# **5.** In `conv2` each kernel reads 48 maps rather than 96. How many weights are saved? (256 kernels of 5 x 5.)
#
# <details><summary>Answer</summary>
#
# Half: $256 \cdot 48 \cdot 25 = 307{,}200$ rather than $614{,}400$. The net with one piece and `groups=2`, `alexnet_grouped`, computes the very same.
#
# </details>
#
# **Next:** [lesson 11](11_alexnet_whole.ipynb): the whole of AlexNet, counted with a pencil, and trained.
