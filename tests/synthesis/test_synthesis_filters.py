"""Each filter drops what it is for and names the text that it goes by; what only looks alike stays."""

from __future__ import annotations

import pytest

from mixval.config.synthesis import SynthesisConfig
from mixval.synthesis.filters.answers import answer_filters, first_drop
from mixval.synthesis.filters.drop import Candidate, Drop
from mixval.synthesis.filters.near import KeptTexts
from mixval.synthesis.filters.words import jaccard, shingles
from mixval.synthesis.requests import Answer
from mixval.synthesis.templates import load_templates

SOURCE = (
    "The B & B intercooler offers 100% more cooling area than the stock unit, and 35% more than any other aftermarket cooler. "
    "Due to this increased size, the cooler has greater thermal efficiency, which means cooler air to the engine. Bolts in "
    "stock location with minor modifications. Choose from Silver Aluminum or Black Powder Coated (allow 2-weeks)."
)
ARTICLE = (
    "The intercooler is a high-performance cooling system designed for the Porsche 911 from 1978 to 1989. Its area is twice "
    "that of the standard part, so that the air which reaches the engine is colder, detonation is less likely, and more boost "
    "can be used. It is available in two finishes, and customers should allow two weeks for the delivery of the black one."
)
PAIRS = (
    "Question: What is the name of the product?\n\nAnswer: Porsche 911 B&B Hi-Capacity Intercooler\n\nQuestion: Where will the "
    "bolts for the cooler be installed?\n\nAnswer: Bolts in stock location with minor modifications"
)


def config_of(recipe: str = "hq-rephrase", **filters: object) -> SynthesisConfig:
    given = {"source": {"documents": "d"}, "output": "o", "generator": {"kind": "openai", "model": "m"}}
    return SynthesisConfig.model_validate({**given, "recipe": recipe, "filters": filters})


def candidate_of(text: str, source: str = SOURCE, n: int | None = 120, reason: str = "stop") -> Candidate:
    counted = {"prompt_tokens": 9, "completion_tokens": n, "max_tokens": 2048}
    given = {"key": "k", "text": text, "finish_reason": reason, **counted, "model": "m", "seconds": 1}
    return Candidate(Answer.model_validate(given), text.strip(), source, "rephrase")


def drop_of(
    text: str, recipe: str = "hq-rephrase", n: int | None = 120, reason: str = "stop", **filters: object
) -> Drop | None:
    config = config_of(recipe, **filters)
    return first_drop(answer_filters(config, load_templates(config).values()), candidate_of(text, n=n, reason=reason))


@pytest.mark.parametrize(
    ("text", "given", "reason", "match"),
    [
        ("", {}, "empty", ""),
        (ARTICLE, {"reason": "content_filter"}, "unfinished", "content_filter"),
        (ARTICLE, {"reason": "length"}, "cut", "delivery of the black one."),
        (ARTICLE, {"n": 49}, "too-short", "The intercooler is"),
        ("Far too few words.", {"n": None}, "too-short", "Far too few words."),
        (ARTICLE, {"n": 2201}, "too-long", "The intercooler is"),
        (f"As an AI language model, I have no car. {ARTICLE}", {}, "refusal", "As an AI language model, I have no car"),
        (f"I'm sorry, but I can't write about this product. {ARTICLE}", {}, "refusal", "I'm sorry, but I can't"),
        (
            f"{ARTICLE} Provide the rephrased article without any additional notes.",
            {},
            "prompt-leakage",
            "Provide the rephrased article without any additional notes",
        ),
        (SOURCE, {}, "source-copy", "modifications choose from silver aluminum"),
        (
            "Der Ladeluftkühler hat doppelt so viel Fläche wie das serienmäßige Teil, sodass kältere Luft in den Motor gelangt "
            "und mehr Ladedruck möglich ist. Er ist in zwei Ausführungen erhältlich.",
            {},
            "language",
            "Der Ladeluftkühler",
        ),
    ],
)
def test_what_is_wrong_is_dropped_with_the_text_it_goes_by(
    text: str, given: dict[str, object], reason: str, match: str
) -> None:
    drop = drop_of(text, **given)  # type: ignore[arg-type]
    assert drop is not None
    assert drop.reason == reason
    assert match in drop.match
    assert drop.detail


@pytest.mark.parametrize(
    ("text", "match", "said"),
    [
        (ARTICLE, "The intercooler", "no tags"),
        (f"Sure, here they are.\n{PAIRS}", "Sure, here they are.", "before the first question"),
        (PAIRS.replace("Answer:", "Question:", 1), "Question: Porsche", "expected answer 1, found question"),
        (f"{PAIRS}\n\nQuestion: And then?", "Question: And then?", "without an answer"),
        (PAIRS.replace(" Porsche 911 B&B Hi-Capacity Intercooler", ""), "Answer:", "found no text"),
    ],
)
def test_malformed_pairs_are_told_where(text: str, match: str, said: str) -> None:
    drop = drop_of(text, "qa-rephrase")
    assert drop is not None
    assert (drop.reason, match in drop.match, said in drop.detail) == ("malformed-qa", True, True)


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        (ARTICLE, "hq-rephrase"),
        (PAIRS, "qa-rephrase"),
        (PAIRS.replace("Question:", "**Question 1:**").replace("Answer:", "**Answer:**"), "qa-rephrase"),
        (f"{ARTICLE} The seller is sorry for delays, and cannot help them.", "hq-rephrase"),
        (f"{ARTICLE} Artificial intelligence had no part in it.", "hq-rephrase"),
    ],
)
def test_what_is_right_stays(text: str, recipe: str) -> None:
    assert drop_of(text, recipe) is None


def test_filters_that_are_switched_off_drop_nothing() -> None:
    off = dict.fromkeys(("max_times_target", "leakage_words", "max_source_similarity", "language"), None)
    assert drop_of(SOURCE, reason="length", n=3, cut=False, min_tokens=0, refusals=False, **off) is None
    assert drop_of("no pairs", "qa-rephrase", n=99, min_question_pairs=0, **off) is None


def test_a_passage_that_the_document_has_is_no_leak_and_no_refusal() -> None:
    words = "As an AI language model I write a full article of the same content in high quality English language"
    leak = drop_of(f"{ARTICLE} {words[27:]}")
    assert leak is not None
    assert leak.reason == "prompt-leakage"
    config = config_of()
    candidate = candidate_of(f"{ARTICLE} {words}", source=f"{words}. {SOURCE}")
    assert first_drop(answer_filters(config, load_templates(config).values()), candidate) is None


def alike(n_shared: int, n_own: int) -> tuple[str, str]:
    """Two texts of single-word runs with Jaccard similarity `n_shared / (n_shared + 2 n_own)`."""
    shared = [f"both{at}" for at in range(n_shared)]
    return " ".join(shared + [f"one{at}" for at in range(n_own)]), " ".join(shared + [f"other{at}" for at in range(n_own)])


@pytest.mark.parametrize(
    ("n_shared", "n_own", "threshold", "drops"), [(40, 30, 0.5, False), (52, 24, 0.5, True), (80, 10, 0.8, False)]
)
def test_near_copies_go_by_exact_similarity_and_not_by_the_candidates(
    n_shared: int, n_own: int, threshold: float, drops: bool
) -> None:
    """Of 40 such pairs, LSH alone would let many of 0.4 pass a threshold of 0.5."""
    found = []
    for at in range(40):
        one, other = (text.replace("both", f"b{at}x").replace("one", f"o{at}x") for text in alike(n_shared, n_own))
        kept = KeptTexts(threshold, 1)
        assert kept.drop_or_keep("first", one) is None
        found.append(kept.drop_or_keep("second", other))
        exact = jaccard(shingles(one, 1), shingles(other, 1))
        assert exact == pytest.approx(n_shared / (n_shared + 2 * n_own))
    assert [drop is not None for drop in found] == [drops] * 40
    assert all(drop.match == "first" for drop in found if drop)


def test_many_texts_lose_their_copies_alone() -> None:
    kept = KeptTexts(0.6, 5)
    texts = [f"{ARTICLE} Of number {at} there are {at * at} copies in the town of {chr(97 + at % 26) * 5}." for at in range(5)]
    own = [" ".join(f"w{at}x{word}" for word in range(60)) for at in range(50)]
    found = [kept.drop_or_keep(f"t{at}", text) for at, text in enumerate(own + own + texts)]
    assert [drop is None for drop in found] == [True] * 50 + [False] * 50 + [True] + [False] * 4
    assert [drop.match for drop in found[50:100] if drop] == [f"t{at}" for at in range(50)]
