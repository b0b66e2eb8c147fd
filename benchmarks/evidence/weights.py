"""The weights of Eq. 8 that mixval ships: fitted to the truth of all stored worlds, and evaluated on worlds that were left out.

    python -m benchmarks.evidence.weights [--results DIR]

Terms and truth are standardised within each world; weights are non-negative ridge (`mixval/evidence/weights.py`). A
world under weights from the other worlds is `eq8-fitted` of the evidence, whose mean Spearman correlation is written with
them. Writes `mixval/valuation/shipped_weights.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from mixval.contracts.terms import TERMS
from mixval.evidence.comparison_statistics import of_world
from mixval.evidence.fitted import FITTED, terms_of, with_fitted
from mixval.evidence.results import read_results
from mixval.evidence.weights import standardised
from mixval.storage.root import open_location
from mixval.valuation.fitting import fit_weights
from mixval.valuation.weights import SHIPPED

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "evidence"


def main() -> None:
    """Fit, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of stored worlds")
    results = with_fitted(read_results(open_location(parser.parse_args().results)))
    worlds = [(one.world, terms, one.mean_truth) for one in results if (terms := terms_of(one)) is not None]
    stacked = np.concatenate([standardised(terms) for _, terms, _ in worlds])
    truth = np.concatenate([standardised(mean) for _, _, mean in worlds])
    names = [name for name, _, _ in worlds]
    unseen = {one.world: of_world("spearman", one.scores_of(FITTED), one.mean_truth) for one in results if one.world in names}
    mean = float(np.mean(list(unseen.values())))
    provenance = (
        f"of standardised terms, fitted to truth by training of {len(truth)} contributors in {', '.join(names)}; weights from "
        f"the other worlds order a world's contributors at a mean Spearman correlation of {mean:.2f}"
    )
    fit = fit_weights(stacked, truth, provenance)
    held = {
        "weights": {term: round(float(weight), 4) for term, weight in zip(TERMS, fit.weights.coefficients, strict=True)},
        "provenance": provenance,
        "ridge": fit.ridge,
        "cross_validated_r2": round(fit.cross_validated_r2, 4),
        "unseen_spearman": {name: round(float(found), 4) for name, found in unseen.items()},
    }
    text = json.dumps(held, indent=1) + "\n"
    (ROOT / "mixval" / "valuation" / SHIPPED).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
