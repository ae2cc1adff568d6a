"""What several tests of optimizers share: cases, and the comparison with Keras."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np

from jaxlayers import optimizers
from jaxlayers.core import Variable

SHAPES = {"kernel": (3, 2), "bias": (4,), "scale": ()}


def decaying(lib):
    return lib.schedules.ExponentialDecay(0.1, 4, 0.5)


PLAIN = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.7, "epsilon": 0.01}),
    ("RMSprop", {"momentum": 0.5}),
    ("RMSprop", {"centered": True, "epsilon": 1e-3}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.6, "beta_2": 0.8, "epsilon": 0.3}),
    ("Adam", {"amsgrad": True, "beta_2": 0.5}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.3, "amsgrad": True}),
    ("Nadam", {}),
    ("Nadam", {"beta_1": 0.6, "beta_2": 0.8, "epsilon": 0.3}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adadelta", {"rho": 0.7, "epsilon": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 0.2}),
    ("Adamax", {}),
    ("Adamax", {"beta_1": 0.6, "beta_2": 0.8, "epsilon": 0.3}),
    ("Adafactor", {}),
    ("Adafactor", {"clip_threshold": 0.4, "epsilon_2": 0.6, "beta_2_decay": -0.5, "relative_step": False}),
    ("Ftrl", {}),
    (
        "Ftrl",
        {
            "learning_rate_power": -0.3,
            "initial_accumulator_value": 0.4,
            "l1_regularization_strength": 0.2,
            "l2_regularization_strength": 0.3,
            "l2_shrinkage_regularization_strength": 0.1,
            "beta": 0.2,
        },
    ),
    ("Lamb", {}),
    ("Lamb", {"beta_1": 0.6, "beta_2": 0.8, "epsilon": 0.3}),
    ("Lion", {}),
    ("Lion", {"beta_1": 0.6, "beta_2": 0.8}),
    ("Muon", {"weight_decay": None}),
    ("Muon", {"nesterov": False, "rms_rate": None, "adam_lr_ratio": 0.5, "momentum": 0.8, "ns_steps": 3}),
    ("Muon", {"exclude_layers": ["ker"], "weight_decay": 0.3}),
    ("Muon", {"adam_weight_decay": None, "weight_decay": 0.3, "muon_a": 3.0}),
    ("ScheduleFreeAdamW", {}),
    ("ScheduleFreeAdamW", {"beta_1": 0.6, "beta_2": 0.8, "epsilon": 0.3, "warmup_steps": 4}),
]
NEW = ["Adadelta", "Adafactor", "Adagrad", "Adamax", "Ftrl", "Lamb", "Lion", "Muon", "ScheduleFreeAdamW"]
COMMON = [
    ("SGD", {"weight_decay": 0.2, "momentum": 0.5}),
    ("Adam", {"weight_decay": 0.2}),
    ("SGD", {"clipnorm": 0.7}),
    ("Adam", {"clipvalue": 0.3, "epsilon": 0.5}),
    ("SGD", {"global_clipnorm": 0.7, "momentum": 0.5}),
    ("SGD", {"clipnorm": 0.0}),
    ("SGD", {"loss_scale_factor": 64.0}),
    ("SGD", {"learning_rate": decaying, "momentum": 0.9}),
    ("Adam", {"learning_rate": decaying, "weight_decay": 0.1}),
    ("RMSprop", {"learning_rate": lambda lib: lambda: 0.05}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.8}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3}),
    ("SGD", {"gradient_accumulation_steps": 3}),
    ("Adam", {"gradient_accumulation_steps": 3, "clipnorm": 0.5, "learning_rate": decaying, "weight_decay": 0.1}),
    ("Nadam", {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}),
    *[(name, {"weight_decay": 0.2, "clipnorm": 0.7, "use_ema": True, "ema_momentum": 0.8}) for name in NEW],
    *[(name, {"learning_rate": decaying, "global_clipnorm": 0.7, "gradient_accumulation_steps": 2}) for name in NEW],
]


def named(case):
    name, arguments = case
    return "-".join([name, *arguments])


def gradients_of(step, dtype="float32", shapes=SHAPES):
    generator = np.random.default_rng(step)
    return [jnp.asarray(generator.normal(0.3, 1.0, shape), dtype) for shape in shapes.values()]


def make_variables(variable_class, dtype="float32"):
    generator = np.random.default_rng(100)
    values = {name: generator.normal(0.5, 1.0, shape).astype("float32") for name, shape in SHAPES.items()}
    return [variable_class(value, name=name, dtype=dtype) for name, value in values.items()]


def make(lib, case):
    name, arguments = case
    arguments = {"learning_rate": 0.1, **arguments}
    if callable(arguments["learning_rate"]):
        arguments["learning_rate"] = arguments["learning_rate"](lib)
    return getattr(lib, name)(**arguments)


def make_both(case, dtype="float32"):
    theirs = make(keras.optimizers, case), make_variables(keras.Variable, dtype)
    return theirs, (make(optimizers, case), make_variables(Variable, dtype))


def assert_equal_states(theirs, ours, **tolerance):
    tolerance = tolerance or {"rtol": 2e-5, "atol": 2e-6}
    (their_optimizer, their_variables), (optimizer, variables) = theirs, ours
    pairs = [*zip(their_variables, variables, strict=True)]
    pairs += zip(their_optimizer.variables, optimizer.variables, strict=True)
    for expected, variable in pairs:
        assert (variable.shape, variable.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(
            np.asarray(variable, "float32"), np.asarray(expected, "float32"), err_msg=variable.path, **tolerance
        )


def run_keras(optimizer, variables, all_gradients):
    if not optimizer.gradient_accumulation_steps:
        for gradients in all_gradients:
            optimizer.apply(gradients, variables)
        return
    optimizer.build(variables)  # its lax.cond is slow outside of jax.jit
    step = jax.jit(optimizer.stateless_apply)
    params, slots = [v.value for v in variables], [v.value for v in optimizer.variables]
    for gradients in all_gradients:
        params, slots = step(slots, gradients, params)
    for variable, value in zip([*variables, *optimizer.variables], [*params, *slots], strict=True):
        variable.assign(value)


def by_name(values):
    return dict(zip(SHAPES, values, strict=True))


def assert_same_bits(left, right):
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(a, b)
