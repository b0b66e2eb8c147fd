"""A gate in front of a table: does it lose or double a row or a decision, and what does it cost."""
