"""What `Repeat` of 48 blocks takes to trace and compile, beside the model of one block and that of 48 in a row."""

from __future__ import annotations

import jax
import jax.numpy as jnp

import jaxlayers as jl
from benchmarks import problem
from benchmarks.clock import seconds, take_turns
from benchmarks.ours.models import Block
from benchmarks.table import Row, time_row
from jaxlayers import layers

LIMIT, BLOCKS = 1.5, 48
ONE, MANY = "one block", f"Repeat of {BLOCKS}"


def run() -> list[Row]:
    """A transformer's blocks between two dense layers, forward and gradient."""
    x = jnp.ones((problem.BATCH, problem.LENGTH, 32))
    ends = (32, problem.VOCABULARY)

    def model(block: layers.Layer) -> jl.Model:
        return jl.Sequential([layers.Dense(problem.WIDTH), block, layers.Dense(ends[1])])

    models = {ONE: model(Block()), MANY: model(layers.Repeat(Block, BLOCKS))}
    trees = {name: one.init(jax.random.key(0), x) for name, one in models.items()}

    def compilation(name: str) -> float:
        def loss(params: dict, state: dict) -> jax.Array:
            return jnp.mean(jnp.square(models[name].apply(params, state, x, training=True).outputs))

        jax.clear_caches()
        return seconds(lambda: jax.jit(jax.value_and_grad(loss)).lower(*trees[name]).compile())

    samples = take_turns({name: lambda n=name: compilation(n) for name in models}, turns=7)
    return [time_row("c", "transformer blocks, compilation", samples, MANY, ONE, LIMIT)]
