"""Benchmarks of jaxlayers against hand-written JAX and other libraries: `python -m benchmarks`.

`problem` defines what all contestants compute. `by_hand`, `ours/` and `peers/` are the contestants: the same two models
in each library. Each file of `measure/` has one kind of measurement. `clock` measures times, `table` prints the results
and compares them with the limits, and `__main__` runs each measurement in a process of its own.
"""
