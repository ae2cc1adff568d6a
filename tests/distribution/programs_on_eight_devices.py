"""The compiled programs of distributions: collectives, memory, and how weights are made, on eight simulated devices.

`test_distribution.py` runs this file. XLA's compiler for CPUs has no reduce-scatter here: where a TPU program
adds up parts of gradients by a reduce-scatter, a CPU program has an all-reduce and a slice. It combines all all-reduces
that do not depend on each other.
"""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import distribution, layers, ops
from tests.distribution import programs
from tests.distribution.programs import WIDTH, collectives_of, compiled_step, transformer

SMALL = 64  # bytes of losses and the like, which are reduced with the gradients


def chain(*hidden, size=WIDTH, batch=64):
    model = jl.Sequential([jl.Input((size,)), *hidden])
    model.compile(jl.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model, (np.zeros((batch, size), "float32"),) * 2


def bytes_of(shapes):
    return sum(4 * math.prod(shape) for shape in shapes)


def sizes_of(shapes):
    """Count shapes; XLA may reduce the transpose of a gradient."""
    return Counter(tuple(sorted(shape)) for shape in shapes)


def part_of(variable):
    return variable.value.sharding.shard_shape(variable.shape)


def test_data_parallelism_has_one_reduction_of_the_gradients():
    with distribution.DataParallel().scope():
        model, batch = transformer()
        ((kind, shapes),) = collectives_of(compiled_step(model, batch))
    gradients = [variable.shape for variable in model.trainable_variables]
    assert kind == "all-reduce" and not sizes_of(gradients) - sizes_of(shapes)
    assert 0 <= bytes_of(shapes) - bytes_of(gradients) <= SMALL


def test_fully_sharded_weights_are_gathered_once_and_updated_in_parts():
    with distribution.FSDP().scope():
        model, batch = transformer(width=256)  # embeddings are split over their width, one bias is split as well
        compiled = compiled_step(model, batch)
    found = collectives_of(compiled)
    weights = model.trainable_variables
    divided = [variable.shape for variable in weights if part_of(variable) != variable.shape]
    gathered = [shapes for kind, shapes in found if kind == "all-gather"]
    words = Counter({(64, 256): 1})  # each device may look up its part of the embeddings, for all samples
    assert len(divided) == 9 and not sizes_of(divided) - sizes_of(itertools.chain(*gathered)) - words
    reduced = [shapes for kind, shapes in found if kind in ("all-reduce", "reduce-scatter")]
    assert len(reduced) == 1
    assert -bytes_of(words) <= bytes_of(reduced[0]) - bytes_of(v.shape for v in weights) <= SMALL
    others = [shapes for shapes in (shapes for _, shapes in found) if not sizes_of(shapes) & sizes_of(divided)]
    activations = batch[0].size // 8 * 256 * 4  # of one device: what looking up words may send and receive
    assert sum(map(bytes_of, others)) <= 2 * activations + batch[0].nbytes
    # What goes in and what comes out: the part of each weight and of its two slots that a device has.
    parts = 3 * bytes_of(map(part_of, weights))
    sizes = compiled.memory_analysis()
    assert parts <= sizes.output_size_in_bytes <= parts + 32768  # a table of pointers is part of it
    assert parts <= sizes.argument_size_in_bytes - batch[0].nbytes // 4 <= parts + 32768


def test_no_device_ever_holds_all_weights_of_repeated_layers():
    with distribution.FSDP().scope():
        model, batch = chain(layers.Repeat(layers.Dense(256, "tanh", use_bias=False), 16), size=256)
        compiled = compiled_step(model, batch)
    whole = bytes_of(variable.shape for variable in model.trainable_variables)
    assert whole == 16 * 256 * 256 * 4
    gathered = [shape for kind, shapes in collectives_of(compiled) if kind == "all-gather" for shape in shapes]
    assert gathered and set(gathered) <= {(256, 256), (1, 256, 256)}  # one layer at a time, forward and backward
    sizes = compiled.memory_analysis()
    # The arguments with the momentum are two eighths, the outputs reuse their memory. The rest are the gradients, an
    # eighth, the weights and the gradient of a layer, and activations.
    held = sizes.argument_size_in_bytes + sizes.temp_size_in_bytes
    assert sizes.alias_size_in_bytes >= whole // 4 and held < whole, (held, whole)


def test_a_pair_of_matrices_has_one_reduction_forward_and_one_backward():
    layouts = distribution.LayoutMap(distribution.DeviceMesh((1, 8), ("batch", "model")))
    layouts["up/kernel"], layouts["up/bias"], layouts["down/kernel"] = (None, "model"), ("model",), ("model", None)
    with distribution.ModelParallel(layout_map=layouts).scope():
        pair = layers.Dense(128, "gelu", name="up"), layers.Dense(WIDTH, name="down")
        model, batch = chain(layers.Dense(WIDTH, name="first"), *pair)
        forward = jax.jit(lambda state, x: model.apply(state.params, state.state, x)[0])
        compiled = compiled_step(model, batch)
        x = distribution.distribution().place_batch(batch[0])
        outputs = forward.lower(model.train_state, x).compile()
    activations = ("all-reduce", [batch[0].shape])
    assert collectives_of(outputs) == [activations]
    assert collectives_of(compiled) == [activations] * 2


def test_tensor_parallelism_in_a_transformer_has_what_its_layout_implies():
    with distribution.ModelParallel(layout_map=programs.layouts((2, 4))).scope():
        model, batch = transformer()
        found = collectives_of(compiled_step(model, batch))
    activations = (batch[0].shape[0] // 2, batch[0].shape[1], WIDTH)
    parts = [part_of(variable) for variable in model.trainable_variables]
    assert {kind for kind, _ in found} == {"all-reduce"}
    *between, gradients = [shapes for _, shapes in found]
    # Attention and the pair of dense layers, forward and backward. Queries, keys and values have gradients of their own
    # with respect to the inputs, which the compiler for TPUs adds up before it reduces them.
    assert sorted(between) == [[activations]] * 3 + [[activations] * 3]
    assert not sizes_of(parts) - sizes_of(gradients) and 0 <= bytes_of(gradients) - bytes_of(parts) <= SMALL


STRATEGIES = {
    "fsdp": distribution.FSDP,
    "auto": lambda: distribution.ModelParallel(
        layout_map="auto", device_mesh=distribution.DeviceMesh((1, 8), ("batch", "model"))
    ),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_building_peaks_at_the_size_of_the_parts(strategy):
    """The peak on a device: the arrays that it has, and the memory of the largest program that makes one."""
    client = jax.devices()[0].client
    held, compiled_before = jax.live_arrays(), client.live_executables()
    with STRATEGIES[strategy]().scope():
        model, _ = chain(*[layers.Dense(512, use_bias=False) for _ in range(4)], size=512)
        model.optimizer.build(model.trainable_variables)
        kept = [variable.value for variable in [*model.variables, *model.optimizer.variables]]
    assert len(kept) > 8
    parts = Counter()
    for array in jax.live_arrays():
        if not any(array is each for each in held):
            parts.update({shard.device: shard.data.nbytes for shard in array.addressable_shards})
    made = [each.get_compiled_memory_stats() for each in client.live_executables() if each not in compiled_before]
    peak = max(parts.values()) + max(each.temp_size_in_bytes for each in made)
    share = 2 * 4 * 512 * 512 * 4 // 8  # weights and momentum; the whole of a single weight would be half of it
    assert share <= peak <= share + 256, (peak, share)
    assert max(each.output_size_in_bytes for each in made) == 512 * 512 * 4 // 8


def test_initializers_of_any_kind_are_traced_where_they_can_be():
    generator, numbers, seen = jl.random.SeedGenerator(3), np.random.RandomState(0), []

    def traced(shape, dtype):
        value = jl.random.normal(shape, dtype=dtype) + ops.eye(*shape)
        seen.append(isinstance(value, jax.core.Tracer))
        return value

    initializers = {
        "traced": traced,
        "keyed": jax.nn.initializers.lecun_normal(),
        "seed": jl.initializers.RandomNormal(seed=3),
        "identity": jl.initializers.Identity(),
        "numpy": lambda shape: numbers.normal(size=shape),
        "constant": lambda shape: numbers.normal(size=shape[1:]) * ops.ones(shape),
        "values": lambda shape: jl.random.normal(shape) / float(ops.max(jl.random.normal(shape))),
        "generator": lambda shape: jl.random.normal(shape, seed=generator),
    }

    def make():
        jl.utils.set_random_seed(1)
        numbers.seed(0)
        generator.state.assign(jl.random.SeedGenerator(3).state)
        layer = layers.Layer()
        layer.parts = [layer.add_weight((64, 32), initializer=each) for each in initializers.values()]
        return [weight.value for weight in layer.parts], np.asarray(generator.state)

    whole, state = make()
    assert seen == [False]
    with distribution.FSDP().scope():
        parts, state_after = make()
    assert seen == [False, True]
    np.testing.assert_array_equal(state_after, state)
    for name, ours, theirs in zip(initializers, parts, whole, strict=True):
        assert ours.sharding.shard_shape(ours.shape) == (8, 32), name
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6, err_msg=name)
    with (
        distribution.FSDP().scope(),
        pytest.raises(ValueError, match=r"asked for shape \(64, 32\) and returned \(3,\)"),
    ):
        layers.Layer().add_weight((64, 32), initializer=lambda shape: ops.ones(3)).value  # noqa: B018


def test_constraints_on_outputs_keep_masks_and_other_transformations():
    tokens, targets = np.random.default_rng(0).integers(0, 4, (16, 6)), np.ones((16, 2), "float32")

    def make():
        jl.utils.set_random_seed(0)
        inner = jl.Sequential([jl.Input((6,), dtype="int32"), layers.Embedding(16, 16, mask_zero=True)])
        model = jl.Sequential([jl.Input((6,), dtype="int32"), inner, layers.LSTM(16), layers.Dense(2)])
        model.compile("sgd", "mse")
        model.prepare((tokens, targets))
        return model

    model = make()
    predicted, loss = model.predict(tokens, verbose=0), model.test_on_batch(tokens, targets)
    with distribution.FSDP(min_size=16).scope():
        model = make()
        np.testing.assert_allclose(model.predict(tokens, verbose=0), predicted, rtol=1e-4, atol=1e-6)
        mesh = jax.make_mesh((8,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
        specs = {"in_specs": (jax.P(), jax.P("batch")), "out_specs": jax.P(), "check_vma": False}
        step = jax.jit(jax.shard_map(model.make_train_step(axis_name="batch"), mesh=mesh, **specs))
        logs = step(model.train_state, (tokens, targets))[1]
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
