"""Feeding arrays to training: batches in an order that can be taken up again anywhere."""

from jaxlayers.data.array_loader import ArrayLoader

__all__ = ["ArrayLoader"]
