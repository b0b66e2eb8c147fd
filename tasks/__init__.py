"""Thin Prefect tasks: take a small frozen job, make one library call on the cluster, hand back the reference."""
