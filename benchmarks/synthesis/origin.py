"""Error and coverage of the estimated real share, over planted shares, by generators that were known and that were not.

Each split holds three to five generators out of what is known, real rows are split in two, and corpora of `N_TEXTS` texts are
drawn without replacement: a share of real ones, the rest of known or of held-out generators.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.figures import Figure, figure
from mixval.corpus.origin.scoring import Scorer, fit_scorer
from mixval.corpus.origin.share import RealShare, real_share
from mixval.corpus.origin.tokens import WordShares
from mixval.seeds import generator

COMMAND = "python -m benchmarks.synthesis origin --data DIR"
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
HELD_OUT = (
    ("squad/gpt2-xl", "squad/opt-2.7b", "sciphi/gpt", "wiki/gpt-3.5/rephrase_base", "wiki/gpt-3.5/rephrase_expert"),
    ("sciphi/rag-wiki", "squad/gpt-neox-20b", "wiki/gpt-3.5/generated_base"),
    ("sciphi/full-synthetic", "squad/gpt-j-6B", "wiki/gpt-3.5/generated_expert"),
)
N_TEXTS, N_REPEATS = 300, 2
Trial = tuple[float, RealShare, float]
"""Planted share, what was said, and the share by words."""


def figures(data: Path) -> list[Figure]:
    """All figures, measured now."""
    real = [row["text"] for part in ("real", "test") for row in pq.read_table(data / f"lm/{part}.parquet").to_pylist()]
    made = pq.read_table(data / "lm/synthetic.parquet").to_pylist()
    trials: dict[str, list[Trial]] = {"seen": [], "unseen": []}
    for split, held_out in enumerate(HELD_OUT):
        random = generator("origin-benchmark", split)
        texts = [real[at] for at in random.permutation(len(real))]
        rows = [made[at] for at in random.permutation(len(made))]
        known = [row for row in rows if row["source"] not in held_out]
        half, most = len(texts) // 2, len(known) // 2
        names = [row["source"] for row in known[:most]]
        known_texts = [row["text"] for row in known[:most]]
        scorer, words = fit_scorer(texts[:half], known_texts, names, split), WordShares(texts[:half], known_texts)
        pools = {
            "seen": [row["text"] for row in known[most:]],
            "unseen": [row["text"] for row in rows if row["source"] in held_out],
        }
        for kind, pool in pools.items():
            trials[kind] += _trials(scorer, words, texts[half:], pool, random)
    return [one for kind, found in trials.items() for one in _figures(kind, found)]


def _trials(scorer: Scorer, words: WordShares, real: list[str], pool: list[str], random: np.random.Generator) -> list[Trial]:
    found = []
    for share in SHARES:
        for _ in range(N_REPEATS):
            n_real = round(share * N_TEXTS)
            chosen = [real[at] for at in random.choice(len(real), n_real, replace=False)]
            chosen += [pool[at] for at in random.choice(len(pool), N_TEXTS - n_real, replace=False)]
            found.append((share, real_share(scorer, scorer.scores(chosen), random), words.real_share(chosen)))
            print(f"{share:.2f} {found[-1][1].value:.3f} {found[-1][1].low:.3f} {found[-1][1].high:.3f} {found[-1][2]:.3f}")
    return found


def _figures(kind: str, trials: list[Trial]) -> list[Figure]:
    told = [(planted, share) for planted, share, _ in trials if share.is_told]
    held = [share.low - 1e-9 <= planted <= share.high + 1e-9 for planted, share in told]
    errors = [abs(share.value - planted) for planted, share in told]
    wide = [share.high - share.low for _, share in told]
    by_words = [abs(share - planted) for planted, _, share in trials]
    return [
        figure(f"real_share_{kind}_told", len(told) / len(trials), "", "1", COMMAND),
        figure(f"real_share_{kind}_coverage", float(np.mean(held)) if held else None, ">= 0.9", "1", COMMAND),
        figure(f"real_share_{kind}_error", float(np.mean(errors)) if errors else None, "<= 0.05", "1", COMMAND),
        figure(f"real_share_{kind}_width", float(np.mean(wide)) if wide else None, "", "1", COMMAND),
        figure(f"real_share_{kind}_error_by_words", float(np.mean(by_words)), "", "1", COMMAND),
    ]
