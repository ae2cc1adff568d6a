"""The progress of a loop; it stands with the callbacks, one of which shows it too."""

from jaxlayers.callbacks._progress import Progress

__all__ = ["Progress"]
