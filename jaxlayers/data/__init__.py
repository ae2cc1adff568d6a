"""Loaders of batches for training: from arrays in memory, from a function of the sample index, or from a class."""

from jaxlayers.data.array_loader import ArrayLoader
from jaxlayers.data.mapped_loader import MappedLoader
from jaxlayers.data.py_dataset import PyDataset

__all__ = ["ArrayLoader", "MappedLoader", "PyDataset"]
