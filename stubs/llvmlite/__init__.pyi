"""Only what thinc_nb uses."""

__version__: str
