"""A dropped model is freed by reference counting alone: weights, slots, compiled functions, metrics, history."""

import copy
import gc
import pickle
import weakref

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import layers

X, Y = np.ones((8, 4), "float32"), np.ones((8, 1), "float32")


class Subclass(jl.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)

    @jl.jit
    def compiled(self, inputs):
        return self(inputs)


def sequential():
    return jl.Sequential([layers.Dense(3, activation="relu"), layers.Dropout(0.1), layers.Dense(1)])


def graph():
    inputs = jl.Input((4,))
    return jl.Model(inputs, layers.Dense(1)(layers.Dense(3)(inputs) + 1.0))


def recurrent_graph():
    inputs = jl.Input((4, 3))
    outputs, *states = layers.LSTM(3, return_state=True)(inputs)  # the states are outputs that nobody uses
    del states
    return jl.Model(inputs, layers.Dense(1)(outputs))


def called(model):
    model(X)
    return model


def applied(model):
    model.apply(*model.init(jax.random.key(0), X), X, rng=jax.random.key(1), training=True)
    return model


def fitted(model, **options):
    model.compile("adam", "mse", metrics=["mae"], **options)
    model.fit(X, Y, batch_size=4, epochs=2, validation_data=(X, Y), verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    return model


def run(model, method):
    method(model)
    return model


CASES = {
    "call": lambda: called(sequential()),
    "apply of a layer that is not built": lambda: applied(sequential()),
    "fit": lambda: fitted(sequential()),
    "fit of a graph": lambda: fitted(graph()),
    "fit of a subclass, several steps at once": lambda: fitted(Subclass(), steps_per_execution=2),
    "eager fit": lambda: fitted(sequential(), run_eagerly=True),
    "a compiled method": lambda: run(Subclass(), lambda model: model.compiled(X)),
    "a graph with outputs that nobody uses": recurrent_graph,
    "summary and config": lambda: run(graph(), lambda m: (m.summary(print_fn=lambda line: None), m.get_config())),
    "a copy of a graph": lambda: jl.models.clone_model(graph()),
    "blocks": lambda: called(layers.Repeat(layers.Dense(4), 2)),
    "the pure train step": lambda: run(fitted(graph()), lambda m: jax.jit(m.make_train_step())(m.train_state, (X, Y))),
}


def parts_of(model):
    """Weak references to a model and everything that it holds, by name."""
    parts = {"the model": model, **{variable.path: variable for variable in model.weights}}
    parts |= {name: vars(model)[name] for name in ("optimizer", "history") if name in vars(model)}
    parts |= {slot.path: slot for slot in getattr(vars(model).get("optimizer"), "variables", ())}
    parts |= {f"compiled {key}": step for key, step in vars(model).get("_compiled_steps", {}).items()}
    return {name: weakref.ref(part) for name, part in parts.items()}


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_a_dropped_model_is_freed_without_the_collector(make):
    make()  # whatever is made once for the process
    gc.collect()
    gc.disable()
    try:
        model = make()
        parts = parts_of(model)
        del model
        alive = [name for name, ref in parts.items() if ref() is not None]
    finally:
        gc.enable()
    assert parts and not alive


def test_models_made_in_a_loop_do_not_pile_up():
    gc.collect()
    gc.disable()
    try:
        models = []
        for _ in range(4):
            model = fitted(sequential())
            models.append(weakref.ref(model))
            assert [ref() is not None for ref in models] == [False] * (len(models) - 1) + [True]
            del model
        assert all(ref() is None for ref in models)
    finally:
        gc.enable()


def test_a_compiled_method_keeps_its_object_alive():
    method = Subclass().compiled
    assert method(X).shape == (8, 1)
    assert method.__self__.built


def test_symbolic_tensors_that_nobody_holds_are_made_anew():
    inputs = jl.Input((4, 3))
    layer = layers.LSTM(3, return_state=True)
    outputs = layer(inputs)[0]
    again = layer.output
    assert again[0] is outputs and [tensor.shape for tensor in again] == [(None, 3)] * 3
    model = jl.Model(inputs, again)
    assert [array.shape for array in model(np.ones((2, 4, 3), "float32"))] == [(2, 3)] * 3


def test_layers_that_add_losses_are_freed():
    class Penalty(jl.Layer):
        def call(self, inputs):
            self.add_loss(inputs.sum())
            return inputs

    gc.collect()
    gc.disable()
    try:
        layer = jl.Sequential([layers.Dense(2), Penalty()])
        layer(X)
        assert len(layer.losses) == 1
        alone = Penalty()
        alone.add_loss(np.ones(()))
        refs = [weakref.ref(layer), weakref.ref(layer.layers[1]), weakref.ref(alone)]
        del layer, alone
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


def test_the_first_call_of_a_layer_is_found_when_its_results_are_gone():
    first, second, layer = jl.Input((4,)), jl.Input((4,)), layers.Dense(2)
    layer(first)
    kept = layer(second)
    assert layer.input is first and layer.output.shape == (None, 2) and layer.output is not kept
    layer(X)
    np.testing.assert_allclose(jl.Model(first, layer.output)(X), layer(X), rtol=1e-6)


def test_an_output_that_is_made_anew_has_its_mask():
    class Two(jl.Layer):
        def call(self, inputs):
            return inputs + 1, inputs * 2

        def compute_mask(self, inputs, previous_mask=None):
            return previous_mask, previous_mask

    inputs, two = jl.Input((4, 1)), Two()
    first = two(layers.Masking()(inputs))[0]
    model = jl.Model(inputs, layers.GlobalAveragePooling1D()(two.output[1]))
    del first
    assert two.output[1].mask is not None
    np.testing.assert_allclose(model(np.array([[[1.0], [2.0], [0.0], [0.0]]])), [[3.0]])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda tensors: pickle.loads(pickle.dumps(tensors))])
def test_copies_of_symbolic_tensors_span_the_same_graph(duplicate):
    inputs = jl.Input((4,))
    outputs = layers.Dense(2, kernel_initializer="ones")(layers.Dense(3, kernel_initializer="ones")(inputs))
    again_inputs, again_outputs = duplicate((inputs, outputs))
    assert again_outputs.node.outputs is again_outputs is not outputs
    np.testing.assert_allclose(jl.Model(again_inputs, again_outputs)(X), np.full((8, 2), 12.0), rtol=1e-6)
