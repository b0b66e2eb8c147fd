"""What Great Expectations derives from descriptions of expectations, derived once for equal descriptions.

It describes each expectation some fifty times a validation, names each metric as often, and finds out anew which metrics an
expectation depends on, before it computes and after, which took most of the time of small frames. None of that depends on the
rows: only what it computes is computed each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

MOST_KEPT = 1024
"""Descriptions whose metrics are kept, a thread."""

_OF_THREAD = threading.local()


@contextmanager
def derived_once(gx: ModuleType) -> Iterator[None]:
    """While it lasts, this thread's expectations are described once each, and copied from then on; what names the arguments
    of a metric is made once for equal arguments; and which metrics an expectation depends on is found out once for equal
    expectations, whose columns and batch have the same names, and kept from one time to the next.

    Nothing changes an expectation meanwhile. For whoever has `engine.LOCK`.
    """
    from great_expectations.core.id_dict import IDDict
    from great_expectations.expectations.expectation import ColumnMapExpectation
    from great_expectations.validator.metrics_calculator import MetricsCalculator

    me = threading.get_ident()
    replaced = (
        (gx.expectations.Expectation, "configuration", _configuration(gx.expectations.Expectation.configuration, me)),
        (IDDict, "to_id", _to_id(IDDict.to_id)),
        (
            ColumnMapExpectation,
            "get_validation_dependencies",
            _dependencies(ColumnMapExpectation.get_validation_dependencies, me),
        ),
        (MetricsCalculator, "build_metric_dependency_graph", _graph(MetricsCalculator.build_metric_dependency_graph, me)),
    )
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replaced]
    for owner, name, ours in replaced:
        setattr(owner, name, ours)
    try:
        yield
    finally:
        for owner, name, theirs in before:
            setattr(owner, name, theirs)


def _configuration(anew: Any, me: int) -> Any:
    described = dict[int, tuple[Any, Any]]()

    def configuration(expectation: Any) -> Any:
        if threading.get_ident() != me:
            return anew.fget(expectation)
        if id(expectation) not in described:
            described[id(expectation)] = expectation, anew.fget(expectation)  # held, or another may get its place
        return _copied(described[id(expectation)][1])

    return property(configuration)


def _to_id(anew: Any) -> Any:
    named = dict[Any, Any]()

    def to_id(arguments: Any, *chosen: Any, **choosing: Any) -> Any:
        if chosen or choosing:
            return anew(arguments, *chosen, **choosing)
        key = type(arguments), *arguments.items(), *map(type, arguments.values())  # 1, 1.0 and True are equal
        try:
            known = named.get(key)
        except TypeError:  # a list, which is looked at anew
            return anew(arguments)
        if known is None:
            known = named[key] = anew(arguments)
        return known

    return to_id


def _dependencies(anew: Any, me: int) -> Any:
    """Metrics by name and the form of the result, of an expectation; a copy, which its validation may change."""

    def dependencies(expectation: Any, execution_engine: Any = None, runtime_configuration: Any = None, **further: Any) -> Any:
        if threading.get_ident() != me or further:
            return anew(expectation, execution_engine, runtime_configuration, **further)
        kwargs = expectation.configuration.kwargs
        key = type(expectation), type(execution_engine), repr(sorted(kwargs.items())), repr(runtime_configuration)
        if key not in (kept := _kept("dependencies")):
            kept[key] = anew(expectation, execution_engine, runtime_configuration)
        found = kept[key]
        return type(found)(dict(found.metric_configurations), dict(found.result_format))

    return dependencies


def _graph(anew: Any, me: int) -> Any:
    """The graph of the metrics that these depend on; one of its own, of the same edges."""

    def graph(calculator: Any, metric_configurations: Any, runtime_configuration: Any = None) -> Any:
        if threading.get_ident() != me:
            return anew(calculator, metric_configurations, runtime_configuration)
        key = (*(one.id for one in metric_configurations), repr(runtime_configuration))
        kept = _kept("edges")
        if key not in kept:
            found = anew(calculator, metric_configurations, runtime_configuration)
            kept[key] = tuple(found.edges)
            return found
        from great_expectations.validator.validation_graph import ValidationGraph

        return ValidationGraph(execution_engine=calculator._execution_engine, edges=list(kept[key]))

    return graph


def _kept(what: str) -> dict[Any, Any]:
    """What this thread has derived so far."""
    if not hasattr(_OF_THREAD, what):
        setattr(_OF_THREAD, what, {})
    kept: dict[Any, Any] = getattr(_OF_THREAD, what)
    if len(kept) >= MOST_KEPT:
        kept.clear()
    return kept


def _copied(description: Any) -> Any:
    """A description of its own, with kwargs of its own: what `copy.copy` makes, without asking how it is pickled."""
    found = object.__new__(type(description))
    found.__dict__ |= description.__dict__
    found.kwargs = dict(found.kwargs)
    return found
