"""The side-by-side comparison without any rival: its jobs on mixval's side, and the arithmetic of its figures."""

import pytest
import torch

from benchmarks.rivals import equal_error
from benchmarks.rivals.compare import OURS, YARDSTICK, Line, summary, table
from benchmarks.rivals.engine import JOBS, sketched
from benchmarks.rivals.measure import measure, measured
from benchmarks.rivals.products import OURS as OUR_PRODUCTS
from benchmarks.rivals.products import exact, job, relative_error
from benchmarks.rivals.shapes import SHAPES, losses, shape


@pytest.mark.parametrize(("name", "n_weights"), [("mlp", 84_480), ("resnet", 307_296), ("llama", 823_296)])
def test_shapes_are_what_they_are_said_to_be(name: str, n_weights: int) -> None:
    given = shape(name, 3)
    held = dict(given.module.named_parameters())
    assert sum(held[one].numel() for one in given.names) == n_weights
    assert torch.equal(given.inputs, shape(name, 3).inputs)
    inputs, labels = next(given.batches(2))
    assert losses(given.module(inputs), labels).shape == (2,)


@pytest.mark.parametrize("name", SHAPES)
def test_materialised_rows_give_the_exact_term(name: str) -> None:
    given = shape(name, 6)
    exact, materialised = (measure(method, given)["term"] for method in ("mixval-exact", YARDSTICK))
    assert materialised == pytest.approx(exact, rel=1e-4)  # float32 products


def test_sketched_job_accounts_for_its_time_and_nears_the_exact_term() -> None:
    given = shape("mlp", 12)
    made = sketched(512).prepare(given)()
    exact = JOBS["mixval-exact"].prepare(given)()
    assert set(made.details["seconds"]) == {"sketch", "form"}
    assert set(made.after()["once_seconds"]) == {"plan", "verify"}
    assert made.details["term"] == pytest.approx(exact.details["term"], rel=0.2)  # some standard errors at q = 512


def test_a_shape_that_a_rival_cannot_take_is_listed_with_the_reason() -> None:
    assert "language models" in measure("bergson", shape("mlp", 2))["failure"]


def test_figures_are_ratios_to_the_neighbouring_runs() -> None:
    found = [
        _line(OURS, 1.0, 10, term=0.99),
        _line(YARDSTICK, 4.0, 100, term=1.0),
        _line(OURS, 2.0, 30, term=0.99),
        _line("mixval-exact", 1.0, 10, term=1.0),
        _line(OURS, 2.0, 10, term=0.99),
        _line("traker", 40.0, 10),
        _line(OURS, 2.0, 10, term=0.99),
        _line("captum-tracin-fast", 1.0, 1, is_whole=False),
        _line(OURS, 2.0, 10, term=0.99),
        {"method": "bergson", "shape": "mlp", "n": 4, "failure": "it takes Hugging Face language models"},
        _line(OURS, 2.0, 10, term=0.99),
    ]
    figures = {one["name"]: one["figure"] for one in summary(found)}
    assert figures["speedup_over/materialising/mlp"] == 3
    assert (figures["speedup_over/materialising/mlp/lowest"], figures["speedup_over/materialising/mlp/highest"]) == (2, 4)
    assert figures["speedup_over_trak"] == figures["speedup_over_fastest_rival"] == 20
    assert figures["speedup_over_fastest_rival/last_layer_too"] == 0.5
    assert figures["memory_share_of_materialising"] == 0.2
    assert figures["term_error"] == 0.01
    assert "none: it takes Hugging Face language models" in table(found)


@pytest.mark.parametrize("name", SHAPES)
def test_our_features_have_the_inner_products_of_loss_gradients(name: str) -> None:
    few, many = (measured(OUR_PRODUCTS, job(OUR_PRODUCTS, size), shape(name, 8))["error"] for size in (64, 2048))
    assert many < 0.15 < few  # about one over the root of the size


def test_exact_products_are_those_of_autograd() -> None:
    given = shape("llama", 3)
    rows = []
    for at in range(3):
        loss = losses(given.module(given.inputs[at : at + 1]), given.labels[at : at + 1]).sum()
        weights = [given.module.get_parameter(one) for one in given.names if one.startswith("lm.model.")]
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)]).double())
    dense = torch.stack(rows) @ torch.stack(rows).T
    torch.testing.assert_close(exact(given), dense, rtol=1e-4, atol=1e-6 * float(dense.max()))
    assert relative_error(7 * torch.stack(rows), dense) < 1e-7  # whatever the scale
    assert relative_error(torch.zeros(3, 2), dense) == pytest.approx(1)


def test_speed_at_equal_error_is_of_timed_runs_alone() -> None:
    def line(method: str, seconds: float, **more: float) -> Line:
        return {"method": method, "shape": "mlp", "n": 4, "cpu_seconds": seconds, "error": 0.05, "features": 9, **more}

    found = [
        line(OUR_PRODUCTS, 9.0, is_search=True),
        line("dattri-llm", 9.0, is_search=True),
        line(OUR_PRODUCTS, 1.0),
        line("dattri-llm", 4.0),
        line(OUR_PRODUCTS, 2.0),
    ]
    figures = {one["name"]: one["figure"] for one in equal_error.summary(found)}
    assert figures["speedup_at_equal_error/dattri-llm/mlp"] == 3
    assert (figures["speedup_at_equal_error/dattri-llm/mlp/lowest"], figures["equal_error/dattri-llm/mlp/features"]) == (2, 9)
    assert figures["equal_error/mixval/mlp"] == 0.05


def _line(method: str, seconds: float, size: int, is_whole: bool = True, **details: float) -> Line:
    figures = {"cpu_seconds": seconds, "wall_seconds": seconds, "added_bytes": size}
    return {"method": method, "shape": "mlp", "n": 4, "is_whole": is_whole, "produces": "", **figures, **details}
