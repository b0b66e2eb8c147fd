"""The history of a valuation's output: what its runs said of each contributor, one after the other."""
