"""Recurrent layers beyond the table of layers: masks, states, custom cells, dropout, mistakes."""

import functools
import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.common.masks import get_mask, set_mask
from jaxlayers.layers.recurrent import _loop
from tests.layers.table import floats
from tests.layers.test_layers_against_keras import close, keras_weights, pair

X = floats(4, 6, 2)
HOLES = np.random.default_rng(5).random((4, 6)) < 0.6
HOLES[0], HOLES[1, -1], HOLES[2, 0] = False, True, True  # one row is masked whole
H, C = floats(4, 3) / 2, floats(4, 3)[::-1] / 2


def stack(lib=layers):
    return [lib.LSTMCell(3, name="a"), lib.GRUCell(2, name="b")]


MASKED = {
    "simple_rnn": ("SimpleRNN", {"units": 3}, [H]),
    "lstm": ("LSTM", {"units": 3}, [H, C]),
    "gru": ("GRU", {"units": 3, "go_backwards": True}, [H]),
    "gru_before": ("GRU", {"units": 3, "reset_after": False}, [H]),
    "stack": ("RNN", {"cell": layers.StackedRNNCells(stack(), name="s")}, [[H, C], [H[:, :2]]]),
    "bidirectional": ("Bidirectional", {"layer": layers.LSTM(3, return_sequences=True, name="a")}, [H, C, C, H]),
}
OPTIONS = [{}, {"return_sequences": True}, {"return_sequences": True, "zero_output_for_mask": True}]


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("options", OPTIONS, ids=["last", "all", "zero"])
def test_masks_with_holes_against_keras(name, options):
    """Outputs and gradients, with initial states; one sample is masked whole."""
    cls, arguments, states = MASKED[name]
    if name == "bidirectional":
        if options != OPTIONS[1]:
            pytest.skip("its layer decides")
        options = {}
    ours, theirs = pair(cls, {**arguments, **options}, X)
    params, state = ours.params, ours.state

    def our_loss(params, x, states):
        out = ours.apply(params, state, x, initial_state=states, mask=HOLES).outputs
        return jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype="float32")).reshape(out.shape)), out

    def keras_loss(values, x, states):
        rest = [v.value for v in theirs.non_trainable_variables]
        out, _ = theirs.stateless_call(values, rest, x, initial_state=states, mask=jnp.asarray(HOLES))
        return jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype="float32")).reshape(out.shape)), out

    states = jax.tree.map(jnp.asarray, states)
    (_, got), gradients = jax.jit(jax.value_and_grad(our_loss, (0, 1, 2), has_aux=True))(params, X, states)
    values = [v.value for v in theirs.trainable_variables]
    (_, want), expected = jax.jit(jax.value_and_grad(keras_loss, (0, 1, 2), has_aux=True))(values, X, states)
    close(got, want)
    flat = dict(zip([v.path for v in ours.trainable_weights], expected[0], strict=True))
    for variable in ours.trainable_weights:
        found = functools.reduce(lambda tree, key: tree[key], ours._path_of(variable), gradients[0])
        close(found, flat[variable.path], 1e-4)
    jax.tree.map(lambda a, b: close(a, b, 1e-4), gradients[1:], expected[1:])


@pytest.mark.parametrize("name", [*MASKED, "conv_lstm", "own_cell", "time_distributed"])
def test_padding_more_changes_nothing(name):
    """Padding holds NaN; the gradients are finite, and those of weights and true steps are the same."""
    if name == "conv_lstm":
        layer, x = layers.ConvLSTM1D(2, 2, return_sequences=True), floats(4, 6, 5, 2)
    elif name == "own_cell":
        layer, x = layers.RNN(Averaging(3), return_sequences=True), X
    elif name == "time_distributed":
        layer, x = layers.TimeDistributed(layers.Dense(2)), X
    else:
        cls, arguments, _ = MASKED[name]
        if cls != "Bidirectional":
            arguments = {**arguments, "return_sequences": True, "go_backwards": False}
        layer, x = getattr(layers, cls)(**arguments), X
    fill = 0.0 if name == "time_distributed" else np.nan  # a layer for each step by itself sees what there is
    counts = np.arange(6) < np.array([0, 3, 6, 4])[:, None]
    wide = counts.reshape(*counts.shape, *(1,) * (x.ndim - 2))
    short, longer = np.where(wide, x, fill), np.pad(np.where(wide, x, fill), [(0, 0), (0, 3)] + [(0, 0)] * (x.ndim - 2))
    longer[:, 6:] = fill
    layer(x)
    params, state = layer.params, layer.state

    @jax.jit
    def both(x, counts):
        def loss(params, x):
            set_mask(x, counts)
            outputs = layer.apply(params, state, x).outputs
            wide = counts.reshape(*counts.shape, *(1,) * (outputs.ndim - 2))
            return jnp.sum(jnp.where(wide, outputs, 0) ** 2), outputs

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(params, x)

    (_, first), gradients = both(jnp.asarray(short), jnp.asarray(counts))
    padded = np.pad(counts, [(0, 0), (0, 3)])
    (_, second), others = both(jnp.asarray(longer), jnp.asarray(padded))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((first, second, gradients, others)))
    np.testing.assert_allclose(np.asarray(first)[counts], np.asarray(second)[padded], rtol=1e-6, atol=1e-7)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), gradients[0], others[0])
    np.testing.assert_allclose(np.asarray(gradients[1]), np.asarray(others[1])[:, :6], rtol=1e-4, atol=1e-6)


def test_masks_travel():
    x = jnp.asarray(X)
    set_mask(x, jnp.asarray(HOLES))
    for make in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        given = make(3, return_sequences=True, return_state=True)
        outputs, *states = given(x)
        np.testing.assert_array_equal(outputs, given(X, mask=HOLES)[0])
        assert get_mask(outputs) is not None and all(get_mask(state) is None for state in states)
        np.testing.assert_array_equal(get_mask(outputs), HOLES)
        with_states = given(x, initial_state=[jnp.asarray(s) for s in (H, C)[: len(states)]])[0]  # Keras drops it then
        np.testing.assert_array_equal(with_states[1, 0] if not HOLES[1, 0] else H[1], H[1])
        assert get_mask(make(3)(x)) is None
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True), merge_mode=None)(x)
    assert [get_mask(array) is not None for array in both] == [True, True, False, False, False, False]
    inputs = jl.Input((6, 2))
    marked = layers.Masking()(inputs)
    assert layers.LSTM(3, return_sequences=True)(marked).mask is not None and layers.LSTM(3)(marked).mask is None
    whole = np.array([True, False, True, True])
    layer = layers.GRU(3)
    np.testing.assert_array_equal(layer(X, mask=whole)[1], np.zeros(3))
    wide = np.repeat(HOLES[..., None], 2, -1)
    wide[..., 0] &= np.arange(6) % 2 == 0
    np.testing.assert_array_equal(layer(X, mask=wide), layer(X, mask=HOLES))  # a step counts when a part of it does


def test_the_last_output_is_of_the_last_step_that_counts():
    """Also with zero_output_for_mask, which is about sequences; Keras returns zeros there."""
    mask = np.arange(6) < np.array([6, 2, 4, 1])[:, None]
    layer = layers.LSTM(3, zero_output_for_mask=True, return_state=True)
    last, h, _ = layer(X, mask=mask)
    np.testing.assert_array_equal(last, h)
    np.testing.assert_allclose(last[1], layer(X[1:2, :2])[0][0], rtol=1e-6)


@pytest.mark.parametrize("make", [lambda: layers.LSTM(3), lambda: layers.RNN(stack()), lambda: layers.ConvLSTM1D(3, 2)])
def test_what_init_finds_out_is_not_kept(make):
    """A layer that lent its structure can still be built for inputs with other features."""
    layer = make()
    x = floats(2, 4, 5, 2) if isinstance(layer, layers.ConvLSTM1D) else X
    wider = np.concatenate([x, x], -1)
    params, state = layer.init(jax.random.key(0), x)
    assert not layer.built and not layer.weights
    expected = layer.apply(params, state, x).outputs
    layer.compute_output_shape(x.shape)
    assert layer(wider).shape == expected.shape and layer.weights[0].shape[-2] == wider.shape[-1]


# States.


@pytest.mark.parametrize("name", ["lstm", "gru", "stack", "bidirectional", "conv"])
def test_stateful(name):
    """Three calls and a reset, against the same sequence in one piece."""
    x = floats(2, 6, 5, 2) if name == "conv" else X[:2]
    make = {
        "lstm": lambda **more: layers.LSTM(3, name="it", **more),
        "gru": lambda **more: layers.GRU(3, name="it", **more),
        "stack": lambda **more: layers.RNN(stack(), name="it", **more),
        "bidirectional": lambda **more: layers.Bidirectional(layers.GRU(3, name="a", **more), name="it"),
        "conv": lambda **more: layers.ConvLSTM1D(2, 2, name="it", **more),
    }[name]
    whole, pieces = make(), make(stateful=True)
    expected = whole(x)
    if name == "bidirectional":
        whole = pieces.forward_layer
        pieces(x[:, :2])
        pieces.reset_state()
    else:
        pieces(x[:, :2])
        pieces.reset_states()
        pieces.set_weights(whole.get_weights())
    kept = [variable for variable in pieces.variables if variable.name == "rnn_state"]
    assert len(kept) == len(jax.tree.leaves(pieces.states)) and not any(v.trainable for v in kept)
    assert not set(kept) & set(pieces.weights)
    step = jl.jit(lambda part: pieces(part))
    pieces(x[:, :2]), step(x[:, 2:4])
    params, state = pieces.params, pieces.state
    pure = pieces.apply(params, state, jnp.asarray(x[:, 4:]))
    last = step(x[:, 4:])
    np.testing.assert_allclose(pure.outputs, last, rtol=1e-6)
    for a, b in zip(jax.tree.leaves(pure.state), jax.tree.leaves(pieces.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    if name != "bidirectional":  # its other half begins at the end of each piece
        np.testing.assert_allclose(last, expected, rtol=1e-5, atol=1e-6)
    pieces.reset_state()
    assert all(not np.asarray(v).any() for v in jax.tree.leaves(pieces.states))
    with pytest.raises(ValueError, match=r"batches of 2; received one of 1"):
        pieces(x[:1])


def test_a_stateful_layer_against_keras():
    ours, theirs = pair("LSTM", {"units": 3, "stateful": True}, X)
    ours.reset_state(), theirs.reset_state()
    for number in range(3):
        given = {"initial_state": [jnp.asarray(H), jnp.asarray(C)]} if number == 1 else {}
        close(ours(X * number, **given), theirs(X * number, **given))
    for a, b in zip(ours.states, theirs.states, strict=True):
        close(a, b)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]


def test_states_start_and_start_again_from_what_the_cell_says():
    class Counting(layers.Layer):
        state_size = 2

        def get_initial_state(self, batch_size):
            return [jnp.full((batch_size, 2), 7.0)]

        def call(self, inputs, states):
            return states[0], [states[0] + inputs]

    layer = layers.RNN(Counting(), stateful=True)
    x = np.ones((3, 4, 2), "float32")
    np.testing.assert_array_equal(layer(x), np.full((3, 2), 10.0))
    np.testing.assert_array_equal(layer(x), np.full((3, 2), 14.0))
    layer.reset_state()
    np.testing.assert_array_equal(layer(x), np.full((3, 2), 10.0))


def test_initial_states_symbolic_and_not():
    lstm, gru = layers.LSTM(3, return_state=True), layers.GRU(3)
    sequence, h, c = jl.Input((6, 2)), jl.Input((3,)), jl.Input((3,))
    outputs = lstm(sequence, initial_state=[h, c])
    assert [one.shape for one in outputs] == [(None, 3)] * 3
    assert gru(sequence, initial_state=outputs[1]).shape == (None, 3)
    close(gru(X, initial_state=H), gru(X, initial_state=[jnp.asarray(H)]))
    assert not np.allclose(gru(X, initial_state=H), gru(X))
    decoded = gru(X, initial_state=lstm(X, initial_state=(H, C))[1])
    assert decoded.shape == (4, 3)


# Cells.


class Averaging(layers.Layer):
    """A cell of a user's: a weight, a loss, a draw, an output that is not its state."""

    def __init__(self, units, noise=0.0, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units
        self.noise = noise
        self.inner = layers.Dense(units)

    def build(self, input_shape):
        self.rate = self.add_weight(name="rate", shape=(), initializer="ones")

    def call(self, inputs, states, training=None):
        (mean,) = states
        mean = mean * 0.5 + self.inner(inputs) * self.rate
        self.add_loss(jnp.mean(mean**2))
        if training and self.noise:
            mean = mean + self.noise * jl.random.normal(mean.shape)
        return mean * 3, [mean]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "noise": self.noise}


def by_hand(layer, x, counts=None):
    """The loop in NumPy."""
    kernel, bias = (np.asarray(v) for v in (layer.cell.inner.kernel, layer.cell.inner.bias))
    mean, output, outputs, loss = np.zeros((len(x), 3)), np.zeros((len(x), 3)), [], 0.0
    for t in range(x.shape[1]):
        new = mean * 0.5 + (x[:, t] @ kernel + bias) * np.asarray(layer.cell.rate)
        loss += (new**2).mean()
        keep = np.ones((len(x), 1), bool) if counts is None else counts[:, t, None]
        mean, output = np.where(keep, new, mean), np.where(keep, new * 3, output)
        outputs.append(output)
    return np.stack(outputs, 1), mean, loss


@pytest.mark.parametrize("unroll", [False, True])
def test_a_cell_of_a_users(unroll):
    layer = layers.RNN(Averaging(3), return_sequences=True, return_state=True, unroll=unroll)
    outputs, state = layer(X)
    assert [w.path.split("/", 1)[1] for w in layer.weights] == ["cell/rate", "cell/inner/kernel", "cell/inner/bias"]
    expected, last, loss = by_hand(layer, X)
    close(outputs, expected), close(state, last), close(sum(layer.losses), loss)
    outputs, state = layer(X, mask=HOLES)
    expected, last, _ = by_hand(layer, X, HOLES)  # a masked step repeats the output; Keras repeats the state
    close(outputs, expected), close(state, last)
    layer.return_sequences = False
    close(layer(X, mask=HOLES)[0], expected[:, -1])
    result = layer.apply(layer.params, layer.state, X)
    close(result.outputs[1], by_hand(layer, X)[1])
    assert len(result.losses) == 1


def test_a_users_cell_draws_anew_at_each_step():
    layer = layers.RNN(Averaging(3, noise=1.0), return_sequences=True)
    x = np.zeros((2, 6, 2), "float32")
    layer(x)
    layer.cell.rate.assign(0.0)
    means = np.asarray(layer(x, training=True)) / 3
    noise = means[:, 1:] - means[:, :-1] / 2
    assert len(np.unique(noise.round(5))) == noise.size
    assert not np.allclose(layer(x, training=True), layer(x, training=True))
    first, second = (layer.apply(layer.params, layer.state, x, rng=jax.random.key(3), training=True) for _ in range(2))
    np.testing.assert_array_equal(first.outputs, second.outputs)


def test_users_cells_in_stacks_wrappers_and_configs():
    with jl.saving.custom_object_scope({"Averaging": Averaging}):
        layer = layers.Bidirectional(layers.RNN([layers.GRUCell(2), Averaging(3)]))
        assert layer(X).shape == (4, 6)
        config = json.loads(json.dumps(layer.get_config()))
        twin = layers.Bidirectional.from_config(config)
        twin(X)
        twin.set_weights(layer.get_weights())
        np.testing.assert_array_equal(twin(X), layer(X))
        assert [w.shape for w in twin.weights] == [w.shape for w in layer.weights]


def test_an_object_that_is_no_layer_may_be_a_cell():
    class Plain:
        state_size = (2, 2)

        def call(self, inputs, states):
            a, b = states
            return a + b, (a + inputs, b * 2 + 1)

    layer = layers.RNN(Plain(), return_state=True)
    output, a, b = layer(X)
    close(a, X.sum(1)), close(b, np.full((4, 2), 63.0))
    close(output, X[:, :-1].sum(1) + 31)


def test_a_stack_is_the_cells_one_after_the_other():
    layer = layers.RNN(stack(), return_sequences=True)
    outputs = layer(X)
    state = layer.get_initial_state(4)
    for t in range(6):
        output, state = layer.cell(X[:, t], state)
        close(outputs[:, t], output)
    single = layers.RNN([layers.LSTMCell(3)], return_state=True)  # Keras fails here
    assert jax.tree.map(jnp.shape, single(X)) == ((4, 3), [(4, 3), (4, 3)])


def test_a_call_that_somebody_overrides_is_called():
    class Doubled(layers.LSTMCell):
        def call(self, inputs, states, training=False):
            return super().call(2 * inputs, states, training=training)

    ours, plain = layers.RNN(Doubled(3)), layers.RNN(layers.LSTMCell(3))
    ours(X), plain(X)
    plain.set_weights(ours.get_weights())
    close(ours(X), plain(2 * X))


def test_activations_may_be_facades():
    """They are read at each call, and trained."""
    slope = jl.Variable(1.0)
    layer = layers.SimpleRNN(3, activation=lambda x: jnp.tanh(slope * x))
    plain = layers.SimpleRNN(3)
    layer(X), plain(X)
    plain.set_weights(layer.get_weights())
    close(layer(X), plain(X))
    slope.assign(0.0)
    np.testing.assert_array_equal(layer(X), np.zeros((4, 3)))
    assert float(jl.grad(lambda: layer(X).sum(), wrt=slope)()) != 0


def test_nothing_is_compiled_anew_for_a_layer_like_another():
    layers.LSTM(3)(X)
    before = _loop.compiled_run._cache_size()
    for _ in range(2):
        layers.LSTM(3)(X)
    assert _loop.compiled_run._cache_size() == before


@pytest.mark.parametrize(
    "layer",
    [
        layers.SimpleRNN(3),
        layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5),
        layers.LSTM(3, activation=jax.jit(lambda x: jnp.tanh(2 * x))),
        layers.GRU(3),
        layers.GRU(3, reset_after=False),
        layers.Bidirectional(layers.LSTM(3)),
        layers.RNN(stack()),
        layers.TimeDistributed(layers.Dense(3)),
    ],
    ids=lambda layer: layer.name,
)
def test_an_eager_gradient_is_compiled_once(layer):
    layer(X)

    def compilations():
        count = [0]

        def listen(event, seconds, **_):
            count[0] += event == "/jax/core/compile/backend_compile_duration"

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            jl.value_and_grad(lambda: jnp.mean(layer(X, training=True) ** 2), wrt=layer.trainable_weights)()
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)
        return count[0]

    first, second = compilations(), compilations()
    assert first > 0 and second == 0


def test_cells_compute_in_their_own_dtype():
    cell = layers.GRUCell(3, dtype="mixed_bfloat16", name="a")
    layer = layers.RNN(cell, return_sequences=True)
    outputs = layer(X)
    assert outputs.dtype == jnp.float32 and cell.kernel.dtype == "float32"
    np.testing.assert_array_equal(outputs, outputs.astype("bfloat16").astype("float32"))
    full = layers.RNN(layers.GRUCell(3), dtype="mixed_bfloat16", return_sequences=True)
    full(X)
    full.set_weights(layer.get_weights())
    assert full(X).dtype == jnp.bfloat16 and full.cell(X[:, 0], [H])[0].dtype == jnp.float32


def test_derivatives_of_every_order_and_mode():
    layer = layers.LSTM(2)
    x = floats(2, 3, 2)
    layer(x)
    params, state = layer.params, layer.state

    def loss(x):
        return jnp.sum(layer.apply(params, state, x).outputs ** 2)

    @jax.jit
    def all_modes(x):
        return jax.jacrev(jax.grad(loss))(x), jax.jacfwd(jax.grad(loss))(x), jax.jacfwd(jax.jacfwd(loss))(x)

    reverse, *others = all_modes(x)
    for other in others:
        np.testing.assert_allclose(other, reverse, rtol=1e-3, atol=1e-5)


# Dropout.


def linear(rate, kind, **more):
    """A network whose outputs show the mask: of the inputs, or of a state that starts at one."""
    arguments = {"activation": None, "bias_initializer": "zeros", "return_sequences": True, **more}
    if kind == "dropout":
        arguments |= {"kernel_initializer": "identity", "recurrent_initializer": "zeros"}
    else:
        arguments |= {"kernel_initializer": "zeros", "recurrent_initializer": "identity"}
    return layers.SimpleRNN(50, **{kind: rate}, **arguments)


@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_dropout_is_one_mask_for_all_steps(kind):
    layer, x = linear(0.25, kind), np.ones((8, 4, 50), "float32")
    given = {"initial_state": np.ones((8, 50), "float32"), "training": True}
    outputs = np.asarray(layer(x, **given))
    scale = 1 / 0.75 ** (np.arange(1, 5) if kind == "recurrent_dropout" else np.ones(4))
    mask = outputs[:, 0] > 0
    np.testing.assert_allclose(outputs, mask[:, None] * scale[None, :, None], rtol=1e-5)
    assert abs(mask.mean() - 0.75) < 0.08 and not (mask[0] == mask[1]).all()
    again = np.asarray(layer(x, **given))
    assert not (again == outputs).all()
    np.testing.assert_array_equal(layer(x, initial_state=given["initial_state"]), np.ones((8, 4, 50)))
    assert not np.asarray(linear(1.0, kind)(x, **given)).any()


def test_recurrent_dropout_gives_each_gate_a_mask():
    cell = layers.LSTMCell(40, recurrent_dropout=0.5)
    inputs, states = cell.draw_masks((2, 3), (2, 40), True)
    assert inputs == () and len(states) == 4
    assert len({np.asarray(mask).tobytes() for mask in states}) == 4
    assert len(layers.GRUCell(4, dropout=0.5).draw_masks((2, 3), (2, 4), True)[0]) == 1
    assert len(layers.GRUCell(4, dropout=0.5, implementation=1).draw_masks((2, 3), (2, 4), True)[0]) == 3
    first, second = (
        layers.LSTM(3, dropout=0.5, recurrent_dropout=0.5, seed=3, kernel_initializer="ones") for _ in "ab"
    )
    first(X), second(X)
    second.set_weights(first.get_weights())
    np.testing.assert_array_equal(first(X, training=True), second(X, training=True))


def test_masks_of_gates_are_applied_to_their_gates():
    """The step with masks drawn, against the equations in NumPy."""
    cell = layers.GRUCell(3, recurrent_dropout=0.5, dropout=0.3, recurrent_activation=None, activation=None)
    cell(X[:, 0], [H])
    drops, memory = cell.draw_masks((4, 2), (4, 3), True)
    kernel, recurrent, bias = (np.asarray(w) for w in cell.get_weights())
    bias = bias + 0.3
    z, r, n = (
        X[:, 0] * np.asarray(m) @ k + b
        for m, k, b in zip(drops, np.split(kernel, 3, 1), np.split(bias[0], 3), strict=True)
    )
    hz, hr, hn = (
        H * np.asarray(m) @ k + b
        for m, k, b in zip(memory, np.split(recurrent, 3, 1), np.split(bias[1], 3), strict=True)
    )
    update = z + hz
    expected = update * H + (1 - update) * (n + (r + hr) * hn)
    got = _loop.step(cell.recurrence, (kernel, recurrent, bias), X[:, 0], (H,), (drops, memory))[0]
    close(got, expected, 1e-4)


# Bidirectional, TimeDistributed, Masking, mistakes.


def test_bidirectional_starts_from_given_weights():
    weights = [np.asarray(w) for w in _weights_of(layers.Bidirectional(layers.GRU(3)))]
    layer = layers.Bidirectional(layers.GRU(3), weights=weights)
    layer(X)
    jax.tree.map(np.testing.assert_array_equal, layer.get_weights(), weights)
    with pytest.raises(ValueError, match="expects weights of shapes"):
        layers.Bidirectional(layers.GRU(3), weights=weights[:4])(X)


def _weights_of(layer):
    layer(X)
    return [floats(*w.shape) for w in layer.weights]


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
def test_time_distributed_passes_each_step_its_mask():
    inner = {"layer": layers.GRU(2, name="a")}
    x, mask = floats(3, 2, 4, 2), np.random.default_rng(2).random((3, 2, 4)) < 0.6
    ours, theirs = pair("TimeDistributed", inner, x)
    close(ours(x, mask=mask), theirs(x, mask=jnp.asarray(mask)))
    assert not np.allclose(ours(x, mask=mask), ours(x))
    with pytest.raises(ValueError, match="mask"):
        ours(x, mask=mask[:2])
    with pytest.raises(ValueError, match=r"\[batch, time, \.\.\.\]"):
        layers.TimeDistributed(layers.Dense(2))(x[0, 0])


def test_time_distributed_takes_structures():
    class Both(layers.Layer):
        def call(self, inputs):
            return {"sum": inputs["a"] + inputs["b"], "first": inputs["a"]}

    given = {"a": floats(3, 4, 2), "b": floats(3, 4, 2)[::-1]}
    outputs = layers.TimeDistributed(Both())(given)
    close(outputs["sum"], given["a"] + given["b"]), close(outputs["first"], given["a"])


def test_masking_against_keras():
    x = X.copy()
    x[0, 1] = x[2, 3:] = 2.0
    ours, theirs = layers.Masking(2.0), keras.layers.Masking(2.0)
    np.testing.assert_array_equal(ours(x), theirs(x))
    np.testing.assert_array_equal(get_mask(ours(x)), theirs(x)._keras_mask)
    np.testing.assert_array_equal(ours.compute_mask(x), theirs.compute_mask(x))
    model = jl.Sequential([layers.Masking(2.0), layers.LSTM(3)])
    close(model(x)[2], model.layers[1](x[:, :3])[2])


def after(layer, *shapes):
    """The last of several calls with inputs of these shapes."""
    return [layer(np.ones(shape, "float32")) for shape in shapes][-1]


WRONG = [
    (lambda: after(layers.LSTM(3, name="it"), (2, 3, 4), (2, 3, 5)), ["it", "size 4 along axis 2", "(2, 3, 5)"]),
    (lambda: after(layers.ConvLSTM1D(2, 1, name="it"), (2, 3, 5, 1), (2, 3, 5, 4)), ["it", "size 1", "(2, 3, 5, 4)"]),
    (lambda: after(layers.ConvLSTM1D(2, 1, name="it"), (2, 3, 5, 1), (2, 3, 6, 1)), ["it", "size 5", "(2, 3, 6, 1)"]),
    (lambda: layers.LSTM(0), ["LSTMCell", "units", "0"]),
    (lambda: layers.GRU(3, dropout=1.5), ["GRUCell", "dropout", "1.5"]),
    (lambda: layers.LSTM(3, use_cudnn="yes"), ["LSTM", "use_cudnn", "yes"]),
    (lambda: layers.LSTM(3, name="it")(X[0]), ["it", "3 axes", "(6, 2)"]),
    (lambda: layers.LSTM(3, name="it")(X, initial_state=[H]), ["it", "[(4, 3), (4, 3)]", "[(4, 3)]"]),
    (lambda: layers.GRU(3, name="it")(X, initial_state=H[:, :2]), ["it", "[(4, 3)]", "[(4, 2)]"]),
    (lambda: layers.GRU(3, name="it")(X, mask=HOLES[:, :2]), ["it", "(4, 6)", "(4, 2)"]),
    (lambda: layers.RNN(layers.Dense(3)), ["RNN", "state_size"]),
    (lambda: layers.RNN(3), ["RNN", "call"]),
    (lambda: layers.StackedRNNCells([layers.Dense(3)]), ["StackedRNNCells", "state_size"]),
    (lambda: layers.RNN(Forgetful())(X), ["2 states", "returned 1"]),
    (lambda: layers.Bidirectional(layers.Dense(3)), ["Bidirectional", "go_backwards"]),
    (lambda: layers.Bidirectional(layers.LSTM(3), merge_mode="max"), ["merge_mode", "max"]),
    (lambda: layers.Bidirectional(layers.LSTM(3), backward_layer=layers.LSTM(3)), ["go_backwards"]),
    (
        lambda: layers.Bidirectional(
            layers.LSTM(3), backward_layer=layers.LSTM(3, go_backwards=True, return_state=True)
        ),
        ["return_state"],
    ),
    (lambda: layers.Bidirectional(layers.LSTM(3)).reset_state(), ["not stateful"]),
    (lambda: layers.ConvLSTM2D(2, 3, strides=2, dilation_rate=2), ["ConvLSTM2D", "strides", "dilation_rate"]),
    (lambda: layers.ConvLSTM2D(2, 3, padding="causal"), ["ConvLSTM2D", "padding", "causal"]),
    (lambda: layers.TimeDistributed("dense"), ["TimeDistributed", "must be a layer", "str"]),
]


class Forgetful(layers.Layer):
    state_size = (2, 2)

    def call(self, inputs, states):
        return inputs, states[:1]


@pytest.mark.parametrize(("mistake", "words"), WRONG)
def test_mistakes_are_told_with_the_layer(mistake, words):
    with pytest.raises((ValueError, AttributeError)) as caught:
        mistake()
    text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert all(word in text for word in words), text


def test_images_over_time_with_channels_first():
    x = floats(2, 3, 4, 5, 2)
    last, first = (
        layers.ConvLSTM2D(3, 2, return_sequences=True, data_format=f"channels_{order}") for order in ("last", "first")
    )
    outputs = last(x)
    first(np.moveaxis(x, -1, 2))
    first.set_weights(last.get_weights())
    close(np.moveaxis(first(np.moveaxis(x, -1, 2)), 2, -1), outputs)


def test_masked_images_against_the_sequence_without_them():
    """Keras lines the mask up with the wrong axes here."""
    x = floats(2, 4, 5, 2)
    layer = layers.ConvLSTM1D(3, 2)
    masked = layer(x, mask=np.array([[True, False, True, True], [False, True, True, False]]))
    close(masked[0], layer(x[:1, [0, 2, 3]])[0])
    close(masked[1], layer(x[1:, 1:3])[0])


def test_weights_are_in_the_order_of_keras():
    ours = layers.Bidirectional(layers.RNN(stack(), return_state=True))
    theirs = keras.layers.Bidirectional(keras.layers.RNN(stack(keras.layers), return_state=True))
    ours(X), theirs(X)
    assert [(w.name, w.shape) for w in ours.weights] == [(w.name, w.shape) for w in keras_weights(theirs)]


@pytest.mark.parametrize("cls", [layers.LSTM, layers.GRU])
def test_a_subclass_may_keep_its_implementation(cls):
    class Own(cls):
        def __init__(self, units, implementation=2):
            super().__init__(units, implementation=implementation)
            self.implementation = implementation

    assert Own(2, 1).implementation == 1
