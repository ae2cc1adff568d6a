"""Attention layers."""

from jaxlayers.layers.attention.dot_product import AdditiveAttention, Attention
from jaxlayers.layers.attention.grouped_query import GroupQueryAttention
from jaxlayers.layers.attention.multi_head import MultiHeadAttention

__all__ = ["AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention"]
