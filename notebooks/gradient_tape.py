# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Loops with a gradient tape
#
# The experiments of the guide "Introduction to Keras for Researchers", whose loops are written with `tf.GradientTape`.
# Here they are written with `jl.GradientTape` and `jl.function`. For each of them, the figure that the guide prints is
# compared with the figure of this notebook.
#
# To run it in a clone of the repository: `pip install '.[notebooks]' jupyterlab`, then `jupyter lab`. It takes a few
# minutes on a CPU. It uses MNIST if it can be found or downloaded, otherwise the small digits of scikit-learn, whose
# figures differ. The script `gradient_tape.py` has the same cells.

# %%
import math
import os

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxlayers as jl
from jaxlayers import layers, ops

# %% [markdown]
# ## Size
#
# The environment variable `JAXLAYERS_NOTEBOOK_SIZE` can be set to `tiny` for a run of seconds.

# %%
SIZE = os.environ.get("JAXLAYERS_NOTEBOOK_SIZE") or "full"
IMAGES, STEPS, LONG, EVERY = {"full": (60_000, 938, 1001, 100), "tiny": (1500, 41, 41, 10)}[
    "tiny" if SIZE == "tiny" else "full"
]
jl.utils.set_random_seed(0)


def load():
    if SIZE != "tiny":
        try:
            return "MNIST", *jl.datasets.mnist.load_data()
        except ConnectionError:
            print("MNIST was not found.")
    return "the digits of scikit-learn", *jl.datasets.digits.load_data()


name, (x, y), _ = load()
x, y = x[:IMAGES].reshape(-1, 784).astype("float32") / 255, y[:IMAGES].astype("int32")
print(f"{name}: {len(x):,} images, {STEPS} steps for a pass")


def batches(*arrays, size, steps):
    data = jl.data.ArrayLoader(arrays, batch_size=size, shuffle=True, seed=0)
    return data.repeat().take(steps)


# %% [markdown]
# ## The tape
#
# A tape records the operations inside of its block. An array is watched on request; a trainable variable is watched
# when it is read. A tape inside of a tape gives second derivatives. The function is $c = \sqrt{a^2 + b^2}$.

# %%
a, b = jnp.asarray([3.0, 6.0]), jnp.asarray([4.0, 8.0])
with jl.GradientTape() as tape:
    tape.watch(a)
    c = ops.sqrt(ops.square(a) + ops.square(b))
print("dc/da of arrays:   ", tape.gradient(c, a))

a = jl.Variable(a)
with jl.GradientTape() as outer:
    with jl.GradientTape() as tape:
        c = ops.sqrt(ops.square(a) + ops.square(b))
    slope = tape.gradient(c, a)
curvature = outer.gradient(slope, a)
print("dc/da of variables:", slope)
print("its derivative:    ", curvature)

# %% [markdown]
# ## A linear layer
#
# The loop runs eagerly, without compilation: the loss can be printed, and Python's `if` works on values. The weights
# are drawn from a normal distribution, gradient descent has a learning rate of 0.001, a batch has 64 images.


# %%
class Linear(layers.Layer):
    def __init__(self, units=32):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal")
        self.b = self.add_weight(shape=(self.units,), initializer="random_normal")

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b


cross_entropy = jl.losses.SparseCategoricalCrossentropy(from_logits=True)


def train_eagerly(model, optimizer):
    losses = []
    for step, (images, labels) in enumerate(batches(x, y, size=64, steps=STEPS)):
        with jl.GradientTape() as tape:
            loss = cross_entropy(labels, model(images)) + sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        if step % EVERY == 0:
            losses.append(float(loss))
    return losses


figures = {}
losses = train_eagerly(Linear(10), jl.optimizers.SGD(1e-3))
figures["linear layer"] = "2.40 to 1.52", losses[0], losses[-1]
print(f"loss of a batch, every {EVERY} steps:", *(f"{loss:.2f}" for loss in losses))


# %% [markdown]
# ## Losses that layers add
#
# A layer calls `add_loss` in its `call`. `model.losses` has the losses of the last call, and the same loop adds them.


# %%
class Sparsity(layers.Layer):
    def __init__(self, rate=1e-2):
        super().__init__()
        self.rate = rate

    def call(self, inputs):
        self.add_loss(self.rate * ops.sum(inputs))
        return inputs


sparse = jl.Sequential([Linear(32), layers.ReLU(), Sparsity(), Linear(10)])
losses = train_eagerly(sparse, jl.optimizers.SGD(1e-3))
figures["added losses"] = "6.05 to 2.32", losses[0], losses[-1]
print(f"loss of a batch, every {EVERY} steps:", *(f"{loss:.2f}" for loss in losses))


# %% [markdown]
# ## A metric of all batches
#
# The metric counts right answers from batch to batch. It is reset after each of the two epochs. The figures are the
# running accuracies in the last 100 steps of an epoch.


# %%
def classifier():
    return jl.Sequential([layers.Dense(32, activation="relu"), layers.Dense(32, activation="relu"), layers.Dense(10)])


model, optimizer, accuracy = classifier(), jl.optimizers.Adam(1e-3), jl.metrics.SparseCategoricalAccuracy()
accuracies = []
for _ in range(2):
    for step, (images, labels) in enumerate(batches(x, y, size=64, steps=STEPS)):
        with jl.GradientTape() as tape:
            logits = model(images)
            loss = cross_entropy(labels, logits)
        accuracy.update_state(labels, logits)
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        if step == STEPS // (2 * EVERY) * 2 * EVERY:
            accuracies.append(float(accuracy.result()))
    accuracy.reset_state()
figures["running accuracy"] = "0.878, 0.940", *accuracies
print("running accuracy:", *(f"{value:.3f}" for value in accuracies))

# %% [markdown]
# ## A compiled step
#
# `jl.function` compiles the step, with the tape, the optimizer and all variables. It is another name of `jl.jit`.

# %%
model, optimizer = classifier(), jl.optimizers.Adam(1e-3)


@jl.function
def train_on_batch(images, labels):
    with jl.GradientTape() as tape:
        loss = cross_entropy(labels, model(images))
    gradients = tape.gradient(loss, model.trainable_weights)
    optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return loss


losses = [float(train_on_batch(*batch)) for batch in batches(x, y, size=64, steps=STEPS)]
figures["compiled step"] = "2.29 to 0.24", losses[0], float(np.mean(losses[-20:]))
print(f"loss of a batch, every {EVERY} steps:", *(f"{loss:.2f}" for loss in losses[::EVERY]))


# %% [markdown]
# ## A variational autoencoder
#
# The layers are nested, the divergence is an added loss, and the random numbers are drawn inside of the tape. The
# figure is the mean of the losses of all steps so far. D. P. Kingma, M. Welling, arXiv:1312.6114.


# %%
class Encoder(layers.Layer):
    def __init__(self, latent=32, hidden=64):
        super().__init__()
        self.hidden = layers.Dense(hidden, activation="relu")
        self.mean, self.log_variance = layers.Dense(latent), layers.Dense(latent)

    def call(self, inputs):
        hidden = self.hidden(inputs)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)  # [batch, latent] each
        noise = jl.random.normal(ops.shape(mean))
        return mean, log_variance, mean + ops.exp(0.5 * log_variance) * noise


class Autoencoder(layers.Layer):
    def __init__(self, pixels=784, hidden=64):
        super().__init__()
        self.encoder = Encoder(hidden=hidden)
        self.decoder = jl.Sequential(
            [layers.Dense(hidden, activation="relu"), layers.Dense(pixels, activation="sigmoid")]
        )

    def call(self, inputs):
        mean, log_variance, code = self.encoder(inputs)
        self.add_loss(-0.5 * ops.mean(log_variance - ops.square(mean) - ops.exp(log_variance) + 1))
        return self.decoder(code)


vae, vae_optimizer, squared_error = Autoencoder(), jl.optimizers.Adam(1e-3), jl.losses.MeanSquaredError()


@jl.function
def train_autoencoder(images):
    with jl.GradientTape() as tape:
        loss = squared_error(images, vae(images))
        loss += sum(vae.losses)
    gradients = tape.gradient(loss, vae.trainable_weights)
    vae_optimizer.apply_gradients(zip(gradients, vae.trainable_weights, strict=True))
    return loss


vae_losses = [float(train_autoencoder(images)) for (images,) in batches(x, size=32, steps=LONG)]
figures["autoencoder, running mean"] = "0.0747", float(np.mean(vae_losses))
print(f"mean loss of {LONG} steps: {np.mean(vae_losses):.4f}, of the last ten: {np.mean(vae_losses[-10:]):.4f}")

# %% [markdown]
# ## A hypernetwork
#
# A small network computes the weights of another network, which classifies the digits. The layers of the main network
# are marked as built, so they have no variables, and use the arrays that are assigned to them. The gradient goes
# through these arrays to the weights of the hypernetwork. A batch has one image, because each has weights of its own.

# %%
main = jl.Sequential([layers.Dense(64, activation="relu"), layers.Dense(10)])
for layer in main.layers:
    layer.built = True
SHAPES = [(784, 64), (64,), (64, 10), (10,)]
SIZES = [math.prod(shape) for shape in SHAPES]
hypernetwork = jl.Sequential([layers.Dense(16, activation="relu"), layers.Dense(sum(SIZES), activation="sigmoid")])
hyper_optimizer = jl.optimizers.Adam(1e-4)


@jl.function
def train_hypernetwork(image, label):
    with jl.GradientTape() as tape:
        parts = ops.split(hypernetwork(image)[0], np.cumsum(SIZES)[:-1].tolist())
        generated = [ops.reshape(part, shape) for part, shape in zip(parts, SHAPES, strict=True)]
        first, second = main.layers
        first.kernel, first.bias, second.kernel, second.bias = generated
        loss = cross_entropy(label, main(image))
    gradients = tape.gradient(loss, hypernetwork.trainable_weights)
    hyper_optimizer.apply_gradients(zip(gradients, hypernetwork.trainable_weights, strict=True))
    return loss


hyper_losses = [float(train_hypernetwork(*batch)) for batch in batches(x, y, size=1, steps=LONG)]
figures["hypernetwork, running mean"] = "1.54", float(np.mean(hyper_losses))
print(f"mean loss of {LONG} steps: {np.mean(hyper_losses):.3f}, of the last 100: {np.mean(hyper_losses[-100:]):.3f}")

# %% [markdown]
# ## A tape inside of `fit`
#
# `train_step` of a model may use a tape. `fit` compiles it.


# %%
class Classifier(jl.Model):
    def __init__(self):
        super().__init__()
        self.network = classifier()
        self.mean_loss, self.accuracy = jl.metrics.Mean(name="loss"), jl.metrics.SparseCategoricalAccuracy()

    def call(self, inputs):
        return self.network(inputs)

    def train_step(self, data):
        images, labels = data
        with jl.GradientTape() as tape:
            logits = self(images)
            loss = cross_entropy(labels, logits)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.mean_loss.update_state(loss)
        self.accuracy.update_state(labels, logits)
        return {"loss": self.mean_loss.result(), "accuracy": self.accuracy.result()}


fitted = Classifier()
fitted.compile(jl.optimizers.Adam(1e-3))
history = fitted.fit(x, y, batch_size=64, epochs=2, verbose=0).history
print({key: [round(value, 3) for value in values] for key, values in history.items()})

# %% [markdown]
# ## The figures
#
# The guide's figures on MNIST, and those of this notebook. The seeds differ, and the loss of a single batch varies: by
# about a quarter in the first experiment.

# %%
print(f"{'experiment':28}{'guide':>14}    here")
for experiment, (expected, *found) in figures.items():
    print(f"{experiment:28}{expected:>14}    {', '.join(f'{value:.4g}' for value in found)}")

figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for panel, title, values in zip(panels, ("autoencoder", "hypernetwork"), (vae_losses, hyper_losses), strict=True):
    panel.plot(np.cumsum(values) / np.arange(1, len(values) + 1))
    panel.set(title=title, xlabel="step", ylabel="mean loss so far", yscale="log")
