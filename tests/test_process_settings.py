"""The check that no test changes a setting of the process, against tests that do."""

import textwrap
import time
import timeit

import jax
import keras  # noqa: F401, the inner runs use it, and would drop it from the loaded modules if it were new
import numpy.fft  # noqa: F401, likewise

from jaxlayers import config
from tests import process_settings

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.conftest import same_seeds
from tests.process_settings import settings_outlast_the_module, settings_outlast_the_test
"""
HEADER = """
import gc, os, sys, warnings
import jax, keras, numpy as np, pytest
import jaxlayers as jl
from jaxlayers import config

class Mine:
    def get_config(self): return {}
"""
# A statement that changes a setting, and the line of the failure that names the setting.
LEAKS = {
    "jax.config.update('jax_debug_nans', True)": "jax.config: jax_debug_nans was False, now True",
    "jax.config.update('jax_disable_most_optimizations', None)": "jax.config: jax_disable_most_optimizations was*",
    "config.set_floatx('bfloat16')": "jaxlayers.config: floatx was 'float32', now 'bfloat16'",
    "config.set_epsilon(1e-3)": "jaxlayers.config: epsilon was 1e-07, now 0.001",
    "config.set_image_data_format('channels_first')": "jaxlayers.config: image_data_format was*",
    "config.set_dtype_policy('mixed_bfloat16')": "jaxlayers.config: dtype_policy was*mixed_bfloat16*",
    "config.set_dtype_policy('float32')": "jaxlayers.config: dtype_policy was None*float32*",  # set, though the same
    "config.disable_traceback_filtering()": "jaxlayers.config: traceback_filtering was True, now False",
    "config.disable_interactive_logging()": "jaxlayers.config: interactive_logging was True, now False",
    "config.disable_flash_attention()": "jaxlayers.config: flash_attention was None, now False",
    "config.set_max_epochs(2)": "jaxlayers.config: max_epochs was None, now 2",
    "config.set_max_steps_per_epoch(2)": "jaxlayers.config: max_steps_per_epoch was None, now 2",
    "jl.saving.register_keras_serializable('my')(Mine)": "custom objects: my>Mine was missing, now*",
    "keras.config.set_floatx('float16')": "keras.config: floatx was 'float32', now 'float16'",
    "keras.saving.get_custom_objects()['Mine'] = Mine": "Keras's custom objects: Mine was missing, now*",
    "np.seterr(divide='raise')": "NumPy's error state: divide was 'warn', now 'raise'",
    "np.set_printoptions(precision=3)": "NumPy's print options: precision was 8, now 3",
    "os.environ['A_TEST'] = 'was here'": "os.environ: A_TEST was missing, now 'was here'",
    "del os.environ['KERAS_BACKEND']": "os.environ: KERAS_BACKEND was 'jax', now missing",
    "os.chdir('/')": "the interpreter: os.getcwd() was*now '/'",
    "sys.path.insert(0, 'mine')": "the interpreter: sys.path was*",
    "gc.disable()": "the interpreter: gc.isenabled() was True, now False",
    "warnings.simplefilter('ignore')": "warnings.filters: 0 was*",
}


def run(pytester, text):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(HEADER + textwrap.dedent(text))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--import-mode=importlib")


def test_each_leak_fails_the_test_that_leaks_and_no_other(pytester):
    statements = list(LEAKS)
    tests = "".join(f"def test_{i}_leaks(): {s}\ndef test_{i}_is_clean(): pass\n" for i, s in enumerate(statements))
    before = process_settings.read_settings()
    result = run(pytester, tests)
    assert process_settings.compare_settings(before, process_settings.read_settings()) == []
    result.assert_outcomes(passed=2 * len(statements), errors=len(statements))
    result.stdout.fnmatch_lines([f"*ERROR at teardown of test_{i}_leaks*" for i in range(len(statements))])
    result.stdout.fnmatch_lines([f"*{LEAKS[statement]}" for statement in statements])


def test_a_context_that_was_never_left_is_reported():
    context = jax.checking_leaks()
    before = process_settings.read_settings()
    context.__enter__()
    try:
        changes = process_settings.compare_settings(before, process_settings.read_settings())
    finally:
        context.__exit__(None, None, None)
    assert changes == ["jax.config: jax_check_tracer_leaks was False, now True"]


def test_tests_that_restore_what_they_change_pass(pytester):
    pytester.makepyfile(has_filters_of_its_own="import warnings; warnings.simplefilter('ignore')")
    result = run(
        pytester,
        """
        def test_patches(monkeypatch):
            monkeypatch.setenv("A_TEST", "is here")
            monkeypatch.chdir("/")

        def test_contexts():
            with jax.checking_leaks(), np.errstate(all="raise"), np.printoptions(precision=3):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")

        def test_puts_back():
            config.set_floatx("bfloat16")
            config.set_floatx("float32")

        @pytest.mark.filterwarnings("ignore::DeprecationWarning")
        def test_with_filters_of_its_own(): pass

        def test_imports_a_library(monkeypatch):
            monkeypatch.syspath_prepend(os.path.dirname(__file__))
            import has_filters_of_its_own
        """,
    )
    result.assert_outcomes(passed=5)


def test_fixtures_of_modules_are_checked(pytester):
    result = run(
        pytester,
        """
        @pytest.fixture(autouse=True, scope="module")
        def leaks():
            config.set_epsilon(1e-3)

        @pytest.mark.filterwarnings("ignore::DeprecationWarning")
        def test_one(): assert config.epsilon() == 1e-3

        def test_two(): assert config.epsilon() == 1e-3
        """,
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_two*", "A fixture of *", "  jaxlayers.config: epsilon*"])
    assert config.epsilon() == 1e-7


def test_random_generators_and_names_start_anew(pytester):
    result = run(
        pytester,
        """
        import random
        seen = []

        def draw():
            array = jl.initializers.RandomNormal()((2,))
            return [random.random(), np.random.rand(), *map(float, array), jl.layers.Dense(1).name]

        def test_first(): seen.append(draw())

        def test_seeds_are_set():
            jl.utils.set_random_seed(5)
            assert draw() != seen[0]

        def test_last(): assert draw() == seen[0]
        """,
    )
    result.assert_outcomes(passed=3)


def test_the_check_takes_well_under_a_millisecond():
    repeats = 50
    timer = time.thread_time  # a busy machine takes longer by the clock
    seconds = min(timeit.repeat(process_settings.read_settings, timer=timer, number=repeats, repeat=3)) / repeats
    assert seconds < 5e-4  # about 1e-4, twice a test
