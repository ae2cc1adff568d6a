"""`jl.GradientTape` against `jax.grad`: eagerly and compiled."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers, ops

BOTH = pytest.mark.parametrize("wrap", [lambda f: f, jl.jit], ids=["eager", "compiled"])
X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def close(got, want, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol), got, want)


@BOTH
def test_variables_are_watched_when_read(wrap):
    a, b, frozen = jl.Variable(5.0), jl.Variable(3.0), jl.Variable(2.0, trainable=False)

    @wrap
    def step():
        with jl.GradientTape() as tape:
            z = 3 * a**2 + 2 * a * b + frozen * b
        return tape.gradient(z, {"a": a, "b": [b], "frozen": frozen})

    gradients = step()
    assert gradients["frozen"] is None
    close((gradients["a"], gradients["b"][0]), (36.0, 12.0))


@BOTH
def test_a_tape_answers_once_unless_it_is_persistent(wrap):
    w = jl.Variable(2.0)

    @wrap
    def step():
        with jl.GradientTape() as tape:
            z = w**2
        first = tape.gradient(z, w)
        with pytest.raises(RuntimeError, match="persistent=True"):
            tape.gradient(z, w)
        with jl.GradientTape(persistent=True) as tape:
            z, y = w**2, w**3
        return first, tape.gradient(z, w), tape.gradient(y, w), tape.gradient([z, y], w)

    close(step(), (4.0, 4.0, 12.0, 16.0))


@BOTH
def test_arrays_are_watched_on_request(wrap):
    x = jnp.asarray(X)

    @wrap
    def step(x):
        with jl.GradientTape(persistent=True) as tape:
            tape.watch(x)
            h = jnp.sin(x)
            y = jnp.sum(h * h, axis=-1)
        return tape.gradient(y, x), tape.gradient(y, h), tape.gradient(y, {"none": jnp.ones(3)}, None, "zero")

    gradient, of_h, zero = step(x)
    close(gradient, jax.grad(lambda v: jnp.sum(jnp.sin(v) ** 2))(x))
    close(of_h, 2 * np.sin(X))
    close(zero["none"], np.zeros(3))


def test_sources_that_are_no_arrays_of_jax_are_refused():
    with jl.GradientTape() as tape:
        with pytest.raises(TypeError, match="jnp.asarray"):
            tape.watch(np.ones(3))
        with pytest.warns(UserWarning, match="int32"):
            tape.watch(jnp.arange(3))
    with pytest.raises(ValueError, match="'none' or 'zero'"):
        tape.gradient(jnp.ones(2), [], None, "one")


def test_watching_can_be_restricted():
    a, b = jl.Variable(5.0), jl.Variable(3.0)
    frozen = jl.Variable(2.0, trainable=False)
    dense = layers.Dense(2)
    dense(X)
    with jl.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([a, frozen])
        tape.watch(dense)
        z = a * b * frozen + jnp.sum(dense(X))
    assert {v.path for v in tape.watched_variables()} == {a.path, frozen.path, dense.kernel.path, dense.bias.path}
    got = tape.gradient(z, [a, b, frozen, dense])
    assert got[1] is None
    close((got[0], got[2]), (6.0, 15.0))
    close(got[3], {"kernel": np.repeat(X.sum(0)[:, None], 2, 1), "bias": [4.0, 4.0]})


@BOTH
def test_higher_orders(wrap):
    w = jl.Variable(1.3)

    @wrap
    def step():
        with jl.GradientTape() as third:
            with jl.GradientTape() as second, jl.GradientTape() as first:
                z = jnp.sin(w) * w**2
                g = first.gradient(z, w)
            h = second.gradient(g, w)
        return g, h, third.gradient(h, w)

    def f(v):
        return jnp.sin(v) * v**2

    close(step(), (jax.grad(f)(1.3), jax.grad(jax.grad(f))(1.3), jax.grad(jax.grad(jax.grad(f)))(1.3)))


@BOTH
def test_gradient_penalty_through_layers(wrap):
    model = jl.Sequential([layers.Dense(5, activation="tanh"), layers.Dense(1, activation="softplus")])
    x = jnp.asarray(X)
    model(x)

    @wrap
    def step(x):
        with jl.GradientTape() as outer:
            with jl.GradientTape() as inner:
                inner.watch(x)
                y = model(x)
            penalty = jnp.sum(inner.gradient(y, x) ** 2)
        return outer.gradient(penalty, model)

    params, state = model.params, model.state

    def penalty(params):
        return jnp.sum(jax.grad(lambda v: jnp.sum(model.apply(params, state, v).outputs))(x) ** 2)

    close(step(x), jax.grad(penalty)(params))


@BOTH
def test_jacobians(wrap):
    w = jl.Variable(X[:2])

    @wrap
    def step(x):
        with jl.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = jnp.tanh(x @ w.value.T)
        return (
            tape.jacobian(y, {"w": w}, experimental_use_pfor=False, parallel_iterations=2),
            tape.batch_jacobian(y, x, parallel_iterations=2),
        )

    jacobian, batched = step(jnp.asarray(X))
    close(jacobian["w"], jax.jacrev(lambda v: jnp.tanh(X @ v.T))(X[:2]))
    close(batched, jax.vmap(jax.jacrev(lambda row: jnp.tanh(row @ X[:2].T)))(X))


def test_recording_stops_and_restarts():
    w = jl.Variable(2.0)
    with jl.GradientTape(persistent=True) as tape:
        a = w * w
        with tape.stop_recording():
            b = a * 3
        c = b * w
        d = a * 5
    assert tape.gradient(b, w) is None
    close((tape.gradient(c, w), tape.gradient(d, w)), (12.0, 20.0))
    with jl.GradientTape() as tape:
        early = w * 2
        tape.reset()
        late = early * w
    assert float(tape.gradient(late, w)) == 4.0
    with pytest.raises(ValueError, match="not recording"), tape.stop_recording():
        pass


def test_writes_start_new_leaves_and_reads_outside_are_constants():
    w, same = jl.Variable(2.0), jl.Variable(2.0)
    before = w.value
    with jl.GradientTape(persistent=True) as tape:
        a = w * before
        w.assign(w * 3)
        b = w * a
    assert float(w.value) == 6.0
    close((tape.gradient(a, w), tape.gradient(b, w)), (2.0, 2.0 * 6.0 + 4.0))
    assert tape.gradient(a, same) is None
    kept = []
    for _ in range(2):
        with jl.GradientTape() as tape:
            z = w * (kept[0] if kept else 1.0)
            kept.append(w.value)
        last = tape.gradient(z, w)
    close(last, 6.0)


@BOTH
def test_functions_with_derivatives_of_their_own(wrap):
    @jax.custom_jvp
    def triple(x):
        return x * 2

    triple.defjvp(lambda primals, tangents: (triple(*primals), 3 * tangents[0]))

    @jax.custom_vjp
    def clipped(x, y):
        return x * y

    clipped.defvjp(lambda x, y: (x * y, (x, y)), lambda kept, g: (jnp.clip(g * kept[1], -1, 1), g * kept[0]))

    @ops.custom_gradient
    def doubled(x):
        return x, lambda *args, upstream=None: 2 * (args[0] if upstream is None else upstream)

    w, v = jl.Variable(2.0), jl.Variable(4.0)

    @wrap
    def step():
        with jl.GradientTape(persistent=True) as tape:
            results = triple(w.value), clipped(w.value, v.value), doubled(w.value), jax.nn.relu(w.value)
            results += (jax.lax.stop_gradient(w.value) * v, jax.jit(triple)(w.value))
        return [tape.gradient(z, [w, v], unconnected_gradients="zero") for z in results]

    close(step(), [[3.0, 0.0], [1.0, 2.0], [2.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])


@BOTH
def test_operations_that_are_expanded_into_operations_of_bits(wrap):
    """`jnp.ldexp` has a derivative; the bit operations that it consists of have none."""
    exponent = jnp.asarray([1, 3])

    @wrap
    def step(x):
        with jl.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = jnp.ldexp(x, exponent)
            z = jax.jit(lambda x: jnp.ldexp(jnp.sin(x), exponent) * 2)(x)
        return tape.gradient(y, x), tape.gradient(z, x)

    x = jnp.asarray([0.5, 1.5])
    close(step(x), ([2.0, 8.0], np.cos(x) * np.asarray([4.0, 16.0])))


@BOTH
def test_loops_branches_and_compiled_functions(wrap):
    w, count = jl.Variable([1.0, 2.0]), jl.Variable(0, dtype="int32", trainable=False)
    xs = jnp.asarray(X[:, :2])
    inner_jit = jl.jit(lambda x: (count.assign_add(1), x * w)[1])

    @wrap
    def step(xs):
        with jl.GradientTape() as tape:
            carry, ys = jl.scan(lambda c, x: (c + (x * w).sum(), (count.assign_add(1), jnp.sin(x * w))[1]), 0.0, xs)
            chosen = jl.cond(carry > -100.0, lambda c: c * w[0], lambda c: c, carry)
            looped = jl.fori_loop(0, 3, lambda i, c: c * w[1], jnp.float32(1.0))
            mapped = jl.vmap(lambda x: (x * w) ** 2)(xs)
            compiled = inner_jit(xs) + jax.jit(lambda v: v * 2)(w.value)
            inside = jax.grad(lambda v: jnp.sum(v**3 * w))(w.value)
            remat = jl.remat(lambda x: jnp.cos(x * w))(xs)
            loss = chosen + looped + ys.sum() + mapped.sum() + compiled.sum() + inside.sum() + remat.sum()
        return tape.gradient(loss, w), loss

    def loss(w):
        carry, ys = jax.lax.scan(lambda c, x: (c + (x * w).sum(), jnp.sin(x * w)), 0.0, xs)
        total = carry * w[0] + w[1] ** 3 + ys.sum() + ((xs * w) ** 2).sum() + (xs * w + 2 * w).sum()
        return total + jax.grad(lambda v: jnp.sum(v**3 * w))(w).sum() + jnp.cos(xs * w).sum()

    got, value = step(xs)
    close(value, loss(w.value), rtol=1e-5)
    close(got, jax.grad(loss)(w.value), rtol=1e-5)
    assert int(count.value) == 5


@BOTH
def test_a_loop_of_unknown_length_is_an_error_where_it_is_on_the_path(wrap):
    w = jl.Variable(2.0)

    def step(number):
        with jl.GradientTape() as tape:
            z = jl.while_loop(lambda c: c < 10, lambda c: c * 2, w.value)
            y = w * 3
        return tape.gradient((y, z)[number], w)

    close(wrap(lambda: step(0))(), 3.0)
    with pytest.raises(ValueError, match="while"):
        wrap(lambda: step(1))()


@BOTH
def test_closed_over_arrays_are_found_or_refused(wrap):
    w = jl.Variable(2.0)

    @jax.custom_jvp
    def f(x):
        return x * w.value

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * w.value))

    @wrap
    def step():
        with jl.GradientTape() as tape:
            h = w * 2
            z = jax.jit(lambda x: x * h)(3.0)
        return tape.gradient(z, w)

    close(step(), 6.0)

    @wrap
    def inside(x):
        with jl.GradientTape():
            f(jnp.asarray(x))

    for x in (3.0, w):
        with pytest.raises(TypeError, match="closes over"):
            inside(x)


def step_of(model, tape_it, wrt):
    loss_fn, metric = jl.losses.MeanSquaredError(), jl.metrics.Mean()

    def compute(x):
        y = model(x, training=True)
        return loss_fn(jnp.ones_like(y), y) + sum(model.losses), y

    def with_tape(x):
        with jl.GradientTape() as tape:
            loss, y = compute(x)
            metric.update_state(y)
        return loss, tape.gradient(loss, wrt)

    def without(x):
        (loss, y), gradients = jl.value_and_grad(compute, wrt=wrt, has_aux=True)(x)
        metric.update_state(y)
        return loss, gradients

    return (with_tape if tape_it else without), metric


@BOTH
def test_state_draws_losses_and_metrics_are_as_without_a_tape(wrap):
    results = []
    for tape_it in (True, False):
        jl.utils.set_random_seed(0)
        model = jl.Sequential(
            [
                layers.Dense(4, kernel_regularizer="l2"),
                layers.ActivityRegularization(0.1),
                layers.BatchNormalization(),
                layers.Dropout(0.5, seed=1),
                layers.GaussianNoise(0.1),
                layers.Dense(2),
            ]
        )
        model.build((None, 3))
        step, metric = step_of(model, tape_it, model)
        step = wrap(step)
        results.append(([step(jnp.asarray(X)) for _ in range(2)], model.state, metric.result()))
        assert len(model.losses) == 2
    close(*results)


def test_values_are_plain_arrays():
    w = jl.Variable([1.0, 2.0])
    with jl.GradientTape() as tape:
        z = jnp.sum(w * 2)
        if z > 5:
            z = z + w[0]
        text = f"{float(z):.1f} {np.asarray(z)}"
    assert text == "7.0 7.0"
    assert not isinstance(z, jax.core.Tracer)
    close(jax.grad(lambda v: v * z)(1.0), 7.0)
    close(tape.gradient(z, w), [3.0, 2.0])


def test_threads_have_tapes_of_their_own():
    w = jl.Variable(2.0)
    results = {}

    def work(power):
        for _ in range(5):
            with jl.GradientTape() as tape:
                z = w**power
            results.setdefault(power, []).append(float(tape.gradient(z, w)))

    with jl.GradientTape() as tape:
        z = w * 7
        threads = [threading.Thread(target=work, args=(power,)) for power in (2, 3, 4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert float(tape.gradient(z, w)) == 7.0
    assert results == {2: [4.0] * 5, 3: [12.0] * 5, 4: [32.0] * 5}


def test_an_exception_ends_the_recording():
    w = jl.Variable(2.0)
    with pytest.raises(ZeroDivisionError), jl.GradientTape():
        z = w * 2
        raise ZeroDivisionError
    with jl.GradientTape() as tape:
        y = z * w
    assert float(tape.gradient(y, w)) == 4.0
    assert jax.jit(lambda v: v * 2)(1.0) == 2.0
