"""The state of optimizers in files: training goes on bit for bit, also in files that went through Keras."""

import warnings

import keras
import numpy as np
import optax
import pytest

import jaxlayers as jl
from jaxlayers import layers
from jaxlayers.saving import register_keras_serializable
from tests.optimizer_cases import COMMON, PLAIN, make, named
from tests.test_optimizers_of_optimizers import loss_scale, multi

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 5)).astype("float32"), RNG.normal(size=(16, 2)).astype("float32")
CHOSEN = ["Nadam-gradient_accumulation_steps-use_ema-ema_momentum-ema_overwrite_frequency", "ScheduleFreeAdamW"]
CASES = {named(case): lambda lib, case=case: make(lib, case) for case in PLAIN + COMMON if named(case) in CHOSEN}
CASES |= {"loss_scale": loss_scale, "multi": multi}


def compiled(optimizer):
    model = jl.Sequential([jl.Input((5,)), layers.Dense(3, activation="tanh"), layers.Dense(2)])
    model.compile(optimizer, "mse")
    return model


def fit(model, x=X, y=Y):
    return model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"]


def values(model, *optimizers):
    variables = [v for owner in (model, *(optimizers or [model.optimizer])) for v in owner.variables]
    return [variable.numpy() for variable in variables]


def assert_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:__array__ impl.*:DeprecationWarning")
def test_training_goes_on_bit_for_bit_through_our_files_and_those_of_keras(name, tmp_path):
    path, their_path = str(tmp_path / "ours.keras"), str(tmp_path / "theirs.keras")
    model = compiled(CASES[name](jl.optimizers))
    fit(model)
    model.save(path)
    keras.models.load_model(path).save(their_path)
    twins = [jl.models.load_model(place) for place in (path, their_path)]
    twins.append(compiled(CASES[name](jl.optimizers)))
    twins[2].load_weights(path)
    for twin in twins:
        assert_same(values(twin), values(model))
    expected = fit(model)
    for twin in twins:
        assert fit(twin) == expected
        assert_same(values(twin), values(model))


def test_a_transformation_of_optax(tmp_path):
    def make():
        return compiled(optax.chain(optax.clip(0.5), optax.adamw(0.01)))

    model, twin = make(), make()
    fit(model)
    model.save_weights(tmp_path / "a.weights.h5")
    twin.load_weights(tmp_path / "a.weights.h5")
    assert fit(twin) == fit(model)


def test_a_state_saved_before_the_first_step_begins_anew(tmp_path):
    path = str(tmp_path / "a.weights.h5")
    model = compiled(jl.optimizers.Adam(0.1))
    model.save_weights(path)
    first = fit(model)
    model.load_weights(path)
    assert int(model.optimizer.iterations) == 0
    assert fit(model) == first


@register_keras_serializable("rivals")
class Rivals(jl.Model):
    """Two parts, each with an optimizer of its own, trained in turns."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.maker, self.judge = layers.Dense(5), layers.Dense(1)

    def call(self, inputs):
        return self.judge(self.maker(inputs))

    def compile(self, maker_optimizer, judge_optimizer, **kwargs):
        super().compile(**kwargs)
        self.maker_optimizer, self.judge_optimizer = maker_optimizer, judge_optimizer

    def get_compile_config(self):
        names = ("maker_optimizer", "judge_optimizer")
        return {name: jl.saving.serialize_keras_object(getattr(self, name)) for name in names}

    def compile_from_config(self, config):
        self.compile(**{name: jl.saving.deserialize_keras_object(value) for name, value in config.items()})

    def train_step(self, data):
        loss = None
        for part, optimizer in [(self.judge, self.judge_optimizer), (self.maker, self.maker_optimizer)]:
            loss, gradients = jl.value_and_grad(lambda: jl.ops.mean(self(data[0]) ** 2), wrt=part.trainable_variables)()
            optimizer.apply_gradients(zip(gradients, part.trainable_variables, strict=True))
        return {"loss": loss}


def test_optimizers_in_other_attributes(tmp_path):
    path = str(tmp_path / "a.keras")
    model = Rivals()
    model.compile(jl.optimizers.Adam(0.1), jl.optimizers.SGD(0.1, momentum=0.5))
    fit(model)
    model.save(path)
    twin = jl.models.load_model(path)
    again = Rivals()
    again.build((None, 5))
    again.compile(jl.optimizers.Adam(0.1), jl.optimizers.SGD(0.1, momentum=0.5))
    again.load_weights(path)
    expected = values(model, model.maker_optimizer, model.judge_optimizer)
    losses = fit(model)
    for other in (twin, again):
        assert_same(values(other, other.maker_optimizer, other.judge_optimizer), expected)
        assert fit(other) == losses


def test_a_state_that_does_not_fit_is_told_and_left_out(tmp_path):
    path = str(tmp_path / "a.weights.h5")
    model, other = compiled(jl.optimizers.Adam(0.1)), compiled(jl.optimizers.SGD(0.1, momentum=0.5))
    fit(model), fit(other)
    before = values(other.optimizer, other.optimizer)
    model.save_weights(path)
    with pytest.warns(UserWarning, match="state of the optimizer 'sgd.*' is not loaded"):
        other.load_weights(path)
    assert_same(values(other.optimizer, other.optimizer), before)
    assert_same(other.get_weights(), model.get_weights())


def test_an_optimizer_is_not_built_by_a_file_that_is_refused(tmp_path):
    model = compiled(jl.optimizers.Adam(0.1))
    fit(model)
    model.save_weights(tmp_path / "a.weights.h5")
    other = jl.Sequential([jl.Input((5,)), layers.Dense(3), layers.Dense(4)])
    other.compile("adam", "mse")
    with warnings.catch_warnings(), pytest.raises(ValueError, match="dense_1"):
        warnings.simplefilter("error")
        other.load_weights(tmp_path / "a.weights.h5")
    assert not other.optimizer.built and len(other.optimizer.variables) == 2
