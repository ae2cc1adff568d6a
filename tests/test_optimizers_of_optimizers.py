"""Optimizers around others: dynamic loss scaling, and one optimizer for each group of parameters."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import optimizers
from jaxlayers.core import Variable
from jaxlayers.optimizers import SGD, Adam, AdamW, LossScaleOptimizer, MultiOptimizer, OptimizerMap
from tests.optimizer_cases import (
    assert_equal_states,
    assert_same_bits,
    by_name,
    decaying,
    gradients_of,
    make_variables,
)


def loss_scale(lib):
    adam = lib.Adam(0.1, clipnorm=0.7, weight_decay=0.1, use_ema=True, ema_momentum=0.8)
    return lib.LossScaleOptimizer(adam, initial_scale=8.0, dynamic_growth_steps=3)


def multi(lib):
    by_pattern = {".*kernel": lib.SGD(0.2, momentum=0.9, clipnorm=0.5), ".*scale": lib.Lion(0.05)}
    return lib.MultiOptimizer(lib.OptimizerMap(lib.Adam(decaying(lib), weight_decay=0.1), by_pattern), 4.0)


def scaled_gradients(step, scale):
    """Gradients of a scaled loss, of which some are not finite."""
    gradients = [gradient * scale for gradient in gradients_of(step)]
    if step in (2, 7):
        gradients[1] = gradients[1].at[0].set(jnp.inf if step == 2 else jnp.nan)
    return gradients


def run_keras(optimizer, variables, gradients_at):
    optimizer.build(variables)
    step = jax.jit(optimizer.stateless_apply)
    params, slots = [v.value for v in variables], [v.value for v in optimizer.variables]
    for i in range(10):
        params, slots = step(slots, gradients_at(i, slots), params)
    for variable, value in zip([*variables, *optimizer.variables], [*params, *slots], strict=True):
        variable.assign(value)


@pytest.mark.parametrize("compiled", [False, True])
def test_loss_scaling_equals_keras(compiled):
    ours, theirs = loss_scale(optimizers), loss_scale(keras.optimizers)
    variables, their_variables = make_variables(Variable), make_variables(keras.Variable)
    apply = jl.jit(lambda gradients: ours.apply(gradients, variables)) if compiled else ours.apply
    assert float(ours.scale_loss(jnp.float32(2.0))) == 16
    for i in range(10):
        before = [variable.numpy() for variable in (*variables, *ours.variables[4:])]
        apply(scaled_gradients(i, ours.dynamic_scale.value), *([] if compiled else [variables]))
        if i in (2, 7):  # left out
            assert_same_bits(before, [variable.numpy() for variable in (*variables, *ours.variables[4:])])
    run_keras(theirs, their_variables, lambda i, slots: scaled_gradients(i, slots[3]))
    assert_equal_states((theirs, their_variables), (ours, variables))
    assert int(ours.iterations) == 8 and float(ours.dynamic_scale) == 4
    ours.finalize_variable_values(variables)
    assert_same_bits([v.value for v in variables], [average.value for _, average in ours.moving_averages])


def test_several_optimizers_equal_keras():
    ours, theirs = multi(optimizers), multi(keras.optimizers)
    variables, their_variables = make_variables(Variable), make_variables(keras.Variable)
    for i in range(10):
        ours.apply_gradients(zip(gradients_of(i), variables, strict=True))
    run_keras(theirs, their_variables, lambda i, _: gradients_of(i))
    assert_equal_states((theirs, their_variables), (ours, variables))
    assert int(ours.iterations) == 10 and float(ours.scale_loss(2.0)) == 8
    assert [type(one).__name__ for one in ours.optimizers] == ["SGD", "Lion", "Adam"]


@pytest.mark.parametrize("make", [loss_scale, multi])
def test_optax_form_equals_facade_bit_for_bit(make):
    optimizer, variables = make(optimizers), make_variables(Variable)
    transformation = make(optimizers).to_optax()
    params = by_name([variable.value for variable in variables])
    state = transformation.init(params)

    @jax.jit
    def step(gradients, state, params):
        updates, state = transformation.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    for i in range(4):
        scale = optimizer.dynamic_scale.value if make is loss_scale else 1
        gradients = scaled_gradients(i, scale) if make is loss_scale else gradients_of(i)
        optimizer.apply(gradients, variables)
        params, state = step(by_name(gradients), state, params)
    assert_same_bits(params, by_name([variable.value for variable in variables]))
    if make is loss_scale:
        assert_same_bits([state.step_counter, state.dynamic_scale], [v.value for v in optimizer.variables[2:4]])


@pytest.mark.parametrize("make", [loss_scale, multi])
def test_stateless_apply_copies_and_saved_variables(make):
    optimizer, variables = make(optimizers), make_variables(Variable)
    optimizer.build(variables)
    params, slots = [v.value for v in variables], [v.value for v in optimizer.variables]
    step = jax.jit(optimizer.stateless_apply)
    for i in range(3):
        params, slots = step(slots, gradients_of(i), params)
        optimizer.apply(gradients_of(i))
    assert_same_bits(params, [v.value for v in variables])
    assert_same_bits(slots, [v.value for v in optimizer.variables])
    twins = [copy.deepcopy((optimizer, variables)), pickle.loads(pickle.dumps((optimizer, variables)))]
    store = {}
    optimizer.save_own_variables(store)
    optimizer.apply(gradients_of(3))
    for twin, parameters in twins:
        twin.apply(gradients_of(3), parameters)
        assert_same_bits([v.value for v in parameters], [v.value for v in variables])
        twin.load_own_variables(store)
        assert_same_bits(slots, [v.value for v in twin.variables])
    assert len({id(v) for _, v in optimizer._tracked_walk.entries}) == len(optimizer.variables)
    assert {variable.role for _, variable in optimizer._tracked_walk.entries} == {"slot"}


@pytest.mark.parametrize("make", [loss_scale, multi])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_configs_equal_keras(make):
    jl.utils.clear_session(free_memory=False)
    keras.utils.clear_session()
    ours, theirs = make(optimizers), make(keras.optimizers)
    config = keras.optimizers.serialize(theirs)
    assert optimizers.serialize(ours) == config
    again = optimizers.deserialize(config)
    assert type(again) is type(ours) and again.get_config() == ours.get_config()
    assert keras.optimizers.deserialize(optimizers.serialize(ours)).get_config() == theirs.get_config()


def test_a_model_trains_with_loss_scaling():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(48, 3)).astype("float32"), rng.normal(size=(48, 1)).astype("float32")
    results = []
    for optimizer in (SGD(0.1), LossScaleOptimizer(SGD(0.1), dynamic_growth_steps=2)):
        jl.utils.set_random_seed(1)
        model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(4), jl.layers.Dense(1)])
        model.compile(optimizer, "mse")
        losses = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
        results.append([*losses, *model.get_weights()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert float(model.optimizer.dynamic_scale) == 2.0**15 * 8 and int(model.optimizer.iterations) == 6
    model.optimizer.learning_rate = 0.5
    assert float(model.optimizer.inner_optimizer.learning_rate) == 0.5
    model.optimizer.dynamic_scale.assign(np.inf)  # nothing is finite any more
    before = model.get_weights()
    model.train_on_batch(x, y)
    assert_same_bits(before, model.get_weights())


def test_a_model_trains_with_several_optimizers_and_frozen_parts():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)).astype("float32"), rng.normal(size=(32, 1)).astype("float32")
    model = jl.Sequential([jl.Input((3,)), jl.layers.Dense(4, name="first"), jl.layers.Dense(1, name="second")])
    paths = [variable.path for variable in model.trainable_variables]
    first = paths[0].rpartition("/")[0]
    by_pattern = {f"{first}/.*": None, paths[3]: SGD(0.5)}
    optimizer = MultiOptimizer(OptimizerMap(Adam(0.01), by_pattern))
    model.compile(LossScaleOptimizer(optimizer, initial_scale=4.0), "mse")
    before = model.get_weights()
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True]
    assert [len(one.variables) for one in optimizer.optimizers] == [2, 4]  # frozen parameters have no slots


# Learning rates and freezing by path in one optimizer.


def test_learning_rates_by_path():
    plain, plain_variables = AdamW(0.1), make_variables(Variable)
    optimizer, variables = AdamW(0.1), make_variables(Variable)
    optimizer.multiply_learning_rates({"kern.*": 0.5, "scale": 0.0})
    before = [variable.numpy() for variable in variables]
    for one, those in ((plain, plain_variables), (optimizer, variables)):
        one.apply(gradients_of(0), those)
    steps = [after.numpy() - old for after, old in zip(variables, before, strict=True)]
    full = [after.numpy() - old for after, old in zip(plain_variables, before, strict=True)]
    np.testing.assert_allclose(steps[0], full[0] / 2, rtol=1e-4)
    np.testing.assert_array_equal(steps[1], full[1])
    assert steps[2] == 0
    optimizer.multiply_learning_rates({})  # also later
    kernel = variables[0].numpy()
    optimizer.apply([jnp.zeros_like(g) for g in gradients_of(0)], variables)
    assert not np.allclose(kernel, variables[0]) and float(variables[2]) != before[2]
    half = AdamW(0.1)
    half.multiply_learning_rates({"kernel": 0.5})
    again = optimizers.deserialize(optimizers.serialize(half))
    assert again.get_config() == half.get_config() and again._rate_factors == {"kernel": 0.5}
    assert "learning_rate_factors" not in plain.get_config()
    params = by_name([variable.value for variable in variables])
    transformation = half.to_optax()
    updates, _ = transformation.update(by_name(gradients_of(1)), transformation.init(params), params)
    whole, _ = plain.to_optax().update(by_name(gradients_of(1)), plain.to_optax().init(params), params)
    np.testing.assert_allclose(updates["kernel"], whole["kernel"] / 2, rtol=1e-6)
    np.testing.assert_array_equal(updates["bias"], whole["bias"])


def test_patterns_match_with_and_without_the_name_of_the_model():
    by_pattern = OptimizerMap(Adam(), {"encoder/.*": None, "model/decoder/(kernel|bias)": SGD(), "exact+": SGD()})
    assert by_pattern["model/encoder/kernel"] is None and by_pattern["encoder/kernel"] is None
    assert type(by_pattern["model/decoder/bias"]) is SGD and by_pattern["decoder/bias"] is by_pattern.default_optimizer
    assert by_pattern["exact+"] is not by_pattern.default_optimizer
    assert len(by_pattern) == 3 and next(iter(by_pattern)) == "encoder/.*"
    del by_pattern["exact+"]
    by_pattern[".*/bias"] = SGD()
    with pytest.raises(ValueError, match=r"'model/decoder/bias' matches several patterns: .*'\.\*/bias'"):
        by_pattern["model/decoder/bias"]


def test_any_function_of_a_variable_chooses():
    small, large = SGD(0.1), SGD(1.0)
    optimizer = MultiOptimizer(lambda variable: None if variable.name == "bias" else small if variable.ndim else large)
    variables = make_variables(Variable)
    before = [variable.numpy() for variable in variables]
    ones = [jnp.ones(variable.shape) for variable in variables]
    optimizer.apply(ones, variables)
    steps = [np.max(old - new) for old, new in zip(before, variables, strict=True)]
    np.testing.assert_allclose(steps, [0.1, 0, 1], rtol=1e-5)
    with pytest.raises(TypeError, match="neither a name"):
        optimizers.serialize(optimizer)


# Variables that take the value of their gradient.


@pytest.mark.parametrize("case", ["plain", "accumulating", "scaling", "several"])
def test_overwriting_with_the_gradient_equals_keras(case):
    def make(lib):
        adam = lib.Adam(0.1, weight_decay=0.1, clipnorm=0.5, gradient_accumulation_steps=3 if "acc" in case else None)
        if case == "scaling":
            return lib.LossScaleOptimizer(adam, initial_scale=8.0, dynamic_growth_steps=2)
        if case == "several":
            return lib.MultiOptimizer(lib.OptimizerMap(adam, {".*kernel": lib.SGD(0.1)}))
        return adam

    ours, theirs = make(optimizers), make(keras.optimizers)
    variables, their_variables = make_variables(Variable), make_variables(keras.Variable)
    variables[1].overwrite_with_gradient = their_variables[1].overwrite_with_gradient = True
    for i in range(10):
        ours.apply(gradients_of(i), variables)
    run_keras(theirs, their_variables, lambda i, _: gradients_of(i))
    assert_equal_states((theirs, their_variables), (ours, variables))


# What is refused, and how.


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LossScaleOptimizer(3), TypeError, "inner_optimizer must be an optimizer; received 3"),
        (lambda: LossScaleOptimizer(SGD(), clipnorm=1.0), ValueError, "does not take clipnorm: pass them to inner"),
        (lambda: LossScaleOptimizer(SGD(), dynamic=False), ValueError, "does not take dynamic"),
        (lambda: MultiOptimizer({"a": SGD()}), TypeError, "must be an OptimizerMap or a function"),
        (lambda: MultiOptimizer(OptimizerMap(SGD())).learning_rate, AttributeError, "one of its `optimizers`"),
        (lambda: OptimizerMap("sgd"), TypeError, "default_optimizer must be an optimizer; received 'sgd'"),
        (lambda: OptimizerMap(SGD(), [SGD()]), TypeError, "must be a dict of optimizers by pattern"),
        (
            lambda: OptimizerMap(SGD(), {"a": 0.1}),
            ValueError,
            "Expected an optimizer for the pattern 'a'; received 0.1",
        ),
        (lambda: OptimizerMap(SGD(), {"a(": SGD()}), ValueError, r"'a\(' is not a regular expression"),
        (lambda: OptimizerMap(SGD(), {"a": LossScaleOptimizer(SGD())}), ValueError, "around the MultiOptimizer"),
        (lambda: SGD().multiply_learning_rates({"a": -1}), ValueError, "The factor of 'a' must be between 0 and inf"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_pattern_cannot_be_taken_twice():
    by_pattern = OptimizerMap(SGD(), {"a": None})
    with pytest.raises(ValueError, match="'a' has an optimizer already"):
        by_pattern["a"] = SGD()
    optimizer = MultiOptimizer(lambda variable: "sgd")
    with pytest.raises(ValueError, match="Expected an optimizer for 'multi_optimizer'; received 'sgd'"):
        optimizer.build([Variable(1.0)])
    assert not optimizer.built


def test_the_inner_optimizer_may_be_replaced():
    optimizer = optimizers.LossScaleOptimizer(optimizers.Adam())
    optimizer.inner_optimizer = inner = optimizers.SGD(0.5)
    assert optimizer.inner_optimizer is inner and optimizer.learning_rate == 0.5
