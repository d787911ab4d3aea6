# %% [markdown]
# # 0. Start here
#
# *About 20 minutes. You need Python, a little NumPy, and school mathematics. You need no graphics card and no network.*
#
# In 2012 three people in Toronto, Alex Krizhevsky, Ilya Sutskever and Geoffrey Hinton, taught a computer to say what is in a
# photograph: a leopard, a container ship, a mushroom, one of a thousand kinds of thing. The best method before theirs had the
# right name among its five best guesses for 74 of 100 test photographs. Theirs had it for 83. Within a few years nearly
# everybody who worked with pictures had changed over to nets like it.
#
# Their net is called **AlexNet**. It has 61 million numbers that it had to learn, and it did not fit on one of the graphics
# cards that they had, so they cut it into two halves, one on each card, which talk to each other only at certain layers.
#
# In these fifteen lessons you build it. All of it: every formula forwards and backwards, both halves, what crosses between
# them, and the training. There is no library underneath that does the interesting part for you, only NumPy. Wherever you
# write a piece, it is tested by the same checks that test our own code, and if it is wrong, you are shown the smallest case
# in which it is wrong.
#
# In *this* lesson you
#
# - run a small net with two halves and watch it learn to read digits, which takes less than a minute,
# - learn the words that all the other lessons use,
# - write your first function and have it checked,
# - and see what you will build.
#
# ## How a notebook works
#
# You are looking at a *notebook*. It is made of **cells**: some with text, some with Python. Click into the cell below and
# press **Shift + Enter**. It runs, and what its last line gives is shown under it. Then go on, from top to bottom. If things
# become strange (a name that should be there is not), choose *Kernel → Restart Kernel and Run All Cells* from the menu:
# nothing is lost but time.

# %%
import time

import numpy as np

from lessons import check, draw
from minialex.data import Minibatches, digits
from minialex.devices import parse_devices
from minialex.evaluation import softmax
from minialex.layers import SoftmaxCrossEntropy
from minialex.nets import alexnet, small_towers
from minialex.optim import SGD

# %% [markdown]
# If that said `ModuleNotFoundError`, the project is not installed in the Python that runs this notebook: `lessons/README.md`
# says how, in one command.
#
# ## Something to learn from
#
# Here are real digits: thirteen people wrote them on forms in the 1990s. Each is a picture of 8 × 8 grey pixels. There are
# 1797 of them, and each comes with its **label**: which digit it is.

# %%
data = digits()
print("to learn from:", data.train.images.shape, "  to be tested on:", data.test.images.shape)
draw.pictures(data.train.images[:20], captions=data.train.labels[:20])

# %% [markdown]
# `(1438, 1, 8, 8)` is the shape that pictures have in all lessons, written $(N, C, H, W)$: $N$ = 1438 pictures, each with $C$
# = 1 **channel** (these are grey; a colour photo has 3), $H$ = 8 pixels high and $W$ = 8 wide.
#
# The other 359 pictures are put aside. The net never learns from them; it is only *tested* on them. Otherwise it could learn
# them by heart and we would not notice.
#
# ## A net with two towers
#
# A **net** is a long formula: numbers go in (the pixels), numbers come out (a **score** for each of the ten digits; scores
# are also called *logits*). The formula is made of **layers**, one after the other. Most layers contain numbers that are not
# given but have to be learned: the net's **parameters** (or *weights*).
#
# The net in the next cell is AlexNet in small. It has two **towers**, and each lives on a **device** of its own: a place that
# has its own memory and does its own work. In the paper the devices were two graphics cards. Here they are two *virtual*
# devices, `cpu:0` and `cpu:1`: each is a worker inside your processor that may only touch what lies in its own place.

# %%
devices = parse_devices("cpu,cpu")
net = small_towers(devices, num_classes=10, seed=0)
draw.towers(net, batch_size=64)

# %% [markdown]
# Read it from top to bottom. The picture goes to both towers. Each makes its own **maps** of it (a map is again a picture: it
# says where in the image something was found). At `conv3` and at `fc4` the arrows cross: there each tower sees what both have
# made. In between, neither knows what the other does. At the very end, `fc5` is on one device only, reads what both have
# made, and gives the scores. The table says the same in numbers. There are 80,714 parameters to be learned:

# %%
print(net.summary(batch_size=64))

# %% [markdown]
# You need not understand the names in it: `Conv2d` is lessons 3 and 4, `MaxPool2d` 5, `LocalResponseNorm` 6, `Dropout` 7,
# `Exchange` and `Gather` 10, `Linear` the next one (the picture calls it *full*), and `ReLU` the one after.
#
# ## What does it say before it has learned anything?
#
# Its parameters start as small random numbers. So what it says now must be nonsense. Let us ask it about twelve digits.
# `softmax` turns the ten scores of each picture into ten **probabilities**, which are positive and add up to 1. (You write it
# in lesson 1.) The orange bar is the right digit. (`data.prepare` makes of stored pixels what the net is given: it takes the
# average of all training pictures away, and divides by 8, so that the numbers lie between about -2 and 2.)


# %%
def ask(images):
    return softmax(net.forward(data.prepare(images)))


shown = data.test.images[:12]
draw.guesses(shown, ask(shown), data.test.labels[:12])

# %% [markdown]
# Nonsense, and quite undecided nonsense.
#
# Learning needs one number that says *how bad* this is. It is called the **loss**. For one picture it is
#
# $$L = -\ln p_{\text{right}},$$
#
# where $p_{\text{right}}$ is the probability that the net gave to the right digit. If the net was certain and right, $p = 1$,
# then $L = 0$. The less it believed in the right answer, the larger $L$ becomes.
#
# How large is the loss of a net that knows nothing and says 1/10 for everything? Work it out. (This is your first exercise.
# Write a number, or a formula, where `None` stands, and run the cell. `np.log` is the natural logarithm.)

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: the loss of a net that gives each of ten classes the same probability
loss_of_a_guess = -np.log(1 / 10)
# END SOLUTION

check.value("loss of a guess", loss_of_a_guess)

# %% [markdown]
# Remember this number: **a net with ten classes that knows nothing has a loss of about 2.30.** A net that knows nothing of a
# thousand classes has $\ln 1000 = 6.91$. When you see such a number *during* training, something is stuck; lesson 8 is about
# that.
#
# How many digits does it get wrong? That is the second number everybody looks at: the **top-1 error**, the share of pictures
# whose likeliest digit is not the right one. A guess has an error of 0.9.
#
# ## Your first function
#
# Write it. `logits` has a row for each picture and a column for each class, `labels` has the right class of each picture.
# (`np.argmax` finds the place of the largest number; look at its argument `axis`.)
#
# Run the cell first as it is: it tells you that nothing is written yet. Then try something that is *wrong* on purpose (say,
# the number of wrong pictures in place of their share) and run it again. The check tries your function on many small cases,
# and shows you the smallest that fails. Get to know it; you will meet it often.


# %% tags=["exercise"]
def top1_error(logits, labels):
    """The share (0 to 1) of rows of logits (N, classes) whose largest score is not at the row's label (N,)."""
    # BEGIN SOLUTION
    # write: compare the place of each row's largest score with its label, and take the mean
    return np.mean(np.argmax(logits, axis=1) != labels)
    # END SOLUTION


report = check.top1_error(top1_error)
report

# %% [markdown]
# `report.function` is your function if it passed, and ours if it did not (yet). So the notebook goes on either way.

# %%
top1_error = report.function

logits = net.forward(data.prepare(data.test.images))
print(f"top-1 error before learning: {top1_error(logits, data.test.labels):.1%}")

# %% [markdown]
# ## How a net learns
#
# Imagine you may turn each of the 80,714 parameters up or down by a hair. Some turns make the loss a little larger, some a
# little smaller. How much the loss changes, for each hair's breadth of one parameter, is a slope, the loss's derivative with
# respect to that parameter. All these slopes together are called the **gradient**. Learning is nothing but this, again and
# again:
#
# 1. take a few pictures, a **batch** (here 64);
# 2. *forward*: compute the scores and the loss;
# 3. *backward*: compute the gradient, the slope for every parameter;
# 4. *step*: move every parameter a little against its slope.
#
# Going once through all pictures this way is an **epoch**.
#
# Step 3 is the miracle. One could measure each slope by turning each parameter and computing the loss anew, but that would
# take 80,714 forward passes for a single step. The backward pass gets all of them for the price of about two forward passes.
# It is what most of these lessons are about: every layer must know how to run backwards.

# %%
loss, sgd = SoftmaxCrossEntropy(), SGD(net, lr=0.03)  # lr, the learning rate: how far a step goes
batches = Minibatches(data.train, batch_size=64, seed=0, prepare=data.prepare)

losses = []
start = time.perf_counter()
for epoch in range(1, 11):
    for images, labels in batches.epoch(epoch):  # 1
        logits = net.forward(images, train=True)  # 2; train: some layers work otherwise while the net learns (lesson 7)
        losses.append(loss.forward(logits, labels))
        net.backward(loss.backward())  # 3
        sgd.step()  # 4
    error = top1_error(net.forward(data.prepare(data.test.images)), data.test.labels)
    print(f"epoch {epoch:2}   loss {np.mean(losses[-len(batches) :]):.3f}   test error {error:5.1%}")
seconds = time.perf_counter() - start
print(f"{seconds:.0f} seconds, {len(losses)} steps")

# %%
draw.lines({"": losses}, up="loss of the batch", title="The loss of every step", level=(np.log(10), "ln 10: knows nothing"))

# %% [markdown]
# It starts near 2.30, as you computed, and falls. It is jagged, because every batch has other pictures, some easier, some
# harder.
#
# The same twelve digits as before, none of which it has learned from:

# %%
draw.guesses(shown, ask(shown), data.test.labels[:12])

# %% [markdown]
# And here are digits of the test that it still gets wrong. Would you have got them all right?

# %%
probabilities = ask(data.test.images)
wrong = np.flatnonzero(probabilities.argmax(axis=1) != data.test.labels)
print(f"{len(wrong)} of {len(data.test)} are wrong")
draw.guesses(data.test.images[wrong[:12]], probabilities[wrong[:12]], data.test.labels[wrong[:12]])

# %% [markdown]
# ## What crossed between the devices
#
# Everything that goes from one device to another is written down in the net's **ledger**. These are the copies of one step
# (`host` is your computer's main memory, where the pictures come from and the scores go):

# %%
images, labels = next(iter(batches.epoch(1)))
loss.forward(net.forward(images, train=True), labels)
net.backward(loss.backward())
print(net.ledger)

# %% [markdown]
# You can predict these numbers. Look at the row `fc4 forward cpu:0 cpu:1`: tower 0 sends what it has made (in the table
# above, the row `pool3`) to tower 1, for each of the 64 pictures of the batch. A number takes 4 bytes. How many bytes is
# that?

# %% tags=["exercise"]
# BEGIN SOLUTION
# write: how many bytes the maps of one tower take, after pool3, for a batch of 64
bytes_to_fc4 = 64 * 32 * 2 * 2 * 4
# END SOLUTION

answer = check.value("bytes to fc4", bytes_to_fc4)
answer

# %%
assert answer.number == net.ledger.bytes("fc4", "forward") / 2  # there is a row for each of the two ways
print("the ledger agrees")

# %% [markdown]
# **What people get wrong here.** It is tempting to think that both towers compute the same thing. They do not: they start
# from other random numbers, and each keeps its own parameters, of which no copy is ever made. Only *maps* cross, and only
# where the picture has arrows.

# %%
state = net.state_dict()
print("conv1 of tower 0:", state["conv1.0.weight"].shape, "  conv1 of tower 1:", state["conv1.1.weight"].shape)
print("are they equal?  ", np.allclose(state["conv1.0.weight"], state["conv1.1.weight"]))

# %% [markdown]
# ## What you will build
#
# Now the real one. This is AlexNet, drawn from the very object that computes it. (Making it takes a moment: it draws 61
# million random numbers.)

# %%
big = alexnet(devices, num_classes=1000, seed=0)
print(f"{big.num_parameters:,} parameters")
draw.towers(big)

# %% [markdown]
# It has the same kinds of layer as the little net, only more of them and wider. It takes photos of 224 × 224 pixels in three
# colours. At `conv3`, `fc6`, `fc7` and `fc8` the towers see each other. Training it on the 1.2 million photos of the paper
# took the authors five to six days on two cards; you will train it in lesson 11 on pieces of two photos, and see it learn.
#
# | lesson | you build | and find out |
# |---|---|---|
# | 1 | linear layer, softmax, cross-entropy | how to derive a gradient, and how to know that it is right |
# | 2 | ReLU and tanh | why a neuron should not saturate |
# | 3, 4 | convolution, forwards and backwards | how a sum over patches becomes one matrix product |
# | 5 | overlapping max-pooling | who gets the gradient when two are equally large |
# | 6 | response normalisation | why a check can pass and the code be wrong |
# | 7 | dropout | how a net learns more by being disturbed |
# | 8 | momentum, weight decay, the start | why a net gets stuck, and how to see it |
# | 9 | crops, mirrors, colours, ten views | how one photo becomes two thousand |
# | 10 | two devices | what crosses, and what that costs |
# | 11 | AlexNet whole | its memory, its work, its training |
# | 12 | a search for similar pictures | what it has learned |
# | 13 | nets that lack one idea each | whether each idea was needed |
# | 14 | a fast convolution | where the time goes |
#
# Take them in order, at least 1 to 8: each uses what the ones before have built. An evening for two or three lessons is a
# good pace. The same notebooks, solved and with all their pictures, are in `lessons/solutions/`. Look there when you are
# stuck for more than ten minutes, not before five.
#
# ## Recap
#
# - A **net** is a formula made of **layers**; its **parameters** are learned.
# - It gives a **score** (logit) for each class; softmax makes **probabilities** of them; the **loss** is
#   $-\ln p_{\text{right}}$, averaged over the pictures.
# - The **gradient** says for every parameter how the loss changes when the parameter does. A step moves every parameter a
#   little against its own slope.
# - Pictures come in **batches**; once through all of them is an **epoch**. What counts is the error on pictures that were not
#   learned from.
# - The two **towers** live on two **devices**, and only maps cross.
#
# ## Five questions
#
# **1.** A net for 17 kinds of flower has a loss of 2.83 after an hour of training. What do you think of it?
#
# <details><summary>Answer</summary>
#
# $\ln 17 = 2.83$: it gives every flower a probability of 1/17. It has learned nothing at all.
#
# </details>
#
# **2.** Why are 359 digits kept for the test, when the net could learn from them too and become better?
#
# <details><summary>Answer</summary>
#
# Because then nobody would know how good it is. A net can have learned its pictures by heart and be bad on new ones. Only
# pictures that it has never learned from tell.
#
# </details>
#
# **3.** The net gives the right digit a probability of 1/2. What is the loss of this picture? And if it gives it 1/1000?
#
# <details><summary>Answer</summary>
#
# $-\ln(1/2) = 0.69$ and $-\ln(1/1000) = 6.9$. To be confidently wrong is expensive.
#
# </details>
#
# **4.** The error of the test can stay the same while the loss falls. How?
#
# <details><summary>Answer</summary>
#
# The error only asks which probability is the largest. If the right one grows from 0.6 to 0.9, the loss falls and the error
# does not notice.
#
# </details>
#
# **5.** If the batch has 128 pictures and not 64, what happens to the bytes in the ledger? And to the number of parameters?
#
# <details><summary>Answer</summary>
#
# The bytes double: twice as many maps cross. The parameters stay as they are: they belong to the net, not to the batch.
#
# </details>
#
# **Next:** [lesson 1](01_linear_softmax.ipynb), where you write the layer, the loss and the gradient that you have just used.
