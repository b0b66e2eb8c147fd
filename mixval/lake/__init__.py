"""The lake's side of the gate: inbox, pinned copies, decisions, and the table that accepted rows enter exactly once."""
