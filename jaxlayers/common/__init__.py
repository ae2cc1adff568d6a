"""What the kernel stands on: settings, errors, dtype policies, and the plain data that describes objects.

Nothing here knows of variables, scopes or layers.
"""
