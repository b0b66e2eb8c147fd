"""What is said of tokens, made up: one contributor farther than the other, a gap that turns text around."""

from __future__ import annotations

import pyarrow as pa

from mixval.contracts.corpora import CORPORA, ESTIMATES

HOSTILE = "<b>x</b>\u202e"


def make_corpora(names: list[str], **changes: object) -> pa.Table:
    """Each is 0.1 nats farther than the one before; `changes` are of all of them."""
    numbers = dict.fromkeys(ESTIMATES, 0.5) | {f"{name}_low": 0.4 for name in ESTIMATES}
    numbers |= {f"{name}_high": 0.6 for name in ESTIMATES}
    whole = {
        "n_documents": 3,
        "n_tokens": 12345,
        "n_gaps": 2,
        "kl_of_size": 0.01,
        "gaps_loss_share": 0.2,
        "gaps": ["a", "\u202eb"],
    }
    rows = [{"contributor": name, **whole, **numbers, "kl": 0.1 * at, **changes} for at, name in enumerate(names)]
    return pa.Table.from_pylist(rows, schema=CORPORA)
