"""Frozen configuration models, one file per section."""
