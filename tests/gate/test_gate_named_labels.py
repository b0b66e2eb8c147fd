"""Rows that the gate drops for what the mapping says of them: labels of no class of T, and rows that were not read."""

import pyarrow as pa

from mixval.config.gate import GateConfig
from mixval.contracts.batches import RowBatch
from mixval.contracts.labels import TargetClasses
from mixval.contracts.mapping import row_mapping
from mixval.gate.profile import TargetProfile, profile_target

CLASSES = TargetClasses(("negative", "positive"), are_labels=True)
LENIENT = GateConfig(max_bad_row_share=0.5)


def batch(task, rows, classes=CLASSES, **columns):
    mapping = row_mapping(task, columns, False, classes=classes)
    (plain,) = pa.table(rows).to_batches()
    return RowBatch(mapping.apply(plain, "real"), 0, 0)


def profiled():
    rows = {"text": [f"t {i}" for i in range(20)], "label": ["negative", "positive"] * 10}
    return profile_target([batch("text-classification", rows)], "text-classification", classes=CLASSES)


def test_names_of_classes_are_profiled_and_stored():
    profile = profiled()
    assert (profile.labels, profile.classes) == ((0, 1), CLASSES)
    assert TargetProfile.from_arrays(profile.to_arrays()).classes == CLASSES


def test_a_label_of_no_class_is_named_beside_the_target_s(check):
    labels = ["positive", "negative"] * 29 + ["neutral", None]
    rows = batch("text-classification", {"text": [f"c {i}" for i in range(60)], "label": labels}).table
    outcome = check(rows, LENIENT, target=profiled()).outcome
    assert (outcome.verdict, outcome.n_dropped) == ("trimmed", 2)
    words = [finding.message for finding in outcome.findings]
    assert any("one of the target's labels 0 (negative), 1 (positive), found 'neutral'" in message for message in words)
    assert any("must not be null, found null" in message for message in words)
    assert len(words) == 2


def test_a_row_that_is_not_read_has_one_finding_with_the_reason(check):
    chats = [[{"role": "user", "content": f"q {i}"}, {"role": "assistant", "content": f"a {i}"}] for i in range(40)]
    target = profile_target([batch("instruction", {"chat": chats}, messages="chat")], "instruction", LENIENT)
    chats = [[*chat[:1], {"role": "assistant", "content": f"b {i}"}] for i, chat in enumerate(chats)]
    chats[7] = [{"role": "user", "content": "q"}, {"role": "narrator", "content": "a"}]
    rows = batch("instruction", {"chat": chats}, messages="chat").table
    found = check(rows, LENIENT, task="instruction", target=target)
    (finding,) = found.outcome.findings
    assert found.bad_rows["row"].to_pylist() == [7]
    assert "row 7: a message of the assistant is expected, found roles 'user', 'narrator'. Rename" in finding.message


def test_calls_tell_rows_apart_and_need_no_content(check):
    def chat(city, answer):
        call = {"function": {"name": "weather", "arguments": f'{{"city": "{city}"}}'}}
        said = [{"role": "user", "content": "warm?", "tool_calls": None}, {"role": "assistant", "tool_calls": [call]}]
        return [*said, {"role": "assistant", "content": answer, "tool_calls": None}] if answer else said

    other = [[{"role": "user", "content": f"q {i}"}, {"role": "assistant", "content": "a"}] for i in range(20)]
    target = profile_target([batch("instruction", {"chat": other}, messages="chat")], "instruction", LENIENT)
    chats = [chat(f"town {i}", "yes" if i % 2 else None) for i in range(40)] + [chat("town 2", None)]
    outcome = check(batch("instruction", {"chat": chats}, messages="chat").table, LENIENT, task="instruction", target=target)
    assert outcome.outcome.n_dropped == 1
    assert outcome.bad_rows["row"].to_pylist() == [40]
