"""The two parts of a contributor's rows (S1 and S2 of arXiv 2511.13640), as the column `origin` and all tables spell them."""

PARTS = ("real", "synthetic")
REAL, SYNTHETIC = PARTS
