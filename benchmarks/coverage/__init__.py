"""Coverage of mixval's intervals over redraws of contributors' rows and of the target from one pool."""
