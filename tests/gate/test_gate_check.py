"""The gate's word on a contributor: what is dropped, what is rejected, and what the messages say."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from mixval.config.gate import GateConfig
from mixval.contracts.batches import RowBatch
from mixval.contracts.digests import input_digest
from mixval.errors import ShardError, StorageError

LENIENT = GateConfig(max_bad_row_share=0.5, max_duplicate_share=0.5, max_target_overlap_share=0.5)


def only(check, expectation=None, column=None):
    """The single finding, of an expectation or column if one is named."""
    found = [
        f
        for f in check.outcome.findings
        if (expectation is None or f.expectation == expectation) and (column is None or f.column == column)
    ]
    assert len(found) == 1, [f.message for f in check.outcome.findings]
    return found[0]


def rejecting(check):
    """Columns of the findings that reject."""
    return [f.column for f in check.outcome.findings if f.severity == "reject"]


def test_clean_rows_are_admitted(check, text_rows):
    found = check(text_rows())
    outcome = found.outcome
    assert (outcome.verdict, outcome.reason, outcome.findings) == ("admitted", None, [])
    assert (outcome.n_rows, outcome.n_real, outcome.n_synthetic, outcome.n_dropped) == (60, 30, 30, 0)
    assert found.bad_rows.num_rows == 0
    assert [v["suite_name"] for v in found.validations] == ["shards", "rows", "repeats", "contributor"]
    assert all(v["success"] for v in found.validations)


def test_digests_are_those_of_the_admitted_inputs(check, text_rows):
    found = check(text_rows(label={4: 9}))
    expected = [input_digest([f"c says {i}"]) for i in range(60) if i != 4]
    assert [bytes(row) for row in found.digests] == expected


@pytest.mark.parametrize(
    ("changes", "column", "sample", "clause"),
    [
        ({"text": {3: None}}, "text", "null", "column 'text' must not be null"),
        ({"text": {3: ""}}, "text", "0 characters", "must have 1 to 200,000 characters"),
        ({"text": {3: " \n\t"}}, "text", "0 characters", "must have 1 to 200,000 characters"),
        ({"text": {3: "x" * 200_001}}, "text", "200,001 characters", "must have 1 to 200,000 characters"),
        ({"label": {3: None}}, "label", "null", "column 'label' must not be null"),
        ({"label": {3: 7}}, "label", "7", "one of the target's labels 0, 1, 2"),
        ({"label": {3: -1}}, "label", "-1", "one of the target's labels 0, 1, 2"),
        ({"origin": {3: None}}, "origin", "null", "column 'origin' must not be null"),
        ({"origin": {3: "Real"}}, "origin", "Real", "column 'origin' must be 'real' or 'synthetic'"),
    ],
)
def test_a_bad_row_is_dropped_and_named(check, text_rows, changes, column, sample, clause):
    found = check(text_rows(**changes))
    finding = only(found, column=column)
    assert found.outcome.verdict == "trimmed"
    assert found.outcome.n_dropped == 1
    assert (finding.severity, finding.count) == ("drop", 1)
    assert sample in finding.samples[0]
    assert clause in finding.message
    assert finding.message.startswith("contributor 'news', shard 'part-0.parquet', row 3: ")
    assert finding.message.endswith("1 of 60 rows is dropped.")
    assert found.bad_rows.select(["shard_index", "row"]).to_pylist() == [{"shard_index": 0, "row": 3}]
    assert clause in found.bad_rows["reason"][0].as_py()


def test_a_row_with_two_faults_is_one_bad_row(check, text_rows):
    found = check(text_rows(label={5: 9}, origin={5: "fake"}))
    assert found.outcome.n_dropped == 1
    assert found.bad_rows.num_rows == 1
    assert found.bad_rows["reason"][0].as_py().count("; ") == 1


def test_samples_are_few_short_and_printable(check, text_rows):
    texts = dict.fromkeys(range(10), "\u202e\x00" + "y" * 300_000)
    found = check(text_rows(text=texts), GateConfig(max_bad_row_share=1, samples_kept=3))
    finding = only(found, column="text")
    assert (finding.count, len(finding.samples)) == (10, 3)
    assert all(len(s.split(": ", 1)[1]) <= 120 and s.isprintable() for s in finding.samples)
    assert finding.message.isprintable()
    assert "row 0 and 9 more rows" in finding.message


def test_bad_rows_up_to_the_share_are_dropped_beyond_it_they_reject(check, text_rows):
    limits = GateConfig(max_bad_row_share=0.1)
    at_limit = check(text_rows(label=dict.fromkeys(range(6), 9)), limits)
    assert at_limit.outcome.verdict == "trimmed"
    beyond = check(text_rows(label=dict.fromkeys(range(7), 9)), limits)
    assert beyond.outcome.verdict == "rejected"
    assert rejecting(beyond) == ["bad_row_share"]
    finding = only(beyond, column="bad_row_share")
    assert (finding.count, finding.n_checked) == (7, 60)
    assert "at most 0.1 of the rows may break the row checks (gate.max_bad_row_share), found 0.1167" in finding.message
    assert "7 rows: column 'label' must be one of" in beyond.outcome.reason


def test_repeats_within_are_dropped_beyond_the_share_they_reject(check, text_rows):
    repeats = {10 + i: "c says 0" for i in range(6)}
    found = check(text_rows(text=repeats))
    finding = only(found)
    assert (found.outcome.verdict, finding.severity, finding.count) == ("trimmed", "drop", 6)
    assert "must not repeat the inputs of an earlier row" in finding.message
    assert finding.samples == ["c says 0"] * 5
    assert found.bad_rows["row"].to_pylist() == list(range(10, 16))
    beyond = check(text_rows(text=repeats | {20: "c says 1"}))
    assert rejecting(beyond) == ["duplicate_share"]


def test_a_good_row_is_no_repeat_of_a_bad_one(check, text_rows):
    found = check(text_rows(text={1: "c says 0"}, label={0: 9}))
    assert found.bad_rows["row"].to_pylist() == [0]
    assert found.outcome.n_dropped == 1


def test_rows_of_the_target_are_dropped_beyond_the_share_they_reject(check, text_rows):
    found = check(text_rows(text={7: "t says 5"}), GateConfig(max_target_overlap_share=0.02))
    assert (found.outcome.verdict, found.bad_rows["row"].to_pylist()) == ("trimmed", [7])
    assert "must not be in the target set" in only(found).message
    beyond = check(text_rows(text={7: "t says 5"}))
    assert rejecting(beyond) == ["target_overlap_share"]
    assert "0.01667 (1 of 60 rows)" in beyond.outcome.reason


def test_all_rows_bad(check, text_rows):
    found = check(text_rows(label=dict.fromkeys(range(60), 9)))
    assert found.outcome.verdict == "rejected"
    assert rejecting(found) == ["n_left", "bad_row_share"]
    assert "none: all of 60 rows in 1 shard are dropped (60 rows: column 'label'" in found.outcome.reason
    assert found.outcome.reason.endswith("(and 1 more finding)")
    assert found.digests.shape == (0, 16)


@pytest.mark.parametrize(("n_shards", "words"), [(0, "no shard at all"), (2, "none in 2 shards")])
def test_no_rows(check, shard, n_shards, words):
    found = check(None, shards=[shard(f"p{i}.parquet") for i in range(n_shards)])
    assert (found.outcome.verdict, rejecting(found)) == ("rejected", ["n_rows"])
    assert f"must have at least 1 row, found {words}." in found.outcome.reason
    assert found.outcome.n_rows == 0


def test_empty_batches_count_for_nothing(check, text_rows):
    assert rejecting(check(text_rows(0))) == ["n_rows"]


def test_too_few_rows(check, text_rows):
    found = check(text_rows(18))
    assert rejecting(found) == ["n_left_if_any"]
    assert "at least 20 rows must remain after bad rows are dropped (gate.min_rows), found 18" in found.outcome.reason


def test_too_few_rows_of_a_part_but_none_is_fine(check, text_rows):
    few = check(text_rows(origin={i: "real" for i in range(60) if i > 7}))
    assert few.outcome.n_synthetic == 4
    assert rejecting(few) == ["n_synthetic_if_any"]
    assert "a synthetic part that is not empty must have at least 5 rows" in few.outcome.reason
    none = check(text_rows(origin=dict.fromkeys(range(60), "real")))
    assert (none.outcome.verdict, none.outcome.n_synthetic) == ("admitted", 0)


def test_one_class_only(check, text_rows):
    rows = text_rows(label=dict.fromkeys(range(60), 1))
    found = check(rows)
    assert rejecting(found) == ["n_classes"]
    assert "at least 2 distinct labels (gate.min_classes), found 1 (1)" in found.outcome.reason
    assert check(rows, GateConfig(min_classes=1)).outcome.verdict == "admitted"


def test_listed_problem_rejects_without_reading(check, text_rows, shard):
    def never() -> Iterator[RowBatch]:
        raise AssertionError("a shard with a broken footer was read")
        yield

    listing = [shard("a.parquet", 40), shard("b.parquet", problem="Parquet magic bytes not found in footer")]
    found = check(None, shards=listing)
    assert found.outcome.n_rows == 40
    assert rejecting(found) == [None]
    finding = only(found)
    assert finding.expectation == "expect_column_values_to_be_in_set"
    assert finding.samples == ["b.parquet"]
    assert finding.message == (
        "contributor 'news', shard 'b.parquet': a shard must be a readable data file, found: Parquet magic bytes not "
        "found in footer. Write the file again, or leave the shard out of the catalogue."
    )
    assert [v["suite_name"] for v in found.validations] == ["shards"]


def test_shard_error_while_reading_rejects_and_keeps_what_was_seen(target, text_rows, shard, batches):
    from mixval.gate.check import check_contributor

    def broken() -> Iterator[RowBatch]:
        yield from batches(text_rows(30))
        raise ShardError("it ends in the middle of a row group", shard="file:///data/b.parquet", kind="unreadable")

    listing = [shard("a.parquet", 30), shard("b.parquet", 30)]
    found = check_contributor("news", listing, broken(), "text-classification", GateConfig(), target)
    assert found.outcome.verdict == "rejected"
    assert "shard 'b.parquet'" in found.outcome.reason
    assert "it ends in the middle of a row group" in found.outcome.reason
    assert (found.outcome.n_rows, found.outcome.n_real) == (60, 15)


def test_a_readers_own_message_is_not_said_twice(check, shard):
    words = "shard 'b.parquet' (file:///b.parquet): column 'text' must be string, found int64. Convert it."
    found = check(None, shards=[shard("b.parquet", problem=words)])
    assert found.outcome.reason == f"contributor 'news', {words}"


def test_storage_failures_are_not_the_contributors_fault(target, shard):
    from mixval.gate.check import check_contributor

    def unreachable() -> Iterator[RowBatch]:
        raise StorageError("s3://bucket: connection refused")
        yield

    with pytest.raises(StorageError, match="connection refused"):
        check_contributor("news", [shard()], unreachable(), "text-classification", GateConfig(), target)


def test_missing_column_and_wrong_type(check, text_rows):
    missing = check(text_rows().drop_columns(["label"]))
    assert "shard 'part-0.parquet': a shard must have the columns 'text', 'label', 'origin'" in missing.outcome.reason
    assert "found: column 'label' must exist, found text, origin" in missing.outcome.reason
    wrong = check(text_rows().set_column(0, "text", pa.array(range(60), pa.int64())))
    assert "column 'text' must be string, found int64" in wrong.outcome.reason
    assert only(wrong).column == "text"
    no_origin = check(text_rows().drop_columns(["origin"]))
    assert "column 'origin' must exist" in no_origin.outcome.reason


def test_text_that_is_not_utf8(check, text_rows):
    raw = [f"c says {i}".encode() for i in range(60)]
    raw[2] = b"caf\xe9 au lait"
    bad = pa.Array.from_buffers(pa.string(), 60, pa.array(raw, pa.binary()).buffers())
    found = check(text_rows().set_column(0, "text", bad))
    assert found.bad_rows["row"].to_pylist() == [2]
    assert "must be UTF-8" in only(found).message


@pytest.mark.parametrize("size", [13, 59])
def test_batches_do_not_matter(check, text_rows, size):
    rows = text_rows(text={9: "c says 1", 30: "t says 2", 31: None}, label={40: 5}, origin={41: "x"})
    whole, cut = check(rows, LENIENT), check(rows, LENIENT, size=size)
    assert cut.outcome == whole.outcome
    assert cut.bad_rows.equals(whole.bad_rows)
    assert np.array_equal(cut.digests, whole.digests)
    assert cut.validations == whole.validations


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c", "новости 📰", "\u202egnp.exe", "x" * 400, "", "'); DROP"])
def test_hostile_names_stay_words(check, text_rows, name):
    found = check(text_rows(label={1: 9}), name=name)
    assert found.outcome.contributor == name
    assert found.outcome.verdict == "trimmed"
    message = only(found).message
    assert message.isprintable()
    assert len(message) < 600


def test_validations_are_json_and_add_up(check, text_rows):
    found = check(text_rows(label={1: 9}, text={2: None}), size=7)
    back = json.loads(json.dumps(found.validations, allow_nan=False))
    assert back == found.validations
    rows = next(v for v in found.validations if v["suite_name"] == "rows")
    in_set = next(r for r in rows["results"] if r["expectation_config"]["meta"]["check"].endswith("ToBeInSet:label"))
    assert in_set["expectation_config"]["severity"] == "warning"
    assert in_set["result"]["element_count"] == 60
    assert in_set["result"]["unexpected_count"] == 1
    assert in_set["result"]["partial_unexpected_list"] == ["9"]


def words_as_tokens(table: pa.Table) -> SimpleNamespace:
    """Tokens are words: of prompt and response where there are both."""
    columns = [c for c in ("prompt", "response", "text") if c in table.column_names]
    counts = [np.array([len(str(v).split()) for v in table[c].to_pylist()]) for c in columns]
    return SimpleNamespace(n_tokens=sum(counts), n_response_tokens=counts[-1], refusals=[None] * table.num_rows)


def pairs(**changes):
    data = {
        "prompt": [f"question number {i} ?" for i in range(40)],
        "response": [f"answer {i}" for i in range(40)],
        "origin": ["real"] * 40,
    }
    for column, at in changes.items():
        for row, value in at.items():
            data[column][row] = value
    return pa.table(data, schema=pa.schema([(name, pa.string()) for name in data]))


@pytest.fixture
def causal(check, target):
    """`check` for instruction rows with words as tokens."""

    def run(table, **options):
        from mixval.gate.profile import NO_DIGESTS, TargetProfile

        profile = TargetProfile((), NO_DIGESTS, 10)
        options = {"count_tokens": words_as_tokens} | options
        return check(table, task="instruction", target=profile, **options)

    return run


def test_response_without_tokens(causal):
    found = causal(pairs(response={6: "\u00b7"}), count_tokens=lambda t: _zero_for(t, "\u00b7"))
    finding = only(found)
    assert (finding.column, finding.count) == ("response", 1)
    assert "column 'response' must have at least 1 token" in finding.message
    assert found.bad_rows["row"].to_pylist() == [6]


def _zero_for(table, blank):
    counts = words_as_tokens(table)
    counts.n_response_tokens = np.array([0 if v == blank else 1 for v in table["response"].to_pylist()])
    return counts


def test_overlong_rows_are_cut_or_dropped(causal):
    rows = pairs(prompt={3: "w " * 30, 8: "w v " * 30})
    cut = causal(rows, max_length=20, overlong="truncate")
    assert (cut.outcome.verdict, cut.outcome.n_truncated, cut.outcome.n_dropped) == ("admitted", 2, 0)
    finding = only(cut)
    assert (finding.severity, finding.count) == ("warn", 2)
    assert finding.samples[0].startswith("32 tokens: ")
    assert finding.message.endswith("2 of 40 rows are cut to fit.")
    refused = causal(rows, max_length=20, overlong="reject")
    assert (refused.outcome.verdict, refused.outcome.n_truncated, refused.outcome.n_dropped) == ("trimmed", 0, 2)
    assert refused.bad_rows["row"].to_pylist() == [3, 8]


def test_dropped_rows_are_not_counted_as_truncated(causal):
    found = causal(pairs(prompt={3: "w " * 30}, origin={3: "fake"}), max_length=20)
    assert (found.outcome.n_truncated, found.outcome.n_dropped) == (0, 1)


def test_tokens_are_counted_on_complete_rows_only(causal):
    seen = []

    def strict(table):
        seen.extend(table["response"].to_pylist())
        assert None not in seen
        assert "" not in seen
        return words_as_tokens(table)

    found = causal(pairs(response={0: None, 1: ""}), count_tokens=strict)
    assert found.outcome.n_dropped == 2
    assert len(seen) == 38


def test_same_prompt_with_another_response_is_no_repeat(causal):
    found = causal(pairs(prompt={1: "question number 0 ?"}))
    assert found.outcome.verdict == "admitted"
    both = causal(pairs(prompt={1: "question number 0 ?"}, response={1: "answer 0"}))
    assert only(both).column == "prompt+response"


def test_chat_prompts(causal):
    talk = [[{"role": "user", "content": f"hello {i}"}] for i in range(40)]
    talk[4] = [{"role": "user", "content": None}]
    talk[5] = []
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    found = causal(pairs().set_column(0, "prompt", pa.array(talk, kind)))
    assert found.bad_rows["row"].to_pylist() == [4, 5]
    assert "messages must have role and content" in found.bad_rows["reason"][0].as_py()


def images(cells, kind=None):
    n = len(cells)
    column = cells if kind is None else pa.array(cells, kind)
    labels = pa.array([i % 2 for i in range(n)])
    return pa.table({"image": column, "label": labels, "origin": pa.array(["real"] * n)})


def test_images(check, png):
    from mixval.gate.profile import NO_DIGESTS, TargetProfile

    cells = [png(i) for i in range(30)]
    cells[3], cells[4], cells[5], cells[6] = b"not an image", png(4)[:-60], png(5, side=4), None
    profile = TargetProfile((0, 1), NO_DIGESTS, 10)
    limits = GateConfig(max_bad_row_share=0.5, max_image_side_pixels=16)
    cells[7] = png(7, side=17)
    found = check(images(cells, pa.binary()), limits, task="image-classification", target=profile)
    assert found.bad_rows["row"].to_pylist() == [3, 4, 5, 6, 7]
    reasons = " | ".join(found.bad_rows["reason"].to_pylist())
    for clause in ("must be a complete PNG or JPEG", "at least 8 pixels", "must not be null", "at most 16 pixels"):
        assert clause in reasons
    decode = next(f for f in found.outcome.findings if "complete PNG" in f.message)
    assert decode.count == 2
    assert "12 bytes that begin with 6e 6f 74" in decode.samples[0]


def test_pixels_that_are_not_finite(check):
    from mixval.gate.profile import NO_DIGESTS, TargetProfile

    pixels = np.random.default_rng(0).random((30, 8, 8, 3), dtype=np.float32)
    pixels[2, 0, 0, 0], pixels[9, 7, 7, 2] = np.nan, np.inf
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)
    profile = TargetProfile((0, 1), NO_DIGESTS, 10)
    found = check(images(column), task="image-classification", target=profile)
    assert found.bad_rows["row"].to_pylist() == [2, 9]
    assert "finite pixels, no NaN and no infinity" in only(found).message
    assert only(found).samples == ["tensor 8x8x3 float32"] * 2
