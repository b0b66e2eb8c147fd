"""Models trained over a grid, beside what a formula says of them: each training an artifact, the whole a run with a page."""
