"""Runs under faults: artifacts spoiled, inputs changed, processes stopped and killed. Nothing that differs may be published."""
