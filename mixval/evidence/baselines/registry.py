"""All ranking methods by name: the rivals, and what mixval ranks by itself.

What a method needs is declared here; tests compare it with what it uses. Eq. 8 under fitted weights is not among them:
its weights need truth, which no method is given; `mixval/evidence/fitted.py` makes it from the results of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from mixval.config.tasks import CAUSAL, IMAGES, TEXTS, Task
from mixval.contracts.terms import TERMS
from mixval.errors import ConfigError
from mixval.evidence.baselines import counts, discrepancies, eq8
from mixval.evidence.baselines.davinz import davinz
from mixval.evidence.baselines.deviation import deviation
from mixval.evidence.baselines.ekfac import ekfac
from mixval.evidence.baselines.gradient_shapley import gradient_shapley
from mixval.evidence.baselines.inputs import Inputs
from mixval.evidence.baselines.kernel_mean_matching import kernel_mean_matching
from mixval.evidence.baselines.knn_shapley import knn_shapley
from mixval.evidence.baselines.linear_probe import linear_probe
from mixval.evidence.baselines.logra import logra
from mixval.evidence.baselines.method import Method, Need
from mixval.evidence.baselines.nearest_neighbours import nearest_neighbours
from mixval.evidence.baselines.ngram import character_ngram, ngram
from mixval.evidence.baselines.ntk_regression import first_order_gain, ntk_regression, regression_accuracy
from mixval.evidence.baselines.optimal_transport import optimal_transport
from mixval.evidence.baselines.raw_probe import raw_probe
from mixval.evidence.baselines.raw_ridge import raw_ridge
from mixval.evidence.baselines.supervised import Metric
from mixval.evidence.baselines.tracin import tracin, tracin_initial
from mixval.evidence.baselines.trackstar import trackstar
from mixval.evidence.baselines.trak import trak
from mixval.evidence.baselines.unigram import unigram
from mixval.evidence.baselines.wide_head_regression import wide_head_regression
from mixval.evidence.baselines.word_similarity import word_similarity
from mixval.terms.arrays import Floats

_LABELS: frozenset[Need] = frozenset({"labels"})
_FEATURES: frozenset[Need] = frozenset({"features"})
_GRADIENTS: frozenset[Need] = frozenset({"gradients"})
_TRAINING: frozenset[Need] = frozenset({"training"})
_TRAINED: frozenset[Need] = frozenset({"gradients", "checkpoints", "training"})
_BOTH = _FEATURES | _GRADIENTS
_TFIDF = ("sklearn.feature_extraction.text",)
_LOGISTIC = ("sklearn.linear_model", *_TFIDF)
_EQ8 = "arXiv 2511.13640, Eq. 8"


def _on_target(method: Callable[[Inputs, Metric], Floats], metric: Metric) -> Callable[[Inputs, int], Floats]:
    return lambda inputs, _: method(inputs, metric)


_ALL: tuple[Method, ...] = (
    Method("random", counts.random, source="chance"),
    Method("size", counts.size, source="rows"),
    Method("real-share", counts.real_share, source="pi"),
    Method("real-rows", counts.real_rows, source="pi times size"),
    Method(
        "raw-ridge",
        _on_target(raw_ridge, "cross-entropy"),
        _LABELS | _TRAINING,
        source="kernel ridge on raw inputs",
        libraries=_TFIDF,
    ),
    Method(
        "raw-ridge-accuracy",
        _on_target(raw_ridge, "accuracy"),
        _LABELS | _TRAINING,
        source="the same, accuracy",
        libraries=_TFIDF,
    ),
    Method(
        "raw-probe",
        _on_target(raw_probe, "cross-entropy"),
        _LABELS | _TRAINING,
        source="logistic regression on HOG or TF-IDF",
        libraries=_LOGISTIC,
    ),
    Method(
        "raw-probe-accuracy",
        _on_target(raw_probe, "accuracy"),
        _LABELS | _TRAINING,
        source="the same, accuracy",
        libraries=_LOGISTIC,
    ),
    Method(
        "linear-probe",
        _on_target(linear_probe, "cross-entropy"),
        _LABELS | _FEATURES | _TRAINING,
        source="logistic regression on frozen features",
        libraries=_LOGISTIC,
        revision=1,
    ),
    Method(
        "linear-probe-accuracy",
        _on_target(linear_probe, "accuracy"),
        _LABELS | _FEATURES | _TRAINING,
        source="the same, accuracy",
        libraries=_LOGISTIC,
        revision=1,
    ),
    Method("knn", _on_target(nearest_neighbours, "accuracy"), _LABELS | _FEATURES, source="five nearest in frozen features"),
    Method(
        "wide-head-regression",
        wide_head_regression,
        _LABELS | _FEATURES,
        source="NTK regression of a wide head on frozen features",
    ),
    Method("knn-shapley", knn_shapley, _LABELS | _FEATURES, source="Jia et al., VLDB 2019"),
    Method(
        "optimal-transport", optimal_transport, _LABELS | _FEATURES, source="LAVA, Just et al., ICLR 2023", libraries=("ot",)
    ),
    Method("deviation", deviation, _LABELS | _TRAINING, source="Lin et al., ICML 2024", libraries=_TFIDF),
    Method("word-similarity", word_similarity, tasks=TEXTS, source="TF-IDF", libraries=_TFIDF),
    Method("unigram", unigram, tasks=TEXTS, source="cross-entropy of T's words under those of a contributor"),
    Method("ngram", ngram, _TRAINING, CAUSAL, "interpolated Kneser-Ney trigrams", revision=1),
    Method("character-ngram", character_ngram, _TRAINING, CAUSAL, "the same of five characters in a row"),
    *(
        Method(one.method, partial(eq8.single, term=one.measure), one.needs, source=f"{_EQ8}, its {TERMS[term].word} term")
        for term, one in eq8.SINGLE_TERMS.items()
    ),
    Method("pixel-mmd", discrepancies.pixel_mmd, tasks=IMAGES, source="DAVINZ, its MMD alone"),
    Method(
        "data-distribution-valuation", discrepancies.data_distribution_valuation, _FEATURES, source="Xu et al., NeurIPS 2024"
    ),
    Method("davinz", davinz, _BOTH, source="Wu et al., ICML 2022"),
    Method("tracin", tracin, _TRAINED, source="Pruthi et al., NeurIPS 2020"),
    Method("tracin-initial", tracin_initial, _GRADIENTS, source="the same, at the initial weights alone"),
    Method("trak", trak, _TRAINED, source="Park et al., ICML 2023"),
    Method("logra", logra, _TRAINED, source="Choe et al., arXiv 2405.13954, by dattri", libraries=("dattri.algorithm.logra",)),
    Method(
        "ekfac", ekfac, _TRAINED, source="Grosse et al., arXiv 2308.03296, by kronfluence", libraries=("kronfluence.analyzer",)
    ),
    Method(
        "trackstar",
        trackstar,
        _TRAINED,
        CAUSAL,
        source="Chang et al., arXiv 2410.17413, by bergson",
        libraries=("bergson.hessians.preconditioner",),
    ),
    Method("gradient-shapley", gradient_shapley, _GRADIENTS, source="after NESTLE, openreview qk6AxjhFVR"),
    Method("kernel-mean-matching", kernel_mean_matching, _GRADIENTS, source="Zeng et al., arXiv 2605.16704"),
    Method(
        "ntk-regression",
        ntk_regression,
        _BOTH,
        source="NTK regression as a run publishes it",
        is_product=True,
        revision=3,
    ),
    Method(
        "ntk-regression-first-order",
        first_order_gain,
        _BOTH,
        CAUSAL,
        source="the gain that NTK regression predicts",
        is_product=True,
        revision=1,
    ),
    Method(
        "ntk-regression-accuracy",
        regression_accuracy,
        _LABELS | _GRADIENTS,
        source="the accuracy that NTK regression predicts",
        is_product=True,
        revision=1,
    ),
    Method("eq8-published", partial(eq8.weighted, rule="published"), _FEATURES, source=f"{_EQ8}: (loss + MMD) / 2"),
    Method("eq8-scale-matched", partial(eq8.weighted, rule="scale-matched"), _BOTH, source=_EQ8),
    Method("eq8-equal-z", partial(eq8.weighted, rule="equal-z"), _BOTH, source=_EQ8),
)
METHODS: dict[str, Method] = {method.name: method for method in _ALL}


def register_rival(method: Method) -> ExitStack:
    """Add a ranking method of one's own in this process; closing what is returned, or the end of its `with` block, removes it.

    Raises ConfigError for a name that a method has.
    """
    if method.name in METHODS:
        raise ConfigError(f"rival {method.name!r}: expected a name that no method has yet, found it twice. Rename it.")
    METHODS[method.name] = method
    registered = ExitStack()
    registered.callback(METHODS.pop, method.name, None)
    return registered


def method_named(name: str) -> Method:
    """The method. Raises ConfigError for a name that is none."""
    if name not in METHODS:
        raise ConfigError(f"expected a ranking method, one of {', '.join(METHODS)}, found {name!r}.")
    return METHODS[name]


def methods_for(task: Task) -> list[Method]:
    """All methods that apply to the task."""
    return [method for method in METHODS.values() if method.applies(task)]
