"""Scaling laws: fitted to tables of training runs, predicted with intervals, and where they cannot say.

Numeric files: numpy and scipy alone. No torch, no storage, no configuration.
"""
