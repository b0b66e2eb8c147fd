"""Filters that look at one answer and its document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from mixval.config.synthesis import SynthesisConfig
from mixval.synthesis.filters.drop import Candidate, Drop, shown
from mixval.synthesis.filters.language import other_language
from mixval.synthesis.filters.words import jaccard, shingles, spans, words
from mixval.synthesis.requests import CUT, STOP
from mixval.synthesis.templates import PromptTemplate

Filter = Callable[[Candidate], Drop | None]
_REFUSALS = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language model|language model)\b[^.\n]{0,80}"
    r"|\bi(?:'|’)?m (?:just |only )?an? (?:ai|language model)\b[^.\n]{0,80}"
    r"|^\W*(?:i(?:'|’)?m sorry|i apologi[sz]e|sorry|unfortunately)\b,? [^.\n]{0,40}"
    r"\b(?:can(?:'|’)?t|cannot|can not|unable|not able|won(?:'|’)?t)\b[^.\n]{0,80}"
    r"|^\W*i (?:can(?:'|’)?t|cannot|can not|am unable to|am not able to|won(?:'|’)?t) "
    r"(?:assist|help|provide|fulfil|fulfill|comply|answer|complete|write|rewrite|create|generate|access|continue)\b[^.\n]{0,80}"
    r"|\bi (?:do not|don(?:'|’)?t) have (?:access to|the ability to|personal (?:opinions|experiences))\b[^.\n]{0,80}",
    re.IGNORECASE,
)
_TAG = re.compile(r"^[ \t>*#\d.)-]*(question|answer)(?:[ \t]*\d+)?[ \t*]*:[ \t*]*", re.IGNORECASE | re.MULTILINE)


def answer_filters(config: SynthesisConfig, templates: Iterable[PromptTemplate]) -> list[Filter]:
    """The filters of a configuration, in order."""
    limits, target = config.filters, config.target_tokens
    found: list[Filter] = [_empty, _unfinished]
    found += [_cut] if limits.cut else []
    found += [partial(_too_short, fewest=limits.min_tokens)]
    if limits.max_times_target is not None:
        found += [partial(_too_long, most=round(limits.max_times_target * target), target=target)]
    found += [_refusal] if limits.refusals else []
    if limits.leakage_words is not None:
        runs = frozenset(run for one in templates for run in _runs(one, limits.leakage_words))
        found += [partial(_leakage, runs=runs, n=limits.leakage_words)]
    if config.recipe == "qa-rephrase" and limits.min_question_pairs:
        found += [partial(_malformed_qa, fewest=limits.min_question_pairs)]
    if limits.max_source_similarity is not None:
        found += [partial(_source_copy, most=limits.max_source_similarity, n=limits.shingle_words)]
    if limits.language is not None:
        found += [partial(other_language, wanted=limits.language, least=limits.min_language_probability)]
    return found


def first_drop(filters: Iterable[Filter], candidate: Candidate) -> Drop | None:
    """What the first filter says that drops it."""
    return next((drop for one in filters if (drop := one(candidate)) is not None), None)


def _empty(candidate: Candidate) -> Drop | None:
    return None if candidate.text else Drop("empty", "", "the answer has no text")


def _unfinished(candidate: Candidate) -> Drop | None:
    """Servers have other words than stop and length: a content filter, a tool that is called."""
    reason = candidate.answer.finish_reason
    return None if reason in (STOP, CUT) else Drop("unfinished", reason, "the server ended it")


def _cut(candidate: Candidate) -> Drop | None:
    if candidate.answer.finish_reason != CUT:
        return None
    return Drop("cut", shown(candidate.text[-80:]), f"sampling.max_tokens is {candidate.answer.max_tokens:,}")


def _too_short(candidate: Candidate, fewest: int) -> Drop | None:
    n, unit = _length(candidate)
    return None if n >= fewest else Drop("too-short", shown(candidate.text), f"{n} {unit}, fewest {fewest}")


def _too_long(candidate: Candidate, most: int, target: int) -> Drop | None:
    n, unit = _length(candidate)
    if n <= most:
        return None
    return Drop("too-long", shown(candidate.text[:80]), f"{n:,} {unit}, most {most:,}, target {target:,}")


def _length(candidate: Candidate) -> tuple[int, str]:
    """Tokens as the generator counts them; words, where it does not."""
    counted = candidate.answer.completion_tokens
    return (len(words(candidate.text)), "words") if counted is None else (counted, "tokens")


def _refusal(candidate: Candidate) -> Drop | None:
    """A model speaks of itself, in words that the document does not have."""
    for found in _REFUSALS.finditer(candidate.text):
        if found[0].lower() not in candidate.source.lower():
            return Drop("refusal", shown(found[0]), f"at character {found.start()}")
    return None


def _runs(template: PromptTemplate, n: int) -> Iterator[str]:
    for piece in template.own_text.splitlines():
        found = words(piece)
        yield from (" ".join(found[at : at + n]) for at in range(len(found) - n + 1))


def _leakage(candidate: Candidate, runs: frozenset[str], n: int) -> Drop | None:
    """So many words of the template in a row, which the document does not have in a row."""
    placed = list(spans(candidate.text))
    source: frozenset[str] | None = None
    for at in range(len(placed) - n + 1):
        run = " ".join(word for word, _, _ in placed[at : at + n])
        if run in runs:
            source = shingles(candidate.source, n) if source is None else source
            if run not in source:
                passage = candidate.text[placed[at][1] : placed[at + n - 1][2]]
                return Drop("prompt-leakage", shown(passage), f"{n} words of the prompt in a row")
    return None


def _malformed_qa(candidate: Candidate, fewest: int) -> Drop | None:
    """Tags in turn, a question first, with text behind each, and nothing before them."""
    tags = list(_TAG.finditer(candidate.text))
    if not tags:
        return Drop("malformed-qa", shown(candidate.text[:80]), "no tags `Question:` and `Answer:`")
    if (before := candidate.text[: tags[0].start()].strip()) != "":
        return Drop("malformed-qa", shown(before), "text before the first question")
    ends = [tag.start() for tag in tags[1:]] + [len(candidate.text)]
    for at, (tag, end) in enumerate(zip(tags, ends, strict=True)):
        wanted = ("question", "answer")[at % 2]
        body = candidate.text[tag.end() : end].strip()
        if tag[1].lower() != wanted or not body:
            said = f"expected {wanted} {at // 2 + 1}, found {tag[1].lower() if tag[1].lower() != wanted else 'no text'}"
            return Drop("malformed-qa", shown(candidate.text[tag.start() : end].strip()), said)
    if len(tags) % 2:
        return Drop("malformed-qa", shown(candidate.text[tags[-1].start() :]), "a question without an answer")
    n = len(tags) // 2
    return None if n >= fewest else Drop("malformed-qa", shown(candidate.text), f"{n} pairs, fewest {fewest}")


def _source_copy(candidate: Candidate, most: float, n: int) -> Drop | None:
    own, source = shingles(candidate.text, n), shingles(candidate.source, n)
    share = jaccard(own, source)
    if share <= most:
        return None
    passage = max(own & source, key=lambda run: (len(run), run))
    return Drop("source-copy", shown(passage), f"Jaccard similarity {share:.3f}, most {most:g}")
