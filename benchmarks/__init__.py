"""What jaxlayers costs beside the same thing written by hand and beside its peers: `python -m benchmarks`.

`problem` is what everybody computes; `by_hand`, `ours` and `peers/` are the same two models, once per library, as
contestants; each file of `measure/` is one question; `clock` times, `table` prints and judges; `__main__` runs every
measurement in a process of its own.
"""
