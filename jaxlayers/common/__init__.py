"""The base of the kernel: settings, errors, dtype policies, and the configs (plain data) that describe objects.

Nothing in this package imports variables, scopes or layers.
"""
