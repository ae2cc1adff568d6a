"""Training steps compiled for 256 simulated devices, and not run; `test_distribution.py` runs this file."""

import math

import jax

from jaxlayers import distribution
from tests.distribution import programs


def compile_for(strategy):
    """Return the bytes of each collective by kind, and the bytes of the weights and of their parts on a device."""
    with strategy.scope():
        model, batch = programs.transformer(256, 256, 512)
        found = programs.collectives_of(programs.compiled_step(model, batch))
        weights = model.trainable_variables
        whole = sum(4 * weight.size for weight in weights)
        parts = sum(4 * math.prod(weight.value.sharding.shard_shape(weight.shape)) for weight in weights)
    return [(kind, sum(4 * math.prod(shape) for shape in shapes)) for kind, shapes in found], whole, parts


def test_fully_sharded():
    assert jax.device_count() == 256
    found, whole, parts = compile_for(distribution.FSDP())
    *gathers, (kind, reduced) = found
    small = whole - sum(size for _, size in gathers)  # weights that stay whole
    assert {kind for kind, _ in gathers} == {"all-gather"} and 0 < small < 16384
    assert parts == (whole - small) // 256 + small
    assert kind == "all-reduce" and 0 <= reduced - whole <= 64


def test_tensor_parallel():
    found, _, parts = compile_for(distribution.ModelParallel(layout_map=programs.layouts((64, 4))))
    activations = 256 // 64 * programs.TIME * 256 * 4
    *between, gradients = found
    assert {kind for kind, _ in found} == {"all-reduce"}
    assert sorted(size for _, size in between) == [activations] * 3 + [activations * 3]
    assert 0 <= gradients[1] - parts <= 64
