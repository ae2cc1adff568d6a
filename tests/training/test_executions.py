"""Several steps in one execution: figures, weights and draws do not depend on the grouping."""

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.training import loop

RNG = np.random.default_rng(5)
X = RNG.normal(size=(53, 4)).astype("float32")
Y = (X @ RNG.normal(size=(4, 2))).astype("float32")


def make(steps, cls=jl.Sequential):
    jl.utils.set_random_seed(2)
    inside = [layers.Dense(6, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(2)]
    model = cls([jl.Input((4,)), *inside])
    model.compile(jl.optimizers.Adam(0.01), "mse", metrics=["mae"], steps_per_execution=steps)
    return model


class Batches:
    def __iter__(self):
        return ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 53, 8))


def arrays(model):
    return model.fit(X, Y, batch_size=8, epochs=3, validation_split=0.2, verbose=0)


def loader(model):
    return model.fit(jl.data.ArrayLoader((X, Y), batch_size=8, shuffle=True, seed=4), epochs=3, verbose=0)


def iterable(model):
    return model.fit(Batches(), epochs=3, verbose=0)


def few_steps(model):
    with pytest.warns(UserWarning, match="ended"):  # the second epoch has what the first has left
        return model.fit(X, Y, batch_size=8, steps_per_epoch=5, epochs=3, shuffle=False, verbose=0)


@pytest.fixture
def accelerator(monkeypatch):
    """What is done with arrays on an accelerator, on the CPU."""

    def switch(on):
        monkeypatch.setattr(loop, "is_on_accelerator", lambda: on)

    return switch


@pytest.mark.parametrize("train", [arrays, loader, iterable, few_steps])
def test_nothing_depends_on_how_steps_are_grouped(train, accelerator):
    results = {}
    for steps in (1, 3, 100, "auto", "auto there"):
        np.random.seed(0)
        accelerator(steps == "auto there")
        model = make("auto" if steps == "auto there" else steps)
        results[steps] = train(model).history, model.get_weights(), int(model.optimizer.iterations)
    for steps in list(results)[1:]:
        assert results[steps][2] == results[1][2]
        for name, values in results[1][0].items():
            np.testing.assert_allclose(results[steps][0][name], values, rtol=1e-5, atol=1e-6, err_msg=f"{name} {steps}")
        for a, b in zip(results[steps][1], results[1][1], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_tracing_does_not_grow_with_the_number():
    counts = {}
    for steps in (1, 4, 24, "auto"):
        traces = []

        class Counting(jl.Sequential):
            def train_step(self, data, traces=traces):
                traces.append(1)
                return super().train_step(data)

        model = make(steps, Counting)
        model.fit(X[:48], Y[:48], batch_size=1 if steps == 24 else 4, epochs=2, verbose=0)
        counts[steps] = len(traces)
        traces.clear()
        model.fit(X[:48], Y[:48], batch_size=1 if steps == 24 else 4, epochs=2, verbose=0)
        assert traces == []
    assert counts[24] == counts[4] <= 3, counts  # to find what it uses, and what it writes; and to compile


def test_batch_hooks_hear_of_each_execution():
    heard = []

    class Watch(jl.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            heard.append(("begin", batch))

        def on_train_batch_end(self, batch, logs=None):
            heard.append(("end", batch, bool(np.isfinite(float(logs["loss"])))))

    make(3).fit(X, Y, batch_size=8, callbacks=[Watch()], shuffle=False, verbose=0)
    assert heard == [("begin", 0), ("end", 2, True), ("begin", 3), ("end", 5, True), ("begin", 6), ("end", 6, True)]
    heard.clear()
    make("auto").fit(X, Y, batch_size=8, callbacks=[Watch()], verbose=0)  # whoever listens hears of each batch
    assert [entry[1] for entry in heard if entry[0] == "end"] == list(range(7))


def test_a_loader_goes_on_where_it_was():
    whole = jl.data.ArrayLoader((X, Y), batch_size=8, shuffle=True, seed=1)
    place = jl.data.ArrayLoader((X, Y), batch_size=8, shuffle=True, seed=1)
    batches = iter(place)
    next(batches)
    next(batches)
    expected = make(1)
    expected.fit(batches, verbose=0)
    model = make("auto")
    whole.set_state({**whole.get_state(), "batch": 2})
    model.fit(whole, verbose=0)
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert (whole.get_state()["epoch"], whole.get_state()["batch"]) == (1, 0)


def test_evaluation_and_own_figures():
    class Own(jl.Sequential):
        def train_step(self, data):
            logs = super().train_step(data)
            return {**logs, "rows": data[0].shape[0], "twice": 2 * logs["loss"]}

    model = make(3, Own)
    logs = model.fit(X, Y, batch_size=8, verbose=0).history
    assert logs["rows"] == [5.0] and np.allclose(np.multiply(logs["loss"], 2), logs["twice"])
    single = make(1)
    single.set_weights(model.get_weights())
    a, b = (m.evaluate(X, Y, batch_size=8, verbose=0, return_dict=True) for m in (model, single))
    np.testing.assert_allclose([a[n] for n in sorted(a)], [b[n] for n in sorted(b)], rtol=1e-6)


@pytest.mark.parametrize("steps", [3, "auto"])
def test_an_interrupted_execution_leaves_a_whole_model(steps):
    model = make(steps)
    model.fit(X, Y, batch_size=8, verbose=0)
    before = [np.asarray(w) for w in model.get_weights()]

    def broken(data):
        raise ArithmeticError("in the step")

    model.train_step = broken
    model._compiled_steps.clear()
    with pytest.raises(ArithmeticError) as caught:
        model.fit(X, Y, batch_size=8, verbose=0)
    assert any("train_step, batch 0" in note for note in caught.value.__notes__)
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), before)
    del model.train_step
    model._compiled_steps.clear()
    assert np.isfinite(model.fit(X, Y, batch_size=8, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("number", [0, -1, 1.5, "many", True])
def test_wrong_numbers_are_told(number):
    with pytest.raises(ValueError, match="steps_per_execution"):
        make(number)


@pytest.mark.parametrize("steps", [100, "auto"])
def test_later_epochs_of_an_iterable_are_compiled_no_more(steps):
    traces = []

    class Counting(jl.Sequential):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    class Fifty:  # batches, which nobody knows before the first epoch
        def __iter__(self):
            return ((X[:8], Y[:8]) for _ in range(50))

    model = make(steps, Counting)
    model.fit(Fifty(), verbose=0)
    traces.clear()
    model.fit(Fifty(), epochs=3, verbose=0)
    assert traces == []


@pytest.mark.parametrize("limit", [None, 5])
def test_hooks_of_predict_hear_of_each_execution(limit):
    heard = []

    class Listener(jl.callbacks.Callback):
        def on_predict_batch_begin(self, batch, logs=None):
            heard.append(batch)

        def on_predict_batch_end(self, batch, logs=None):
            heard.append((batch, logs["outputs"]["y"].shape))

    inputs = jl.Input((3,))
    model = jl.Model(inputs, {"y": layers.Dense(1)(inputs)})
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    expected = model.predict(x, verbose=0)["y"]
    model.compile("sgd", "mse", steps_per_execution=4)
    before = jl.config.max_steps_per_epoch()
    jl.config.set_max_steps_per_epoch(limit)
    try:
        outputs = model.predict(x, batch_size=3, callbacks=[Listener()], verbose=0)["y"]
    finally:
        jl.config.set_max_steps_per_epoch(before)
    assert heard == [0, (3, (12, 1)), 4, (4, (3, 1)) if limit else (6, (8, 1))]
    np.testing.assert_allclose(outputs, expected[: 15 if limit else 20], rtol=1e-6)
