"""Frozen configuration models, one stage a file."""
