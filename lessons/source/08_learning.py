# %% [markdown]
# # 8. Learning
#
# *About 40 minutes. It builds on lessons 1 and 2: the gradient, ReLU, dead neurons.*
#
# All layers are there, and each can say how the loss changes with its weights. What remains is one formula, two lines in
# section 5 of the paper, and one question that has cost more people more evenings than any other:
#
# > *I have built it, the gradients are right, and the loss stays at 6.91. Why?*
#
# In this lesson you
#
# - write the paper's update rule, with momentum and weight decay,
# - see in a picture what each part does, and where people put the learning rate in the wrong place,
# - find out how large weights must be at the start,
# - watch a net get stuck at $\ln(\text{classes})$, tell its two illnesses apart, and cure both.

# %%
import numpy as np
from sklearn.datasets import load_sample_images

from lessons import check, draw
from minialex.data import digits
from minialex.devices import parse_devices
from minialex.initial import HE, initialise
from minialex.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, SoftmaxCrossEntropy
from minialex.nets import alexnet
from minialex.optim import SGD

devices = parse_devices("cpu,cpu")
rng = np.random.default_rng(0)

# %% [markdown]
# ## Down a valley
#
# Take a loss of only two weights, so that we can draw it:
#
# $$L(a, b) = \tfrac{1}{2}\,(a^2 + 25\, b^2), \qquad \frac{\partial L}{\partial a} = a, \qquad \frac{\partial L}{\partial b} = 25\, b$$
#
# It is a long valley: flat along $a$, steep along $b$. Real losses look like this in thousands of directions at once. *Plain
# gradient descent* moves each weight against its slope, $w \leftarrow w - \epsilon\, \partial L/\partial w$, with the
# **learning rate** $\epsilon$ (in code, `lr`).
#
# By hand: $b \leftarrow b - \epsilon \cdot 25\, b = (1 - 25 \epsilon)\, b$. So $b$ is multiplied by $1 - 25\epsilon$ in every
# step. That shrinks only while $|1 - 25 \epsilon| < 1$, that is, for $\epsilon < 2/25 = 0.08$. And $a$ is multiplied by
# $1 - \epsilon$, which is then at least 0.92: slow. **The steepest direction limits the rate, and the flattest one has to
# live with it.**

# %%
CURVATURE = np.array([1.0, 25.0])


def valley(a, b):
    return 0.5 * (CURVATURE[0] * a**2 + CURVATURE[1] * b**2)


def slope(w):
    return CURVATURE * w


def plain(lr, steps=40):
    path = [np.array([-4.0, 1.0])]
    for _ in range(steps):
        path.append(path[-1] - lr * slope(path[-1]))
    return np.array(path)


path = plain(0.02)
assert np.allclose(path[1:] / path[:-1], 1 - 0.02 * CURVATURE)  # by hand: each weight shrinks by its own factor

paths = {f"lr {lr}, 40 steps": plain(lr) for lr in (0.02, 0.076, 0.082)}
draw.descent(valley, paths, reach=(-4.6, 2.2, -1.5, 1.5), columns=3)

# %% [markdown]
# Left: it creeps. Middle: it jumps from one wall to the other and still creeps along the valley. Right: a little more, and
# every jump goes higher up the wall. That is what it looks like when learning **diverges**; in a net the loss then becomes
# huge, and soon `nan`.
#
# ## A ball with momentum
#
# Now imagine a heavy ball. It does not follow the slope; the slope changes its **velocity** $v$, and the velocity moves it.
# Across the valley the slope pulls it left, then right, then left: that cancels. Along the valley it pulls the same way all
# the time: that adds up.
#
# This is the paper's rule (section 5), for each weight $w$ with its own velocity $v$, which starts at 0:
#
# $$v \leftarrow 0.9\, v \;-\; 0.0005\, \epsilon\, w \;-\; \epsilon\, \frac{\partial L}{\partial w} \qquad\qquad w \leftarrow w + v$$
#
# The three parts are: what is left of the old velocity (0.9 is the **momentum**); the **weight decay**, to which we come; and
# the slope. Write it, with the two constants as arguments:


# %% tags=["exercise"]
def sgd_update(w, dw, v, lr, momentum, weight_decay):
    """The new w and the new v, as new arrays. dw is the gradient dL/dw."""
    # BEGIN SOLUTION
    # write: the two lines of the formula; v first
    v = momentum * v - weight_decay * lr * w - lr * dw
    w = w + v
    return w, v
    # END SOLUTION


report = check.sgd_update(sgd_update)
sgd_update = report.function
report


# %%
def ball(lr, momentum, steps=40):
    w, v = np.array([-4.0, 1.0]), np.zeros(2)
    path = [w]
    for _ in range(steps):
        w, v = sgd_update(w, slope(w), v, lr, momentum, weight_decay=0.0)
        path.append(w)
    return np.array(path)


paths = {
    "no momentum, lr 0.04": ball(0.04, momentum=0.0),
    "momentum 0.5, lr 0.04": ball(0.04, momentum=0.5),
    "momentum 0.9, lr 0.04": ball(0.04, momentum=0.9),
}
assert np.allclose(paths["no momentum, lr 0.04"], plain(0.04))
for name, path in paths.items():
    print(f"{name}: after 40 steps L = {valley(*path[-1]):.3f}")
draw.descent(valley, paths, reach=(-4.6, 2.2, -1.5, 1.5), columns=3)

# %% [markdown]
# With momentum 0.5 the ball is at the bottom when plain descent is still on its way. With 0.9 it rolls past and comes back:
# too much for this valley. How much is good depends on how long the valley is. Make it a hundred times as steep across (or as
# flat along), and give everybody 400 steps:

# %%
for momentum in (0.0, 0.5, 0.9):
    w, v = np.array([-4.0, 1.0]), np.zeros(2)
    for _ in range(400):
        w, v = sgd_update(w, np.array([1.0, 2500.0]) * w, v, 1 / 2500, momentum, 0.0)
    print(f"long valley, momentum {momentum}: L = {0.5 * (w[0] ** 2 + 2500 * w[1] ** 2):.2f}")

# %% [markdown]
# The valleys of nets are long: 0.9 is what nearly everybody takes.
#
# How fast does it become? On a steady slope, say with $-\epsilon\, \partial L/\partial w = 1$ in every step, $v$ is 1, then
# 1.9, then 2.71, … What is $v$ in the end?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the velocity that a steady slope of 1 ends in, with momentum 0.9
speed = 10.0
# END SOLUTION

answer = check.value("speed in the end", speed)
answer

# %%
w, v = np.zeros(1), np.zeros(1)
for _ in range(200):
    w, v = sgd_update(w, np.array([-1.0]), v, lr=1.0, momentum=0.9, weight_decay=0.0)
assert np.isclose(v[0], answer.number)

# %% [markdown]
# So with momentum $m$, steps become up to $1/(1-m)$ times as long. When you change the momentum from 0.9 to 0.99, you have
# also made the rate ten times larger. Many "bad" values of momentum are really bad learning rates.
#
# ## Weight decay
#
# The middle part, $-0.0005\,\epsilon\, w$, pulls every weight a little towards 0, in every step. Where does it come from? Add
# to the loss a punishment for large weights, $\tfrac{1}{2} \lambda \sum w^2$ with $\lambda = 0.0005$. Its gradient is
# $\lambda w$, and this must be added to $\partial L/\partial w$. That is the whole story:

# %%
w, dw, v, lam = rng.standard_normal(5), rng.standard_normal(5), rng.standard_normal(5), 0.0005
with_decay = sgd_update(w, dw, v, 0.01, 0.9, weight_decay=lam)
with_punishment = sgd_update(w, dw + lam * w, v, 0.01, 0.9, weight_decay=0.0)
assert np.allclose(with_decay, with_punishment)

# %% [markdown]
# What does it do alone, where the data say nothing ($\partial L/\partial w = 0$)? Each step takes $\epsilon \lambda$ of the
# weight, and momentum makes that ten times as much. So it shrinks by the factor $1 - \epsilon\lambda/(1 - m)$ a step, about:

# %%
lr, momentum = 0.01, 0.9
w, v = np.ones(1), np.zeros(1)
for _ in range(10_000):
    w, v = sgd_update(w, np.zeros(1), v, lr, momentum, weight_decay=lam)
print(f"after 10,000 steps: {w[0]:.4f}; the formula says {(1 - lr * lam / (1 - momentum)) ** 10_000:.4f}")
assert np.isclose(w[0], (1 - lr * lam / (1 - momentum)) ** 10_000, rtol=1e-3)

# %% [markdown]
# It is gentle: 10,000 steps take 40%. A weight stays large only if the data keep asking for it. The paper found that decay
# "is not merely a regularizer: it reduces the model's training error".
#
# Biases do not decay, neither in the 2012 code nor here. (A bias cannot make a net wild, and some *should* be large. Decay on
# biases is one of the errors that we plant in our tests.)
#
# **A wrong turn: where the rate stands.** Today's libraries mostly write $v \leftarrow 0.9\,v + \partial L/\partial w$, then
# $w \leftarrow w - \epsilon\, v$. Is that the same? As long as $\epsilon$ does not change, exactly. But at the end of
# training the rate is lowered, usually by ten:


# %%
def papers(lrs):
    w, v, way = np.zeros(1), np.zeros(1), []
    for lr in lrs:
        w, v = sgd_update(w, np.array([-1.0]), v, lr, 0.9, 0.0)
        way.append(w[0])
    return way


def todays(lrs):
    w, v, way = np.zeros(1), np.zeros(1), []
    for lr in lrs:
        v = 0.9 * v + np.array([-1.0])
        w = w - lr * v
        way.append(w[0])
    return way


steady, dropped = [0.1] * 60, [0.1] * 30 + [0.01] * 30
assert np.allclose(papers(steady), todays(steady))
both = {"rate inside v (paper)": papers(dropped), "rate outside v (today)": todays(dropped)}
draw.lines(both, up="w", title="A steady slope; the rate drops after step 30")

# %% [markdown]
# In the paper's rule the old velocity was made with the old rate, and rolls on for some twenty steps. In the other, the ball
# is ten times slower at once. Neither is wrong, but who ports a training recipe from one to the other should know.
#
# ## The start: how large should weights be?
#
# At 0 nothing can begin (lesson 1, question 5). So weights start at random numbers with the mean 0 and some standard
# deviation $\sigma$ (`std`). Too small a $\sigma$, and the signal fades from layer to layer. Too large, and it explodes. Let
# us compute when it stays.
#
# One sum is $y = \sum_d w_d\, x_d$, with $D$ terms. The $w_d$ are independent, with mean 0 and variance $\sigma^2$. Then
# variances add up, and the mean square of $y$ is
#
# $$E[y^2] = \sum_d E[w_d^2]\, x_d^2 = D\, \sigma^2 \cdot \overline{x^2},$$
#
# where $E[\cdot]$ is the average over many random draws, and $\overline{x^2}$ the mean square of the inputs. ReLU then throws
# away the negative half. As $y$ is as often negative as positive, half of the mean square is left. So one layer with its ReLU
# multiplies the mean square by $D\sigma^2/2$, and the size (its root) by
#
# $$g = \sigma\, \sqrt{D / 2}.$$

# %%
D, std = 400, 0.1
x = np.abs(rng.standard_normal(D))
y = np.array([rng.normal(0, std, D) @ x for _ in range(4000)])  # 4000 neurons
assert np.isclose(np.mean(y**2), D * std**2 * np.mean(x**2), rtol=0.1)
assert np.isclose(np.mean(np.maximum(y, 0) ** 2), D * std**2 / 2 * np.mean(x**2), rtol=0.1)
print(f"g = {std * np.sqrt(D / 2):.3f}")

# %% [markdown]
# The size stays if $g = 1$, that is, $\sigma = \sqrt{2/D}$. (This is called *He initialisation*, after He and others, 2015:
# three years after AlexNet.)
#
# AlexNet's `fc6` has $D = 9216$ inputs. What is $\sqrt{2/D}$ there?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the standard deviation with which fc6, of 9216 inputs, keeps a signal's size
std_fc6 = np.sqrt(2 / 9216)
# END SOLUTION

check.value("std for fc6", std_fc6)

# %% [markdown]
# The paper starts *all* weights at $\sigma = 0.01$. For `fc6` that is nearly right! For layers with fewer inputs it is too
# small:

# %%
inputs = {"conv1": 3 * 11 * 11, "conv2": 48 * 5 * 5, "conv3": 256 * 3 * 3, "conv4": 192 * 3 * 3, "conv5": 192 * 3 * 3}
inputs |= {"fc6": 9216, "fc7": 4096, "fc8": 4096}
product = 1.0
print("layer   inputs D   sqrt(2/D)   g at 0.01")
for name, D in inputs.items():
    g = 0.01 * np.sqrt(D / 2)
    product *= g
    print(f"{name}  {D:8}   {np.sqrt(2 / D):9.4f}   {g:9.2f}")
print(f"\nall together: {product:.1e}")

# %% [markdown]
# From pixels to scores a signal shrinks by several thousand. (Where biases of 1 keep nearly all ReLUs open, nothing is cut in
# half, and $g$ is larger by $\sqrt 2$. It does not help much.) The paper fed pixels of 0 to 255, which makes up for a part of
# that. Who feeds pixels of $-2$ to 2, as everybody does today, and starts at 0.01, "as the paper says", has a problem.
#
# ## Stuck at ln(classes)
#
# Let us have that problem. Here is a small net with AlexNet's eight layers, for our digits, which starts as the paper's:
# $\sigma = 0.01$, the biases of conv2, conv4, conv5, fc6 and fc7 at 1, the others at 0.

# %%
data = digits()
images, labels = data.prepare(data.train.images), data.train.labels  # -2 to 2


def eight_layers(std, bias, seed=0):
    """std: of all weights, or "he"; bias: what the paper starts at 1."""
    rng = np.random.default_rng(seed)

    def conv(C, O, bias):
        return Conv2d(C, O, 3, padding=1, std=np.sqrt(2 / (9 * C)) if std == "he" else std, bias=bias, rng=rng)

    def full(D, O, bias):
        return Linear(D, O, std=np.sqrt(2 / D) if std == "he" else std, bias=bias, rng=rng)

    return Sequential(
        conv1=conv(1, 8, 0), relu1=ReLU(), pool1=MaxPool2d(3, 2, ceil_mode=True),
        conv2=conv(8, 16, bias), relu2=ReLU(),
        conv3=conv(16, 24, 0), relu3=ReLU(),
        conv4=conv(24, 24, bias), relu4=ReLU(),
        conv5=conv(24, 16, bias), relu5=ReLU(), pool5=MaxPool2d(3, 2, ceil_mode=True), flatten=Flatten(),
        fc6=full(64, 48, bias), relu6=ReLU(),
        fc7=full(48, 48, bias), relu7=ReLU(),
        fc8=full(48, 10, 0),
    )  # fmt: skip


def train(net, lr, epochs=6, seed=0, each_step=lambda net: None):
    """The mean loss of every epoch."""
    loss, sgd, rng, means = SoftmaxCrossEntropy(), SGD(net, lr=lr), np.random.default_rng(seed), []
    for _ in range(epochs):
        losses = []
        for batch in np.array_split(rng.permutation(len(labels)), 22):
            losses.append(loss.forward(net.forward(images[batch]), labels[batch]))
            net.backward(loss.backward())
            sgd.step()
            each_step(net)
        means.append(np.mean(losses))
    return means


stuck = eight_layers(std=0.01, bias=1.0)
print("the paper's start:", np.round(train(stuck, lr=0.01), 3))
healthy = eight_layers(std="he", bias=0.0)
print("sqrt(2/D):        ", np.round(train(healthy, lr=0.01), 3))
print("ln 10 =           ", np.log(10).round(3))

# %% [markdown]
# There it is: 2.31 or 2.32, epoch after epoch. All gradients are right, they have been proven. And the same net with another
# start learns at once. So what happens inside?
#
# ### Picture 1: does the net see the images at all?
#
# We ask each layer: *how much does a neuron's output differ from image to image?* For each neuron we take the standard
# deviation over 200 images, and the root mean square over the layer. (`draw.differs` does that.) Next to it, the size of the
# gradient that arrives at each layer. Both before the first step.

# %%
LAYERS = ["relu1", "relu2", "relu3", "relu4", "relu5", "relu6", "relu7", "fc8"]
some, their_labels = images[:200], labels[:200]


def forwards(net):
    """The output of each layer, for 200 images."""
    outputs, y = {}, some
    for name, layer in net.by_name().items():
        outputs[name] = y = layer.forward(y)
    return outputs


def backwards(net):
    """The gradient that arrives at each layer's output."""
    gradients, loss = {}, SoftmaxCrossEntropy()
    loss.forward(forwards(net)["fc8"], their_labels)
    dy = loss.backward()
    for name, layer in reversed(net.by_name().items()):
        gradients[name] = dy
        dy = layer.backward(dy)
    return gradients


def size(a):
    return np.sqrt(np.mean(np.square(a, dtype=np.float64)))


starts = {"0.01, biases 1": (0.01, 1.0), "0.1, biases 1": (0.1, 1.0), "sqrt(2/D), biases 0": ("he", 0.0)}
nets = {name: eight_layers(*start) for name, start in starts.items()}
signal, gradient = {}, {}
for name, net in nets.items():
    outputs, gradients = forwards(net), backwards(net)
    signal[name] = [draw.differs(outputs[layer]) for layer in LAYERS]
    gradient[name] = [size(gradients[layer]) for layer in LAYERS]
draw.by_layer({"output: what differs between images": signal, "gradient": gradient}, LAYERS)

# %% [markdown]
# Read the left panel from left to right, as the signal goes; mind that from one line of the grid to the next is a factor of a
# hundred. In the paper's start (blue), what distinguishes one image from another has shrunk by a factor of several million
# when it comes to the scores. Read the right panel from right to left, as the gradient goes: it fades in the same way.
#
# But the outputs are not small! The biases see to that:

# %%
outputs = forwards(nets["0.01, biases 1"])
print(f"size of relu7's outputs:         {size(outputs['relu7']):.3f}")
print(f"of this, differs between images: {draw.differs(outputs['relu7']):.1e}")

# %% [markdown]
# So the neurons of fc7 speak up clearly, and they say the same thing whatever the image is. The net is **asleep**: it talks,
# but not about what it sees.
#
# ### Why does it not wake up?
#
# The gradient of fc8's weights is not small, since $dW = dy^\top h$, and $h$, the output of fc7, is of size 1. Then why does
# that not help? Say that $h$ is the same for all images. Then
#
# $$dW_{o} = \sum_n dy_{no}\, h = \Big(\sum_n dy_{no}\Big)\, h, \qquad \sum_n dy_{no} = \frac{1}{N}\sum_n \big(p_{no} - [o = t_n]\big) = p_o - \frac{N_o}{N}$$
#
# where $N_o$ is how many images of class $o$ there are in the batch. An image of a 3 pulls the score of the 3 up, with a
# force of 0.9; each image of another digit pulls it down, with 0.1, and there are nine times as many of these. As all of them
# pull *on the same $h$*, it cancels. What is left is only how *often* each class came. That is all such a net can learn: the
# frequencies of the classes. It reaches them soon, and then its loss is $\ln 10$.

# %%
dy = SoftmaxCrossEntropy()
dy.forward(outputs["fc8"], their_labels)
dlogits, h = dy.backward(), outputs["relu7"]
each_alone = size(dlogits[:, :, None] * h[:, None, :]) * len(h)  # the typical size of one image's own gradient
together = size(dlogits.T @ h)
counts = np.bincount(their_labels, minlength=10)
p = np.exp(outputs["fc8"][0]) / np.exp(outputs["fc8"][0]).sum()
print(f"gradient of fc8's weights: of one image alone {each_alone:.3f}, of the 200 together {together:.4f}")
print("from counting alone:", np.round(p - counts / 200, 3))
print("from the gradient:  ", np.round(dlogits.sum(axis=0), 3))
assert np.allclose(p - counts / 200, dlogits.sum(axis=0), atol=1e-4)

# %% [markdown]
# The net's whole gradient at fc8 can be computed **without looking at a single pixel**, from the counts of the labels. That
# is what "stuck at ln(classes)" means.
#
# Such a net may wake up by itself: the tiny differences can grow, slowly at first and then faster. That may take a few
# epochs, or longer than anybody waits. So a flat loss is not always the end.
#
# ### Picture 2: the other illness
#
# "Then I take larger weights, and a larger rate, to get out faster." Let us do that: $\sigma = 0.1$, biases 1, and lr 0.03.
# For comparison the same with lr 0.01. During the first 60 steps we write down, for each layer, what differs between images,
# and the share of neurons that are **dead** (silent for all of the 200 images, lesson 2).

# %%
CASES = {
    "0.01, biases 1, lr 0.01": (0.01, 1.0, 0.01),
    "0.1, biases 1, lr 0.03": (0.1, 1.0, 0.03),
    "0.1, biases 1, lr 0.01": (0.1, 1.0, 0.01),
    "sqrt(2/D), lr 0.01": ("he", 0.0, 0.01),
}
RELUS = LAYERS[:-1]
differ, dead, losses = {}, {}, {}
for name, (std, bias, lr) in CASES.items():
    differ[name], dead[name] = [], []

    def look(net, name=name):
        if len(differ[name]) < 60:
            outputs = forwards(net)
            differ[name].append([draw.differs(outputs[n]) for n in LAYERS])
            dead[name].append([np.mean(outputs[n].max(axis=0) <= 0) for n in RELUS])

    losses[name] = train(eight_layers(std, bias), lr, epochs=7, each_step=look)

draw.lines(losses, across="epoch", up="mean loss", level=(np.log(10), "ln 10"))

# %%
draw.over_steps(differ, LAYERS, title="differs between images", log=True)

# %%
draw.over_steps(dead, RELUS, title="share of dead neurons")

# %% [markdown]
# Two of the four losses look the same: flat, at 2.30. But inside they are quite different:
#
# - **0.01, lr 0.01: asleep.** The upper layers speak, but the signal in them is too small, and stays so. (The band at relu3
#   belongs to it: conv3's biases are 0, and its inputs hardly differ, so that a sum which is negative for one image is
#   negative for all.)
# - **0.1, lr 0.03: dead.** It began with a signal. But within some thirty steps *every* neuron of fc7 fell silent for *every*
#   image. From then on the scores do not depend on the image at all, and no gradient passes fc7.
# - **0.1, lr 0.01** is the third kind: it only *looks* stuck. It needs some epochs to find its way, and then learns.
# - **sqrt(2/D)** has a signal in all layers from the first step.
#
# How does a whole layer die? Let us watch fc7 of the second net. The sum of a neuron is $W h + b$. We look at both parts,
# averaged over neurons and images, and at how far apart the ten scores are.

# %%
story = []


def watch_fc7(net):
    outputs, bias = forwards(net), net.params["fc7.bias"].mean()
    story.append((bias, outputs["fc7"].mean() - bias, outputs["fc8"].std(axis=1).mean()))


train(eight_layers(std=0.1, bias=1.0), lr=0.03, epochs=2, each_step=watch_fc7)
for step in (1, 5, 10, 20, 30, 40):
    print("step {:2}: b {:5.2f}, W h {:5.2f}, scores apart by {:.2f}".format(step, *story[step - 1]))

# %% [markdown]
# The biases stay at 1. It is the weights that turn against the neuron. At first the ten scores are about 1 apart, for no
# reason: the random weights of fc8 see a large $h$ that is nearly the same for all images. Such scores are wrong most of the
# time; their loss is *above* $\ln 10$. The quickest way down is to make $h$ smaller, for all images at once. At this rate the
# weights overshoot, and the layer says nothing at all. Then the loss is $\ln 10$: better than before! And no gradient is left
# that could bring fc7 back. (Only weight decay still moves its weights, by a hair a step.) Such a net is best started anew.
#
# So before you change anything, **look**. Asleep: the start is too small (or the pixels are). Dead: the rate is too large.
#
# | what you see inside | illness | what helps |
# |---|---|---|
# | outputs hardly differ in the upper layers | asleep | larger $\sigma$ (such as $\sqrt{2/D}$), larger pixels |
# | a whole layer dead | dead | start anew with a lower rate, or with smaller biases |
# | outputs differ, no layer dead, loss moves a little | none | patience |
#
# Try it: which of these changes to the sleeping net helps within six epochs? Predict before you run it.

# %%
TRIES = {
    "lr ten times as large": (0.01, 1.0, 0.1),
    "biases 0": (0.01, 0.0, 0.01),
    "sqrt(2/D), biases 1": ("he", 1.0, 0.01),
}
for name, (std, bias, lr) in TRIES.items():
    net = eight_layers(std, bias)
    means = train(net, lr)
    outputs = forwards(net)
    apart, silent = draw.differs(outputs["relu7"]), np.mean(outputs["relu7"].max(axis=0) <= 0)
    print(f"{name:22} loss {means[0]:.2f} -> {means[-1]:.3f}   fc7: differs {apart:.1e}, {silent:4.0%} dead")

# %% [markdown]
# A larger rate makes a sleeping net a dead one. Biases at 0 alone do not wake it. The size of the weights does. With biases
# at 1 it then starts worse (its first epoch is far above $\ln 10$: confidently wrong), but gets there.
#
# ## The real one
#
# Now AlexNet itself, 61 million parameters, on five crops of the two photos that come with scikit-learn: one forward and one
# backward pass from three starts.

# %%
photos = load_sample_images().images
corners = [(0, 100, 200), (1, 100, 200), (0, 0, 0), (1, 200, 400), (0, 200, 416)]
crops = np.stack([photos[i][top : top + 224, left : left + 224] for i, top, left in corners])
crops = crops.transpose(0, 3, 1, 2).astype(np.float32) - crops.mean()  # (N, C, H, W), about -128 to 128
names = np.arange(5)  # any labels will do

net = alexnet(devices, num_classes=17, seed=0)  # starts as the paper's
FLOW = ["relu1", "relu2", "relu3", "relu4", "relu5", "relu6", "relu7", "fc8"]
found = {
    "paper, pixels 0 to 255": draw.signals(net, crops, names, FLOW),
    "paper, pixels -2 to 2": draw.signals(net, crops / 64, names, FLOW),
}
initialise(net, 0, HE)
found["sqrt(2/D), pixels -2 to 2"] = draw.signals(net, crops / 64, names, FLOW)

draw.by_layer(
    {
        "output: what differs between images": {name: both[0] for name, both in found.items()},
        "gradient": {name: both[1] for name, both in found.items()},
    },
    FLOW,
)

# %% [markdown]
# The paper's start with the paper's pixels (blue) is on the edge: what differs has become small at fc8, but it is there, and
# with 1.2 million photos there is time to wake up. The same start with small pixels (orange) is some fifty times worse. With
# $\sqrt{2/D}$ (green) the signal is nearly as large at the end as at the beginning. In the right panel blue and orange lie on
# each other: on its way down the gradient meets only weights, and these are the same.
#
# On few photos there is no time for waking up, and the rate has its say as well. This is what AlexNet did on 1020 photos of
# 17 kinds of flower, in 300 steps with batches of 32 (pixels 0 to 255, one run each; $\ln 17 = 2.83$):
#
# | conv3 to conv5 start at | biases | lr | right on new photos |
# |---|---|---|---|
# | 0.01 (paper) | 1 | 0.003 | 32% |
# | 0.03 (the 2012 code) | 1 | 0.01 | 4%; the loss stays at 2.83 |
# | 0.03 | 1 | 0.003 | 54% |
# | 0.03 | 1 | 0.001 | 58% |
# | 0.03 | 0.1 | 0.003 | 57% |
#
# (A net that guesses has 6%.) In the second row the signal is there, and it is the *rate* that kills. So the ways out, on few
# photos: start conv3 to conv5 at 0.03, as the authors' own code did; biases at 0.1; a lower rate. minialex's recipe for
# photos does the first two, and `train.py` tells you when a loss has stayed at $\ln(\text{classes})$.
#
# ## What minialex has
#
# `SGD(net, lr).step()` is your `sgd_update` for every parameter of a net, each on its own device, with the decay on weights
# only.

# %%
layer = Linear(6, 4, std=0.5, dtype=np.float64, rng=np.random.default_rng(1))
sgd = SGD(layer, lr=0.1, momentum=0.9, weight_decay=0.01)
w, b = layer.params["weight"].copy(), layer.params["bias"].copy()
vw, vb = np.zeros_like(w), np.zeros_like(b)
for _ in range(5):
    layer.forward(rng.standard_normal((3, 6)))
    layer.backward(rng.standard_normal((3, 4)))
    sgd.step()
    w, vw = sgd_update(w, layer.grads["weight"], vw, 0.1, 0.9, 0.01)
    b, vb = sgd_update(b, layer.grads["bias"], vb, 0.1, 0.9, 0.0)  # no decay
assert np.allclose(w, layer.params["weight"])
assert np.allclose(b, layer.params["bias"])
print("all equal")

# %% [markdown]
# ## Recap
#
# - $v \leftarrow m v - \lambda \epsilon w - \epsilon\, \partial L/\partial w$, then $w \leftarrow w + v$. The rate is inside
#   the velocity.
# - The steepest direction limits the rate. Momentum lets the flat directions catch up: steps become up to $1/(1-m)$ times as
#   long.
# - Weight decay is the gradient of $\tfrac{1}{2}\lambda w^2$; not on biases.
# - A layer with ReLU multiplies a signal's size by $\sigma\sqrt{D/2}$. At $\sigma = \sqrt{2/D}$ it stays.
# - A loss at $\ln(\text{classes})$: the scores do not depend on the image. Look inside: *asleep* (nothing differs), or *dead*
#   (nothing speaks), or only slow.
#
# ## Five questions
#
# **1.** A net for 100 classes starts with a loss of 4.6, rises to 60 in the first ten steps, and then stays at 4.605 for
# ever. What happened?
#
# <details><summary>Answer</summary>
#
# $\ln 100 = 4.605$. The loss of 60 says that the scores became huge: the rate was too large. The steps that followed killed a
# layer, and now the scores are the same for all images. Start anew with a lower rate.
#
# </details>
#
# **2.** You stop training, lower the rate to a tenth, and go on, but forget to save the velocities (they start at 0 again).
# What changes with the paper's rule?
#
# <details><summary>Answer</summary>
#
# For some twenty steps, twice $1/(1-m)$, the ball is slower than it would have been: it lacks what the old velocity would
# have carried on. After that nothing. But the run is no longer the same, number for number; a good checkpoint saves the
# velocities.
#
# </details>
#
# **3.** Why does a layer of 9216 inputs want smaller weights than one of 27?
#
# <details><summary>Answer</summary>
#
# It adds up more terms. The mean square of a sum of $D$ independent terms is $D$ times that of one of them, so each must be
# smaller: $\sigma = \sqrt{2/D}$.
#
# </details>
#
# **4.** All digits of a batch happen to be sevens. What does the sleeping net learn from it, and what from the next batch,
# which has none?
#
# <details><summary>Answer</summary>
#
# "Always say seven"; then "never say seven". It only ever learns how often each class came, and with random batches that is
# noise. (This is the small jitter around $\ln 10$.)
#
# </details>
#
# **5.** Would it help the sleeping net to multiply the images by 100?
#
# <details><summary>Answer</summary>
#
# The differences between images would be 100 times as large in all layers, as long as biases do not decide which neurons are
# silent. That cures a factor of 100, and is what the paper's 0 to 255 does. It is not enough where the signal has shrunk by a
# million. Try it: `images = 100 * images`, and run the cells again.
#
# </details>
#
# **Next:** [lesson 9](09_data.ipynb), where one photo becomes two thousand.
