"""Measures of the source tree itself."""
