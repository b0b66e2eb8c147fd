"""A package, since libraries of the extras install one of this name."""
