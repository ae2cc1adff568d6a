"""Training with a `train_step` of the user's own, and with generated names, that is interrupted and started again."""

import jax.numpy as jnp
import pytest

import jaxlayers as jl
from jaxlayers import callbacks, layers
from tests.training.test_resume import X, Y, check, tiny_model, train


class PartlyTrained(jl.Model):
    """A model whose own step trains its last layer alone, and has no metrics."""

    def __init__(self):
        super().__init__(name="partly")
        self.first, self.last = layers.Dense(3), layers.Dense(1)
        self.build((None, 4))

    def call(self, inputs):
        return self.last(self.first(inputs))

    def train_step(self, data):
        x, y = data
        variables = self.last.trainable_variables
        loss, gradients = jl.value_and_grad(lambda: jnp.mean((self(x) - y) ** 2), wrt=variables)()
        self.optimizer.apply(gradients, variables)
        return {"loss": loss}


@pytest.mark.parametrize(
    "make",
    [
        lambda: jl.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5),
        lambda: jl.optimizers.LossScaleOptimizer(jl.optimizers.Adam(0.1)),
    ],
    ids=["averages", "loss scale"],
)
def test_a_step_that_trains_a_part_without_metrics(make, tmp_path):
    def model_and_data():
        model = PartlyTrained()
        model.compile(make(), metrics=[])
        return model, {"x": X, "y": Y, "batch_size": 8, "epochs": 3}

    outcome = check(model_and_data, tmp_path / "backup", (4,), save_freq=2)
    assert not any("opt_state" in name and "first" in name for name in outcome)


def test_generated_names_that_differ_are_told_with_a_way_out(tmp_path):
    def model_and_data():
        return tiny_model(metrics=[jl.metrics.AUC()]), {"x": X, "y": Y, "batch_size": 8, "epochs": 2}

    def backup():
        return callbacks.BackupAndRestore(tmp_path / "backup", save_freq=1)

    jl.utils.clear_session()
    assert train(model_and_data, backup(), 3) is None
    with pytest.raises(ValueError, match=r"auc_1/true_positives is missing.*Generated names.*name=.*clear_session"):
        train(model_and_data, backup())
    jl.utils.clear_session()
    assert "history auc" in train(model_and_data, backup())
