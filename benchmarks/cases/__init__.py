"""Small inputs from public reports, valued by `mixval value` and held against what is right: `python -m benchmarks.cases`."""
