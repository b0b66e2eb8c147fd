"""Prefect flows and the cluster on which they run."""
