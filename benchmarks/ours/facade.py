"""jaxlayers as objects: a step that uses objects under `jl.jit`, and `fit`."""

from __future__ import annotations

import contextlib
import functools
import io
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxlayers as jl
from benchmarks import problem
from benchmarks.ours.models import Transformer, Vae
from benchmarks.problem import ADAM_EPSILON, LEARNING_RATE, Step


def adam() -> Any:
    """Return the optimizer of all steps."""
    return jl.optimizers.Adam(LEARNING_RATE, epsilon=ADAM_EPSILON)


def transformer() -> Transformer:
    """Return the model, built for the shape of its input."""
    model = Transformer()
    model.build((problem.BATCH, problem.LENGTH))
    return model


BUILDS: dict[str, Callable[[], Any]] = {
    "jaxlayers build": lambda: [variable.value for variable in transformer().variables],
}


def forward(model: Transformer, tokens: jax.Array) -> jax.Array:
    """Return the logits, computed eagerly."""
    return model(tokens)


def _step(model: Any, loss_function: Callable[..., Any]) -> Step:
    optimizer = adam()

    @jl.jit
    def step(*batch: jax.Array) -> jax.Array:
        def compute_loss() -> jax.Array:
            return loss_function(batch[-1], model(batch[0], training=True)) + sum(model.losses)

        loss, gradients = jl.value_and_grad(compute_loss, wrt=model.trainable_weights)()
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        return loss

    return Step(lambda _, *batch: (None, step(*batch)), None, lambda _, *batch: step.lower(*batch))


def transformer_step() -> Step:
    """Return a step of Adam on the transformer."""
    return _step(transformer(), jl.losses.SparseCategoricalCrossentropy(from_logits=True))


def vae_step() -> Step:
    """Return a step of Adam on the autoencoder."""
    model = Vae()
    model.build((problem.VAE_BATCH, problem.PIXELS))
    return _step(model, jl.losses.MeanSquaredError())


def _epoch(
    model: Any,
    loss: Any,
    batch: int,
    inputs: np.ndarray,
    targets: np.ndarray,
    verbose: int = 0,
    callbacks: Any = None,
    **options: Any,
) -> Callable[[], float]:
    model.compile(adam(), loss, **options)
    fit = functools.partial(model.fit, inputs, targets, batch_size=batch, verbose=verbose, callbacks=callbacks)
    return lambda: fit().history["loss"][-1]


def vae_fit(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that trains the autoencoder for an epoch."""
    return _epoch(Vae(), jl.losses.MeanSquaredError(), problem.VAE_BATCH, pixels, pixels)


def vae_scanned(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that trains for an epoch, with many steps in one call."""
    loss = jl.losses.MeanSquaredError()
    return _epoch(Vae(), loss, problem.VAE_BATCH, pixels, pixels, steps_per_execution="auto")


def vae_shown(pixels: np.ndarray) -> Callable[[], float]:
    """Return a function that trains for an epoch with the progress bar of a terminal."""
    train = _epoch(Vae(), jl.losses.MeanSquaredError(), problem.VAE_BATCH, pixels, pixels, verbose=1)

    def epoch() -> float:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(_Terminal(nowhere)):
            return train()

    return epoch


class _Terminal(io.TextIOWrapper):
    """A text file that claims to be a terminal."""

    def __init__(self, nowhere: Any):
        super().__init__(nowhere.buffer, encoding="utf-8")

    def isatty(self) -> bool:
        """True: a progress bar draws on terminals only."""
        return True


def small_loop(inputs: np.ndarray, targets: np.ndarray, size: int) -> Callable[[], float]:
    """Return a function for an epoch of a very small step: linear regression by gradient descent."""
    model = jl.Sequential([jl.Input((inputs.shape[1],)), jl.layers.Dense(1)])
    model.compile(jl.optimizers.SGD(0.01), "mse")
    return lambda: model.fit(inputs, targets, batch_size=size, verbose=0).history["loss"][-1]


def transformer_fit(inputs: np.ndarray, targets: np.ndarray, callbacks: Any = None) -> Callable[[], float]:
    """Return a function that trains the transformer for an epoch."""
    loss = jl.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _epoch(Transformer(), loss, problem.BATCH, inputs, targets, callbacks=callbacks)


def counters(count: int) -> Callable[[int], None]:
    """Return a function that adds one to each of `count` variables."""
    variables = [jl.Variable(jnp.zeros(()), trainable=False) for _ in range(count)]

    @jl.jit
    def step() -> jax.Array:
        last = 2 * variables[0].value
        for variable in variables:
            variable.assign(variable + 1)
        return last

    def run(calls: int) -> None:
        for _ in range(calls):
            last = step()
        last.block_until_ready()

    return run
