"""Runs under damage: artifacts spoiled between runs, inputs changed within them. No ranking that differs may be published."""
