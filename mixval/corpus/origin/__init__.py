"""The share of real rows of a corpus that does not say which rows are real: an estimate, or that it cannot be told."""
