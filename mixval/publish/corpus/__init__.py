"""The page of corpus statistics."""
