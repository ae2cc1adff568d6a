"""Attention beyond the table of layers: masks, causality, scores, dropout and decoding."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common.masks import get_mask, set_mask
from tests.layers.table import floats

KEY = jax.random.key(5)
HEADS = {"num_heads": 2, "key_dim": 3}
SCORES = {"return_attention_scores": True}
GROUPS = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}


def built(cls, arguments, *shape, **call):
    """A layer with weights that are all different, called with itself, as a pure function."""
    layer = cls(**arguments)
    listed = issubclass(cls, layers.Attention)
    x = jnp.asarray(floats(*shape))
    self_attention = lambda x: ([x, x],) if listed else (x, x)
    params, state = layer.init(jax.random.key(0), *self_attention(x))
    params = jax.tree.map(lambda p: jnp.asarray(floats(*p.shape)), params)

    @jax.jit
    def run(x):
        return layer.apply(params, state, *self_attention(x), rng=KEY, **call).outputs

    return run, x


CAUSAL = [
    (layers.MultiHeadAttention, HEADS, (2, 6, 4), {}),
    (layers.MultiHeadAttention, {**HEADS, "dropout": 0.3}, (2, 6, 4), {"training": True}),
    (layers.MultiHeadAttention, {**HEADS, "use_gate": True}, (2, 6, 4), SCORES),
    (layers.MultiHeadAttention, {**HEADS, "sliding_window": 3}, (2, 6, 4), {}),
    (layers.MultiHeadAttention, HEADS, (2, 3, 4, 4), {}),
    (layers.MultiHeadAttention, {**HEADS, "attention_axes": (2,)}, (2, 3, 6, 4), {}),
    (
        layers.MultiHeadAttention,
        {**HEADS, "attention_axes": (1, 3)},
        (2, 3, 2, 4, 4),
        {"return_attention_scores": True},
    ),
    (layers.MultiHeadAttention, {**HEADS, "dropout": 0.3}, (2, 3, 4, 4), {"training": True}),
    (layers.GroupQueryAttention, GROUPS, (2, 6, 4), {}),
    (layers.GroupQueryAttention, {**GROUPS, "dropout": 0.3}, (2, 6, 4), {"training": True}),
    (layers.Attention, {"use_scale": True}, (2, 6, 4), {}),
    (layers.Attention, {"score_mode": "concat", "dropout": 0.3}, (2, 6, 4), {"training": True}),
    (layers.AdditiveAttention, {}, (2, 6, 4), SCORES),
]


@pytest.mark.parametrize(("cls", "arguments", "shape", "call"), CAUSAL)
def test_the_future_is_never_seen(cls, arguments, shape, call):
    """Whatever comes later, outputs are the same to the last bit."""
    run, x = built(cls, arguments, *shape, use_causal_mask=True, **call)
    axes = arguments.get("attention_axes", tuple(range(1, len(shape) - 1)))
    order = np.arange(np.prod([shape[a] for a in axes])).reshape(
        [shape[a] if a in axes else 1 for a in range(1, x.ndim - 1)]
    )
    order = np.broadcast_to(order[None], shape[:-1])  # the number of each position, row after row
    first = jax.tree.leaves(run(x))[0]
    for now in range(order.max()):
        later = run(jnp.where((order > now)[..., None], 7.5 - 3 * x, x))
        later = jax.tree.leaves(later)[0]
        np.testing.assert_array_equal(np.asarray(first)[order <= now], np.asarray(later)[order <= now])
        assert not np.allclose(np.asarray(first)[order > now], np.asarray(later)[order > now])
    if call.get("return_attention_scores") and len(shape) == 3:
        np.testing.assert_array_equal(np.triu(run(x)[1], 1), 0)


PADDED = [
    (layers.MultiHeadAttention, HEADS),
    (layers.MultiHeadAttention, {**HEADS, "use_gate": True, "sliding_window": 2}),
    (layers.GroupQueryAttention, GROUPS),
    (layers.Attention, {}),
    (layers.AdditiveAttention, {}),
]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("cls", "arguments"), PADDED)
def test_padding_more_changes_nothing(cls, arguments, causal):
    layer, x, more = cls(**arguments), floats(3, 4, 5), np.full((3, 2, 5), 1e3, "float32")
    listed = issubclass(cls, layers.Attention)
    call = lambda x: layer([x, x] if listed else x, *(() if listed else (x,)), use_causal_mask=causal)
    lengths = np.array([[4], [1], [3]])
    short, mask = jnp.asarray(x), jnp.arange(4) < lengths
    set_mask(short, mask)
    expected = call(short)
    for filling in (more, -more):
        long = jnp.concatenate([short, filling], 1)
        set_mask(long, jnp.arange(6) < lengths)
        got = call(long)
        np.testing.assert_allclose(np.asarray(got)[:, :4][mask], np.asarray(expected)[mask], rtol=2e-6, atol=2e-6)
        np.testing.assert_array_equal(get_mask(got), jnp.arange(6) < lengths)
    changed = jnp.where(mask[..., None], short, 9.0)
    set_mask(changed, mask)
    np.testing.assert_array_equal(np.asarray(call(changed))[mask], np.asarray(expected)[mask])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("call", [{}, SCORES, {"training": True}, {"use_causal_mask": True}])
@pytest.mark.parametrize("cls", [layers.MultiHeadAttention, layers.GroupQueryAttention])
def test_queries_that_see_nothing(cls, call, dtype):
    arguments = HEADS if cls is layers.MultiHeadAttention else GROUPS
    layer = cls(**arguments, dropout=0.5 if "training" in call else 0.0, use_bias=False, dtype=dtype)
    x = jnp.asarray(floats(2, 4, 5))
    params, state = layer.init(KEY, x, x)
    mask = np.ones((2, 4, 4), bool)
    mask[0, 2] = mask[1] = False

    def loss(params, x):
        result = layer.apply(params, state, x, x, attention_mask=mask, rng=KEY, **call)
        return sum(jnp.sum(jnp.square(a.astype("float32"))) for a in jax.tree.leaves(result.outputs)), result.outputs

    (_, outputs), gradients = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(params, x)
    assert all(np.isfinite(leaf.astype("float32")).all() for leaf in jax.tree.leaves((outputs, gradients)))
    rows, *scores = jax.tree.leaves(outputs)
    np.testing.assert_array_equal(rows[0, 2].astype("float32"), 0)
    np.testing.assert_array_equal(rows[1].astype("float32"), 0)
    assert np.abs(rows[0].astype("float32")).max() > 0
    for weights in scores:
        np.testing.assert_array_equal(weights[1].astype("float32"), 0)


def keras_twin(cls, arguments, *args):
    ours, theirs = cls(**arguments), getattr(keras.layers, cls.__name__)(**arguments)
    ours(*args), theirs(*args)
    weights = [floats(*w.shape) for w in ours.weights]
    ours.set_weights(weights), theirs.set_weights(weights)
    return ours, theirs


def some(*shape):
    mask = np.random.default_rng(shape).random(shape) < 0.6
    mask[..., 0] = True
    return mask


GIVEN = [
    {"attention_mask": some(4, 6)},
    {"attention_mask": some(3, 4, 6)},
    {"attention_mask": some(3, 1, 4, 6)},
    {"attention_mask": some(3, 4, 4, 6)[:, :1].repeat(4, 1), "use_causal_mask": True},
    {"attention_mask": some(1, 4, 6).astype("int32"), "value_mask": some(3, 6)},
    {"value_mask": some(3, 6), "key_mask": some(2, 3, 6)[1], "use_causal_mask": True},
    {"value_mask": some(3, 6), "key_mask": some(2, 3, 6)[1]},
]


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("given", GIVEN, ids=[f"{'_'.join(g)}{i}" for i, g in enumerate(GIVEN)])
def test_masks_as_in_keras(given, scores):
    query, value = floats(3, 4, 5), floats(3, 6, 5)
    for cls, arguments in (
        (layers.MultiHeadAttention, {"num_heads": 4, "key_dim": 3}),
        (layers.GroupQueryAttention, GROUPS),
    ):
        ours, theirs = keras_twin(cls, arguments, query, value)
        got, want = (layer(query, value, return_attention_scores=scores, **given) for layer in (ours, theirs))
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_masks_over_several_axes():
    """Keras for a mask of pairs; masks of positions are that mask written another way."""
    arguments = {**HEADS, "attention_axes": (1, 3)}
    query, value = floats(2, 3, 2, 4, 5), floats(2, 2, 2, 3, 5)
    ours, theirs = keras_twin(layers.MultiHeadAttention, arguments, query, value)
    pairs = some(2, 3, 4, 2, 3)
    np.testing.assert_allclose(
        ours(query, value, attention_mask=pairs), theirs(query, value, attention_mask=pairs), rtol=2e-5, atol=2e-5
    )
    sources = some(2, 2, 2, 3)  # [batch, sources, batches, sources]
    full = np.broadcast_to(sources.transpose(0, 2, 1, 3)[:, :, None, None, None], (2, 2, 1, 3, 4, 2, 3))
    np.testing.assert_allclose(
        ours(query, value, value_mask=sources), ours(query, value, attention_mask=full), rtol=1e-6, atol=1e-6
    )
    rows = some(2, 2)  # one of the axes alone
    np.testing.assert_allclose(
        ours(query, value, value_mask=rows),
        ours(query, value, value_mask=np.broadcast_to(rows[:, :, None, None], (2, 2, 2, 3))),
        rtol=1e-6,
        atol=1e-6,
    )


def test_a_query_mask_that_is_given_counts_as_one_that_travels():
    x, mask = jnp.asarray(floats(3, 4, 5)), jnp.asarray(some(3, 4))
    layer = layers.MultiHeadAttention(**HEADS, use_bias=False)
    given = layer(x, x, query_mask=mask, value_mask=mask)
    np.testing.assert_array_equal(np.asarray(given)[~mask], 0)
    set_mask(x, mask)
    np.testing.assert_array_equal(layer(x, x), given)
    np.testing.assert_array_equal(get_mask(layer(x, x)), mask)


@pytest.mark.parametrize("cls", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize("causal", [False, True])
def test_masks_of_plain_attention_as_in_keras(cls, causal):
    query, value = floats(3, 4, 5), floats(3, 6, 5)
    ours, theirs = (getattr(lib.layers, cls)(use_scale=False) for lib in (jl, keras))
    for mask in ([None, some(3, 6)], [some(3, 4), None], [some(3, 4), some(3, 6)]):
        call = {"mask": mask, "use_causal_mask": causal, "return_attention_scores": True}
        for a, b in zip(ours([query, value], **call), theirs([query, value], **call), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    blind = ours([query, value], mask=[None, np.zeros((3, 6), bool)])
    np.testing.assert_array_equal(blind, 0)


DECODING = [
    (layers.MultiHeadAttention, {**HEADS, "value_dim": 4}),
    (layers.MultiHeadAttention, {**HEADS, "use_gate": True, "sliding_window": 2, "output_shape": 7}),
    (layers.GroupQueryAttention, {**GROUPS, "use_gate": True}),
]


@pytest.mark.parametrize(("cls", "arguments"), DECODING)
def test_decoding_step_by_step_is_the_causal_call(cls, arguments):
    layer, x = cls(**arguments), jnp.asarray(floats(2, 6, 5))
    layer(x, x)
    layer.set_weights([floats(*w.shape) for w in layer.weights])
    expected = layer(x, x, use_causal_mask=True)
    cache = layer.init_cache(2, 8)
    first, cache = layer.decode(x[:, :3], cache, 0)  # what is there already, at once
    np.testing.assert_allclose(first, expected[:, :3], rtol=2e-5, atol=2e-5)
    step = jl.jit(lambda x, cache, index: layer.decode(x, cache, index))
    for index in range(3, 6):
        one, cache = step(x[:, index : index + 1], cache, jnp.int32(index))
        np.testing.assert_allclose(one[:, 0], expected[:, index], rtol=2e-5, atol=2e-5)
    assert cache["key"].shape == (2, 8, layer.shared_heads, 3) and not np.any(cache["value"][:, 6:])
    half = cls(**arguments, dtype="mixed_bfloat16").init_cache(1, 2)
    assert half["key"].dtype == jnp.bfloat16
    with pytest.raises(ValueError, match="before it was built"):
        cls(**arguments).decode(x, cache, 0)


def test_dropout_drops_weights_and_keeps_their_mean():
    layer, x = layers.MultiHeadAttention(**HEADS, dropout=0.4), jnp.asarray(floats(1, 4, 5))
    params, state = layer.init(KEY, x, x)

    @jax.jit
    def many(keys):
        run = lambda key: layer.apply(params, state, x, x, rng=key, training=True, return_attention_scores=True).outputs
        return jax.vmap(run)(keys)

    outputs, scores = many(jax.random.split(KEY, 2000))
    expected = layer.apply(params, state, x, x).outputs
    np.testing.assert_allclose(outputs.mean(0), expected, atol=0.1 * float(outputs.std()))
    assert outputs.std(0).min() > 0.05
    np.testing.assert_array_equal(scores, np.broadcast_to(scores[:1], scores.shape))  # as before dropping
    np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)


def test_attention_regularizes_projections_as_keras_does():
    x = floats(3, 4, 5)
    for cls, arguments, count in ((layers.MultiHeadAttention, HEADS, 4), (layers.GroupQueryAttention, GROUPS, 5)):
        ours, theirs = keras_twin(cls, {**arguments, "activity_regularizer": "l2"}, x, x)
        ours(x, x), theirs(x, x)
        assert len(ours.losses) == len(theirs.losses) == count
        np.testing.assert_allclose(sum(ours.losses), sum(theirs.losses), rtol=1e-5)


X = floats(2, 4, 5)
WRONG = [
    (lambda: layers.MultiHeadAttention(0, 2), ["num_heads", "0"]),
    (lambda: layers.MultiHeadAttention(2, 2.5), ["key_dim", "2.5"]),
    (lambda: layers.MultiHeadAttention(2, 2, value_dim=0), ["value_dim", "0"]),
    (lambda: layers.MultiHeadAttention(2, 2, output_shape="a"), ["output_shape", "a"]),
    (lambda: layers.MultiHeadAttention(2, 2, attention_axes="a"), ["attention_axes", "a"]),
    (lambda: layers.MultiHeadAttention(2, 2, sliding_window=0), ["sliding_window", "0"]),
    (lambda: layers.MultiHeadAttention(2, 2, dropout=1.5), ["rate", "1.5"]),
    (lambda: layers.MultiHeadAttention(2, 2, flash_attention=True, dropout=0.5), ["flash_attention", "0.5"]),
    (lambda: layers.MultiHeadAttention(2, 2, flash_attention=True)(X, X), ["flash_attention=True"]),
    (
        lambda: layers.MultiHeadAttention(2, 2, flash_attention=True, name="it")(X, X, return_attention_scores=True),
        ["it", "flash_attention=True", "scores"],
    ),
    (lambda: layers.MultiHeadAttention(2, 2, attention_axes=2, name="it")(X, X), ["it", "attention_axes=(2,)", "3"]),
    (lambda: layers.MultiHeadAttention(2, 2, name="it")(X, X[0]), ["it", "(2, 4, 5)", "(4, 5)"]),
    (lambda: layers.MultiHeadAttention(2, 2, name="it")(X, X[:1]), ["it", "(2, 4, 5)", "(1, 4, 5)"]),
    (lambda: layers.MultiHeadAttention(2, 2, name="it")(X, X, X[:, 1:]), ["it", "(2, 4, 5)", "(2, 3, 5)"]),
    (lambda: layers.MultiHeadAttention(2, 2)(X, X, attention_mask=np.ones(4)), ["attention_mask", "(4,)"]),
    (lambda: layers.MultiHeadAttention(2, 2)(X, X, value_mask=np.ones((2, 3))), ["value_mask", "(2, 3)", "(2, 4)"]),
    (lambda: layers.GroupQueryAttention(2, 4, 3), ["num_key_value_heads", "3", "4"]),
    (lambda: layers.Attention(score_mode="sum"), ["Attention", "score_mode", "sum"]),
    (lambda: layers.Attention(name="it")(X), ["it", "list"]),
    (lambda: layers.Attention(name="it")([X]), ["it", "(2, 4, 5)"]),
    (lambda: layers.AdditiveAttention(name="it")([X, X], mask=X[..., 0] > 0), ["it", "mask", "(2, 4)"]),
]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told(mistake, words):
    with pytest.raises(ValueError) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    "make",
    [
        lambda lib: lib.layers.MultiHeadAttention(2, 2, name="a"),
        lambda lib: lib.layers.GroupQueryAttention(2, 4, 2, name="a"),
    ],
)
def test_no_samples_and_no_keys_give_what_keras_gives(make):
    none, some = np.ones((0, 3, 4), "float32"), np.ones((2, 3, 4), "float32")
    ours, theirs = make(jl), make(keras)
    assert ours(none, none).shape == theirs(none, none).shape == (0, 3, 4)
    assert [one.shape for one in ours(none, none, return_attention_scores=True)] == [
        one.shape for one in theirs(none, none, return_attention_scores=True)
    ]
    layer = make(jl)
    np.testing.assert_array_equal(layer(some, some[:, :0]), np.zeros((2, 3, 4)))
    for cls in (layers.Attention, layers.AdditiveAttention):
        values = jax.value_and_grad(lambda q, cls=cls: jnp.sum(cls()([q, some[:, :0]])))(some)
        assert float(values[0]) == 0 and not np.any(values[1])
    with pytest.raises(ValueError, match="list of query, value"):
        layers.AdditiveAttention()(some)
