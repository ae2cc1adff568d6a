"""`distribution.inspect` against the arrays themselves; `test_distribution.py` runs it on eight simulated devices."""

import html
import re
from collections import Counter

import jax
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import distribution, layers

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(16, 32)).astype("float32"), rng.normal(size=(16, 1)).astype("float32")


def make():
    hidden = [layers.Dense(64, name="up"), layers.BatchNormalization(), layers.Dropout(0.1, seed=1)]
    model = jl.Sequential([jl.Input((32,)), *hidden, layers.Dense(30, name="odd"), layers.Dense(1, name="down")])
    model.compile(jl.optimizers.Adam(1e-2), "mse", metrics=["mae"])
    return model


def by_names():
    layouts = distribution.LayoutMap(distribution.DeviceMesh((2, 4), ("batch", "model")))
    layouts["up/kernel"] = (("batch", "model"), None)
    layouts["down/kernel"] = ()
    return distribution.ModelParallel(layout_map=layouts)


STRATEGIES = {
    "data": distribution.DataParallel,
    "two": lambda: distribution.FSDP(devices=["cpu:5", "cpu:2"], min_size=16),
    "fsdp": lambda: distribution.FSDP(min_size=16),
    "names": by_names,
}


def variables_of(model):
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    return list(dict.fromkeys([*model.variables, *model.optimizer.variables, *metrics]))


def as_text(page):
    return html.unescape(re.sub("<[^>]*>", "", page))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_are_where_the_arrays_are(strategy):
    model = make()
    model.train_on_batch(X, Y)
    held = {variable: variable.held for variable in variables_of(model)}
    with STRATEGIES[strategy]().scope():
        ahead = distribution.inspect(model, large=1024)  # before the arrays move
        assert all(variable.held is array for variable, array in held.items())
        assert not any(row.is_there for row in ahead.rows)
        assert f"{len(ahead.rows)} of {len(ahead.rows)} arrays are not there yet" in str(ahead)
        model.train_on_batch(X, Y)
        found = distribution.inspect(model, large=1024)
    rows, totals = {row.path: row for row in found.rows}, Counter()
    assert len(rows) == len(found.rows) == len(held)
    for variable in held:
        array, row = variable.held, rows[variable.path]
        shards = array.addressable_shards
        for shard in shards:
            totals[f"cpu:{shard.device.id}"] += shard.data.nbytes
        assert row.devices == tuple(f"cpu:{number}" for number in sorted(shard.device.id for shard in shards))
        assert (row.shape, row.dtype, row.role) == (array.shape, array.dtype, variable.role)
        assert (row.part_shape, row.bytes_per_device) == (shards[0].data.shape, shards[0].data.nbytes)
        assert row.parts == len({str(shard.index) for shard in shards})
        assert row.is_whole == array.sharding.is_fully_replicated and row.is_there
        assert array.sharding.is_equivalent_to(jax.NamedSharding(array.sharding.mesh, jax.P(*row.axes)), array.ndim)
    assert found.bytes_per_device == totals
    assert found.bytes_in_all == sum(variable.held.nbytes for variable in held)
    assert [row.path for row in ahead.rows] == [row.path for row in found.rows]
    assert ahead.bytes_per_device == found.bytes_per_device
    left = ["odd/kernel"] if strategy == "names" else []
    assert [row.path.partition("/")[2] for row in found.left_whole] == left
    lines, page = str(found), as_text(found._repr_html_())
    for row in found.rows:
        assert row.path in lines and row.path in page
    assert ("Large weights that lie whole on every device" in lines) == bool(left)
    assert f"Each of {len(totals)} devices: " in lines and "not there" not in lines


def test_without_a_distribution_everything_lies_on_one_device():
    with jl.device("cpu:3"):
        model = make()
    found = distribution.inspect(model)
    assert found.distribution is None and not found.left_whole
    assert all(row.is_whole and row.part_shape == row.shape for row in found.rows)
    assert {row.devices for row in found.rows if row.role == "weight"} == {("cpu:3",)}
    assert "The optimizer has no slots yet" in str(found)
    with distribution.FSDP().scope():
        model.predict(X, verbose=0)
    back = [row for row in distribution.inspect(model).rows if row.role == "weight"]  # weights come back to one device
    assert not any(row.is_there for row in back) and {row.devices for row in back} == {("cpu:0",)}


def test_what_is_not_known_yet_is_told():
    model = jl.Sequential([layers.Dense(2)])
    assert distribution.inspect(model).rows == ()
    assert (
        "is not built" in str(distribution.inspect(model))
        and "is not built" in distribution.inspect(model)._repr_html_()
    )
    pinned = layers.Dense(8, name="pinned")
    mesh = distribution.DeviceMesh((4,), ("x",), ["cpu:0", "cpu:1", "cpu:2", "cpu:3"])
    pinned.weight = pinned.add_weight((8, 4), sharding=distribution.TensorLayout((None, "x"), mesh).backend_layout)
    (row,) = distribution.inspect(pinned).rows
    assert (row.parts, row.part_shape, row.axes) == (4, (8, 1), (None, "x"))
    layouts = distribution.LayoutMap(distribution.DeviceMesh((1, 8), ("batch", "model")))
    layouts["odd/kernel"] = (None, "model")
    model = make()
    with distribution.ModelParallel(layout_map=layouts).scope(), pytest.raises(ValueError, match="odd/kernel"):
        distribution.inspect(model)
