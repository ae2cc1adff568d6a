"""Optimizers against Keras."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import optimizers
from jaxlayers.core import Variable
from jaxlayers.optimizers import SGD, Adam, AdamW, Nadam
from tests.optimizer_cases import (
    COMMON,
    NEW,
    PLAIN,
    assert_equal_states,
    assert_same_bits,
    by_name,
    decaying,
    gradients_of,
    make,
    make_both,
    make_variables,
    named,
    run_keras,
)

# Keras is the oracle.


@pytest.mark.parametrize("case", PLAIN + COMMON, ids=named)
def test_ten_steps_equal_keras(case):
    theirs, ours = make_both(case)
    for step in range(10):
        optimizer, variables = ours
        assert int(optimizer.apply_gradients(zip(gradients_of(step), variables, strict=True))) == step + 1
    run_keras(*theirs, [gradients_of(step) for step in range(10)])
    assert_equal_states(theirs, ours)
    assert int(ours[0].iterations) == int(theirs[0].iterations)
    assert float(ours[0].learning_rate) == pytest.approx(float(theirs[0].learning_rate), rel=1e-6)


@pytest.mark.parametrize("case", [("SGD", {"momentum": 0.9}), ("RMSprop", {"momentum": 0.5})], ids=named)
def test_bfloat16_parameters_equal_keras(case):
    theirs, ours = make_both(case, "bfloat16")
    for step in range(10):
        for optimizer, variables in (theirs, ours):
            optimizer.apply(gradients_of(step, "bfloat16"), variables)
    assert_equal_states(theirs, ours, rtol=0.04, atol=0.02)


@pytest.mark.parametrize("case", [("Adam", {}), ("AdamW", {"weight_decay": 0.1}), ("Nadam", {})], ids=named)
def test_bfloat16_parameters_learn_like_float32(case):
    # Keras's correction factors are computed in bfloat16: with beta_2 = 0.999 they stop Adam and break Nadam.
    variables, exact = make_variables(Variable, "bfloat16"), make_variables(Variable)
    before = [np.asarray(variable, "float32") for variable in variables]
    optimizer, exact_optimizer = make(optimizers, case), make(optimizers, case)
    for step in range(10):
        optimizer.apply(gradients_of(step, "bfloat16"), variables)
        exact_optimizer.apply(gradients_of(step), exact)
    for variable, old, wanted in zip(variables, before, exact, strict=True):
        assert variable.value.dtype == "bfloat16" and np.abs(np.asarray(variable, "float32") - old).max() > 0.3
        np.testing.assert_allclose(np.asarray(variable, "float32"), wanted, atol=0.05)


def test_gradients_in_another_dtype_are_cast_to_that_of_their_variable():
    theirs, ours = make_both(("Adam", {}))
    for optimizer, variables in (theirs, ours):
        optimizer.apply(gradients_of(0, "bfloat16"), variables)
    assert_equal_states(theirs, ours)


@pytest.mark.parametrize(
    "case", [("Adam", {}), ("SGD", {"gradient_accumulation_steps": 2, "global_clipnorm": 0.5})], ids=named
)
def test_constraints_equal_keras(case):
    theirs, ours = make_both(case)
    for _, variables in (theirs, ours):
        variables[0].constraint = lambda w: jnp.clip(jnp.asarray(w), -0.2, 0.4)
    for step in range(5):
        for optimizer, variables in (theirs, ours):
            optimizer.apply(gradients_of(step), variables)
    assert_equal_states(theirs, ours)
    assert np.max(ours[1][0]) == np.float32(0.4)


@pytest.mark.parametrize(
    "case",
    [
        ("Adam", {"weight_decay": 0.1, "use_ema": True, "ema_overwrite_frequency": 2, "ema_momentum": 0.6}),
        ("SGD", {"momentum": 0.9, "gradient_accumulation_steps": 2}),
        ("RMSprop", {"global_clipnorm": 0.5}),
        ("Nadam", {}),
    ],
    ids=named,
)
def test_variables_without_a_gradient_are_left_alone_as_in_keras(case):
    theirs, ours = make_both(case)
    for step in range(4):
        gradients = gradients_of(step)
        if step in (1, 2):
            gradients[step - 1] = None
        for optimizer, variables in (theirs, ours):
            if step in (1, 2):
                with pytest.warns(UserWarning, match=variables[step - 1].name):
                    optimizer.apply(gradients, variables)
            else:
                optimizer.apply(gradients, variables)
    assert_equal_states(theirs, ours)


def test_some_of_the_known_variables_equal_keras():
    theirs, ours = make_both(("Adam", {"weight_decay": 0.1}))
    for step in range(4):
        chosen = [2, 0] if step % 2 else [0, 1, 2]
        for optimizer, variables in (theirs, ours):
            gradients = gradients_of(step)
            optimizer.apply_gradients([(gradients[i], variables[i]) for i in chosen])
    assert_equal_states(theirs, ours, rtol=2e-5, atol=2e-6)


def test_exclusion_from_weight_decay_equals_keras():
    theirs, ours = make_both(("SGD", {"weight_decay": 0.5}))
    for optimizer, variables in (theirs, ours):
        optimizer.exclude_from_weight_decay(var_list=[variables[0]], var_names=["^sc", "nothing"])
        optimizer.apply(gradients_of(0), variables)
    assert_equal_states(theirs, ours)
    with pytest.raises(ValueError, match="has been built"):
        ours[0].exclude_from_weight_decay(var_names=["bias"])


def test_exclusion_tells_variables_of_one_name_apart():
    first, second = Variable([1.0], name="w"), Variable([1.0], name="w")
    optimizer = SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[second])
    optimizer.apply([jnp.zeros(1), jnp.zeros(1)], [first, second])
    assert (float(first[0]), float(second[0])) == (0.5, 1.0)


@pytest.mark.parametrize("steps", [0, 3])
def test_finalizing_takes_the_averages(steps):
    case = ("SGD", {"use_ema": True, "ema_momentum": 0.7})
    theirs, ours = make_both(case)
    for optimizer, variables in (theirs, ours):
        optimizer.build(variables)
        for step in range(steps):
            optimizer.apply(gradients_of(step), variables)
    before = [variable.numpy() for variable in ours[1]]
    ours[0].finalize_variable_values(ours[1])
    if steps:
        theirs[0].finalize_variable_values(theirs[1])
        assert_equal_states(theirs, ours)
        ours[1][0].assign(before[0])
        ours[0].finalize_variable_values(ours[1][1:])  # the others were frozen since
        np.testing.assert_array_equal(ours[1][0], before[0])
        with pytest.raises(ValueError, match="'new' is unknown"):
            ours[0].finalize_variable_values([Variable(2.0, name="new")])
    else:
        assert_same_bits(before, [variable.value for variable in ours[1]])


def test_loss_is_scaled():
    assert float(SGD(loss_scale_factor=8.0).scale_loss(jnp.float32(0.5))) == 4.0
    assert float(SGD().scale_loss(jnp.float32(0.5))) == 0.5


def test_slots_are_called_as_in_keras():
    arguments = {"amsgrad": True, "use_ema": True, "gradient_accumulation_steps": 2}
    theirs, ours = make_both(("Adam", arguments))
    for optimizer, variables in (theirs, ours):
        optimizer.build(variables)
        optimizer.build(variables)
    assert [v.name for v in ours[0].variables] == [v.name for v in theirs[0].variables]
    assert {variable.role for _, variable in ours[0]._tracked_walk.entries} == {"slot"}
    assert len(ours[0]._tracked_walk.entries) == len(ours[0].variables)


# One pure function.


BITS = [*PLAIN[2:9:3], *COMMON[:3], *COMMON[4:5], *COMMON[7:9], COMMON[10], COMMON[13]]
BITS += [("Nadam", {"beta_1": 0.6}), *[case for case in COMMON if case[0] in NEW and "use_ema" in case[1]]]


@pytest.mark.parametrize("case", BITS, ids=named)
def test_optax_form_equals_facade_bit_for_bit(case):
    optimizer, variables = make(optimizers, case), make_variables(Variable)
    transformation = make(optimizers, case).to_optax()
    params = {variable.name: variable.value for variable in variables}
    state = transformation.init(params)

    @jax.jit
    def step(gradients, state, params):
        updates, state = transformation.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    for i in range(4):
        gradients = gradients_of(i)
        optimizer.apply(gradients, variables)
        params, state = step(by_name(gradients), state, params)
    assert_same_bits(params, {variable.name: variable.value for variable in variables})
    held = {variable.path: variable.value for variable in optimizer.variables}
    assert len(jax.tree.leaves(state)) == len(held)
    for leaf in jax.tree.leaves(state):
        assert any(leaf.shape == value.shape and np.array_equal(leaf, value) for value in held.values())


def test_optax_form_overwrites_with_the_average():
    case = ("SGD", {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2})
    optimizer, variables = make(optimizers, case), make_variables(Variable)
    transformation = optimizer.to_optax()
    params = {variable.name: variable.value for variable in variables}
    state = transformation.init(params)
    for i in range(4):
        optimizer.apply(gradients_of(i), variables)
        updates, state = transformation.update(by_name(gradients_of(i)), state, params)
        params = optax.apply_updates(params, updates)
    for variable in variables:
        np.testing.assert_allclose(params[variable.name], variable, rtol=1e-5)
    with pytest.raises(ValueError, match="use_ema needs the parameters"):
        transformation.update(params, state)


def test_optax_form_on_a_nested_tree_knows_what_does_not_decay():
    kernel = Variable(np.ones(2), name="kernel")
    optimizer = SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[kernel], var_names=["bias"])
    transformation = optimizer.to_optax()
    params = {"a": {"kernel": jnp.ones(2), "bias": jnp.ones(2)}, "kernel": jnp.ones(2)}
    updates, _ = transformation.update(jax.tree.map(jnp.zeros_like, params), transformation.init(params), params)
    decayed = jax.tree.map(lambda update: bool((update == -0.5).all()), updates)
    assert decayed == {"a": {"kernel": True, "bias": False}, "kernel": False}
    with pytest.raises(ValueError, match="Weight decay needs the parameters"):
        transformation.update(params, transformation.init(params))


def test_optax_form_in_a_chain_with_a_learning_rate_of_its_own():
    transformation = optax.chain(optax.clip_by_global_norm(1.0), Adam(1e-3).to_optax())
    params = [jnp.ones(3), {"x": jnp.zeros((2, 2))}]
    state = transformation.init(params)
    gradients = jax.tree.map(lambda p: p + 1, params)
    slow, _ = jax.jit(transformation.update)(gradients, state, params)
    state = (state[0], state[1]._replace(learning_rate=2e-3))
    fast, _ = jax.jit(transformation.update)(gradients, state, params)
    assert jax.tree.structure(slow) == jax.tree.structure(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(2 * a, b, rtol=1e-6), slow, fast)


@pytest.mark.parametrize("case", [("Adam", {"learning_rate": decaying}), COMMON[-1]], ids=named)
def test_stateless_apply_equals_apply(case):
    optimizer, variables = make(optimizers, case), make_variables(Variable)
    optimizer.build(variables)
    params, slots = [v.value for v in variables], [v.value for v in optimizer.variables]
    step = jax.jit(optimizer.stateless_apply)
    for i in range(3):
        params, slots = step(slots, gradients_of(i), params)
    assert int(optimizer.iterations) == 0
    for i in range(3):
        optimizer.apply(gradients_of(i))
    assert_same_bits(params, [v.value for v in variables])
    assert_same_bits(slots, [v.value for v in optimizer.variables])


def test_one_compilation_serves_all_variables(caplog):
    variables = [Variable(np.full((i + 2, 3), 0.5, "float32")) for i in range(6)]
    gradients = [np.ones(variable.shape, "float32") for variable in variables]
    optimizer = AdamW(decaying(optimizers), clipnorm=0.3, use_ema=True)
    with jax.log_compiles():
        for _ in range(3):
            optimizer.apply(gradients, variables)
    compiled = [record.message for record in caplog.records if "Finished XLA compilation" in record.message]
    assert len(compiled) == 1, compiled


def test_a_changed_attribute_counts_from_the_next_update_on():
    variables = make_variables(Variable)
    optimizer = SGD(1.0)
    zeros = [jnp.zeros(variable.shape) for variable in variables]
    optimizer.apply(zeros, variables)
    before = variables[0].numpy()
    optimizer.weight_decay = 0.5
    optimizer.apply(zeros, variables)
    np.testing.assert_allclose(variables[0], before / 2)
    optimizer.learning_rate = 0.0
    update = optimizer._compiled_update
    optimizer.apply(zeros, variables)
    np.testing.assert_allclose(variables[0], before / 2)
    assert optimizer._compiled_update is update  # a learning rate is an argument, and compiles nothing


# Inside transformations.


@pytest.mark.parametrize("case", [("Nadam", {}), ("SGD", {"learning_rate": decaying, "momentum": 0.9})], ids=named)
def test_first_use_in_a_compiled_step(case):
    eager, eager_variables = make(optimizers, case), make_variables(Variable)
    optimizer, variables = make(optimizers, case), make_variables(Variable)
    traces = []

    @jl.jit
    def step(gradients):
        traces.append(1)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

    for i in range(3):
        step(gradients_of(i))
        eager.apply(gradients_of(i), eager_variables)
    assert len(traces) <= 2 and int(optimizer.iterations) == 3
    for a, b in zip([*variables, *optimizer.variables], [*eager_variables, *eager.variables], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7, err_msg=a.path)


def test_the_learning_rate_is_no_constant_of_a_compiled_step():
    variable, optimizer = Variable([1.0]), SGD(0.5)
    traces = []

    @jl.jit
    def step():
        traces.append(1)
        optimizer.apply([jnp.ones(1)], [variable])

    step()
    step()
    count = len(traces)
    optimizer.learning_rate = 0.25
    step()
    assert float(variable[0]) == -0.25 and len(traces) == count


@pytest.mark.filterwarnings("ignore:jax.jit of")
def test_a_bare_transformation_is_refused_and_nothing_changes():
    variable, optimizer = Variable([1.0], name="w"), Adam(0.5)
    with pytest.raises(jl.BareTransformationError, match="'w' was written"):
        jax.jit(lambda gradient: optimizer.apply([gradient], [variable]))(jnp.ones(1))
    assert float(variable[0]) == 1.0 and int(optimizer.iterations) == 0
    assert not any(np.asarray(slot).any() for slot in optimizer.variables[2:])
    optimizer.apply([jnp.ones(1)], [variable])
    assert float(variable[0]) == pytest.approx(0.5, rel=1e-4)


def test_slots_lie_where_their_parameters_lie():
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    variable = Variable(np.ones(3), sharding=place)
    optimizer = Nadam()
    optimizer.build([variable])
    assert [slot.sharding for slot in optimizer.variables[2:]] == [place, place, None]


# Learning rates.


def test_the_learning_rate_can_be_set_and_replaced():
    optimizer = Adam(1e-3)
    optimizer.learning_rate = 1e-4
    assert optimizer.learning_rate is optimizer.variables[1] and float(optimizer.learning_rate) == np.float32(1e-4)
    optimizer.learning_rate = optimizers.schedules.CosineDecay(0.1, 10)
    assert len(optimizer.variables) == 1 and float(optimizer.learning_rate) == np.float32(0.1)
    with pytest.raises(TypeError, match="given by CosineDecay"):
        optimizer.learning_rate = 0.1
    variable = Variable([1.0])
    optimizer.apply([jnp.ones(1)], [variable])
    optimizer.learning_rate = lambda: 0.25
    assert float(optimizer.learning_rate) == 0.25
    before = float(variable[0])
    optimizer.apply([jnp.ones(1)], [variable])
    assert before - float(variable[0]) == pytest.approx(0.25, rel=1e-4)


def test_a_schedule_of_ones_own_may_run_python_and_read_variables():
    factor = Variable(0.5)

    class Own(optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return factor * (1.0 if step < 1 else 10.0)

    variable, optimizer = Variable([0.0]), SGD(Own())
    optimizer.apply([jnp.ones(1)], [variable])
    assert float(variable[0]) == -0.5
    factor.assign(0.25)
    optimizer.apply([jnp.ones(1)], [variable])
    assert float(variable[0]) == -3.0


@pytest.mark.parametrize("rate", ["fast", None, True, np.ones(2)])
def test_what_is_no_learning_rate_is_refused(rate):
    with pytest.raises(ValueError, match="learning_rate must be a number"):
        SGD(rate)


def test_no_variables_at_all_is_an_error():
    """Such as those of a model that is not built yet, which would never be trained."""
    optimizer, model = jl.optimizers.SGD(0.1), jl.Sequential([jl.layers.Dense(1)])
    with pytest.raises(ValueError, match="received no pairs .* before a model is built"):
        optimizer.apply_gradients(zip([], model.trainable_variables, strict=True))
    assert optimizer.iterations == 0
