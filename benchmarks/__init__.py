"""One file a question, answered by measuring; each runs as `python -m benchmarks.NAME`."""
