"""Which answers are dropped, each with its reason and the text that it goes by."""
