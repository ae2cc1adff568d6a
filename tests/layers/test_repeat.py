"""`Repeat` against the same number of separate layers."""

import copy
import functools
import gc
import pickle
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common.masks import get_mask, set_mask
from tests.layers.table import floats, masks

X = floats(4, 6, 5)
KEY = jax.random.key(3)


def close(actual, expected, tolerance=2e-5):
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, tolerance, tolerance), actual, expected)


def largest(w):
    return jnp.max(w**2)


def of_sum_one(w):
    return w / jnp.sum(w)


def plain(state):
    """State without that of generators."""
    return {name: value for name, value in state.items() if name != "drop"}


class Block(jl.Layer):
    """A residual block with something of everything; counts how often it is traced."""

    traced = 0

    def __init__(self, rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.parts = [layers.Dense(5, activation="tanh"), {"norm": layers.BatchNormalization(momentum=0.5)}]
        self.drop = layers.Dropout(rate)
        self.seen = self.add_weight((), "zeros", "int32", trainable=False, name="seen")

    def build(self, input_shape):
        self.scale = self.add_weight(
            (input_shape[-1],), "ones", regularizer=largest, constraint=of_sum_one, name="scale"
        )

    def call(self, x, context=None, training=None):
        Block.traced += 1
        self.seen.assign_add(1)
        h = self.drop(self.parts[1]["norm"](self.parts[0](x)))
        self.add_loss(jnp.mean(h**2))
        return x + self.scale * h + (0 if context is None else context)


def pair(n=3, **options):
    """A repeated block, and as many blocks by themselves with the same weights, different everywhere."""
    repeat = layers.Repeat(Block, n, **options)
    repeat(X)
    rng = np.random.default_rng(1)
    new = lambda a: jnp.asarray(rng.uniform(0.2, 1.5, a.shape), a.dtype) if a.dtype == "float32" else a
    repeat.params, repeat.state = jax.tree.map(new, repeat.params), jax.tree.map(new, repeat.state)
    blocks = [Block() for _ in range(n)]
    for one, view in zip(blocks, repeat.blocks, strict=True):
        one(X)
        one.set_weights(view.get_weights())
    return repeat, blocks


class Chain(jl.Layer):
    def __init__(self, blocks):
        super().__init__()
        self.blocks = blocks

    def call(self, x, context=None):
        for block in self.blocks:
            x = block(x, context)
        return x


def stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@pytest.mark.parametrize("options", [{}, {"unroll": 2}, {"remat": True}, {"remat": "dots_saveable"}])
def test_equal_to_separate_layers(options):
    repeat, blocks = pair(**options)
    chain, context = Chain(blocks), floats(4, 6, 1)

    def step(layer):
        def loss(x):
            y = layer(x, context, training=True)
            return jnp.sum(y * jnp.cos(x)) + sum(layer.losses), y

        (value, y), gradients = jl.value_and_grad(loss, wrt=layer, has_aux=True)(X)
        return value, y, gradients, jl.grad(lambda x: loss(x)[0])(X)

    (*got, gradients, slope), (*want, expected, wanted) = step(repeat), jl.jit(lambda: step(chain))()
    close(got, want)
    close(slope, wanted)
    close(gradients["block"], stack([expected["blocks"][str(i)] for i in range(3)]), 2e-4)
    close(plain(repeat.state["block"]), stack([plain(block.state) for block in blocks]))
    assert repeat.state["block"]["seen"].tolist() == [2 + 1] * 3
    close(jl.jit(lambda: repeat(X, context))(), chain(X, context))
    applied = jax.jit(lambda p, s: repeat.apply(p, s, X, context))(repeat.params, repeat.state)
    close(applied.outputs, chain(X, context))
    close(sum(applied.losses), sum(chain.losses))
    assert applied.state["block"]["seen"].tolist() == [5] * 3


def test_weights_go_by_the_blocks_names_with_an_axis_in_front():
    repeat, (one, *_) = pair(4)
    assert [w.path.removeprefix(f"{repeat.name}/block/") for w in repeat.weights] == [
        w.path.removeprefix(f"{one.name}/") for w in one.weights
    ]
    assert [w.shape for w in repeat.weights] == [(4, *w.shape) for w in one.weights]
    assert [w.name for w in repeat.trainable_weights] == [w.name for w in one.trainable_weights]


def test_blocks_are_read_and_written_one_by_one():
    repeat, blocks = pair()
    view, other = repeat.blocks[1], blocks[1]
    close(view.params, other.params)
    close(plain(view.state), plain(other.state))
    view.params = jax.tree.map(lambda a: a + 1, view.params)
    view.state = jax.tree.map(lambda a: a + 2, view.state)
    close(view.params["parts"]["0"]["kernel"], other.parts[0].kernel.value + 1)
    close(repeat.params["block"]["scale"][1], other.scale.value + 1)
    close(repeat.params["block"]["scale"][2], blocks[2].scale.value)
    assert repeat.state["block"]["seen"].tolist() == [1, 3, 1]
    view.set_weights(other.get_weights())
    close(repeat(X), Chain(blocks)(X))
    before = repeat.params
    with pytest.raises(
        ValueError, match=r"parts/0/kernel must have shape \(5, 5\), received \(5, 4\); nothing belongs to no"
    ):
        view.params = {
            "scale": view.params["scale"],
            "nothing": 0.0,
            "parts": {**view.params["parts"], "0": {"kernel": jnp.ones((5, 4)), "bias": jnp.ones(5)}},
        }
    with pytest.raises(ValueError, match="block 1 of"):
        view.set_weights(view.get_weights()[1:])
    with pytest.raises(ValueError, match="is not built"):
        _ = layers.Repeat(Block, 2).blocks[0].params
    close(repeat.params, before, 0)


def test_first_values_differ_and_depend_on_key_path_and_index():
    inside = lambda: jl.Sequential(
        [
            layers.Dense(5, name="a", kernel_initializer="orthogonal"),
            layers.Dense(5, name="b", bias_initializer=jl.initializers.Constant(2.0)),
            layers.Dense(5, name="c", kernel_initializer=lambda shape, dtype: jl.random.normal(shape, dtype=dtype)),
        ]
    )
    repeat = layers.Repeat(inside, 3)
    params, _ = repeat.init(KEY, X)
    params = params["block"]
    for name in "abc":
        kernels = np.asarray(params[name]["kernel"])
        assert all(not np.allclose(kernels[i], kernels[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert (params["b"]["bias"] == 2).all()
    close(jnp.einsum("nij,nkj->nik", *[params["a"]["kernel"]] * 2), jnp.stack([jnp.eye(5)] * 3))
    again, _ = jax.jit(lambda key: layers.Repeat(inside, 3).init(key, X))(KEY)
    close(again["block"], params)
    longer, _ = layers.Repeat(inside, 5).init(KEY, X)
    close(longer["block"]["a"]["kernel"][:3], params["a"]["kernel"])
    other, _ = repeat.init(jax.random.key(4), X)
    assert not np.allclose(other["block"]["a"]["kernel"], params["a"]["kernel"])
    built = layers.Repeat(inside, 3)
    built.build((None, 5))
    kernels = built.params["block"]["a"]["kernel"]
    assert not np.allclose(kernels[0], kernels[1])


def test_penalties_and_constraints_are_of_each_block():
    repeat, blocks = pair()
    repeat(X)
    close(repeat.losses[1], sum(jnp.max(block.scale.value**2) for block in blocks))
    scale = next(w for w in repeat.weights if w.path.endswith("block/scale"))
    close(scale.constraint(scale.value), jnp.stack([b.scale.value / b.scale.value.sum() for b in blocks]))
    optimizer = jl.optimizers.SGD(0.1)
    optimizer.apply_gradients([(0 * w.value, w) for w in repeat.trainable_weights])
    close(scale.value.sum(-1), jnp.ones(3))


@pytest.mark.parametrize("seed", [None, 7])
def test_draws_differ_from_block_to_block_and_call_to_call(seed):
    ones = jnp.ones(4000)
    repeat = layers.Repeat(layers.Dropout(0.5, seed=seed), 2)
    first, second = repeat(ones, training=True), repeat(ones, training=True)
    for y in (first, second, jl.jit(lambda: repeat(ones, training=True))()):
        assert set(np.unique(y).tolist()) == {0.0, 4.0}  # both blocks dropped: a quarter is left
        assert abs(float((y > 0).mean()) - 0.25) < 0.03
    assert not np.array_equal(first, second)
    close(repeat(ones), ones)
    params, state = repeat.init(KEY, ones)
    given = lambda key: repeat.apply(params, state, ones, rng=key, training=True).outputs
    close(given(KEY), jax.jit(given)(KEY))
    assert not np.array_equal(given(KEY), given(jax.random.key(9)))
    assert abs(float((given(KEY) > 0).mean()) - 0.25) < 0.03
    lanes = jl.vmap(lambda x: repeat(x, training=True))(jnp.stack([ones, ones]))
    assert not np.array_equal(*lanes)
    if seed is None:
        with pytest.raises(ValueError, match="was given no key"):
            repeat.apply(params, state, ones, training=True)
    else:
        seeds = repeat.state["block"]["seed_generator"]["state"]
        assert int(seeds[0, 0]) == 7 and int(seeds[1, 0]) != 7 and seeds[:, 1].tolist() == [4, 4]


class Noisy(jl.Layer):
    """Draws from the stream itself, while training."""

    def call(self, x, training=False):
        return x + jl.random.normal(x.shape) if training else x


def test_the_global_stream_moves_only_when_it_is_drawn_from():
    repeat = layers.Repeat(Noisy, 3)

    def after(training):
        jl.utils.set_random_seed(5)
        y = repeat(X, training=training)
        return y, jl.random.normal(())

    jl.utils.set_random_seed(5)
    untouched = jl.random.normal(())
    assert after(False)[1] == untouched and after(True)[1] != untouched
    y = after(True)[0] - X
    close(after(True)[0], y + X)
    assert abs(float(y.std()) - np.sqrt(3)) < 0.35
    params, state = repeat.init(KEY, X)
    with pytest.raises(ValueError, match="was given no key"):
        repeat.apply(params, state, X, training=True)
    assert repeat.apply(params, state, X, rng=KEY, training=True).outputs.shape == X.shape


def test_masks_go_from_block_to_block():
    class Counts(jl.Layer):
        def call(self, x, mask=None):
            return x + jnp.where(mask[..., None], 1.0, 0.0)

    repeat, x, mask = layers.Repeat(Counts, 3), jnp.asarray(X), jnp.asarray(masks(4, 6))
    set_mask(x, mask)
    y = repeat(x)
    close(y - x, 3.0 * jnp.broadcast_to(mask[..., None], X.shape))
    close(get_mask(y), mask)
    close(repeat(jnp.asarray(X), mask=mask), y)

    class Shortens(Counts):
        def compute_mask(self, inputs, previous_mask=None):
            return previous_mask & (jnp.arange(6) > 0)

    y = layers.Repeat(Shortens, 2)(x)
    shorter = mask & (jnp.arange(6) > 0)
    close(y - x, jnp.broadcast_to((1.0 * mask + 1.0 * shorter)[..., None], X.shape))
    close(get_mask(y), shorter)

    class Drops(Counts):
        supports_masking = False

    with pytest.raises(
        ValueError,
        match=r"must return outputs of the form of its inputs.*float32\[4, 6, 5\], masked; received float32",
    ):
        layers.Repeat(Drops, 2)(x)


def test_structures_pass_through():
    class Swaps(jl.Layer):
        def call(self, x):
            return {"a": x["b"] + 1, "b": x["a"]}

    y = layers.Repeat(Swaps, 3)({"a": X, "b": 2 * X})
    close(y, {"a": 2 * X + 2, "b": X + 1})
    inputs = {name: jl.Input((6, 5), name=name) for name in "ab"}
    outputs = layers.Repeat(Swaps, 3)(inputs)
    assert {name: one.shape for name, one in outputs.items()} == dict.fromkeys("ab", (None, 6, 5))


def test_half_precision_inside():
    repeat = layers.Repeat(layers.Dense(5, dtype="mixed_bfloat16"), 2)
    assert repeat(X).dtype == jnp.bfloat16 and repeat.weights[0].dtype == "float32"


class Grown(jl.Layer):
    def call(self, x):
        return jnp.concatenate([x, x], -1)


class Rounded(jl.Layer):
    def call(self, x):
        return x.astype("int32")


def test_mistakes_are_told_and_change_nothing():
    repeat = layers.Repeat(Grown, 2)
    with pytest.raises(
        ValueError, match=r"of 'repeat\w*' must return.*expected float32\[4, 6, 5\].*float32\[4, 6, 10\]"
    ):
        repeat(X)
    assert not repeat.built and repeat.weights == []
    with pytest.raises(ValueError, match=r"received int32\[4, 6, 5\]"):
        layers.Repeat(Rounded, 2)(X)
    with pytest.raises(ValueError, match=r"expected \['float32\[4, 6, 5\]'\]; received float32"):
        layers.Repeat(lambda: layers.Lambda(lambda x: x[0]), 2)([X])
    for n in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="n must be a positive integer"):
            layers.Repeat(Block, n)
    with pytest.raises(TypeError, match="takes a layer, or a function that makes one; received 3"):
        layers.Repeat(3, 2)
    with pytest.raises(ValueError, match="remat: policy must be.*dots_saveable.*received .everything."):
        layers.Repeat(Block, 2, remat="everything")
    with pytest.raises(ValueError, match="cannot copy.*function that makes it"):
        layers.Repeat(layers.Activation(jnp.sin), 2)

    other = jl.Variable(1.0, name="other")

    class Foreign(jl.Layer):
        def call(self, x):
            return x * other

    with pytest.raises(ValueError, match="uses 'other', which is not its own"):
        layers.Repeat(Foreign, 2)(X)

    class Writes(jl.Layer):
        def call(self, x):
            other.assign(x.sum())
            return x

    with pytest.raises(ValueError, match="uses 'other', which is not its own"):
        layers.Repeat(Writes, 2)(X)
    assert float(other) == 1.0


def test_a_failing_call_changes_nothing():
    class Fails(Block):
        def call(self, x, training=None):
            y = super().call(x)
            if training:
                raise RuntimeError("boom")
            return y

    repeat = layers.Repeat(Fails, 2)
    repeat(X)
    before = repeat.get_weights()
    with pytest.raises(RuntimeError, match="boom"):
        repeat(X, training=True)
    close(repeat.get_weights(), before, 0)


def test_the_program_does_not_grow_with_the_number():
    sizes, traces = [], []
    for n in (2, 48):
        repeat = layers.Repeat(Block, n)
        Block.traced = 0
        params, state = repeat.init(KEY, X)
        step = jax.value_and_grad(lambda p, s, r=repeat: jnp.sum(r.apply(p, s, X, training=True).outputs))
        text = str(jax.make_jaxpr(step)(params, state))
        sizes.append(len(text.splitlines()))
        traces.append(Block.traced)
        repeat(X), repeat(X)
        settled = Block.traced
        repeat(X), jl.jit(repeat)(X), jl.grad(lambda x, r=repeat: jnp.sum(r(x)))(X)
        assert Block.traced == settled
    assert sizes[0] == sizes[1] and traces[0] == traces[1] <= 3


def test_remat_keeps_less():
    def kept(**options):
        repeat = layers.Repeat(Block, 3, **options)
        params, state = repeat.init(KEY, X)
        text = str(jax.make_jaxpr(jax.grad(lambda p: jnp.sum(repeat.apply(p, state, X).outputs)))(params))
        return text.count("tanh"), text.count("dot_general")

    plain, again, dots = kept(), kept(remat=True), kept(remat="dots_saveable")
    policy = kept(remat=jax.checkpoint_policies.dots_saveable)
    assert again[0] > plain[0] and again[1] > plain[1]
    assert dots == policy == (again[0], plain[1])


def test_what_is_changed_on_the_block_counts():
    inside = layers.BatchNormalization(momentum=0.5)
    repeat = layers.Repeat(inside, 2)
    repeat(X)
    assert repeat.trainable
    for trainable in (False, True):
        repeat.trainable = trainable
        assert len(repeat.trainable_weights) == 2 * trainable
        before = repeat.get_weights()
        repeat(X, training=True)
        jl.jit(lambda: repeat(X, training=True))()
        moved = any(not np.array_equal(a, b) for a, b in zip(before, repeat.get_weights(), strict=True))
        assert moved == trainable
    model = jl.Sequential([repeat])
    model.trainable = False
    assert not repeat.trainable and repeat.params == {}
    assert not layers.Repeat(layers.Dense(5, trainable=False), 2).trainable


def test_a_frozen_part_stays_frozen():
    def make():
        inside = jl.Sequential([layers.Dense(5, name="cold"), layers.Dense(5, name="warm")])
        inside.layers[0].trainable = False
        return inside

    repeat = layers.Repeat(make, 2)
    repeat(X)
    assert list(repeat.params["block"]) == ["warm"] and list(repeat.state["block"]) == ["cold"]


def test_configs_of_layers_and_of_functions():
    repeat = layers.Repeat(layers.Dense(5, "tanh"), 3, unroll=2, remat="dots_saveable", name="r")
    twin = layers.Repeat.from_config(repeat.get_config())
    assert twin.get_config() == repeat.get_config() and twin.n == 3
    with jl.saving.custom_object_scope({"Block": Block}):
        made = layers.Repeat.from_config(layers.Repeat(lambda: Block(rate=0.5), 2).get_config())
    made(X)
    assert len(made.weights) == 2 + 2 + 2 + 2
    with pytest.raises(TypeError, match="config"):
        layers.Repeat(Block, 2, remat=functools.partial(jax.checkpoint_policies.dots_saveable)).get_config()


def test_a_layer_that_is_handed_over_is_not_touched():
    dense = layers.Dense(5)
    dense(X)
    before = dense.get_weights()
    repeat = layers.Repeat(dense, 2)
    repeat(X)
    dense.activation = jnp.tanh
    close(repeat(X), X @ repeat.blocks[0].params["kernel"] @ repeat.blocks[1].params["kernel"])
    close(dense.get_weights(), before, 0)
    assert dense.path == dense.name


def test_copies_and_the_end_of_life():
    repeat, blocks = pair()
    twin, thawed = copy.deepcopy(repeat), pickle.loads(pickle.dumps(repeat))
    for one in (twin, thawed):
        close(one(X), Chain(blocks)(X))
        one.blocks[0].params = jax.tree.map(jnp.zeros_like, one.blocks[0].params)
        assert one.weights[0].path == repeat.weights[0].path
    close(repeat(X), Chain(blocks)(X))
    gone = [weakref.ref(repeat), weakref.ref(twin)]
    del repeat, twin, thawed, one
    gc.collect(), gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_in_models():
    inputs = jl.Input((6, 5))
    x = layers.Repeat(layers.Dense(5, "tanh"), 3, name="body")(inputs)
    model = jl.Model(inputs, layers.Dense(2)(x))
    model.compile("sgd", "mse")
    targets = floats(4, 6, 2)
    losses = model.fit(X, targets, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]
    twin = jl.Model.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    close(twin(X), model(X))
    assert "body/block/kernel" in model.weights[0].path


def test_clones_know_the_class_of_the_block():
    class Unregistered(layers.Layer):
        def __init__(self, units=3, **kwargs):
            super().__init__(**kwargs)
            self.units, self.inside = units, layers.Dense(units)

        def call(self, x):
            return self.inside(x)

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    inputs = jl.Input((3,))
    model = jl.Model(inputs, layers.Repeat(Unregistered(), 2)(inputs))
    clone = jl.models.clone_model(model)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(np.ones((2, 3))), model(np.ones((2, 3))))
