"""What a gate in front of a table says of its deliveries: on a terminal, and as pages."""
