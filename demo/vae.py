"""Train a variational autoencoder of handwritten digits, and draw reconstructions and new digits.

D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114. Run by `make demo`.
"""

import sys
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import jaxlayers as jl
from jaxlayers import layers, ops

SIDE = 28
PIXELS = SIDE * SIDE
ROWS = 8  # rows of digits in each panel of the picture
PICTURE = Path(__file__).parents[1] / "reports" / "vae.png"


class Encoder(layers.Layer):
    """Map images [batch, pixels] to the mean and the log variance of their codes, [batch, latent] each."""

    def __init__(self, hidden, latent, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(hidden, activation="relu")
        self.mean, self.log_variance = layers.Dense(latent), layers.Dense(latent)

    def call(self, images):
        h = self.hidden(images)
        return self.mean(h), self.log_variance(h)


class Vae(jl.Model):
    """An encoder, a random code with the mean and variance of the encoder, and a decoder."""

    def __init__(self, hidden=256, latent=16, **kwargs):
        super().__init__(**kwargs)
        self.latent = latent
        self.encoder = Encoder(hidden, latent)
        self.decoder = jl.Sequential(
            [layers.Dense(hidden, activation="relu"), layers.Dense(PIXELS, activation="sigmoid")]
        )
        self.seed_generator = jl.random.SeedGenerator(0)

    def call(self, images, training=False):
        mean, log_variance = self.encoder(images)
        # The Kullback-Leibler divergence of N(mean, variance) from N(0, 1), summed over the axis of the code.
        divergence = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - log_variance - 1, axis=-1)
        self.add_loss(ops.mean(divergence))
        if training:
            noise = jl.random.normal(ops.shape(mean), seed=self.seed_generator)
            mean = mean + ops.exp(0.5 * log_variance) * noise
        return self.decoder(mean)


def reconstruction_loss(images, outputs):
    """Return the negative log likelihood of the images, [batch]: the binary cross-entropy summed over pixels."""
    return PIXELS * jl.losses.binary_crossentropy(images, outputs)


def load():
    """Return the images for training and for testing, in the range 0 to 1, and the number of epochs to train."""
    try:
        (train, _), (test, _) = jl.datasets.mnist.load_data()
        print(f"Data: MNIST, {len(train):,} images from {jl.datasets.mnist.find()[0].parent}")
        epochs = 8
    except ConnectionError as error:
        (train, _), (test, _) = jl.datasets.digits.load_data()
        print(f"{error}\nData: {len(train):,} digits of scikit-learn, enlarged, because MNIST was not found.")
        epochs = 60
    return *(images.reshape(-1, PIXELS).astype("float32") / 255 for images in (train, test)), epochs


def draw(panels, path):
    """Draw panels of digits side by side into a file; a panel is a title and images [ROWS * ROWS, pixels]."""
    figure = Figure(figsize=(4 * len(panels), 4.3))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.92, wspace=0.06)
    for axes, (title, images) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        tiles = images.reshape(ROWS, ROWS, SIDE, SIDE).transpose(0, 2, 1, 3)
        axes.imshow(tiles.reshape(ROWS * SIDE, ROWS * SIDE), cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(title)
        axes.set_axis_off()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)


def main():
    """Train the model and draw the panels."""
    jl.utils.set_random_seed(0)
    train, test, epochs = load()
    vae = Vae()
    vae.compile(optimizer=jl.optimizers.Adam(1e-3), loss=reconstruction_loss)
    start = time.perf_counter()
    vae.fit(train, train, batch_size=128, epochs=epochs, verbose=1 if sys.stdout.isatty() else 2)
    print(f"Trained {epochs} epochs in {time.perf_counter() - start:.1f} s.")
    originals = test[: ROWS * ROWS]
    codes = np.random.default_rng(0).normal(size=(ROWS * ROWS, vae.latent)).astype("float32")
    panels = {
        "originals": originals,
        "reconstructions": vae.predict(originals, verbose=0),
        "new samples": vae.decoder.predict(codes, verbose=0),
    }
    draw(panels, PICTURE)
    print(f"Wrote {PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE}")


if __name__ == "__main__":
    main()
