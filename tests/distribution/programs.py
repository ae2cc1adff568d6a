"""Training steps compiled for the distribution in use, and the collectives in them."""

import re

import jax
import numpy as np

import jaxlayers as jl
from jaxlayers import distribution, layers

WORDS, TIME, WIDTH, BATCH = 64, 16, 32, 32

_COLLECTIVE = re.compile(r"= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")


def transformer(batch=BATCH, width=WIDTH, words=WORDS):
    """Return a compiled model, and a batch for it."""
    inputs = jl.Input((TIME,), dtype="int32")
    hidden = layers.Embedding(words, width)(inputs)
    normal = layers.LayerNormalization()(hidden)
    hidden = hidden + layers.MultiHeadAttention(4, 8, name="attention")(normal, normal)
    normal = layers.LayerNormalization()(hidden)
    hidden = hidden + layers.Dense(width, name="down")(layers.Dense(4 * width, "gelu", name="up")(normal))
    model = jl.Model(inputs, layers.Dense(words, name="head")(layers.LayerNormalization()(hidden)))
    model.compile(jl.optimizers.Adam(1e-3), jl.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, (np.zeros((batch, TIME), "int32"),) * 2


def layouts(shape):
    """Return the layouts of the transformer for tensor parallelism on a mesh of a shape."""
    found = distribution.LayoutMap(distribution.DeviceMesh(shape, ("batch", "model")))
    found["up/kernel"], found["up/bias"], found["down/kernel"] = (None, "model"), ("model",), ("model", None)
    found["attention/(query|key|value)/kernel"] = (None, "model", None)
    found["attention/(query|key|value)/bias"] = ("model", None)
    found["attention/attention_output/kernel"] = ("model", None, None)
    return found


def compiled_step(model, batch):
    """Compile the training step of a model for the distribution in use."""
    model.prepare(batch)
    step = jax.jit(model.make_train_step(), donate_argnums=0)
    return step.lower(model.train_state, distribution.distribution().place_batch(batch)).compile()


def collectives_of(compiled):
    """Return for each collective of a program its kind, and the shapes of its results on a device."""
    shape = re.compile(r"\w\[([\d,]*)\]")
    return [
        (kind, [tuple(int(size) for size in sizes.split(",") if size) for sizes in shape.findall(types)])
        for types, kind in _COLLECTIVE.findall(compiled.as_text())
    ]
