"""The catalogue of worlds, stored results, and one tiny world measured end to end and added to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from benchmarks.evidence.distribution import backbones, opening, rates, switches
from benchmarks.evidence.distribution.backbones import KINDS, BackboneKind, Folders, backbone_config
from benchmarks.evidence.distribution.catalogue import UNSEEN_DESIGNS, listed, unseen_pairs, world_named
from benchmarks.evidence.distribution.designs import DESIGNS, design_fields
from benchmarks.evidence.distribution.measure import Places, cheap_methods, measure
from benchmarks.evidence.distribution.results import FORMS, HEADLINE, read, read_all, write
from benchmarks.tests.planted_distribution import ordered, planted
from mixval.errors import ConfigError, ContractError
from mixval.evidence.recipe import TrainingRecipe

NAME = "sentiment-ngrams-truncation-101"
WORDS = (("dull", "flat", "stale", "weak"), ("fresh", "warm", "bright", "moving"))


def test_judged_worlds_have_designs_and_pairs_that_development_has_not() -> None:
    development, judged = listed("development"), listed("judged")
    assert len(judged) >= 24
    assert len(development) >= 10
    assert sum(one.kind.is_pretrained for one in judged) * 2 >= len(judged)
    assert len({one.name for one in listed()}) == len(development) + len(judged)
    assert {one.design for one in judged} - {one.design for one in development} == set(UNSEEN_DESIGNS)
    assert len(unseen_pairs()) >= 1
    assert {one.seed for one in development}.isdisjoint(one.seed for one in judged)
    assert {one.design for one in judged} <= set(DESIGNS)
    assert len({one.seed for one in judged}) == len(judged)  # each is a draw by itself
    with pytest.raises(ConfigError, match="one of"):
        world_named("mars")


def test_a_design_truncates_what_there_is() -> None:
    assert design_fields("truncation", "image-classification", 10, 10)["synthetic_groups"] == (2, 10)
    assert design_fields("truncation", "text-classification", 2, 2)["sources"] == (1, 2)
    assert design_fields("noise", "instruction", 8, 3) == DESIGNS["noise"]
    assert design_fields("families", "language-modelling", 8, 12) == DESIGNS["families"]
    assert design_fields("truncation", "language-modelling", 8, 12)["synthetic_groups"] == (3, 12)


def test_results_come_back_as_they_were_stored(tmp_path: Path) -> None:
    one = planted("a", {"size": [value / 3 for value in ordered(1)]})
    write(one, tmp_path / "a.json")
    again = read(tmp_path / "a.json")
    assert again.truth == one.truth
    np.testing.assert_allclose(again.scores["size"], one.scores["size"], rtol=1e-6)
    assert [found.world for found in read_all(tmp_path)] == ["a"]
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ContractError, match="expected the result of a world"):
        read(tmp_path / "a.json")
    with pytest.raises(ContractError, match="found none"):
        read_all(tmp_path / "none")


def test_a_backbone_without_its_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="--encoder"), backbone_config("minilm", Folders(), 2):
        pass


def test_cheap_methods_train_nothing_on_all_rows() -> None:
    found = {one.name for one in cheap_methods("text-classification")}
    assert {"size", "linear-probe", "ntk-regression", "knn"} <= found
    assert found.isdisjoint({"trak", "ekfac", "davinz", "deviation"})


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A data set of a few words, and a backbone that is trained in four steps."""
    random, folder = np.random.default_rng(0), tmp_path / "data" / "sentiment"
    folder.mkdir(parents=True)
    for split, n in (("real", 300), ("synthetic", 300), ("test", 60)):
        rows = []
        for at in range(n):
            label = int(random.integers(2))
            text = f"{split} {at} " + " ".join(random.choice(WORDS[label], size=4))
            digest = hashlib.sha256(text.encode()).hexdigest()
            rows.append({"id": digest, "source": f"{split}-{at % 3}", "text": text, "label": label})
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
    recipe = TrainingRecipe(min_steps=4, max_steps=4, evaluate_every=2, min_validation_rows=2, trainable="head")
    tiny = {"random_init": {"architecture": "ngrams", "settings": {"n_features": 64}}}
    monkeypatch.setitem(backbones.KINDS, "ngrams", BackboneKind(recipe, (20, 40), 60, given=tiny, contributors=4))
    opening._read.cache_clear()
    return Places(tmp_path / "data", tmp_path / "out", tmp_path / "results", Folders())


def test_a_world_is_measured_once_and_added_to(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = measure(world_named(NAME), places, ["size", "knn"])
    assert set(first.scores) == {"size", "knn"}
    assert sorted(first.truth) == sorted(FORMS)
    assert [len(seeds) for seeds in first.truth.values()] == [2, 2, 2, 2]
    assert first.facts["n_rows"] == first.scores["size"]
    assert KINDS["ngrams"].contributors == len(first.names) == 4
    assert np.all(np.array(first.truth[HEADLINE]) < 0)  # minus a cross-entropy

    def refuse(*_given: object) -> None:
        raise AssertionError("a training was made again")

    monkeypatch.setattr("benchmarks.evidence.distribution.opening.train_contributor", refuse)
    second = measure(world_named(NAME), places, ["ntk-regression"])
    assert set(second.scores) == {"size", "knn", "ntk-regression"}
    np.testing.assert_allclose(second.truth[HEADLINE], first.truth[HEADLINE], rtol=1e-6)
    assert [one.world for one in read_all(places.results)] == [NAME]
    where = [f"--{name}={getattr(places, name)}" for name in ("data", "out", "results")]
    capsys.readouterr()
    switches.main([NAME, "--set", "value.damping=30", *where])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-2] for line in lines] == [*FORMS, *FORMS]
    of_measured = [float(line.split()[-1]) for line in lines[: len(FORMS)]]
    assert of_measured[0] == pytest.approx(
        stats.spearmanr(second.scores["ntk-regression"], second.mean_truth(HEADLINE))[0], abs=5e-4
    )


def test_rates_are_compared_by_what_training_gives(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    where = [f"--data={places.data}", f"--out={places.out}"]
    rates.main([NAME, "--rates", "1e-9", "3e-1", *where])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [(line[1], line[2]) for line in lines] == [(one, rate) for one in opening.STOPPINGS for rate in ("1e-09", "0.3")]
    hardly, trained = (float(line[4]) for line in lines[2:])
    assert trained > hardly + 0.01  # the words tell the classes: a rate that moves the head learns them
    with pytest.raises(SystemExit):
        rates.main(["sentiment-ngrams-noise-201", *where])
    assert "rates are chosen on development worlds" in capsys.readouterr().err
