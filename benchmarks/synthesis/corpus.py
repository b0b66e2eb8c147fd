"""Tokens a second of corpus counts beside a plain loop of tokenizers and a Counter, and the memory that they take.

Documents are made of real passages (`--data`), two halves each, so that runs of tokens keep being new. Each measurement is a
process of its own with one thread; seconds are those of the processor, so that other work on the machine does not count.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.figures import Figure, figure

COMMAND = "python -m benchmarks.synthesis corpus --data DIR"
SIZES = (1_000, 4_000, 16_000)
"""Documents of a shard, for the memory; the middle one for the comparison."""
REPEATS = 2
SHARD_ROWS = 1_000


def figures(data: Path) -> list[Figure]:
    """All figures, measured now."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = {n: make_shard(data, root / f"{n}.parquet", n) for n in SIZES}
        tokenizer = _tokenizer(data, root)
        middle = files[SIZES[1]]
        pairs = [(_measured("plain", middle, tokenizer), _measured("counted", middle, tokenizer)) for _ in range(REPEATS)]
        ours = {n: _measured("counted", file, tokenizer) for n, file in files.items()}
        plain, own = (min(one["cpu_seconds"] for one in way) for way in zip(*pairs, strict=True))  # what others disturbed least
        ratio = plain / own
        split = _split(middle, root / "split")
        alone, together = (_measured("side-by-side", split, tokenizer, n_workers) for n_workers in (1, 2))
    speed = pairs[0][1]["n_tokens"] / own
    growth = ours[SIZES[-1]]["peak_bytes"] - ours[SIZES[0]]["peak_bytes"]
    return [
        figure("corpus_tokens_a_second", speed, "", "tokens", COMMAND),
        figure("corpus_ratio_to_plain_loop", ratio, ">= 0.9", "1", COMMAND),
        figure("corpus_peak_megabytes", ours[SIZES[-1]]["peak_bytes"] / 2**20, "", "MiB", COMMAND),
        figure("corpus_memory_growth_16_times", growth / 2**20, "<= 50", "MiB", COMMAND),
        figure("corpus_cpu_of_two_workers", together["cpu_seconds"] / alone["cpu_seconds"], "<= 1.1", "1", COMMAND),
        figure("corpus_hours_of_10m_documents", 1e7 / SIZES[-1] * ours[SIZES[-1]]["cpu_seconds"] / 3600, "", "core h", COMMAND),
    ]


def make_shard(data: Path, file: Path, n_documents: int) -> Path:
    """A shard of documents, each the first half of a passage and the second of another."""
    texts = [text for part in ("real", "synthetic") for text in pq.read_table(data / f"lm/{part}.parquet")["text"].to_pylist()]
    random = np.random.default_rng(n_documents)
    with pq.ParquetWriter(file, pa.schema([("text", pa.string())])) as writer:
        for start in range(0, n_documents, 2_000):
            pairs = random.integers(0, len(texts), size=(min(2_000, n_documents - start), 2)).tolist()
            made = [texts[one][: len(texts[one]) // 2] + " " + texts[other][len(texts[other]) // 2 :] for one, other in pairs]
            writer.write_table(pa.table({"text": made}))
    return file


def _tokenizer(data: Path, root: Path) -> Path:
    from mixval.models.tokenizers import train_tokenizer

    texts = pq.read_table(data / "lm/real.parquet")["text"].to_pylist()
    return train_tokenizer(texts, 16_384, root / "tokenizer") / "tokenizer.json"


def _split(file: Path, folder: Path) -> Path:
    folder.mkdir()
    for at, batch in enumerate(pq.ParquetFile(file).iter_batches(SHARD_ROWS)):
        pq.write_table(pa.Table.from_batches([batch]), folder / f"part-{at}.parquet")
    return folder


def _measured(kind: str, file: Path, tokenizer: Path, n_workers: int = 1) -> dict[str, float]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.synthesis.corpus", kind, str(file), str(tokenizer), str(n_workers)]
    environment = {**os.environ, **threads, "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _plain(file: Path, tokenizer: Path) -> int:
    """The loop that anybody writes first."""
    from tokenizers import Tokenizer

    encoder, counts = Tokenizer.from_file(str(tokenizer)), Counter[int]()
    for batch in pq.ParquetFile(file).iter_batches(1024, columns=["text"]):
        for encoded in encoder.encode_batch(batch.column(0).to_pylist(), add_special_tokens=False):
            counts.update(encoded.ids)
    return counts.total()


def _counted(file: Path, tokenizer: Path, n_workers: int) -> int:
    """Every shard as `mixval corpus` counts it, committed."""
    from mixval.config.source import SourceConfig
    from mixval.contracts.record import ArtifactRef
    from mixval.stages.corpus.counting import CountJob, read_counts
    from mixval.stages.corpus.pool import counted
    from mixval.storage.commit import ArtifactStore
    from mixval.storage.listing import list_shards
    from mixval.storage.root import open_location

    source = SourceConfig(contributors=str(file), target=str(file))
    contexts = tuple(range(100, 164))
    jobs = [CountJob(shard, source, "language-modelling", True, contexts) for shard in list_shards(open_location(str(file)))]
    with tempfile.TemporaryDirectory() as output:
        store = ArtifactStore(open_location(output))
        definition = tokenizer.read_text(encoding="utf-8")
        total = 0
        for _, outcome in counted(store, jobs, definition, n_workers):
            if not isinstance(outcome, ArtifactRef):
                raise outcome
            total += sum(one.n_tokens for one in read_counts(store, outcome).values())
    return total


def main(kind: str, file: Path, tokenizer: Path, n_workers: int) -> None:
    """Measure one way in this process, without what starting it took, and print it."""
    import resource

    import mixval.stages.corpus.measuring  # noqa: F401  what a process imports once

    def used() -> float:
        own = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in own)

    before = used()
    n_tokens = _plain(file, tokenizer) if kind == "plain" else _counted(file, tokenizer, n_workers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"n_tokens": n_tokens, "cpu_seconds": used() - before, "peak_bytes": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
