"""The decision to end a pass over data early, which all processes of a training take after the same execution.

A callback may set `model.stop_training` in one process alone. If that process left the pass at once, the others would
wait for ever for its part of their next step. So the processes add up their flags on the devices after each execution,
and read each sum some executions later, when it is there: no step waits for it.
"""

from __future__ import annotations

import collections
from typing import Any

import jax

from jaxlayers.common import placement, processes

DELAY = 8  # executions after which a flag that not all processes have set ends the pass


class StopFlag:
    """The flag of a model that ends a pass early: `stop_training`, `stop_evaluating` or `stop_predicting`.

    In one process, the pass ends after the execution in which the flag was set; so it does in several processes if all
    of them set it in the same execution. If only some of them do, the pass of all ends `DELAY` executions later, with
    the flag set in all.

    Args:
        model: the model.
        name: the name of the flag.
    """

    def __init__(self, model: Any, name: str):
        self._model, self._name = model, name
        self._is_shared = placement.spans_processes()
        self._sums: collections.deque[jax.Array] = collections.deque()  # of the last executions

    @property
    def is_set(self) -> bool:
        """True if the flag is set in this process."""
        return bool(getattr(self._model, self._name))

    def ends_pass(self) -> bool:
        """Return True if the pass ends after this execution. All processes call this after each execution."""
        if not self._is_shared:
            return self.is_set
        self._sums.append(processes.add_up(self.is_set))
        if placement.is_simulated():  # the next step must not begin before the sum has ended
            self._sums[-1].block_until_ready()
        is_last = self.is_set and int(self._sums[-1]) == jax.process_count()
        if len(self._sums) > DELAY:
            is_last = int(self._sums.popleft()) > 0 or is_last
        if is_last:
            setattr(self._model, self._name, True)
        return is_last
