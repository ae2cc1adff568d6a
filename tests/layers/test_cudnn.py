"""cuDNN's LSTM: the code around the kernel with JAX's reference implementation, and on a GPU the kernel itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.layers.recurrent import _loop
from jaxlayers.layers.recurrent._recurrences import LongShortTerm
from jaxlayers.numerics.platforms.cudnn import stand_in
from jaxlayers.numerics.platforms.cudnn_lstm import lstm
from tests.layers.table import floats

BATCH, STEPS, FEATURES, UNITS = 4, 6, 3, 5
X = floats(BATCH, STEPS, FEATURES)
WEIGHTS = (floats(FEATURES, 4 * UNITS), floats(UNITS, 4 * UNITS)[::-1], floats(4 * UNITS))
STATES = (floats(BATCH, UNITS) / 2, floats(BATCH, UNITS)[::-1] / 2)
HOLES = np.random.default_rng(5).random((BATCH, STEPS)) < 0.6
HOLES[0], HOLES[1], HOLES[2, 0] = False, True, False  # a row without a step, one with all, one that begins late
DROPPED = ((np.abs(floats(BATCH, FEATURES)),), ())
OURS = LongShortTerm(jnp.tanh, jax.nn.sigmoid)


def reference(x, h, c, weights, lengths, *, input_size, hidden_size, num_layers, dropout, bidirectional):
    """What `rnn.lstm` computes, in JAX's own words for the platforms that have no cuDNN."""
    sizes = (input_size, hidden_size, num_layers)
    parts = rnn.unpack_lstm_weights(weights, *sizes, bidirectional)
    return rnn.lstm_ref(x, h, c, *parts, lengths, *sizes, dropout, bidirectional)


def scalar(tree):
    leaves = [
        leaf * jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape) for leaf in jax.tree.leaves(tree)
    ]
    return sum(jnp.sum(leaf * leaf) for leaf in leaves)


def both(all_outputs=True, zero_output=False, kernel=reference):
    """The run by the kernel's reference, and by the loop."""

    def loop(weights, x, states, counts, masks):
        return _loop.run(OURS, weights, x, states, counts, masks, False, all_outputs, zero_output)

    fused = functools.partial(lstm, all_outputs=all_outputs, zero_output=zero_output, kernel=kernel)
    chosen = stand_in(fused, lambda differentiable, others: loop(*differentiable, *others), "cpu")
    return lambda *arguments: chosen(arguments[:3], arguments[3:]), loop


def same(found, wanted, tolerance=2e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), found, wanted)


@pytest.mark.parametrize(
    ("options", "bias", "masks", "counts"),
    [
        ((True, False), True, ((), ()), None),
        ((False, False), False, DROPPED, None),
        ((True, False), True, ((), ()), HOLES),
        ((True, True), True, DROPPED, HOLES),
        ((False, False), True, ((), ()), HOLES),
    ],
    ids=["all", "last_dropped_no_bias", "holes", "holes_zero_dropped", "holes_last"],
)
def test_values_and_gradients_are_those_of_the_loop(counts, masks, bias, options):
    weights = WEIGHTS if bias else (*WEIGHTS[:2], None)
    by_kernel, by_loop = both(*options)
    same(jax.jit(by_kernel)(weights, X, STATES, counts, masks), by_loop(weights, X, STATES, counts, masks))

    def gradients(run):
        return jax.jit(jax.grad(lambda *three: scalar(run(*three, counts, masks)), argnums=(0, 1, 2)))

    same(gradients(by_kernel)(weights, X, STATES), gradients(by_loop)(weights, X, STATES), 2e-4)


def test_padding_may_hold_anything():
    by_kernel, _ = both()
    spoilt = jnp.where(HOLES[..., None], X, jnp.nan)
    loss = jax.value_and_grad(lambda w, x: scalar(by_kernel(w, x, STATES, HOLES, ((), ()))), argnums=(0, 1))
    same(loss(WEIGHTS, spoilt), loss(WEIGHTS, jnp.where(HOLES[..., None], X, 0)), 1e-6)


@pytest.mark.parametrize("counts", [None, HOLES], ids=["full", "holes"])
def test_the_loop_stands_in_where_jax_cannot_transform_the_kernel(counts):
    pair = both()
    many = jnp.stack([X, 2 * X])

    def loss(run):
        return lambda w, x: scalar(run(w, x, STATES, counts, ((), ())))

    def each(way):
        found, wanted = (jax.jit(way(loss(run)))(WEIGHTS, many) for run in pair)
        same(found, wanted, 1e-3)

    each(lambda f: jax.vmap(f, (None, 0)))
    if counts is None:  # the derivatives with padding cover those without
        return
    each(lambda f: jax.vmap(jax.grad(f, argnums=(0, 1)), (None, 0)))
    each(lambda f: lambda w, x: jax.grad(lambda x: scalar(jax.grad(f, argnums=1)(w, x)))(x[0]))
    each(lambda f: lambda w, x: jax.jvp(jax.grad(f), (w, x[0]), (w, x[1]))[1])
    each(lambda f: lambda w, x: jax.jacrev(jax.grad(f, argnums=1), argnums=1)(w, x[0]))  # vectorizes a pullback


def test_the_kernel_computes_values_and_first_derivatives():
    """With one that gives twice the outputs, to tell who did it."""

    def twice(*arguments, **sizes):
        outputs, *last = reference(*arguments, **sizes)
        return 2 * outputs, *last

    by_kernel, by_loop = both(kernel=twice)

    def value(run, x):
        return jnp.sum(run(WEIGHTS, x, STATES, None, ((), ()))[0])

    for outer in (lambda f: f, jax.jit):
        found, wanted = (outer(jax.value_and_grad(functools.partial(value, run)))(X) for run in (by_kernel, by_loop))
        same(found, jax.tree.map(lambda one: 2 * one, wanted))
        found, wanted = (outer(jax.vmap(functools.partial(value, run)))(X[None]) for run in (by_kernel, by_loop))
        same(found, wanted)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            lambda: layers.LSTM(2, use_cudnn=True, name="memory"),
            ["memory", "use_cudnn=True", "no CUDA device", "auto"],
        ),
        (lambda: layers.GRU(2, use_cudnn=True, name="gates"), ["gates", "use_cudnn=True", "LSTM alone"]),
    ],
)
@pytest.mark.skipif(jax.default_backend() == "gpu", reason="cuDNN is there")
def test_what_cannot_be_had_is_refused_when_asked_for(layer, words):
    layer = layer()
    with pytest.raises(ValueError) as caught:
        layer(jnp.ones((1, 3, 2)))
    assert all(word in str(caught.value) for word in words)
    layer.use_cudnn = "auto"
    assert layer(jnp.ones((1, 3, 2))).shape == (1, 2)
    with pytest.raises(ValueError, match="use_cudnn must be"):
        layer.use_cudnn = "perhaps"


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a CUDA device")
@pytest.mark.parametrize("mask", [None, HOLES], ids=["full", "holes"])
@pytest.mark.parametrize("options", [{}, {"return_sequences": True}, {"go_backwards": True}, {"dropout": 0.5}])
def test_cudnn_itself_against_the_loop(options, mask):
    fused, loop = (layers.LSTM(UNITS, use_cudnn=use, name="memory", **options) for use in (True, False))
    with jax.default_matmul_precision("highest"):
        params, state = fused.init(jax.random.key(0), X)

        def loss(layer):
            def value(params, x):
                out = layer.apply(params, state, x, mask=mask, training=True, rng=jax.random.key(1)).outputs
                return scalar(out)

            return jax.jit(jax.value_and_grad(value, argnums=(0, 1)))

        same(loss(fused)(params, X), loss(loop)(params, X), 1e-4)
        text = loss(fused).lower(params, X).compile().as_text()
        assert text.count("cudnn_rnn_ffi") == 1, "the derivative runs the forward pass again"
        assert text.count("cudnn_rnn_bwd_ffi") == 1
        assert "cudnn_rnn" in jax.jit(layers.LSTM(UNITS)).lower(X).as_text() or jax.device_count() > 1
        hessian = jax.hessian(lambda x: scalar(fused.apply(params, state, x, mask=mask).outputs))
        assert bool(jnp.isfinite(hessian(X)).all())
    with jax.default_device(jax.devices("cpu")[0]):
        model = jl.Sequential([layers.LSTM(UNITS)])
        assert model(np.asarray(X)).shape == (BATCH, UNITS)
