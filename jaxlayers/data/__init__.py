"""Feeding training: batches of arrays in memory, of samples made when needed, or written in Python."""

from jaxlayers.data.array_loader import ArrayLoader
from jaxlayers.data.mapped_loader import MappedLoader
from jaxlayers.data.py_dataset import PyDataset

__all__ = ["ArrayLoader", "MappedLoader", "PyDataset"]
