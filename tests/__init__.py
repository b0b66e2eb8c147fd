"""A package, since libraries of the extras install one of this name. Imported before NumPy and torch, which read this once."""

import os

# Each test process has a core: threads that wait for each other cost twice the time. Another number may be asked for.
os.environ.setdefault("OMP_NUM_THREADS", "1")
