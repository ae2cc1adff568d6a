"""`get_state_tree` and `set_state_tree`: Keras's names, and assignment of all values or none."""

import jax
import keras
import numpy as np
import pytest

import jaxlayers as jl

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def trained(lib, sequential=True):
    lib.utils.clear_session()
    inputs = lib.Input((3,))
    inside = [lib.layers.Dense(2, name="a"), lib.layers.BatchNormalization(name="norm")]
    if sequential:
        model = lib.Sequential([inputs, *inside], name="net")
    else:
        model = lib.Model(inputs, inside[1](inside[0](inputs)), name="net")
    model.compile("adam", "mse", metrics=["mean_absolute_error"], run_eagerly=True)
    model.fit(X, X[:, :2], verbose=0)
    return model


def shapes(tree):
    return {key: shapes(value) if isinstance(value, dict) else value.shape for key, value in tree.items()}


@pytest.mark.parametrize("sequential", [True, False])
def test_names_are_those_of_keras(sequential):
    ours, theirs = (shapes(trained(lib, sequential).get_state_tree()) for lib in (jl, keras))
    for tree in (ours, theirs):
        slots = tree["optimizer_variables"]["adam"]
        assert len(slots) == 2 + 2 * 4 and slots["iteration"] == () == slots["learning_rate"]
    assert ours == theirs


@pytest.mark.parametrize("name", ["every slot of Adam", "Muon", "LossScaleOptimizer", "MultiOptimizer"])
def test_names_of_slots_are_those_of_keras(name):
    def make_optimizer(lib):
        if name == "LossScaleOptimizer":
            return lib.LossScaleOptimizer(lib.RMSprop(momentum=0.9, centered=True))
        if name == "MultiOptimizer":
            return lib.MultiOptimizer(lib.OptimizerMap(lib.SGD(momentum=0.9), {".*bias": lib.Ftrl()}))
        return lib.Muon() if name == "Muon" else lib.Adam(amsgrad=True, use_ema=True, gradient_accumulation_steps=2)

    trees = []
    for lib in (keras, jl):
        lib.utils.clear_session()
        inputs = lib.Input((3,))
        hidden = lib.layers.Dense(2, name="a_b")(inputs)
        model = lib.Model(inputs, lib.layers.BatchNormalization(name="norm")(hidden), name="net")
        model.compile(make_optimizer(lib.optimizers), "mse")
        model.optimizer.build(model.trainable_variables)
        trees.append(model.get_state_tree()["optimizer_variables"])
    assert shapes(trees[0]) == shapes(trees[1])
    model.set_state_tree({"optimizer_variables": trees[0]})  # from Keras into jaxlayers


@pytest.mark.parametrize("name", ["Nadam", "two of SGD"])
def test_numbers_of_the_session_in_names_of_optimizers_may_differ(name):
    def make(lib):
        lib.optimizers.Nadam(), lib.optimizers.SGD(), lib.Variable(0.0)  # take the first numbers
        inputs = lib.Input((3,))
        model = lib.Model(inputs, lib.layers.Dense(2, name="a")(inputs), name="net")
        o = lib.optimizers
        one, other = o.SGD(momentum=0.9), o.SGD(0.1, momentum=0.5)
        model.compile(o.Nadam() if name == "Nadam" else o.MultiOptimizer(o.OptimizerMap(one, {".*bias": other})), "mse")
        model.fit(X, X[:, :2], batch_size=2, shuffle=False, verbose=0)
        return model

    keras.utils.clear_session()
    theirs, ours, ours_too = make(keras), make(jl), make(jl)
    for model, source in ((ours, theirs), (ours_too, ours)):
        tree = jax.tree.map(np.array, source.get_state_tree())
        if source is ours:
            assert set(tree["optimizer_variables"]).isdisjoint(model.get_state_tree()["optimizer_variables"])
        model.set_state_tree(tree)
    expected = [np.asarray(variable.value) for variable in theirs.optimizer.variables]
    for model in (ours, ours_too):
        sums = [sorted(float(np.sum(v)) for v in values) for values in (model.optimizer.variables, expected)]
        np.testing.assert_allclose(*sums, rtol=1e-6)
    with pytest.raises(ValueError, match="optimizer_variables/sgd_9/iteration belongs to no variable"):
        trained(jl).set_state_tree({"optimizer_variables": {"sgd_9": {"iteration": 1}}})


def test_what_was_read_can_be_put_back():
    model, other = trained(jl), trained(jl)
    other.set_state_tree(model.get_state_tree())
    for one, two in ((model, other), (model.optimizer, other.optimizer)):
        for a, b in zip(one.variables, two.variables, strict=True):
            np.testing.assert_array_equal(a, b)
    histories = [one.fit(X, X[:, :2], shuffle=False, verbose=0).history for one in (model, other)]
    assert histories[0] == histories[1]
    other.set_state_tree({"trainable_variables": {"net": {"a": {"bias": [5.0, 6.0]}}}})
    np.testing.assert_array_equal(other.layers[0].bias, [5, 6])


def test_mistakes_are_told_and_change_nothing():
    model = trained(jl)
    before = model.get_weights()
    wrong = {"trainable_variables": {"net": {"a": {"bias": np.ones(2), "kernel": np.ones(2), "scale": 1.0}}}, "more": 1}
    with pytest.raises(ValueError) as caught:
        model.set_state_tree(wrong)
    for words in (
        "net/a/kernel must have shape (3, 2)",
        "net/a/scale belongs to no variable",
        "more belongs to no variable",
    ):
        assert words in str(caught.value)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(model.get_state_tree("numpy_array")["metrics_variables"]["loss"]["total"], np.ndarray)
    with pytest.raises(ValueError, match="numpy_array.*'torch'"):
        model.get_state_tree("torch")


def test_the_product_of_nadam_that_keras_loses_inside_another_optimizer():
    models = []
    for lib in (keras, jl):
        model = lib.Sequential([lib.Input((3,)), lib.layers.Dense(2, name="d")])
        model.compile(lib.optimizers.LossScaleOptimizer(lib.optimizers.Nadam(), initial_scale=8.0), "mse")
        model.fit(X, X[:, :2], batch_size=2, verbose=0)
        models.append(model)
    product = models[1].optimizer.inner_optimizer.variables[-1].numpy()
    assert product != 1
    models[1].optimizer.inner_optimizer.variables[-1].assign(1)
    models[1].set_state_tree(models[0].get_state_tree())
    np.testing.assert_allclose(models[1].optimizer.inner_optimizer.variables[-1].numpy(), product, rtol=1e-6)
