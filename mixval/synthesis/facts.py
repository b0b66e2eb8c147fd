"""What a synthesis tells those who watch runs."""

from __future__ import annotations

from mixval.synthesis.publishing import SynthesisSummary
from mixval.synthesis.running import Synthesis
from mixval.telemetry.facts import DataUsed, Facts, totals


def synthesis_facts(synthesis: Synthesis, summary: SynthesisSummary, is_new: bool) -> Facts:
    """Documents with their digests, the run as output, and what became of planned rows and requests.

    `is_new`: this run published it. Else nothing was asked, and requests and tokens are 0.
    """
    files = [
        DataUsed(shard.url, shard.digest, "documents", n_rows=shard.n_rows, n_bytes=shard.size_bytes)
        for _, shards in synthesis.listed
        for shard in shards
    ]
    rows = {"kept": summary.n_kept, "dropped": summary.n_dropped, "failed": summary.n_failed}
    requests = {"asked": summary.n_asked, "reused": summary.n_reused}
    tokens = {"prompt": summary.prompt_tokens, "answer": summary.completion_tokens}
    return Facts(
        run_id=summary.run_id,
        is_new=is_new,
        headline=summary.headline,
        inputs=files,
        outputs=[DataUsed(summary.url, summary.run_id, "results", n_rows=summary.n_kept)],
        samples=totals(files)
        | {
            "mixval_synthesis_rows": [({"state": state}, float(n)) for state, n in rows.items()],
            "mixval_synthesis_dropped_rows": [({"reason": reason}, float(n)) for reason, n in summary.dropped.items()],
            "mixval_synthesis_requests": [({"origin": origin}, float(n)) for origin, n in requests.items()],
            "mixval_synthesis_tokens": [({"kind": kind}, float(n)) for kind, n in tokens.items()],
        },
    )
