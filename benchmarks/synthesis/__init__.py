"""What making synthetic data costs and loses, and what corpora say of it: `python -m benchmarks.synthesis PART`."""
