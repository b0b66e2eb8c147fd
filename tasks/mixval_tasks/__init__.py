"""Thin Prefect tasks: each takes a small frozen job, makes one library call on the cluster, and returns the reference."""
