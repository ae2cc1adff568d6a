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
# # A variational autoencoder
#
# An encoder maps an image to a distribution over the points of a plane, a decoder maps a point of the plane to an
# image. After training, similar digits are close together in the plane, and the decoder draws new digits at other
# points. D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114.
#
# To run it in a clone of the repository: `pip install '.[notebooks]' jupyterlab`, then `jupyter lab`. On a GPU or TPU
# it uses the full data set, on a CPU fewer images. It uses MNIST if it can be found or downloaded, otherwise the
# small digits of scikit-learn. The script `vae.py` has the same cells.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.scipy.stats import norm

import jaxlayers as jl
from jaxlayers import layers, ops

# %% [markdown]
# ## Size
#
# `full` on an accelerator, `small` on a CPU. The environment variable `JAXLAYERS_NOTEBOOK_SIZE` overrides it.

# %%
SIZE = os.environ.get("JAXLAYERS_NOTEBOOK_SIZE") or ("small" if jax.default_backend() == "cpu" else "full")
IMAGES, EPOCHS, BATCH, WIDTH = {
    "full": (60_000, 60, 128, 512),
    "small": (20_000, 20, 100, 256),
    "tiny": (600, 8, 60, 32),
}[SIZE]
jl.utils.set_random_seed(0)
print(f"size {SIZE!r}: {EPOCHS} epochs over up to {IMAGES:,} images")


# %%
def load():
    if SIZE != "tiny":
        try:
            return "MNIST", *jl.datasets.mnist.load_data()
        except ConnectionError:
            print("MNIST was not found.")
    return "the digits of scikit-learn", *jl.datasets.digits.load_data()


def tiled(images, columns):
    rows = len(images) // columns
    tiles = np.reshape(images, (rows, columns, 28, 28)).transpose(0, 2, 1, 3)
    return tiles.reshape(28 * rows, 28 * columns)


def show(images, columns, title=None, size=0.45):
    rows = len(images) // columns
    figure, panel = plt.subplots(figsize=(size * columns, size * rows + 0.3), layout="constrained")
    panel.imshow(tiled(images, columns), cmap="gray_r", vmin=0, vmax=1)
    panel.set(title=title)
    panel.set_axis_off()
    return figure


name, (x, _), (x_test, y_test) = load()
x, x_test = (images[..., None].astype("float32") / 255 for images in (x[:IMAGES], x_test))
EPOCHS *= min(8, max(1, IMAGES // len(x)))  # fewer images are seen more often
print(f"{name}: {len(x):,} images to train on, {len(x_test):,} to test with")
figure = show(x[:36], 18)

# %% [markdown]
# ## The model
#
# The encoder returns the mean and the log variance of a normal distribution over the plane. The loss has two parts:
# the error of the image that the decoder reconstructs from a sample of this distribution, and the Kullback-Leibler
# divergence of the distribution from a standard normal one. `call` adds the second part by `add_loss`. `train_step`
# uses the objects directly; `fit` compiles it and calls it for each batch.


# %%
class VAE(jl.Model):
    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.encoder = jl.Sequential(
            [
                layers.Flatten(),
                layers.Dense(2 * width, activation="gelu"),
                layers.Dense(width, activation="gelu"),
                layers.Dense(4),
            ]
        )
        self.decoder = jl.Sequential(
            [
                layers.Dense(width, activation="gelu"),
                layers.Dense(2 * width, activation="gelu"),
                layers.Dense(28 * 28),
                layers.Reshape((28, 28, 1)),
            ]
        )
        self.noise = jl.random.SeedGenerator(0)
        self.totals = {part: jl.metrics.Mean(name=part) for part in ("loss", "reconstruction", "divergence")}

    def call(self, images, training=False):
        mean, log_variance = ops.split(self.encoder(images), 2, axis=-1)  # [batch, 2] each
        self.add_loss(0.5 * ops.mean(ops.sum(mean**2 + ops.exp(log_variance) - log_variance - 1, axis=-1)))
        if training:
            mean = mean + ops.exp(0.5 * log_variance) * jl.random.normal(ops.shape(mean), seed=self.noise)
        return self.decoder(mean)  # [batch, 28, 28, 1], log odds of ink

    def parts(self, images, training):
        logits = self(images, training=training)
        cross_entropy = ops.binary_crossentropy(images, logits, from_logits=True)
        reconstruction, divergence = ops.mean(ops.sum(cross_entropy, axis=(1, 2, 3))), sum(self.losses)
        return reconstruction + divergence, {"reconstruction": reconstruction, "divergence": divergence}

    def count(self, images, loss, parts):
        for part, value in {"loss": loss, **parts}.items():
            self.totals[part].update_state(value, sample_weight=len(images))
        return {part: total.result() for part, total in self.totals.items()}

    def train_step(self, images):
        weights = self.trainable_weights
        (loss, parts), gradients = jl.value_and_grad(
            lambda: self.parts(images, training=True), wrt=weights, has_aux=True
        )()
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.count(images, loss, parts)

    def test_step(self, images):
        return self.count(images, *self.parts(images, training=False))


# %% [markdown]
# ## Training

# %%
vae = VAE(WIDTH)
vae.compile(jl.optimizers.Adam(jl.optimizers.schedules.CosineDecay(1.5e-3, EPOCHS * -(-len(x) // BATCH), alpha=0.05)))
history = vae.fit(x, batch_size=BATCH, epochs=EPOCHS, validation_data=x_test, verbose=0)
losses = history.history["loss"]
print({name: round(values[-1], 2) for name, values in history.history.items()})
figure = history.plot()

# %% [markdown]
# ## Reconstructions
#
# Above, digits of the test set; below, their reconstructions. The code between the encoder and the decoder has two
# numbers.


# %%
def draw(codes):
    return np.array(jax.nn.sigmoid(vae.decoder.predict(np.asarray(codes, "float32"), verbose=0)))


def encode(images):
    return vae.encoder.predict(images, verbose=0)[:, :2]


codes = encode(x_test)
figure = show(np.concatenate([x_test[:18], draw(codes[:18])]), 18)

# %% [markdown]
# ## The plane of codes
#
# The means of the digits of the test set, coloured by their labels. The labels were not used in training.

# %%
figure, panel = plt.subplots(figsize=(6, 5), layout="constrained")
points = panel.scatter(*codes[:5000].T, c=y_test[:5000], cmap="tab10", vmin=-0.5, vmax=9.5, s=4, alpha=0.7)
panel.set(aspect="equal", xlabel="first number of the code", ylabel="second number of the code")
bar = figure.colorbar(points, ticks=range(10))
bar.solids.set_alpha(1)

# %% [markdown]
# The images of the decoder on a grid over the plane, in steps of equal probability.

# %%
side = 18
steps = norm.ppf((np.arange(side) + 0.5) / side)
grid = np.stack(np.meshgrid(steps, steps[::-1]), axis=-1).reshape(-1, 2)
figure = show(draw(grid), side, size=0.36)

# %% [markdown]
# ## New digits
#
# The images of random points with a standard normal distribution.

# %%
figure = show(draw(np.random.default_rng(0).normal(size=(54, 2))), 18)

# %% [markdown]
# ## Interpolation
#
# The images along straight lines from the median code of one digit to that of another.

# %%
middles = np.array([np.median(codes[y_test == digit], axis=0) for digit in range(10)])
ends = middles[[(0, 1), (6, 7), (8, 2)]]  # [3, 2, 2]
walks = np.concatenate([np.linspace(*pair, num=18) for pair in ends])
figure = show(draw(walks), 18)

# %% [markdown]
# ## The derivative of the image, by the pure functions
#
# `apply` takes the weights as arguments, so JAX's transformations can be applied to it. Here they compute the norm of
# the derivative of the image with respect to the code at each point of the plane. It is large at the borders between
# digits, where a small step changes the image a lot.


# %%
@jl.jit
@jax.vmap
def stretch(code):
    params, state = vae.decoder.params, vae.decoder.state
    jacobian = jax.jacfwd(lambda code: jax.nn.sigmoid(vae.decoder.apply(params, state, code[None]).outputs))(code)
    return jnp.sqrt(jnp.sum(jacobian**2))


fine = np.linspace(-3, 3, 60 if SIZE != "tiny" else 12, dtype="float32")
plane = np.stack(np.meshgrid(fine, fine), axis=-1)
figure, panel = plt.subplots(figsize=(6, 5), layout="constrained")
heat = panel.pcolormesh(fine, fine, stretch(plane.reshape(-1, 2)).reshape(plane.shape[:2]), cmap="magma")
panel.set(aspect="equal", xlabel="first number of the code", ylabel="second number of the code")
bar = figure.colorbar(heat, label="change of the picture for a step of one")
