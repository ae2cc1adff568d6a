"""Optimizers: names and configs as in Keras, optax transformations, and refused arguments."""

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
from jaxlayers.optimizers import SGD, Adam, AdamW, Nadam, OptaxOptimizer, Optimizer, RMSprop
from tests.optimizer_cases import (
    COMMON,
    PLAIN,
    assert_same_bits,
    by_name,
    decaying,
    gradients_of,
    make,
    make_variables,
    named,
)

# Configs.

KERAS_CONFIG = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2


@KERAS_CONFIG
@pytest.mark.parametrize(
    "case", [case for case in PLAIN + COMMON if not named(case).startswith("RMSprop-l")], ids=named
)
def test_configs_equal_keras(case):
    theirs, ours = make(keras.optimizers, case), make(optimizers, case)
    expected = keras.optimizers.serialize(theirs)
    expected["config"]["name"] = ours.name
    assert optimizers.serialize(ours) == expected
    again = optimizers.deserialize(expected)
    assert type(again) is type(ours) and again.get_config() == ours.get_config()
    assert expected["config"]["name"] == ours.name  # what was handed in is as it was


@KERAS_CONFIG
@pytest.mark.parametrize("name", ["sgd", "SGD", "rmsprop", "RMSprop", "adam", "ADAM", "adamw", "AdamW", "nadam"])
def test_names_are_found_in_any_case_as_in_keras(name):
    ours, theirs = optimizers.get(name), keras.optimizers.get(name)
    assert {**theirs.get_config(), "name": ours.name} == ours.get_config()


def test_names_are_made_as_in_keras():
    keras.utils.clear_session()
    names = [getattr(keras.optimizers, name)().name for name in ("SGD", "RMSprop", "AdamW", "AdamW")]
    assert [getattr(optimizers, name)().name for name in ("SGD", "RMSprop", "AdamW", "AdamW")] == names


def test_identifiers():
    optimizer = Adam()
    assert optimizers.get(optimizer) is optimizer and optimizers.get(None) is None
    assert type(optimizers.get(Nadam)) is Nadam
    assert type(optimizers.get(optax.sgd(0.1))) is OptaxOptimizer
    with pytest.raises(ValueError, match=r"Unknown optimizer: 'adamm'.*'adam'"):
        optimizers.get("adamm")
    with pytest.raises(ValueError, match="or an optax transformation; received 3"):
        optimizers.get(3)


def test_configs_with_classes_of_ones_own():
    class Own(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5

        def get_config(self):
            return {}

    class Mine(SGD):
        pass

    config = optimizers.serialize(Mine(Own()))
    again = optimizers.deserialize(config, custom_objects={"Mine": Mine, "Own": Own})
    assert config["registered_name"] == "Mine" and type(again) is Mine
    assert type(Mine.from_config(config["config"], {"Own": Own})._learning_rate) is Own


def test_saved_variables_come_back():
    optimizer, variables = Nadam(0.1), make_variables(Variable)
    optimizer.apply(gradients_of(0), variables)
    store = {}
    optimizer.save_own_variables(store)
    twin = Nadam(0.3)
    twin.build(make_variables(Variable))
    twin.load_own_variables(store)
    assert_same_bits([v.value for v in optimizer.variables], [v.value for v in twin.variables])
    with pytest.raises(ValueError, match="the file has more: '2' of shape"):
        Nadam().load_own_variables(store)
    store["8"] = np.zeros(2)
    with pytest.raises(ValueError, match="u_product"):
        twin.load_own_variables({**store, "0": np.int32(7)})
    assert int(twin.iterations) == 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_go_on_by_themselves(duplicate):
    optimizer, variables = Adam(decaying(optimizers), use_ema=True), make_variables(Variable)
    optimizer.apply(gradients_of(0), variables)
    twin, twins = duplicate((optimizer, variables))
    before = [variable.numpy() for variable in variables]
    twin.apply(gradients_of(1), twins)
    assert_same_bits(before, [variable.value for variable in variables])
    optimizer.apply(gradients_of(1), variables)
    assert_same_bits(
        [v.value for v in (*variables, *optimizer.variables)], [v.value for v in (*twins, *twin.variables)]
    )


# optax's own.


def label(params):
    return {path: "kernel" if "kernel" in path else "rest" for path in params}


TRANSFORMATIONS = {
    "adamw": lambda: optax.adamw(0.1, weight_decay=0.1),
    "chain": lambda: optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(optax.cosine_decay_schedule(0.1, 5), 0.9)),
    "filled with other numbers": lambda: optax.rmsprop(0.1, initial_scale=0.3, centered=True, momentum=0.9),
    "hyperparameters": lambda: optax.inject_hyperparams(optax.adam)(0.1),
    "a random key": lambda: optax.chain(optax.add_noise(0.1, 0.5, key=3), optax.sgd(0.1)),
    "a copy of the parameters": lambda: optax.contrib.schedule_free_sgd(0.1),
    "labels by path": lambda: optax.multi_transform({"kernel": optax.sgd(0.1, 0.9), "rest": optax.adam(0.1)}, label),
    "every second time": lambda: optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
}


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_an_optax_transformation_does_what_it_does_alone(name):
    transformation = TRANSFORMATIONS[name]()
    optimizer, variables = optimizers.get(TRANSFORMATIONS[name]()), make_variables(Variable)
    params = {variable.name: variable.value for variable in variables}
    state = transformation.init(params)

    @jax.jit
    def step(gradients, state, params):
        updates, state = transformation.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jl.jit(lambda gradients: optimizer.apply(gradients, variables))
    for i in range(4):
        (compiled if i else optimizer.apply)(gradients_of(i), *([] if i else [variables]))
        params, state = step(by_name(gradients_of(i)), state, params)
    for variable in variables:
        np.testing.assert_allclose(variable, params[variable.name], rtol=1e-6, atol=1e-7, err_msg=variable.name)
    assert len(optimizer.variables) == 2 + len(jax.tree.leaves(state))


def test_an_optax_transformation_gets_what_the_facade_adds():
    plain, variables = SGD(0.1, gradient_accumulation_steps=2, use_ema=True), make_variables(Variable)
    wrapped = OptaxOptimizer(optax.sgd(0.2), 0.5, gradient_accumulation_steps=2, use_ema=True)
    others = make_variables(Variable)
    for i in range(4):
        plain.apply(gradients_of(i), variables)
        wrapped.apply(gradients_of(i), others)
    for a, b in zip([*variables, *plain.variables[2:]], [*others, *wrapped.variables[2:]], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_optax_transformation_has_no_config():
    with pytest.raises(NotImplementedError, match="wraps an optax transformation"):
        optimizers.serialize(OptaxOptimizer(optax.sgd(0.1)))
    with pytest.raises(TypeError, match=r"Expected an optax\.GradientTransformation; received 3"):
        OptaxOptimizer(3)


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clipnorm": 1.0, "clipvalue": 2.0}, "Only one of clipnorm, clipvalue, global_clipnorm"),
        ({"global_clipnorm": -1.0}, "global_clipnorm must not be negative"),
        ({"use_ema": True, "ema_momentum": 1.5}, r"ema_momentum must be between 0 and 1; received 1\.5"),
        ({"use_ema": True, "ema_overwrite_frequency": 2.5}, "ema_overwrite_frequency must be an integer"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps must be an integer of at least 2"),
        ({"momentum": 1.5}, "momentum must be between 0 and 1"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        SGD(**arguments)


def test_adamw_needs_a_weight_decay():
    with pytest.raises(ValueError, match="weight_decay must be a number"):
        AdamW(weight_decay=None)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda o, v, g: o.apply([g[0], g[0], g[2]], v), ValueError, r"'bias'.*shape \(4,\); received shape \(3, 2\)"),
        (lambda o, v, g: o.apply(g[:2], v), ValueError, "expected 3 gradients; received 2"),
        (lambda o, v, g: o.apply(g[:2]), ValueError, "expected 3 gradients; received 2"),
        (lambda o, v, g: o.apply([None] * 3, v), ValueError, "no gradient for any variable"),
        (lambda o, v, g: o.apply([g[0], g[0]], [v[0], v[0]]), ValueError, "'kernel' was given to 'adam' twice"),
        (lambda o, v, g: o.apply([1.0], [Variable(2.0, name="new")]), ValueError, "'new' is unknown to 'adam'"),
        (lambda o, v, g: o.apply([1.0], [jnp.ones(())]), TypeError, "expected variables; received float32"),
        (lambda o, v, g: o.stateless_apply([], g, v), ValueError, "'adam' has 8 optimizer_variables; received 0"),
        (
            lambda o, v, g: o.stateless_apply([x.value for x in o.variables], g, v[::-1]),
            ValueError,
            r"do not fit 'adam': kernel must have shape \(3, 2\), received \(\)",
        ),
        (lambda o, v, g: o.set_weights([0, 1]), ValueError, "has 8 variables; received 2"),
    ],
)
def test_bad_calls_change_nothing(call, error, message):
    optimizer, variables = Adam(0.1), make_variables(Variable)
    optimizer.apply(gradients_of(0), variables)
    before = [variable.numpy() for variable in (*variables, *optimizer.variables)]
    with pytest.raises(error, match=message):
        call(optimizer, variables, gradients_of(1))
    assert_same_bits(before, [variable.numpy() for variable in (*variables, *optimizer.variables)])


def test_a_bad_first_call_leaves_the_optimizer_unbuilt():
    optimizer, variables = Adam(0.1), make_variables(Variable)
    for call in (lambda: optimizer.apply([jnp.ones(1)] * 3, variables), lambda: optimizer.apply(gradients_of(0))):
        with pytest.raises(ValueError, match=r"The gradient of .* must have shape|has no variables yet"):
            call()
    assert not optimizer.built and len(optimizer.variables) == 2
    optimizer.apply([], variables)
    with pytest.raises(ValueError, match="received no pairs"):
        optimizer.apply_gradients([])


def test_the_base_class_says_how_to_go_on():
    with pytest.raises(NotImplementedError, match=r"update_step.*_direction.*OptaxOptimizer"):
        Optimizer(0.1).build([Variable(1.0)])
    assert issubclass(RMSprop, Optimizer)
