"""Corpus statistics: shards counted one by one and committed, added up, and compared with the targets."""
