"""Recurrent layers: cells, the loop over time steps, and layers that combine both."""
