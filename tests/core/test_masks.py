"""Masks that travel with arrays, from the layer that makes one to those that look at it."""

import collections
import gc

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, layers, ops
from jaxlayers.common import masks
from jaxlayers.common.masks import get_mask, set_mask

bare_jit = pytest.mark.filterwarnings("ignore:jax.jit of")  # of the warning that weights become constants

IDS = jnp.array([[5, 3, 0, 0], [2, 0, 0, 0]])
MASK = np.array([[True, True, False, False], [True, False, False, False]])


class Seeing(Layer):
    """Writes down the masks that it is given."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = collections.deque()  # nothing that a build would put back

    def call(self, inputs, mask=None):
        self.seen.append(mask)
        return jax.tree.map(lambda a: a * 1.0, inputs)


class Doubling(Layer):
    def call(self, inputs):
        return inputs * 2.0


class Wrapping(Layer):
    def __init__(self, *inside, **kwargs):
        super().__init__(**kwargs)
        self.inside = list(inside)

    def call(self, inputs):
        for layer in self.inside:
            inputs = layer(inputs)
        return inputs


def last(layer):
    return None if layer.seen[-1] is None else np.asarray(layer.seen[-1])


def masked(shape=(2, 4, 3)):
    array = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    set_mask(array, jnp.asarray(MASK))
    return array


def test_a_mask_lives_as_long_as_its_array():
    array, other = jnp.ones((2, 4)) * 3, jnp.ones((2, 4)) * 4
    assert get_mask(array) is None
    set_mask(array, MASK)
    assert get_mask(array) is MASK and get_mask(other) is None and masks.in_use()
    set_mask(array, None)
    assert get_mask(array) is None
    set_mask(array, None)
    set_mask(other, MASK)
    count = len(masks._masks)
    del other
    gc.collect()
    assert len(masks._masks) == count - 1
    for value in (3, None, "text", np.ones(2), [1]):
        set_mask(value, MASK)
        assert get_mask(value) is None


def test_an_address_given_out_again_has_no_mask():
    for _ in range(50):
        array = jax.device_put(np.random.rand(3))
        assert get_mask(array) is None
        set_mask(array, MASK)
        del array


@pytest.mark.parametrize("depth", [0, 2])
def test_a_mask_made_by_one_layer_reaches_those_after_it(depth):
    seeing = Seeing()
    net = Wrapping(
        layers.Embedding(10, 3, mask_zero=True), Doubling(), Wrapping(layers.Dropout(0.5), seeing), layers.Dense(2)
    )
    for _ in range(depth):
        net = Wrapping(net)
    for _ in range(2):  # the first call builds
        outputs = net(IDS)
        np.testing.assert_array_equal(last(seeing), MASK)
        np.testing.assert_array_equal(get_mask(outputs), MASK)
    params, state = net.params, net.state
    applied = net.apply(params, state, IDS)
    np.testing.assert_array_equal(last(seeing), MASK)
    np.testing.assert_array_equal(get_mask(applied.outputs), MASK)
    jl.jit(net)(IDS)
    assert seeing.seen[-1] is not None and seeing.seen[-1].shape == (2, 4)
    jax.jit(net.apply)(params, state, IDS)
    assert seeing.seen[-1] is not None


def test_masks_reach_an_unbuilt_net_under_init_and_apply():
    seeing = Seeing()
    net = Wrapping(layers.Embedding(10, 3, mask_zero=True), Doubling(), seeing)
    params, state = net.init(jax.random.key(0), IDS)
    assert seeing.seen[-1].shape == (2, 4)
    net.apply(params, state, IDS)
    np.testing.assert_array_equal(last(seeing), MASK)
    seeing.seen.clear()
    net.build((2, 4))
    assert net.built


def test_an_explicit_mask_wins():
    seeing, other = Seeing(), ~MASK
    array = masked()
    seeing(array, mask=other)
    np.testing.assert_array_equal(last(seeing), other)
    seeing(array, mask=None)
    np.testing.assert_array_equal(last(seeing), MASK)  # as in Keras, None is filled in
    seeing(array, other)
    np.testing.assert_array_equal(last(seeing), other)


def test_without_masks_there_is_none():
    seeing = Seeing()
    Wrapping(layers.Embedding(10, 3), seeing)(IDS)
    assert last(seeing) is None


def test_a_cast_keeps_the_mask():
    seeing = Seeing(dtype="mixed_bfloat16")
    array = masked()
    outputs = seeing(array)
    assert outputs.dtype == jnp.bfloat16
    np.testing.assert_array_equal(last(seeing), MASK)
    np.testing.assert_array_equal(get_mask(outputs), MASK)


def test_nested_inputs_have_nested_masks():
    seeing, a, b = Seeing(), masked(), jnp.ones((2, 4))
    seeing([a, b])
    np.testing.assert_array_equal(seeing.seen[-1][0], MASK)
    assert seeing.seen[-1][1] is None
    seeing({"x": a, "y": b})
    assert set(seeing.seen[-1]) == {"x", "y"} and seeing.seen[-1]["y"] is None
    seeing([b, b])
    assert seeing.seen[-1] is None


def test_each_argument_has_its_own_mask():
    class Attending(Layer):
        def call(self, query, value, query_mask=None, value_mask=None, training=None):
            self.seen = (query_mask, value_mask)
            return query

    layer = Attending()
    layer(masked(), jnp.ones((2, 5, 3)))
    np.testing.assert_array_equal(layer.seen[0], MASK)
    assert layer.seen[1] is None
    layer(jnp.ones((2, 5, 3)), value=masked(), query_mask=MASK[:, :1])
    np.testing.assert_array_equal(layer.seen[1], MASK)
    np.testing.assert_array_equal(layer.seen[0], MASK[:, :1])


class Halving(Layer):
    def call(self, inputs):
        return inputs[:, ::2]

    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None else previous_mask[:, ::2]


class Stopping(Layer):
    def call(self, inputs):
        return inputs.mean(1)

    def compute_mask(self, inputs, previous_mask=None):
        return None


class Unsupported(Layer):
    def __init__(self):
        super().__init__()
        self.supports_masking = False

    def call(self, inputs):
        return inputs * 1.0


def test_layers_may_change_or_stop_the_mask():
    np.testing.assert_array_equal(get_mask(Halving()(masked())), MASK[:, ::2])
    assert get_mask(Stopping()(masked())) is None
    assert get_mask(Unsupported()(masked())) is None
    assert get_mask(Halving()(jnp.ones((2, 4)))) is None
    np.testing.assert_array_equal(layers.Embedding(10, 3, mask_zero=True).compute_mask(IDS), MASK)


def test_several_outputs():
    class Two(Layer):
        def call(self, inputs):
            return inputs * 1.0, inputs[:, 0]

        def compute_mask(self, inputs, previous_mask=None):
            return [previous_mask, None]

    a, b = Two()(masked())
    np.testing.assert_array_equal(get_mask(a), MASK)
    assert get_mask(b) is None


def test_a_mask_set_inside_the_call_is_kept():
    class Setting(Layer):
        def call(self, inputs):
            outputs = inputs * 2
            set_mask(outputs, ~MASK)
            return outputs

    np.testing.assert_array_equal(get_mask(Setting()(masked())), ~MASK)
    np.testing.assert_array_equal(get_mask(Wrapping(Setting())(masked())), ~MASK)


@pytest.mark.parametrize(
    "use", [lambda net: net(IDS), lambda net: jl.Sequential([net, layers.Activation("relu")])(IDS)]
)
def test_sequential_passes_masks_on(use):
    seeing = Seeing()
    use(jl.Sequential([layers.Embedding(10, 3, mask_zero=True), layers.Activation("tanh"), seeing]))
    np.testing.assert_array_equal(last(seeing), MASK)


def test_symbolic_tensors_carry_masks():
    inputs = jl.Input((4,), dtype="int32")
    embedded = layers.Embedding(10, 3, mask_zero=True)(inputs)
    assert get_mask(embedded) is not None
    assert get_mask(layers.Dense(2)(embedded)) is not None
    assert get_mask(layers.Embedding(10, 3)(inputs)) is None


def test_losses_are_computed_and_masks_seen_as_in_keras():
    def make(lib, base):
        class Sum(base):
            def __init__(self):
                super().__init__()
                self.supports_masking = True

            def call(self, inputs, mask=None):
                return inputs.sum(1) if mask is None else (inputs * mask[..., None]).sum(1)

        return lib.Sequential(
            [lib.layers.Embedding(10, 3, mask_zero=True), lib.layers.Dense(4), lib.layers.Dropout(0.3), Sum()]
        )

    ours, theirs = make(jl, Layer), make(keras, keras.layers.Layer)
    ours(IDS), theirs(np.asarray(IDS))
    values = [np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(ours.weights)]
    ours.set_weights(values), theirs.set_weights(values)
    np.testing.assert_allclose(ours(IDS), theirs(np.asarray(IDS)), rtol=1e-5)


@bare_jit
def test_masks_do_not_leak_tracers():
    net = Wrapping(layers.Embedding(10, 3, mask_zero=True), Doubling(), Seeing())
    net(IDS)
    params, state = net.params, net.state
    net.inside[2].seen.clear()
    net.inside.pop()
    with jax.checking_leaks():
        jax.jit(net.apply)(params, state, IDS)
        jax.jit(lambda a: net(a))(IDS)
        jl.jit(lambda a: net(a))(IDS)
    gc.collect()
    assert not any(isinstance(mask, jax.core.Tracer) for _, mask in masks._masks.values())


def test_the_mask_of_the_first_argument_is_not_lost_beside_others():
    class Both(Layer):
        def call(self, inputs, other, mask=None, other_mask=None):
            return jnp.float32(mask is not None), jnp.float32(other_mask is not None)

    x, y = jnp.ones((2, 3)), jnp.ones((2, 3))
    set_mask(x, jnp.ones((2, 3), bool))
    assert [int(v) for v in Both()(x, y)] == [1, 0]
    set_mask(y, jnp.ones((2, 3), bool))
    assert [int(v) for v in Both()(x, y)] == [1, 1]


def mean_of_kept(inputs, mask=None):
    return inputs.mean(-2) if mask is None else jnp.where(mask[..., None], inputs, 0.0).sum(-2)


class Pooling(Layer):
    call = staticmethod(mean_of_kept)

    def compute_mask(self, inputs, previous_mask=None):
        return None


INTO = {
    "jit": lambda pool, x: jl.jit(pool)(x),
    "jit a closure": lambda pool, x: jl.jit(lambda some: pool(some["x"]))({"x": x}),
    "remat": lambda pool, x: jl.remat(pool)(x),
    "cond": lambda pool, x: jl.cond(True, pool, lambda x: pool(x) + 1.0, x),
    "switch": lambda pool, x: jl.switch(1, [lambda x: pool(x) + 1.0, pool], x),
    "grad": lambda pool, x: jl.grad(lambda x: (pool(x) ** 2).sum() / 2)(x)[:, 0],
    "grad, another argument": lambda pool, x: jl.grad(lambda w, x: (w * pool(x)).sum())(jnp.ones((2, 3)), x),
    "jit of remat": lambda pool, x: jl.jit(lambda x: jl.remat(pool)(x))(x),
    "jit of grad": lambda pool, x: jl.jit(lambda x: jl.grad(lambda x: (pool(x) ** 2).sum() / 2)(x))(x)[:, 0],
}


@pytest.mark.parametrize("way", INTO)
def test_a_mask_goes_into_a_transformation_with_its_array(way):
    pool, x = Pooling(), masked()
    np.testing.assert_allclose(INTO[way](pool, x), mean_of_kept(x, MASK), rtol=1e-6)
    without = jnp.asarray(np.asarray(x))
    plain = mean_of_kept(without) / (4 if "grad" in way and "another" not in way else 1)
    np.testing.assert_allclose(INTO[way](pool, without), plain, rtol=1e-6)


def test_each_example_of_vmap_has_its_mask():
    pool, x = Pooling(), masked()
    np.testing.assert_allclose(jl.vmap(pool)(x), mean_of_kept(x, MASK), rtol=1e-6)
    several = jnp.stack([x, x[::-1] + 1.0])
    set_mask(several, jnp.stack([MASK, MASK[::-1]]))
    np.testing.assert_allclose(jl.jit(jl.vmap(pool))(several)[1], mean_of_kept(several[1], MASK[::-1]), rtol=1e-6)
    seeing = Seeing()
    jl.vmap(seeing, in_axes=2)(x)  # along which the mask has nothing
    assert last(seeing) is None


@pytest.mark.parametrize("way", ["jit", "jit again", "remat", "vmap", "jit of remat"])
def test_a_mask_comes_out_of_a_transformation_with_its_array(way):
    embedding = layers.Embedding(10, 3, mask_zero=True)
    embedding(IDS)
    compiled = jl.jit(embedding)
    out = {
        "jit": compiled,
        "jit again": lambda ids: (compiled(ids), compiled(ids))[1],
        "remat": jl.remat(embedding),
        "vmap": jl.vmap(embedding),
        "jit of remat": jl.jit(lambda ids: jl.remat(embedding)(ids)),
    }[way](IDS)
    assert type(out) is type(IDS)
    np.testing.assert_array_equal(get_mask(out), MASK)


def test_compiled_functions_tell_masked_arguments_from_others():
    pool, x = Pooling(), masked()
    compiled, without = jl.jit(pool), jnp.asarray(np.asarray(x))
    for _ in range(2):
        np.testing.assert_allclose(compiled(x), mean_of_kept(x, MASK), rtol=1e-6)
        np.testing.assert_allclose(compiled(without), mean_of_kept(without), rtol=1e-6)


@pytest.mark.parametrize("lib", [jl, keras])
def test_a_mask_that_is_passed_travels_on(lib):
    x = np.random.default_rng(1).normal(size=(2, 4, 3)).astype("float32")
    first, second = lib.layers.LSTM(3, return_sequences=True), lib.layers.LSTM(2)
    attention = lib.layers.MultiHeadAttention(2, 3)
    np.testing.assert_allclose(second(first(x, mask=MASK)), second(first(x, mask=MASK), mask=MASK), rtol=1e-6)
    if lib is keras:
        return
    assert get_mask(first(x)) is None
    np.testing.assert_array_equal(get_mask(first(x, mask=MASK)), MASK)
    np.testing.assert_array_equal(get_mask(attention(query=masked(), value=x)), MASK)
    symbols = jl.Input((4, 3)), jl.Input((4,), dtype="bool")
    assert first(symbols[0], mask=symbols[1]).mask is not None


def test_a_mask_is_looked_at_before_the_call():
    class Forgetting(Layer):
        def call(self, inputs, mask=None):
            set_mask(inputs, None)
            return inputs

    np.testing.assert_array_equal(get_mask(Forgetting()(masked())), MASK)


class MaskedMean(layers.Layer):
    """Cannot do without a mask, and has nothing to build from its own input."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x, mask=None):
        counts = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        return self.dense(ops.sum(x * counts * self.scale, 1) / ops.sum(counts, 1))

    def compute_mask(self, x, mask=None):
        return None


class Beside(layers.Layer):
    """Of another size with a mask than without."""

    def call(self, x, mask=None):
        return x if mask is None else ops.concatenate([x, ops.cast(mask, x.dtype)[..., None]], -1)


class Two(layers.Layer):
    def call(self, inputs, mask=None):
        (a, b), (mask_a, mask_b) = inputs, mask
        return a * mask_a[..., None] + b * mask_b[..., None]


@pytest.mark.parametrize("length", [None, 3])
def test_a_layer_called_on_symbolic_tensors_has_their_masks(length):
    ids = np.array([[1, 2, 0], [3, 0, 0]])

    def through(chain):
        inputs = jl.Input((length,), dtype="int32")
        return jl.Model(inputs, chain(inputs))

    embedding, mean = layers.Embedding(5, 4, mask_zero=True), MaskedMean()
    vectors = np.asarray(embedding(ids))
    counts = (ids != 0)[..., None]
    model = through(lambda i: mean(embedding(i)))
    expected = np.asarray(mean.dense((vectors * counts).sum(1) / counts.sum(1)))
    np.testing.assert_allclose(model.predict(ids, verbose=0), expected, rtol=1e-5)
    assert model.output_shape == (None, 2)

    model = through(lambda i: layers.Dense(1)(Beside()(embedding(i))))
    assert model.predict(ids, verbose=0).shape == (2, 3, 1) and model.layers[-1].kernel.shape == (5, 1)

    two = through(lambda i: Two()([embedding(i), embedding(i)]))
    np.testing.assert_allclose(two(ids), 2 * vectors * counts, rtol=1e-5)
    inside = through(lambda i: jl.Sequential([embedding, MaskedMean()])(i))
    assert np.isfinite(inside.predict(ids, verbose=0)).all()


class Averaging(Layer):
    def call(self, inputs):
        return inputs.mean(1)


class Cutting(Layer):
    def call(self, inputs):
        return inputs[:, 1:]


class Joining(Layer):
    def call(self, inputs):
        return inputs.sum(-1)


@pytest.mark.parametrize("cls", [Averaging, Cutting])
def test_a_mask_that_does_not_fit_the_outputs_goes_no_further(cls):
    assert get_mask(cls()(masked())) is None
    model = jl.Sequential([layers.Embedding(10, 3, mask_zero=True), cls(), layers.Dense(1)])
    model.compile("sgd", "mse")
    targets = np.ones(model(IDS).shape, "float32")
    assert np.isfinite(model.fit(IDS, targets, verbose=0).history["loss"][0])


def test_a_mask_is_not_taken_for_one_of_other_axes_of_the_same_size():
    inputs = jnp.ones((2, 4, 4))
    set_mask(inputs, jnp.asarray(MASK))
    assert get_mask(Averaging()(inputs)) is None  # [batch, features], of which there are as many as steps
    outputs = Joining()(masked())  # [batch, time]
    np.testing.assert_array_equal(get_mask(outputs), MASK)


# Loops and branches.

PADDED = jnp.array([[1, 2, 0], [3, 0, 0]])


def embed_padded():
    """Embedded sequences [2, 3, 4] with a mask, and their means over the steps that are not padding."""
    sequences = layers.Embedding(5, 4, mask_zero=True)(PADDED)
    counts = np.asarray(PADDED != 0)[..., None]
    return sequences, (np.asarray(sequences) * counts).sum(1) / counts.sum(1)


@pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("masked", [(True, True), (True, False), (False, True)])
def test_masks_come_out_of_branches(wrap, taken, masked):
    embed, pool = layers.Embedding(5, 4, mask_zero=True), layers.GlobalAveragePooling1D()
    embed(PADDED)

    def branch(keeps_mask):
        return lambda: embed(PADDED) if keeps_mask else embed(PADDED) + 0  # addition loses the mask

    functions = [branch(keeps_mask) for keeps_mask in masked]
    expected = pool(functions[0 if taken else 1]())
    np.testing.assert_allclose(wrap(lambda: pool(jl.cond(taken, *functions)))(), expected, rtol=1e-6)
    index = 0 if taken else 1
    np.testing.assert_allclose(wrap(lambda: pool(jl.switch(index, functions)))(), expected, rtol=1e-6)


@pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("keeps_mask", [True, False])
@pytest.mark.parametrize("loop", ["scan", "fori_loop", "while_loop"])
def test_masks_are_carried_through_loops_as_through_repeated_calls(wrap, keeps_mask, loop):
    sequences, _ = embed_padded()
    pool, norm = layers.GlobalAveragePooling1D(), layers.LayerNormalization()
    norm(sequences)

    def body(h):
        h = norm(h) + pool(h)[:, None] if not keeps_mask else norm(h)
        return h

    def repeated(h):
        if loop == "scan":
            return jl.scan(lambda h, _: (body(h), pool(h)), h, None, length=3)
        if loop == "fori_loop":
            return jl.fori_loop(0, 3, lambda _, h: body(h), h), None
        return jl.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, body(c[1])), (0, h))[1], None

    pooled, h = [], sequences
    for _ in range(3):
        pooled.append(pool(h))
        h = body(h)
    final, ys = wrap(repeated)(sequences)
    np.testing.assert_allclose(final, h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(pool(final), pool(h), rtol=1e-4, atol=1e-5)
    if ys is not None:
        np.testing.assert_allclose(ys, pooled, rtol=1e-4, atol=1e-5)


def test_a_mask_that_the_body_of_a_loop_makes():
    embed, pool = layers.Embedding(5, 4, mask_zero=True), layers.GlobalAveragePooling1D()
    embed(PADDED)
    start = jnp.ones((2, 3, 4))
    final = jl.fori_loop(0, 2, lambda _, h: embed(PADDED), start)
    np.testing.assert_allclose(pool(final), embed_mean(embed), rtol=1e-6)


def embed_mean(embed):
    counts = np.asarray(PADDED != 0)[..., None]
    return (np.asarray(embed(PADDED)) * counts).sum(1) / counts.sum(1)


def test_masks_of_what_scan_reads_and_stacks():
    """The mask of a slice is the slice of the mask; the stacked outputs have the stacked masks."""
    embed, pool = layers.Embedding(5, 4, mask_zero=True), layers.GlobalAveragePooling1D()
    ids = jnp.stack([PADDED, PADDED[::-1], PADDED * 0 + 1])  # [steps, batch, time]
    sequences = embed(ids)
    _, pooled = jl.scan(lambda carry, x: (carry, pool(x)), None, sequences)
    np.testing.assert_allclose(pooled, [pool(embed(part)) for part in ids], rtol=1e-6)
    _, stacked = jl.scan(lambda carry, part: (carry, embed(part)), None, ids)
    np.testing.assert_array_equal(masks.get_mask(stacked), ids != 0)


def loops(body, start, count):
    """The results of a body in Python, and in each kind of loop."""
    expected = start
    for _ in range(count):
        expected = body(expected)
    yield expected
    yield jl.fori_loop(0, count, lambda _, carry: body(carry), start)
    yield jl.scan(lambda carry, _: (body(carry), None), start, None, length=count)[0]
    yield jl.while_loop(lambda state: state[1] < count, lambda s: (body(s[0]), s[1] + 1), (start, 0))[0]


def make_body(inner):
    """A body that passes arrays with and without masks around, the first through an inner branch or loop."""
    embed, relu = layers.Embedding(5, 3, mask_zero=True), layers.ReLU()
    embed(PADDED)
    inside = {
        "none": relu,
        "cond": lambda x: jl.cond(True, relu, lambda x: x, x),
        "scan": lambda x: jl.scan(lambda carry, _: (relu(carry), None), x, None, length=2)[0],
    }[inner]
    return lambda carry: (inside(carry[1]), inside(carry[2]), embed(PADDED))


@pytest.mark.parametrize("inner", ["none", "cond", "scan"])
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("compiled", [False, True])
def test_masks_that_later_iterations_receive(inner, count, compiled):
    """An array has a mask wherever it has one in Python; where it has none in Python, its mask is True everywhere."""
    body, start = make_body(inner), (jnp.ones((2, 3, 3)),) * 3

    def run(start):
        return [
            [
                (array, masks.get_mask(array) if masks.get_mask(array) is not None else jnp.ones((2, 3), bool))
                for array in r
            ]
            for r in loops(body, start, count)
        ]

    expected, *results = (jl.jit(run) if compiled else run)(start)
    for result in results:
        for (array, mask), (expected_array, expected_mask) in zip(result, expected, strict=True):
            np.testing.assert_allclose(array, expected_array)
            np.testing.assert_array_equal(mask, expected_mask)


def test_gradients_through_a_masked_loop():
    sequences, _ = embed_padded()
    pool, scale = layers.GlobalAveragePooling1D(), jl.Variable(1.5)
    looped = jl.grad(
        lambda: pool(jl.scan(lambda h, _: (layers.Identity()(h), None), sequences, None, length=2)[0]).sum() * scale,
        wrt=scale,
    )()
    np.testing.assert_allclose(looped, pool(sequences).sum(), rtol=1e-5)


def test_a_mask_that_depends_on_the_trace_is_told():
    traced_before, traced_again = jnp.ones((2, 4)), jnp.ones((2, 4)) + 1
    set_mask(traced_again, MASK)
    with pytest.raises(ValueError, match="a mask of shape .2, 4. that it did not return when it was traced before"):
        masks.match(traced_again, masks.carry(traced_before))


@bare_jit
def test_a_mask_is_readable_as_in_keras():
    embedding = layers.Embedding(10, 4, mask_zero=True)
    outputs = embedding(IDS)
    np.testing.assert_array_equal(outputs._keras_mask, MASK)
    assert not hasattr(IDS, "_keras_mask") and getattr(jnp.ones(3), "_keras_mask", None) is None
    symbolic = embedding(jl.Input((4,), dtype="int32"))
    assert symbolic._keras_mask.shape == (None, 4) and not hasattr(symbolic + 1.0, "_keras_mask")

    def count(ids):
        assert not hasattr(ids, "_keras_mask")
        return embedding(ids)._keras_mask.sum()

    for transform in (jl.jit, jax.jit, lambda f: lambda ids: jl.vmap(f)(ids).sum()):
        assert int(transform(count)(IDS)) == 3
    gradient = jax.grad(lambda x: (layers.Masking()(x)._keras_mask * x[..., 0]).sum())(jnp.ones((1, 2, 3)))
    np.testing.assert_array_equal(gradient[..., 0], 1)
    del outputs
    with pytest.raises(AttributeError, match="_keras_mask"):
        _ = jnp.ones(3)._keras_mask


def test_masks_of_keras_in_the_same_process():
    """Keras tries to set the attribute that is readable here, and to read it, before it uses a table of its own."""
    layers.Masking()(jnp.zeros((1, 2, 3)))
    ids = np.asarray(IDS)
    theirs = keras.layers.Embedding(10, 4, mask_zero=True)
    summed = keras.layers.GlobalAveragePooling1D()(theirs(ids))
    table = np.asarray(theirs.embeddings)
    expected = [table[row[row > 0]].mean(0) for row in ids]
    np.testing.assert_allclose(summed, expected, rtol=1e-5)


def test_a_value_of_padding_for_each_feature():
    x = np.array([[[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]], "float32")
    for value in ([0.0, 1.0], (0, 1), np.array([0, 1])):
        layer, theirs = layers.Masking(value), keras.layers.Masking(value)
        np.testing.assert_array_equal(get_mask(layer(x)), theirs.compute_mask(x))
        np.testing.assert_array_equal(layer(x), theirs(x))
