"""Layers that prepare data: image augmentation and resizing, scaling, categorical features, texts and audio."""

from jaxlayers.layers.preprocessing._augmentation import BaseImagePreprocessingLayer as BaseImagePreprocessingLayer
