"""All cases of all families.

`CASES` go through every transform; `MORE_CASES`, further combinations of arguments, are only compared with Keras.
"""

import keras

from tests.layers.cases import (
    attention,
    basic,
    convolution,
    images,
    low_rank,
    merging,
    normalization,
    pooling,
    preprocessing_tables,
    products,
    recurrent,
    regularization,
    repeat,
    spatial,
    wrappers,
)

FAMILIES = [
    basic,
    normalization,
    regularization,
    products,
    convolution,
    pooling,
    spatial,
    attention,
    merging,
    wrappers,
    recurrent,
    repeat,
    images,
    preprocessing_tables,
    low_rank,
]
CASES = [case for family in FAMILIES for case in family.CASES]
MORE_CASES = [case for family in FAMILIES for case in family.MORE_CASES]
IDS = [case.name for case in CASES]
# Those that are compared with Keras's class of the same name.
COMPARED = [
    case
    for case in [*CASES, *MORE_CASES]
    if not case.alone and hasattr(keras.layers, getattr(case.cls, "__name__", ""))
]
