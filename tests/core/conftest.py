"""What the kernel's tests share: a picture of a layer, taken before something that must change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxlayers.core import Variable
from jaxlayers.core.tracking import Tracked

NOT_COMPARED = {
    "_walk_cache",
    "_build_blueprint",
    "_kept_losses",
    "_traced_losses",
    "_tracking_owners",
}  # caches; losses and owners are compared as such


class Same:
    """Equal to itself alone; keeps what it holds alive, so that no identity is given out twice."""

    def __init__(self, thing):
        self.thing = thing

    def __eq__(self, other):
        return isinstance(other, Same) and other.thing is self.thing

    __hash__ = None

    def __repr__(self):
        return f"{type(self.thing).__name__} at {id(self.thing):x}"


def describe(value):
    if isinstance(value, list | tuple):
        return Same(value), [describe(item) for item in value]
    if isinstance(value, dict):
        return Same(value), [(key, describe(item)) for key, item in value.items()]
    return Same(value)


def content(variable):
    held = variable.held
    return None if held is None else (str(held.dtype), np.asarray(held).tobytes())


class Picture:
    """What was seen; when it is not equal to another, it shows where they differ."""

    def __init__(self, seen):
        self.seen, self.differences = seen, []

    def __eq__(self, other):
        if self.seen != other.seen:
            self.differences = other.differences = list(differences(self.seen, other.seen, ""))
        return self.seen == other.seen

    __hash__ = None

    def __repr__(self):
        return "Picture: " + ("; ".join(self.differences[:8]) or "nothing differs")


def differences(a, b, where):
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from differences(one, other, f"{where}/{i}")
    elif isinstance(a, dict) and isinstance(b, dict) and list(a) == list(b):
        for key in a:
            yield from differences(a[key], b[key], f"{where}/{key}")
    elif a != b:
        yield f"{where}: {str(a)[:200]} is not {str(b)[:200]}"


def take(*things):
    """Everything there is to see on layers and variables: attributes, containers, arrays, losses, paths."""
    seen = []
    for thing in things:
        if isinstance(thing, Variable):
            seen.append((Same(thing), thing.trainable, content(thing)))
            continue
        variables = [(path, Same(v), v.trainable, content(v), v.role) for path, v in thing._tracked_walk.entries]
        objects = [
            (thing._tracked_walk.paths[id(below)], Same(below), below.path, getattr(below, "built", None),
             {name: describe(value) for name, value in below.__dict__.items() if name not in NOT_COMPARED})
            for below in thing._tracked_objects
        ]  # fmt: skip
        made = all(v.held is not None for _, v in thing._tracked_walk.entries)
        losses = (
            [float(loss) for loss in thing.losses]
            if made and isinstance(thing, Tracked) and hasattr(thing, "losses")
            else []
        )
        seen.append((variables, objects, losses))
    return Picture(seen)


@pytest.fixture
def picture():
    return take


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(0).normal(size=(2, 3)), jnp.float32)


@pytest.fixture
def compilations():
    """Counts XLA compilations: `with compilations() as count: ...; count[0]`."""
    import contextlib

    @contextlib.contextmanager
    def counting():
        count = [0]

        def listen(event, seconds, **_):
            if event == "/jax/core/compile/backend_compile_duration":
                count[0] += 1

        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            yield count
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)

    return counting
