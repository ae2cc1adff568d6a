"""Gradients as trees with their layer, and optax transformations that see the nested `params` of a model."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.optimizers import SGD, LossScaleOptimizer, MultiOptimizer, OptaxOptimizer, OptimizerMap

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X[:, :2]


def make_model(optimizer=None):
    jl.utils.set_random_seed(0)
    inside = [layers.Dense(4, name="z-a"), layers.LayerNormalization(name="norm"), layers.Dense(2, name="z")]
    model = jl.Sequential([jl.Input((3,)), *inside])
    model.compile(optimizer, "mse")
    return model


def loss_of(model):
    return jnp.mean((model(X) - Y) ** 2)


def test_a_tree_and_its_layer_update_each_weight_with_its_own_gradient():
    model = make_model()
    before = model.get_weights()
    tree = jl.grad(lambda: loss_of(model), wrt=model)()
    by_list = jl.grad(lambda: loss_of(model), wrt=model.trainable_variables)()
    expected = [value - 0.5 * np.asarray(gradient) for value, gradient in zip(before, by_list, strict=True)]
    scale, extra = jl.Variable(2.0, name="scale"), jl.Variable(3.0, name="extra")
    calls = [
        lambda: SGD(0.5).apply(tree, model),
        lambda: SGD(0.5).apply(by_list, model),
        lambda: SGD(0.5).apply_gradients([(tree, model)]),
        lambda: SGD(0.5).apply([tree, 1.0], [model, scale]),
        lambda: SGD(0.5).apply({"m": tree, "s": (1.0, 2.0)}, {"m": model, "s": (scale, extra)}),
        lambda: LossScaleOptimizer(SGD(0.5), initial_scale=1.0).apply(tree, model),
    ]
    for call in calls:
        model.set_weights(before)
        call()
        for value, right in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(value, right, rtol=1e-5, atol=1e-6)
    assert float(scale) == 1.0 and float(extra) == 2.0
    model.set_weights(before)
    with pytest.warns(UserWarning, match="z-a/kernel"):
        SGD(0.5).apply({**tree, "z-a": {**tree["z-a"], "kernel": None}}, model)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda o, m, t: o.apply(t), r"apply\(tree, layer\)"),
        (lambda o, m, t: o.apply(t, m.trainable_variables), r"apply\(tree, layer\)"),
        (lambda o, m, t: o.apply_gradients(t), r"apply\(tree, layer\)"),
        (lambda o, m, t: o.apply_gradients(zip(t, m.trainable_variables, strict=False)), r"apply\(tree, layer\)"),
        (lambda o, m, t: o.apply(jax.tree.leaves(t), m), r"must have shape.*apply\(tree, layer\)"),
        (lambda o, m, t: o.apply({**t, "z": {}}, m), "z/kernel is missing"),
        (lambda o, m, t: o.apply({**t, "more": 1.0}, m), "more belongs to no variable"),
        (lambda o, m, t: o.apply({**t, "z": {**t["z"], "bias": jnp.ones(3)}}, m), r"z/bias must have shape \(2,\)"),
        (lambda o, m, t: o.apply({"a": t}, {"b": m}), r"expected a dict of gradients for \['b'\]; received \['a'\]"),
        (lambda o, m, t: o.stateless_apply([], t, m.params), "to_optax"),
    ],
)
def test_trees_that_do_not_fit_change_nothing(call, message):
    model, optimizer = make_model(), SGD(0.5)
    tree = jax.tree.map(jnp.ones_like, model.params)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        call(optimizer, model, tree)
    assert not optimizer.built
    jax.tree.map(np.testing.assert_array_equal, before, model.get_weights())


def label(params):
    assert set(params) == {"z-a", "norm", "z"}
    return {"z-a": "adam", "norm": {"gamma": "sgd", "beta": "sgd"}, "z": "sgd"}


def is_kernel(params):
    return jax.tree_util.tree_map_with_path(lambda keys, _: keys[-1].key == "kernel", params)


TRANSFORMATIONS = {
    "labels": lambda: optax.multi_transform({"adam": optax.adam(0.1), "sgd": optax.sgd(0.1, 0.9)}, label),
    "lars": lambda: optax.lars(0.1, weight_decay=0.1, weight_decay_mask=is_kernel, trust_ratio_mask=is_kernel),
    "masked": lambda: optax.chain(optax.masked(optax.add_decayed_weights(0.1), is_kernel), optax.sgd(0.1, 0.9)),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_a_transformation_in_compile_sees_the_params_of_the_model(name):
    model, transformation = make_model(TRANSFORMATIONS[name]()), TRANSFORMATIONS[name]()
    params, state = model.params, None
    state = transformation.init(params)

    @jax.jit
    def step(params, state):
        gradients = jax.grad(lambda p: jnp.mean((model.apply(p, model.state, X).outputs - Y) ** 2))(params)
        steps, state = transformation.update(gradients, state, params)
        return optax.apply_updates(params, steps), state

    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    for _ in range(2):
        params, state = step(params, state)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), model.params, params)
    assert len(model.optimizer.variables) == 2 + len(jax.tree.leaves(state))
    duplicate, weights = copy.deepcopy(model), [variable.numpy() for variable in model.optimizer.variables]
    restored = make_model(TRANSFORMATIONS[name]())
    restored.set_weights(model.get_weights())
    restored.optimizer.build(restored.trainable_variables)
    restored.optimizer.set_weights(weights)
    for other in (model, duplicate, restored):
        other.fit(X, Y, batch_size=8, verbose=0)
    for other in (duplicate, restored):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), model.params, other.params)


def test_inner_transformations_and_layers_without_compile_see_nested_trees_too():
    seen = []

    def record(params):
        seen.append(jax.tree.structure(params))
        return jax.tree.map(lambda _: True, params)

    model = make_model()
    tree = jax.tree.map(jnp.ones_like, model.params)
    OptaxOptimizer(optax.masked(optax.sgd(0.1), record)).apply(tree, model)
    assert set(seen) == {jax.tree.structure(tree)}
    seen.clear()
    wrapped = OptaxOptimizer(optax.masked(optax.sgd(0.1), record))
    LossScaleOptimizer(MultiOptimizer(OptimizerMap(wrapped, {".*z/.*": SGD(0.1)}))).apply(tree, model)
    assert set(seen) == {jax.tree.structure({key: tree[key] for key in ("z-a", "norm")})}
