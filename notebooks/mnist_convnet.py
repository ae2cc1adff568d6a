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
# # A convolutional classifier of handwritten digits
#
# A network with augmentation, batch normalisation and dropout is trained by `fit`. Then its errors, the filters of
# its first layer, and the pixels that its predictions depend on are shown. At the end, the same training step runs as
# a pure function under `jax.jit`, on all devices.
#
# To run it in a clone of the repository: `pip install '.[notebooks]' jupyterlab`, then `jupyter lab`. On a GPU or TPU
# it uses the full data set, on a CPU fewer images. It uses MNIST if it can be found or downloaded, otherwise the
# small digits of scikit-learn. The script `mnist_convnet.py` has the same cells.

# %%
import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxlayers as jl
from jaxlayers import layers

# %% [markdown]
# ## Size
#
# `full` on an accelerator, `small` on a CPU. The environment variable `JAXLAYERS_NOTEBOOK_SIZE` overrides it.

# %%
SIZE = os.environ.get("JAXLAYERS_NOTEBOOK_SIZE") or ("small" if jax.default_backend() == "cpu" else "full")
IMAGES, EPOCHS, BATCH, WIDTH = {
    "full": (60_000, 15, 256, 48),
    "small": (8_000, 7, 100, 16),
    "tiny": (600, 6, 60, 8),
}[SIZE]
jl.utils.set_random_seed(0)
print(f"size {SIZE!r}: {EPOCHS} epochs over up to {IMAGES:,} images")

# %% [markdown]
# ## The digits


# %%
def load():
    if SIZE != "tiny":
        try:
            return "MNIST", *jl.datasets.mnist.load_data()
        except ConnectionError:
            print("MNIST was not found.")
    return "the digits of scikit-learn", *jl.datasets.digits.load_data()


def prepared(images, labels):
    return images[..., None].astype("float32") / 255, labels.astype("int32")


def show(images, titles=None, columns=12, **options):
    rows = -(-len(images) // columns)
    height = rows * (0.9 if titles is None else 1.15)
    figure, panels = plt.subplots(rows, columns, figsize=(0.9 * columns, height), squeeze=False, layout="constrained")
    for number, panel in enumerate(panels.flat):
        panel.set_axis_off()
        if number < len(images):
            panel.imshow(np.squeeze(images[number]), **{"cmap": "gray_r", "vmin": 0, "vmax": 1, **options})
            panel.set_title("" if titles is None else titles[number], fontsize=9)
    return figure


name, train, test = load()
x, y = prepared(*train)
x, y = x[:IMAGES], y[:IMAGES]
x_test, y_test = prepared(*test)
print(f"{name}: {len(x):,} images to train on, {len(x_test):,} to test with")

# %% [markdown]
# ## Augmentation
#
# Small random rotations, shifts and zooms, different for each image in each step. They are layers of the model, so
# they run on the device, inside the compiled step, and only in training.

# %%
augmentation = jl.Sequential(
    [
        layers.RandomRotation(0.04, fill_mode="constant"),
        layers.RandomTranslation(0.08, 0.08, fill_mode="constant"),
        layers.RandomZoom(0.1, fill_mode="constant"),
    ],
    name="augmentation",
)
twelve = x[:12]
figure = show(np.concatenate([twelve, *(augmentation(twelve, training=True) for _ in range(2))]))
title = figure.suptitle("above as they are, below augmented twice", fontsize=11)

# %% [markdown]
# ## The model
#
# Calling layers on an `Input` records a graph; `Model(inputs, outputs)` is the part of it between two tensors.


# %%
def block(h, width, name):
    h = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_convolution")(h)
    h = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(h)
    return layers.MaxPooling2D(name=f"{name}_pooling")(layers.ReLU(name=f"{name}_relu")(h))


inputs = jl.Input((28, 28, 1), name="images")
h = augmentation(inputs)
h = layers.Conv2D(WIDTH, 5, padding="same", activation="relu", name="first_convolution")(h)
h = block(h, 2 * WIDTH, "second")
h = block(h, 2 * WIDTH, "third")
h = layers.Dropout(0.3)(layers.Flatten()(h))
model = jl.Model(inputs, layers.Dense(10, name="logits")(h))
model.summary()

# %% [markdown]
# ## Training
#
# The learning rate is reduced when the validation loss stops decreasing. If it still does not decrease, training ends
# with the weights of the best epoch.

# %%
model.compile(
    optimizer=jl.optimizers.AdamW(2e-3, weight_decay=1e-3),
    loss=jl.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(
    x,
    y,
    batch_size=BATCH,
    epochs=EPOCHS,
    validation_split=0.1,
    callbacks=[
        jl.callbacks.ReduceLROnPlateau(patience=1, factor=0.3),
        jl.callbacks.EarlyStopping(patience=4, restore_best_weights=True),
    ],
    verbose=0,
)
losses = history.history["loss"]
figure = history.plot(["loss", "accuracy"])

# %% [markdown]
# ## Accuracy and errors

# %%
figures = model.evaluate(x_test, y_test, batch_size=500, verbose=0, return_dict=True)
probabilities = np.array(jax.nn.softmax(model.predict(x_test, batch_size=500, verbose=0)))
guesses = probabilities.argmax(-1)
wrong = np.flatnonzero(guesses != y_test)
print(f"test accuracy {figures['accuracy']:.2%}; {len(wrong)} of {len(y_test):,} digits are wrong")

confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, guesses), 1)
errors = confusion * (1 - np.eye(10, dtype=int))
figure, panel = plt.subplots(figsize=(5, 4.4), layout="constrained")
picture = panel.imshow(errors, cmap="Oranges", vmin=0)
for digit in range(10):
    for guess in range(10):
        if confusion[digit, guess]:
            colour = "white" if errors[digit, guess] > 0.6 * errors.max() else "0.6" if digit == guess else "black"
            panel.text(guess, digit, confusion[digit, guess], ha="center", va="center", fontsize=8, color=colour)
panel.set(xticks=range(10), yticks=range(10), xlabel="guess", ylabel="digit", title="mistakes, in colour")
bar = figure.colorbar(picture)

# %% [markdown]
# The errors with the highest predicted probability: the label, and the prediction.

# %%
surest = wrong[np.argsort(-probabilities[wrong, guesses[wrong]])][:24]
figure = show(x_test[surest], [f"{y_test[i]}, not {guesses[i]}" for i in surest]) if len(surest) else None

# %% [markdown]
# ## The filters of the first layer
#
# Each filter has five by five weights: positive ones are red, negative ones are blue.

# %%
kernel = np.array(model.get_layer("first_convolution").kernel)  # [5, 5, 1, filters]
limit = np.abs(kernel).max()
figure = show(np.moveaxis(kernel, -1, 0), columns=8, cmap="RdBu_r", vmin=-limit, vmax=limit)

# %% [markdown]
# ## The pixels that a prediction depends on
#
# `jl.grad` computes the gradient of the highest logit with respect to the image: where it is large, a change of the
# pixel changes the logit most. The mean over many noisy copies of the image is clearer than the gradient for the
# image alone (D. Smilkov et al., "SmoothGrad", arXiv:1706.03825). `jl.jit` and `jl.grad` are JAX's transformations
# for functions that use models.


# %%
@jl.jit
def saliency(image, key):
    copies = image + 0.3 * jax.random.normal(key, (50, *image.shape))
    return jnp.abs(jl.grad(lambda copies: model(copies).max(-1).sum())(copies)).mean(0)[..., 0]


some = [x_test[y_test == digit][0] for digit in range(10)]
figure, panels = plt.subplots(2, 10, figsize=(9, 2), layout="constrained")
for column, image in enumerate(some):
    panels[0, column].imshow(image[..., 0], cmap="gray_r")
    panels[1, column].imshow(saliency(image, jax.random.key(column)), cmap="YlOrRd")
    panels[1, column].contour(image[..., 0], levels=[0.5], colors="black", linewidths=0.8)
for panel in panels.flat:
    panel.set_axis_off()

# %% [markdown]
# ## The training step as a pure function
#
# `make_train_step` returns the training step of `fit` as a function `(train_state, batch) -> (train_state, logs)`.
# The train state is a tree with all arrays that training changes, including the random keys. The model itself does
# not change until the state is assigned to it.

# %%
step = jax.jit(model.make_train_step())
state = model.train_state
loader = jl.data.ArrayLoader((x, y), batch_size=BATCH, shuffle=True, seed=1, drop_remainder=True)
for batch in loader:
    state, logs = step(state, batch)
print(f"loss {float(logs['loss']):.3f} over {len(loader)} steps")
model.train_state = state
figures = model.evaluate(x_test, y_test, batch_size=500, verbose=0, return_dict=True)
print(f"test accuracy {figures['accuracy']:.2%}")

# %% [markdown]
# ## On several devices
#
# Each device has a part of each batch and a copy of the state. The step is the same function; XLA adds the
# communication between devices. On a single device this is the same as above.

# %%
mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
parts, whole = NamedSharding(mesh, PartitionSpec("batch")), NamedSharding(mesh, PartitionSpec())
rows = BATCH - BATCH % jax.device_count()
state = jax.device_put(model.train_state, whole)
for images, labels in loader:
    state, logs = step(state, jax.device_put((images[:rows], labels[:rows]), parts))
model.train_state = jax.device_get(state)
print(f"loss {float(logs['loss']):.3f} on {jax.device_count()} device(s)")
