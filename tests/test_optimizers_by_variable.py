"""Custom optimizers that define `update_step`: one class body for Keras and jaxlayers."""

import copy

import keras
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers.core import Variable
from tests.optimizer_cases import assert_equal_states, gradients_of, make_variables


def momentum_of(library):
    class Momentum(library.optimizers.Optimizer):
        """Momentum that counts its steps, and slows down with them."""

        def __init__(self, learning_rate=0.1, momentum=0.5, **kwargs):
            super().__init__(learning_rate=learning_rate, **kwargs)
            self.momentum = momentum

        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.first, self.second = self.add_optimizer_variables(variables, ["first", "second"], ["zeros", "ones"])
            self.last = [self.add_variable_from_reference(variable, name="last") for variable in variables]
            self.steps = self.add_variable((), name="steps")

        def update_step(self, gradient, variable, learning_rate):
            number = self._get_variable_index(variable)
            first, second = self.first[number], self.second[number]
            self.assign(first, self.momentum * first + gradient)
            self.assign_add(second, gradient * gradient)
            self.assign(self.last[number], variable)
            self.assign_add(self.steps, 1.0)
            count = library.ops.cast(self.iterations + 1, variable.dtype)
            self.assign_sub(variable, learning_rate * first / library.ops.sqrt(second) / count)

        def get_config(self):
            return {**super().get_config(), "momentum": self.momentum}

    return Momentum


def make_both(**arguments):
    return [
        (momentum_of(library)(**arguments), make_variables(variable))
        for library, variable in ((keras, keras.Variable), (jl, Variable))
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"weight_decay": 0.1, "clipnorm": 0.5},
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2, "loss_scale_factor": 4.0},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_steps_equal_keras(arguments):
    theirs, ours = make_both(**arguments)
    for step in range(5):
        for optimizer, variables in (theirs, ours):
            optimizer.apply(gradients_of(step), variables)
    assert_equal_states(theirs, ours)
    assert int(ours[0].iterations) == int(theirs[0].iterations)


def test_a_schedule_gives_the_learning_rate():
    schedules = [library.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5) for library in (keras, jl)]
    theirs, ours = [
        (momentum_of(library)(schedule), make_variables(variable))
        for library, schedule, variable in zip((keras, jl), schedules, (keras.Variable, Variable), strict=True)
    ]
    for step in range(3):
        for optimizer, variables in (theirs, ours):
            optimizer.apply(gradients_of(step), variables)
    assert_equal_states(theirs, ours)


def test_slots_belong_to_their_variables_and_copies_go_on():
    optimizer, variables = momentum_of(jl)(), make_variables(Variable)
    optimizer.build(variables)
    owners = {id(slot): owner for slot, (_, owner) in optimizer.slot_owners.items()}
    for several in (optimizer.first, optimizer.second, optimizer.last):
        assert all(owners[id(slot)] is variable for slot, variable in zip(several, variables, strict=True))
    assert id(optimizer.steps) not in owners
    optimizer.apply(gradients_of(0), variables)
    twin, twins = copy.deepcopy((optimizer, variables))
    for one, several in ((optimizer, variables), (twin, twins)):
        one.apply(gradients_of(1), several)
    for ours, theirs in zip(optimizer.variables, twin.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert float(twin.steps) == 2 * len(variables)


def test_a_model_trains_compiled_and_by_its_pure_step():
    x, y = np.arange(8.0).reshape(4, 2).astype("float32") / 8, np.ones((4, 1), "float32")

    def make():
        model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(1, kernel_initializer="ones")])
        model.compile(momentum_of(jl)(), "mse")
        return model

    model, pure = make(), make()
    model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    state = pure.train_state
    step = pure.make_train_step()
    for _ in range(3):
        state, _ = step(state, (x, y))
    pure.train_state = state
    for ours, theirs in zip(model.get_weights(), pure.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert float(model.optimizer.steps) == float(pure.optimizer.steps) == 6


@pytest.mark.parametrize(
    "wrap", [jl.optimizers.LossScaleOptimizer, lambda one: jl.optimizers.MultiOptimizer(lambda _: one)]
)
def test_within_another_optimizer(wrap):
    alone, within = momentum_of(jl)(), wrap(momentum_of(jl)())
    wanted, variables = make_variables(Variable), make_variables(Variable)
    scale = getattr(within, "initial_scale", 1.0)
    for step in range(2):
        alone.apply(gradients_of(step), wanted)
        within.apply([gradient * scale for gradient in gradients_of(step)], variables)
    for ours, theirs in zip(variables, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"super\(\)\.build"):
        momentum_of(jl)().add_variable(())
    optimizer = momentum_of(jl)().to_optax()
    params = {"w": np.ones(2, "float32")}
    with pytest.raises(TypeError, match=r"update_step.*variables"):
        optimizer.update(params, optimizer.init(params), params)

    class Doubled(jl.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, 2 * learning_rate)

    with pytest.raises(NotImplementedError, match="Doubled has no update_step"):
        Doubled().apply([np.ones(1, "float32")], [Variable([1.0])])
