"""Functions of plain arrays, which `ops`, `activations`, `random` and the layers share.

This package is internal. It knows neither variables nor symbolic tensors nor layers, and its functions do not check
their arguments: `ops` adds the checks and Keras's names, and a layer checks its arguments once, when it is made. The
modules are named after what they compute. Code that only one platform profits from is in `numerics.platforms`.
"""
