"""Which architectures of transformers mixval takes, tried on tiny random checkpoints: `python -m benchmarks.families`."""
