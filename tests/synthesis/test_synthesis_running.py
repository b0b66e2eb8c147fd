"""A whole synthesis in this process with a real, tiny model: nothing is asked twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mixval.config.source import SourceConfig
from mixval.contracts.schemas import stored_version
from mixval.errors import ConfigError, TargetError
from mixval.storage.listing import list_contributors
from mixval.storage.shards import stream_rows
from mixval.synthesis.estimating import estimated
from mixval.synthesis.local import Batch, LocalModel, answer_batch, computed_here
from mixval.synthesis.publishing import SynthesisSummary
from mixval.synthesis.requests import Answer, Failure, Request
from mixval.synthesis.whole import begin, synthesize_with
from tests.synthesis.conftest import TEXTS, Configure, store
from tests.telemetry.observed_events import events_in, metrics_in


def table(url: str) -> list[dict[str, object]]:
    return pq.read_table(url.removeprefix("file://")).to_pylist()


def counts(summary: SynthesisSummary) -> tuple[int, int, int, int]:
    assert summary.n_planned == summary.n_kept + summary.n_dropped + summary.n_failed
    for url, n in ((summary.rows_url, summary.n_kept), (summary.dropped_url, summary.n_dropped)):
        assert not n or len(table(url)) == n
    assert len(table(summary.failed_url)) == summary.n_failed
    return summary.n_planned, summary.n_kept, summary.n_dropped, summary.n_failed


def test_rows_have_their_lineage_and_are_a_contributor(configure: Configure) -> None:
    config = configure()
    summary = synthesize_with(config, computed_here)
    assert counts(summary) == (6, 6, 0, 0)
    rows = table(summary.rows_url)
    assert [row["id"] for row in rows] == [f"doc-{at}#rephrase" for at in range(6)]
    assert {(row["origin"], row["source"], row["finish_reason"] in ("stop", "length")) for row in rows} == {
        ("synthetic", "model", True)
    }
    assert all(row["text"] == str(row["raw_text"]).strip() and row["prompt_tokens"] and row["max_tokens"] == 12 for row in rows)
    source = SourceConfig(contributors={"made": summary.rows_url}, target="unused")
    [batch] = stream_rows(list_contributors(source)["made"], source, "language-modelling")
    assert batch.table["text"].to_pylist() == [row["text"] for row in rows]
    assert stored_version(pq.read_schema(Path(summary.rows_url.removeprefix("file://")) / "part-00000.parquet")) == 1


def test_nothing_is_asked_twice(configure: Configure) -> None:
    first = synthesize_with(configure(), computed_here)
    assert (first.n_asked, first.n_reused) == (6, 0)
    again = synthesize_with(configure(), computed_here)
    assert (again.run_id, again.n_asked, again.n_reused) == (first.run_id, 0, 6)
    other_filters = synthesize_with(configure(filters={"min_tokens": 13}), computed_here)
    assert (other_filters.n_asked, counts(other_filters)[2], other_filters.dropped) == (0, 6, {"too-short": 6})
    assert other_filters.exit_code == 3
    assert synthesize_with(configure(seed=1), computed_here).n_asked == 6
    n_cut = sum(row["finish_reason"] == "length" for row in table(first.rows_url))
    longer = synthesize_with(configure(sampling={"max_tokens": 16}), computed_here)
    assert 0 < n_cut < 6
    assert longer.n_asked == n_cut
    kept = {row["id"]: row["text"] for row in table(first.rows_url) if row["finish_reason"] == "stop"}
    assert kept.items() <= {row["id"]: row["text"] for row in table(longer.rows_url)}.items()


def test_a_run_tells_its_documents_its_counts_and_where_they_lie(configure: Configure) -> None:
    config = configure(filters={"min_tokens": 12})
    summary = synthesize_with(config, computed_here)
    told = Path(config.output) / "telemetry"
    found = metrics_in(told / "synthesis.prom")
    states = {"kept": summary.n_kept, "dropped": summary.n_dropped, "failed": 0}
    assert found["mixval_synthesis_rows"] == {(state,): n for state, n in states.items()}
    assert found["mixval_synthesis_dropped_rows"] == {(reason,): n for reason, n in summary.dropped.items()} != {}
    assert found["mixval_synthesis_requests"] == {("asked",): 6, ("reused",): 0}
    assert found["mixval_synthesis_tokens"][("answer",)] == summary.completion_tokens > 0
    assert (found["mixval_input_rows"], found["mixval_run_success"]) == ({("documents",): 6}, {(): 1})
    assert {"generate", "filter", "publish"} <= {stage for (stage,) in found["mixval_stage_seconds"]}
    begun, ended = events_in(told / "lineage")
    assert (begun["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert [one["name"] for one in ended["inputs"]] == [config.source.urls[0]]
    assert [one["name"] for one in ended["outputs"]] == [summary.url.removeprefix("file://")]
    assert synthesize_with(config, computed_here).n_asked == 0
    again = metrics_in(told / "synthesis.prom")
    assert (again["mixval_run_up_to_date"], again["mixval_synthesis_requests"]) == ({(): 1}, {("asked",): 0, ("reused",): 6})
    assert len(events_in(told / "lineage")) == 2


def test_documents_without_text_fail_and_copies_share_an_answer(configure: Configure, tmp_path: Path) -> None:
    documents = store(tmp_path / "others.parquet", [TEXTS[0], None, "", TEXTS[0], "long " * 50])
    summary = synthesize_with(configure(source={"documents": [str(documents)], "max_chars": 80}), computed_here)
    assert summary.n_asked == 2
    assert counts(summary) == (5, 2, 1, 2)
    assert {row["reason"] for row in table(summary.failed_url)} == {"the document has no text"}
    [copy] = table(summary.dropped_url)
    assert (copy["id"], copy["reason"], copy["match"]) == ("doc-3#rephrase", "near-duplicate", "doc-0#rephrase")
    assert [row["document_cut"] for row in table(summary.rows_url)] == [False, True]


def test_a_textbook_has_an_outline_and_its_chapters(configure: Configure) -> None:
    config = configure(recipe="textbook", chapters=3, filters={"max_similarity": None})
    summary = synthesize_with(config, computed_here)
    assert (summary.n_planned, summary.n_asked) == (18, 6 + 18 - summary.n_failed)
    assert summary.failed == {"no outline: it is empty": 3}
    rows = table(summary.rows_url) + table(summary.dropped_url)
    assert {row["part"] for row in rows} == {"chapter-1", "chapter-2", "chapter-3"}
    assert len({(row["document"], row["outline"]) for row in rows}) == 5
    assert len({row["audience"] for row in rows}) > 1
    assert {row["template"] for row in rows} == {"textbook-chapter.txt"}
    fewer = synthesize_with(configure(recipe="textbook", chapters=2, filters={"max_similarity": None}), computed_here)
    assert fewer.n_asked == 0


def test_one_request_that_ends_its_process_fails_alone_and_is_asked_again(configure: Configure) -> None:
    """Batches whose worker ends are tried again one request at a time."""
    poison = begin(configure()).cook

    def results(batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Answer | Failure] | Exception]]:
        for batch in batches:
            bad = any(TEXTS[2] in request.user for request in batch.requests)
            yield batch, RuntimeError("its worker ended") if bad else answer_batch(batch)

    assert poison.identity.name == "model"
    summary = synthesize_with(configure(), results)
    assert counts(summary) == (6, 5, 0, 1)
    assert summary.failed == {"RuntimeError: its worker ended": 1}
    whole = synthesize_with(configure(), computed_here)
    assert (whole.n_asked, whole.n_failed) == (1, 0)


def test_draws_are_a_requests_own_whatever_the_batch(configure: Configure) -> None:
    config = configure(sampling={"max_tokens": 12})
    synthesis = begin(config)
    requests = [synthesis.cook.first(document) for chunk in synthesis.documents() for document in chunk]
    asked = [request for request in requests if request is not None]
    model = LocalModel(config.generator, "cpu")  # type: ignore[arg-type]
    together = [one.text for one in model.answers(asked, config.sampling) if isinstance(one, Answer)]
    alone = [one.text for request in asked for one in model.answers([request], config.sampling) if isinstance(one, Answer)]
    backwards = [one.text for one in model.answers(asked[::-1], config.sampling) if isinstance(one, Answer)]
    assert together == alone == backwards[::-1]
    assert len(set(together)) == 6


def test_a_prompt_that_leaves_no_room_fails_and_special_tokens_of_documents_are_text(configure: Configure) -> None:
    model = LocalModel(configure().generator, "cpu")  # type: ignore[arg-type]
    long, spelled = Request("a", "", "word " * 3000, 1), Request("b", "", "end <eos> here", 1)
    [failed, answered] = model.answers([long, spelled], configure().sampling)
    assert isinstance(failed, Failure)
    assert "fewer than 1,024" in failed.reason
    assert isinstance(answered, Answer)
    end = model.prompt_ids([Request("c", "", "", 1)])[0]
    assert sum(model.prompt_ids([spelled])[0].count(token) for token in (2,)) == end.count(2)


def test_the_estimate_counts_what_is_open_and_measures_the_model(configure: Configure) -> None:
    before = estimated(configure(), 1)
    assert (before.n_requests, before.n_answered, before.completion_tokens) == (6, 0, 72)
    assert before.hours is not None
    assert before.hours > 0
    synthesize_with(configure(source={"first": 4}), computed_here)
    after = estimated(configure(), 1)
    assert (after.n_documents, after.n_answered, after.n_open) == (6, 4, 2)
    assert "in the journal" in after.basis[0]
    assert not [words for words in after.basis if "are cut" in words]
    [said] = [words for words in estimated(configure(filters={"cut": True}, seed=1), 1).basis if "are cut" in words]
    assert "`sampling.max_tokens` of 12" in said
    books = estimated(configure(recipe="textbook", chapters=2), 1)
    assert books.n_open == 18
    priced = {"kind": "openai", "model": "m", "input_price": 1.0, "output_price": 3.0}
    asked = estimated(configure(generator=priced), 1)
    assert asked.cost == pytest.approx((asked.prompt_tokens + 3 * asked.completion_tokens) / 1e6)
    assert asked.hours is None


def test_what_cannot_run_is_refused_before_it_costs(configure: Configure, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"filters\.language: expected one of .*en.*, found 'xx'"):
        begin(configure(filters={"language": "xx"}))
    with pytest.raises(TargetError, match="found no row"):
        begin(configure(source={"documents": str(store(tmp_path / "empty.parquet", []))}))
    with pytest.raises(ConfigError, match="no such folder"):
        begin(configure(generator={"kind": "transformers", "model": str(tmp_path / "none")}))
