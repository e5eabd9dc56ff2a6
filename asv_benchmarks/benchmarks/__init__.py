"""Benchmarks of thinc_nb, each beside its peer: Thinc from PyPI, where it is installed.

A parameter `library` names the package whose `api` is measured. What is not installed is reported as n/a.
"""
