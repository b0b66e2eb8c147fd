"""Three small data sets with planted contributors, and the programs that build, value and evaluate them."""
