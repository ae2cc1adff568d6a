"""The same models in the libraries that jaxlayers is compared with, each in its own idiom."""
