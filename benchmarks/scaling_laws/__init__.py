"""What `mixval scaling` reaches on public tables of training runs and on simulated ones (`__main__.py`)."""
