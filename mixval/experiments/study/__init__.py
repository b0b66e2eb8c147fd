"""Studies of mixtures (arXiv 2510.01631): language models on real and synthetic text over ratios, budgets and sizes."""
