"""Two processes under Slurm train one model: the numbers of one process, files by all, logs by the first alone."""

import json
import sys

import numpy as np
import pytest

import jaxlayers as jl
from tests.distribution.launching import launch, run_page, slurm

PROCESSES = 2


def _train(folder, number):
    """Train, evaluate, predict, save and restore; return what is compared."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(70, 6)).astype("float32"), rng.normal(size=(70, 3)).astype("float32")
    jl.utils.set_random_seed(0)
    dropout = jl.layers.Dropout(0.1, seed=1)
    parts = [jl.layers.Dense(64, activation="relu"), jl.layers.BatchNormalization(), dropout, jl.layers.Dense(3)]
    model = jl.Sequential([jl.Input((6,)), *parts])
    model.compile("adam", "mse", metrics=["mae"])
    log = jl.callbacks.CSVLogger(f"{folder}/log.csv", append=True)
    history = model.fit(x, y, batch_size=32, epochs=2, verbose=2, validation_split=0.2, callbacks=[log]).history
    figures = [*history["loss"], *history["val_mae"], *model.evaluate(x, y, batch_size=32, verbose=0)]
    predictions = model.predict(x, batch_size=32, verbose=0)
    model.save_weights(f"{folder}/{number}.weights.h5")
    jl.checkpoint.save(f"{folder}/checkpoint", model.train_state)
    before = model.get_weights()
    model.train_on_batch(x[:8], y[:8])
    model.train_state = jl.checkpoint.restore(f"{folder}/checkpoint", model.train_state)
    same = [bool((a == b).all()) for a, b in zip(before, model.get_weights(), strict=True)]
    whole = model.weights[0].value.sharding.is_fully_replicated
    return {
        "figures": figures,
        "predictions": predictions.tolist(),
        "weights": [w.tolist() for w in before],
        "restored": all(same),
        "whole": whole,
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder, and the output and the results of each process."""
    folder = tmp_path_factory.mktemp("processes")
    results = launch(__file__, PROCESSES, 4, folder, environment=slurm)
    assert [code for code, _, _ in results] == [0] * PROCESSES, results
    return (
        folder,
        [output for _, output, _ in results],
        [json.loads((folder / f"{number}.json").read_text()) for number in range(PROCESSES)],
    )


def test_sharded_training_over_processes_equals_one_device(results, tmp_path):
    _, _, found = results
    expected = _train(tmp_path, 0)
    for result in found:
        assert not result["whole"] and result["restored"]
        np.testing.assert_allclose(result["figures"], expected["figures"], rtol=2e-3)
        np.testing.assert_allclose(result["predictions"], expected["predictions"], rtol=2e-2, atol=2e-3)
        for ours, theirs in zip(result["weights"], expected["weights"], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-2, atol=2e-3)
    assert found[0] == found[1]


def test_files_of_all_processes_hold_the_whole_model(results):
    folder, _, found = results
    parts = [jl.layers.Dense(64), jl.layers.BatchNormalization(), jl.layers.Dropout(0.1, seed=1), jl.layers.Dense(3)]
    model = jl.Sequential([jl.Input((6,)), *parts])
    for number in range(PROCESSES):
        model.load_weights(folder / f"{number}.weights.h5")
        for ours, theirs in zip(model.get_weights(), found[0]["weights"], strict=True):
            np.testing.assert_array_equal(ours, np.asarray(theirs, ours.dtype))


def test_the_first_process_alone_shows_progress_and_logs(results):
    folder, outputs, _ = results
    assert ["Epoch 1/2" in output for output in outputs] == [True, False]
    assert len((folder / "log.csv").read_text().splitlines()) == 3


def test_the_script_of_the_page_gives_the_numbers_of_one_device(results):
    expected = run_page()["losses"]
    for result in results[2]:
        np.testing.assert_allclose(result["losses"], expected, rtol=1e-3)


if __name__ == "__main__":
    number, folder = int(sys.argv[1]), sys.argv[2]
    losses = run_page()["losses"]  # it calls `initialize`
    jl.distribution.set_distribution(jl.distribution.FSDP(min_size=16))
    result = _train(folder, number) | {"losses": losses}
    with open(f"{folder}/{number}.json", "w") as file:
        json.dump(result, file)
