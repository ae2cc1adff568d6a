"""The time to trace and compile the step of a transformer of 48 repeated blocks, against one block."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import problem
from benchmarks.clock import seconds, take_turns
from benchmarks.ours.models import Transformer, norm
from benchmarks.ours.pure import training_step
from benchmarks.table import Row, time_row
from jaxlayers import layers, ops

LIMIT, BLOCKS = 1.5, 48
ONE, MANY, REMAT = "one block", f"Repeat of {BLOCKS}", f"Repeat of {BLOCKS}, remat"


class Block(layers.Layer):
    """A pre-norm block of layers of jaxlayers."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.norm_1, self.norm_2 = norm(), norm()
        self.attention = layers.MultiHeadAttention(problem.HEADS, problem.WIDTH // problem.HEADS)
        self.expand, self.contract = layers.Dense(4 * problem.WIDTH, ops.gelu), layers.Dense(problem.WIDTH)

    def call(self, x: jax.Array) -> jax.Array:
        """[batch, time, width] -> [batch, time, width]."""
        h = self.norm_1(x)
        x = x + self.attention(h, h, use_causal_mask=True)
        return x + self.contract(self.expand(self.norm_2(x)))


def run() -> list[Row]:
    """With and without `remat`, which computes the activations of the blocks again for the gradient."""
    batch = tuple(map(jnp.asarray, problem.token_rows(problem.BATCH)))
    bodies = {
        ONE: Block,
        MANY: lambda: layers.Repeat(Block, BLOCKS),
        REMAT: lambda: layers.Repeat(Block, BLOCKS, remat=True),
    }

    def step(body: Any) -> problem.Step:
        model = Transformer()
        model.blocks = [body()]
        return training_step(model, batch[0], problem.next_token_loss)

    steps = {name: step(body) for name, body in bodies.items()}

    def compilation(name: str) -> float:
        jax.clear_caches()
        return seconds(lambda: steps[name].lower(steps[name].carry, *batch).compile())

    samples = take_turns({name: lambda n=name: compilation(n) for name in steps}, turns=4, rounds=2)
    return [time_row("c", "transformer step, compilation", samples, name, ONE, LIMIT) for name in (MANY, REMAT)]
