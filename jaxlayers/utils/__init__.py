"""Small helpers around data, names and seeds."""

from jaxlayers.core.settings import standardize_dtype
from jaxlayers.utils._numerical import normalize, to_categorical
from jaxlayers.utils._session import clear_session, set_random_seed

__all__ = ["clear_session", "normalize", "set_random_seed", "standardize_dtype", "to_categorical"]
