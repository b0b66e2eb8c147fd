"""What the READMEs call the truth is what examples/truth.py wrote, for every contributor, and can be measured again."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from examples import protocols, truth
from mixval.models.tokenise import TokenRow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("images", "reviews", "answers")


@cache
def _truth(name: str) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((EXAMPLES / name / "data" / "truth.json").read_text(encoding="utf-8"))
    return stored


def _readme(name: str) -> str:
    return (EXAMPLES / name / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_truth_covers_every_contributor(name: str) -> None:
    plan = yaml.safe_load((EXAMPLES / name / "plan.yaml").read_text(encoding="utf-8"))
    figures = _truth(name)["per_contributor"]
    assert sorted(figures) == sorted(plan["contributors"]) == truth.contributors(name)
    for figure in figures.values():
        assert len(figure["seeds"]) == truth.PROTOCOLS[name].n_seeds
        assert all(np.isfinite(figure["seeds"]))
        assert figure["mean"] == pytest.approx(fmean(figure["seeds"]), abs=1e-4)  # stored with four digits


@pytest.mark.parametrize("name", NAMES)
def test_truth_was_written_under_the_present_protocol(name: str) -> None:
    stored, protocol = _truth(name), truth.PROTOCOLS[name]
    assert (stored["metric"], stored["unit"]) == (protocol.metric, protocol.unit)
    assert protocol.text in stored["protocol"]
    assert stored["command"] == f"python -m examples.truth {name}"


@pytest.mark.parametrize("name", NAMES)
def test_readme_quotes_the_truth_and_names_its_command(name: str) -> None:
    text, stored = _readme(name), _truth(name)
    table = text[text.index("| contributor |") :].partition("\n\n")[0].splitlines()
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]
    assert cells[0][-1] == stored["metric"]
    quoted = {row[0]: row[-1] for row in cells[2:]}
    assert quoted == {contributor: f"{figure['mean']:.2f}" for contributor, figure in stored["per_contributor"].items()}
    assert f"`{stored['command']}`" in text
    assert f"{date.fromisoformat(stored['date']):%B %Y}" in text


def test_reviews_measured_again_give_the_stored_figures() -> None:
    for contributor, figure in _truth("reviews")["per_contributor"].items():
        # One sentence of 400 may lie so near the boundary that another BLAS puts it on the other side.
        assert truth.measure_one("reviews", contributor, 0) == pytest.approx(figure["mean"], abs=0.0026)


def test_separable_sentences_are_judged_rightly() -> None:
    train = pa.table({"text": ["good fun", "dull stuff", "very good", "so dull"], "label": [1, 0, 1, 0]})
    target = pa.table({"text": ["a good one", "a dull one"], "label": [1, 0]})
    assert protocols.review_accuracy(train, target, 0) == 1.0
    assert protocols.review_accuracy(train, target.set_column(1, "label", pa.array([0, 1])), 0) == 0.0


def test_tfidf_is_what_its_formula_says() -> None:
    features = protocols.tfidf(["a b", "unknown"], ["a b", "a"])  # terms: a, "a b", b
    rare = np.log(3 / 2) + 1
    np.testing.assert_allclose(features[0], np.array([1, rare, rare]) / np.sqrt(1 + 2 * rare**2), rtol=1e-12)
    assert not features[1].any()


def test_loss_of_a_batch_is_the_sum_of_its_rows_alone() -> None:
    torch.manual_seed(0)
    model = protocols.answer_model(50)
    rows = [TokenRow([1, 5, 6, 7, 2], 3, False), TokenRow([1, 8, 9, 2], 1, False)]
    with torch.no_grad():
        coalition_results, n_tokens = protocols.response_loss(model, rows, pad_id=0)
        apart = 0.0
        for row in rows:
            logits = model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
            apart -= sum(float(logits[at - 1, row.ids[at]]) for at in range(row.answer_start, len(row.ids)))
    assert n_tokens == 2 + 3
    assert float(coalition_results) == pytest.approx(apart, rel=1e-5)  # float32 sums in another order


def test_every_row_comes_once_an_epoch() -> None:
    drawn = list(protocols.batches(10, 4, 5, np.random.default_rng(0)))
    assert [len(batch) for batch in drawn] == [4] * 5
    rows = [row for batch in drawn for row in batch]
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
