"""The check that no test changes a setting of the process for the tests after it.

A fixture reads every setting before a test and after it. When they differ, it puts the old values back and fails the
test that changed them. A second fixture does the same around each module, for fixtures of module scope.

What is started anew before each test needs no check: the random generators and the automatic names (see `conftest.py`).
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from jaxlayers import config
from jaxlayers.common import dtype_policies, registry

Values = dict[Any, Any]

# The filters of pyproject.toml, for the variable PYTHONWARNINGS of a process that a test starts.
WARNINGS_OF_PYTHON = "error,ignore:Error reading persistent compilation cache entry"


class Group(NamedTuple):
    """Settings that are read and restored together.

    Attributes:
        read: returns the values by name.
        restore: takes the old values and the new ones, and puts the old ones back.
    """

    read: Callable[[], Values]
    restore: Callable[[Values, Values], Any]


def _from_setters(read: Callable[[], Values], setters: dict[str, Callable[[Any], Any]]) -> Group:
    def restore(old: Values, new: Values) -> None:
        for name, value in old.items():
            if value != new[name]:
                setters[name](value)

    return Group(read, restore)


def _from_dict(held: Callable[[], Any]) -> Group:
    def restore(old: Values, new: Values) -> None:
        values = held()
        for name in new.keys() - old.keys():
            del values[name]
        for name, value in old.items():
            if name not in new or new[name] is not value:
                values[name] = value

    return Group(lambda: dict(held()), restore)


def _restore_jax(old: Values, new: Values) -> None:
    """Restore what `jax.config.update` changed; a context such as `jax.checking_leaks()` that was not left stays."""
    for name, value in old.items():
        if new[name] != value:
            jax.config.update(name, value)


def _switch(enable: Callable[[], Any], disable: Callable[[], Any]) -> Callable[[Any], None]:
    return lambda on: enable() if on else disable()


def _set_flash_attention(value: bool | None) -> None:
    if value is None:  # no public function goes back to "not set"
        config._settings["flash_attention"] = None
    else:
        _switch(config.enable_flash_attention, config.disable_flash_attention)(value)


def _read_library(library: Any) -> Values:
    return {
        "floatx": library.floatx(),
        "epsilon": library.epsilon(),
        "image_data_format": library.image_data_format(),
        "dtype_policy": library.dtype_policy(),
        "traceback_filtering": library.is_traceback_filtering_enabled(),
        "interactive_logging": library.is_interactive_logging_enabled(),
    }


def _library_setters(library: Any) -> dict[str, Callable[[Any], Any]]:
    return {
        "floatx": library.set_floatx,
        "epsilon": library.set_epsilon,
        "image_data_format": library.set_image_data_format,
        "dtype_policy": library.set_dtype_policy,
        "traceback_filtering": _switch(library.enable_traceback_filtering, library.disable_traceback_filtering),
        "interactive_logging": _switch(library.enable_interactive_logging, library.disable_interactive_logging),
    }


def _read_ours() -> Values:
    return _read_library(config) | {
        "dtype_policy": dtype_policies._global_policy,  # None while it follows `floatx`
        "flash_attention": config.is_flash_attention_enabled(),
        "max_epochs": config.max_epochs(),
        "max_steps_per_epoch": config.max_steps_per_epoch(),
    }


def _restore_ours(old: Values, new: Values) -> None:
    setters = _library_setters(config) | {
        "flash_attention": _set_flash_attention,
        "max_epochs": config.set_max_epochs,
        "max_steps_per_epoch": config.set_max_steps_per_epoch,
    }
    _from_setters(_read_ours, setters).restore(old, new)


def _read_interpreter() -> Values:
    return {
        "gc.isenabled()": gc.isenabled(),
        "gc.get_threshold()": gc.get_threshold(),
        "os.getcwd()": os.getcwd(),
        "sys.path": list(sys.path),
        "sys.excepthook": sys.excepthook,
        "sys.getrecursionlimit()": sys.getrecursionlimit(),
        "sys.getswitchinterval()": sys.getswitchinterval(),
        "threading.excepthook": threading.excepthook,
        "signal.getsignal(SIGINT)": signal.getsignal(signal.SIGINT),
    }


def _set_path(path: list[str]) -> None:
    sys.path[:] = path


_INTERPRETER_SETTERS: dict[str, Callable[[Any], Any]] = {
    "gc.isenabled()": _switch(gc.enable, gc.disable),
    "gc.get_threshold()": lambda thresholds: gc.set_threshold(*thresholds),
    "os.getcwd()": os.chdir,
    "sys.path": _set_path,
    "sys.excepthook": lambda hook: setattr(sys, "excepthook", hook),
    "sys.getrecursionlimit()": sys.setrecursionlimit,
    "sys.getswitchinterval()": sys.setswitchinterval,
    "threading.excepthook": lambda hook: setattr(threading, "excepthook", hook),
    "signal.getsignal(SIGINT)": lambda handler: signal.signal(signal.SIGINT, handler),
}


def _read_environment() -> Values:
    # pytest names the current test in a variable; scikit-learn sets variables of OpenMP when it is imported.
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_CURRENT_TEST", "KMP_"))}


# pytest restores the filters after each test, and gives each test those of its own marks, so they are compared within a
# test alone.
_FILTERS = "warnings.filters"

GROUPS = {
    "jax.config": Group(lambda: jax.config.values, _restore_jax),
    "jaxlayers.config": Group(_read_ours, _restore_ours),
    "custom objects": _from_dict(lambda: registry.registered),
    "names of custom objects": _from_dict(lambda: registry.registered_names),
    "NumPy's error state": Group(np.geterr, lambda old, new: np.seterr(**old)),
    "NumPy's print options": Group(np.get_printoptions, lambda old, new: np.set_printoptions(**old)),
    "os.environ": Group(_read_environment, _from_dict(lambda: os.environ).restore),
    _FILTERS: Group(lambda: dict(enumerate(warnings.filters)), lambda old, new: None),
    "the interpreter": _from_setters(_read_interpreter, _INTERPRETER_SETTERS),
}


def _keras_groups() -> dict[str, Group]:
    """The settings of Keras, where a test module has imported it; it shares none with jaxlayers."""
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "saving"):
        return {}
    return {
        "keras.config": _from_setters(lambda: _read_library(keras.config), _library_setters(keras.config)),
        "Keras's custom objects": _from_dict(keras.saving.get_custom_objects),
    }


def read_settings() -> dict[str, Values]:
    """Return the values of all settings, by group and name."""
    return {name: group.read() for name, group in (GROUPS | _keras_groups()).items()}


def compare_settings(old: dict[str, Values], new: dict[str, Values]) -> list[str]:
    """Return a line for each setting that differs; groups that only one side has are not compared."""
    changes = []
    for group in old.keys() & new.keys():
        before, after = old[group], new[group]
        if before == after:
            continue
        for name in sorted(before.keys() | after.keys(), key=str):
            if name not in before or name not in after or before[name] != after[name]:
                was, now = (repr(values[name]) if name in values else "missing" for values in (before, after))
                changes.append(f"{group}: {name} was {was}, now {now}")
    return sorted(changes)


def restore_settings(old: dict[str, Values], new: dict[str, Values]) -> None:
    """Put the old values back where the new ones differ."""
    for name, group in (GROUPS | _keras_groups()).items():
        if name in old and name in new and old[name] != new[name]:
            group.restore(old[name], new[name])


def _fail_on_changes(changer: str, within_a_test: bool) -> Iterator[None]:
    before, modules = read_settings(), len(sys.modules)
    yield
    after = read_settings()
    if before == after:
        return
    if not within_a_test or len(sys.modules) > modules:  # a library that is imported may add filters of its own
        del before[_FILTERS]
    changes = compare_settings(before, after)
    if changes:
        restore_settings(before, after)
        pytest.fail(f"{changer} changed settings of the process:\n  " + "\n  ".join(changes), pytrace=False)


@pytest.fixture
def restored_settings() -> Iterator[None]:
    """Restore every setting after the test, for tests that are about settings."""
    before = read_settings()
    yield
    restore_settings(before, read_settings())


@pytest.fixture(autouse=True, scope="module")
def settings_outlast_the_module(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the last test of a module whose fixtures changed a setting of the process."""
    yield from _fail_on_changes(f"A fixture of {request.node.nodeid}", within_a_test=False)


@pytest.fixture(autouse=True)
def settings_outlast_the_test() -> Iterator[None]:
    """Fail a test that changed a setting of the process."""
    yield from _fail_on_changes("This test", within_a_test=True)
