"""Values of mixtures, parts and coalitions against trainings, in worlds whose model is linear and trained in milliseconds."""
