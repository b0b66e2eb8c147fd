"""The five stages as plain functions: plan, gate, measure, reduce, publish.

Each opens by reference, makes library calls, commits under a fingerprint and returns the reference. The only room that
joins storage, gate, models, terms and publication; it has no scheduler, so the same calls serve a worker and a loop.
"""
