"""What a corpus is made of, from counts that add: Zipf's law, distance to a target, missing mass, support, repetition.

Documents fall by a digest of their text into `N_GROUPS` groups, and everything is counted a group, so that every statistic can
be computed again without each of them: the intervals are those of documents, see `mixval.corpus.jackknife`.
"""
