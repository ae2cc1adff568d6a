"""Summaries of models that are no graphs: the shapes come from the shapes that the layers were built for."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxlayers as jl
from jaxlayers import Layer, layers

X = np.ones((8, 2), "float32")


class Block(Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(7), layers.Dense(3)

    def call(self, x):
        x = self.second(self.first(x))
        return x, jnp.sum(x, axis=-1)


class Net(jl.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.block, self.twice, self.added = Block(), layers.Dense(3, name="twice"), layers.Add()
        self.parts = [layers.Embedding(10, 6), jl.Sequential([layers.Dense(5, name="deep")], name="chain")]
        self.dropout, self.idle = layers.Dropout(0.5), layers.Dense(9, name="idle")

    def call(self, x):
        x, total = self.block(x)
        x = self.added([self.twice(self.twice(x)), x])
        return self.parts[1](self.dropout(x)), self.parts[0](total.astype("int32"))


def shapes_of(model, **kwargs):
    lines = []
    model.summary(print_fn=lines.append, line_length=120, **kwargs)
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in lines if "│" in line]
    return {name.split(" ")[0]: (shape, count) for name, shape, count in rows}


BUILT = {
    "call": lambda model: model(X),
    "predict": lambda model: model.predict(X, verbose=0),
    "build": lambda model: model.build((None, 2)),
    "symbolic": lambda model: model(jl.Input((2,))),
}


@pytest.mark.parametrize("how", BUILT)
def test_summary_knows_the_shapes_of_a_built_subclass(how):
    model = Net()
    BUILT[how](model)
    batch = "8" if how in ("call", "predict") else "None"
    assert shapes_of(model, expand_nested=True) == {
        "block": (f"({batch}, 3), ({batch},)", "45"),
        "twice": (f"({batch}, 3)", "12"),
        "add": (f"({batch}, 3)", "0"),
        "embedding": (f"({batch}, 6)", "60"),
        "chain": (f"({batch}, 5)", "20"),
        "deep": ("(None, 5)", "20"),  # a Sequential takes a batch of any size
        "dropout": (f"({batch}, 3)", "0"),
        "idle": ("?", "? (not built)"),
    }


def test_summary_of_a_subclass_in_a_subclass():
    class Outer(jl.Model):
        def __init__(self):
            super().__init__()
            self.net = Net(name="net")

        def call(self, x):
            return self.net(x)[0]

    for build, batch in ((BUILT["call"], "8"), (BUILT["build"], "None")):
        model = Outer()
        build(model)
        shapes = shapes_of(model, expand_nested=True)
        assert shapes["net"][0] == f"({batch}, 5), ({batch}, 6)"
        assert shapes["twice"][0] == f"({batch}, 3)"


def test_summary_of_layers_with_several_arguments():
    class Pair(Layer):
        def call(self, x, y):
            return x + y

    class Small(jl.Model):
        def __init__(self):
            super().__init__()
            self.pair, self.dense = Pair(), layers.Dense(4)

        def call(self, x):
            return self.dense(self.pair(x, x))

    model = Small()
    assert {shape for shape, _ in shapes_of(model).values()} == {"?"}
    model(X)
    assert shapes_of(model) == {"pair": (str(X.shape), "0"), "dense": ("(8, 4)", "12")}
