"""The script that builds the examples: the same bytes twice, every fact planted, no row used twice."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"

REVIEWS = {
    "target": {"rows": 10},
    "contributors": {
        "plain": {"rows": 12, "real_share": 1.0, "shards": 2},
        "noisy": {"rows": 20, "real_share": 0.5, "generators": ["b"], "label_noise": 0.4},
    },
    "pairs": [],
}
ANSWERS = {
    "target": {"rows": 5},
    "contributors": {
        "swapped": {"rows": 10, "real_share": 1.0, "swapped_share": 0.4},
        "wrong": {"rows": 10, "real_share": 0.0, "wrong_share": 0.5, "money_only": True, "bare_answers": True},
    },
    "pairs": [],
}


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """examples/build.py as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location("examples_build", EXAMPLES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "examples_build", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Sixty reviews and problems of each part; every third review repeats another part's in capitals."""
    for part in ("real", "synthetic", "test"):
        reviews = [
            {
                "id": f"{part}-{i}",
                "text": f"SHARED  film {i}" if i % 3 == 0 else f"{part} film {i}",
                "label": i // 3 % 2,
                "source": "ab"[i % 2],
            }
            for i in range(60)
        ]
        problems = [
            {
                "id": f"{part}-{i}",
                "question": f"What do {i} {part} pens cost at ${i}?" if i % 2 else f"How many are {i} {part} pens?",
                "answer": f"{i} and {part}\n#### {i}",
                "final": str(i),
                "is_correct": part != "synthetic" or i % 4 == 1,
                "source": part,
            }
            for i in range(60)
        ]
        for folder, rows in (("sentiment", reviews), ("reasoning", problems)):
            (tmp_path / "raw" / folder).mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "raw" / folder / f"{part}.parquet")
    return tmp_path / "raw"


def _built(build: ModuleType, name: str, plan: dict[str, object], raw: Path, out: Path) -> dict[str, bytes]:
    (out / name).mkdir(parents=True, exist_ok=True)
    (out / name / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    build.build_example(name, raw, out)
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


def _contributor(out: Path, name: str, contributor: str) -> list[dict[str, object]]:
    folder = out / name / "data" / "contributors" / f"contributor={contributor}"
    return [row for file in sorted(folder.iterdir()) for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.mark.parametrize(("name", "plan"), [("reviews", REVIEWS), ("answers", ANSWERS)])
def test_building_twice_gives_the_same_bytes(
    build: ModuleType, raw: Path, tmp_path: Path, name: str, plan: dict[str, object]
) -> None:
    first = _built(build, name, plan, raw, tmp_path / "one")
    again = _built(build, name, plan, raw, tmp_path / "one")
    elsewhere = _built(build, name, plan, raw, tmp_path / "two")
    assert first == again == elsewhere
    assert f"{name}/tokenizer/tokenizer.json" in first


def test_no_review_is_drawn_twice_whatever_its_case(build: ModuleType, raw: Path, tmp_path: Path) -> None:
    _built(build, "reviews", REVIEWS, raw, tmp_path)
    target = pq.read_table(tmp_path / "reviews" / "data" / "target").to_pylist()
    rows = target + _contributor(tmp_path, "reviews", "plain") + _contributor(tmp_path, "reviews", "noisy")
    assert len({row["text"] for row in rows}) == len(rows) == 42
    assert any(str(row["text"]).startswith("shared film") for row in rows)


def test_labels_are_turned_and_written_down(build: ModuleType, raw: Path, tmp_path: Path) -> None:
    _built(build, "reviews", REVIEWS, raw, tmp_path)
    facts = json.loads((tmp_path / "reviews" / "data" / "facts.json").read_text())["contributors"]["noisy"]
    rows = {row["id"]: row for row in _contributor(tmp_path, "reviews", "noisy")}
    assert len(facts["true_labels"]) == 8
    for identity, row in rows.items():
        true = int(str(identity).rpartition("-")[2]) // 3 % 2
        assert row["label"] == (1 - true if identity in facts["true_labels"] else true)
        assert row["origin"] != "synthetic" or int(str(identity).rpartition("-")[2]) % 2 == 1


def test_responses_are_swapped_and_written_down(build: ModuleType, raw: Path, tmp_path: Path) -> None:
    _built(build, "answers", ANSWERS, raw, tmp_path)
    facts = json.loads((tmp_path / "answers" / "data" / "facts.json").read_text())["contributors"]["swapped"]
    rows = _contributor(tmp_path, "answers", "swapped")
    astray = [row["id"] for row in rows if f"#### {str(row['id']).rpartition('-')[2]}" not in str(row["response"])]
    assert sorted(map(str, astray)) == facts["swapped"]
    assert len(astray) == 4
    assert len({row["response"] for row in rows}) == 10


def test_wrong_answers_are_drawn_and_cut_to_the_last_line(build: ModuleType, raw: Path, tmp_path: Path) -> None:
    _built(build, "answers", ANSWERS, raw, tmp_path)
    facts = json.loads((tmp_path / "answers" / "data" / "facts.json").read_text())["contributors"]["wrong"]
    rows = _contributor(tmp_path, "answers", "wrong")
    wrong = [row["id"] for row in rows if int(str(row["id"]).rpartition("-")[2]) % 4 != 1]
    assert sorted(map(str, wrong)) == facts["wrong"]
    assert len(wrong) == 5
    assert all("$" in str(row["prompt"]) for row in rows)
    assert all(str(row["response"]).startswith("#### ") for row in rows)


def test_too_few_rows_name_the_contributor(build: ModuleType, raw: Path, tmp_path: Path) -> None:
    plan = REVIEWS | {"contributors": {"greedy": {"rows": 90, "real_share": 1.0}}}
    with pytest.raises(SystemExit, match=r"reviews/greedy/real.*expected 90 rows, found \d+"):
        _built(build, "reviews", plan, raw, tmp_path)
