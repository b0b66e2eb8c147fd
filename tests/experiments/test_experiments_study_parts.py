"""Parts of a study: shapes as the paper counts them, windows, packing, noise, good ratios, what the paper's table says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mixval.experiments.study.config import StudyRecipe
from mixval.experiments.study.evaluated import noise_of_means
from mixval.experiments.study.language_model import make_model, piece_losses
from mixval.experiments.study.paper import gap
from mixval.experiments.study.ratios import good_ratio, slope
from mixval.experiments.study.shapes import SHAPES, Shape
from mixval.experiments.study.texts import marked
from mixval.experiments.study.windows import cut, epochs, mixed_order, n_synthetic, n_windows, window_order
from mixval.models.tokenise import Tokeniser
from mixval.models.tokenizers import byte_tokenizer

LLAMA_3_VOCABULARY = 128_256
MILLIONS = {
    "100M": (28, 102),
    "200M": (85, 192),
    "500M": (325, 489),
    "1B": (858, 1088),
    "2B": (1718, 2005),
    "3B": (2687, 3024),
}
"""Parameters of Table 1's shapes without embeddings, and with one of 128,256 rows."""
TINY = Shape(name="tiny", dim=8, layers=2, heads=2, ffn_multiple=8)


@pytest.mark.parametrize("name", MILLIONS)
def test_table_1_is_counted_in_both_ways(name: str) -> None:
    shape, (without, with_one) = SHAPES[name], MILLIONS[name]
    assert shape.params / 1e6 == pytest.approx(without, abs=0.5)
    assert shape.params_with(LLAMA_3_VOCABULARY) / 1e6 == pytest.approx(with_one, abs=0.5)
    assert shape.dim / shape.heads == 64


def test_a_model_has_the_parameters_that_are_counted_and_the_seeds_weights() -> None:
    model, same, other = (make_model(TINY, 50, 16, seed, "cpu") for seed in (0, 0, 1))
    assert sum(one.numel() for one in model.parameters()) == TINY.params_with(50)
    weights = [next(one.parameters()) for one in (model, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be an even number"):
        Shape(name="odd", dim=10, layers=1, heads=3)


def test_losses_of_pieces_are_those_of_each_alone_and_of_uniform_guessing_at_first() -> None:
    model = make_model(TINY, 50, 16, 0, "cpu")
    recipe = StudyRecipe(context=16, batch_tokens=64, products="float32")
    pieces = [np.arange(3), np.arange(9) * 5, np.arange(6) + 7]
    together = piece_losses(model, pieces, recipe)
    alone = [piece_losses(model, [one], recipe)[0] for one in pieces]
    np.testing.assert_allclose(together, alone, rtol=1e-5)  # of another width of the same sums in float32
    ids = torch.from_numpy(pieces[1])[None]
    dense = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="sum")
    assert together[1] == pytest.approx(float(dense.detach()), rel=1e-5)
    assert together[1] / 8 == pytest.approx(np.log(50), abs=0.2)  # weights of 0.02 say little


def test_a_smaller_budget_is_the_beginning_of_a_larger_one_and_passes_are_whole() -> None:
    order = window_order(25, 10, 3, "real")
    np.testing.assert_array_equal(window_order(7, 10, 3, "real"), order[:7])
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))
    assert (window_order(10, 10, 4, "real") != order[:10]).any()
    assert epochs(25, 10) == 2.5
    assert (epochs(0, 0), epochs(3, 0)) == (0.0, np.inf)


def test_windows_hold_the_token_that_follows_and_ratios_are_of_windows() -> None:
    tokens = np.arange(41, dtype=np.uint32)
    assert n_windows(41, 8) == 5
    assert n_windows(40, 8) == 4
    np.testing.assert_array_equal(cut(tokens, np.array([0, 4]), 8), [list(range(9)), list(range(32, 41))])
    assert [n_synthetic(200, per_cent) for per_cent in (0, 0.5, 33, 100)] == [0, 1, 66, 200]
    is_synthetic = mixed_order(200, 66, 0)
    assert is_synthetic.sum() == 66
    assert 15 < is_synthetic[:100].sum() < 51


def test_documents_are_packed_between_their_marks_and_blank_ones_left_out() -> None:
    found = list(marked(Tokeniser(byte_tokenizer()), ["ab", "  ", "c"]))
    assert found == [[257, 97, 98, 258], [257, 99, 258]]


def test_a_noisy_mixture_leaves_the_others_alone_and_what_replicates_share_is_no_noise() -> None:
    random = np.random.default_rng(0)
    shared, noise = random.normal(0, 5, (3, 1)), np.array([0.01, 0.01, 0.01, 0.01, 3.0])
    losses = 4 + shared + random.normal(0, 1, (3, 5)) * noise
    drawn = noise_of_means(losses, random, 4_000).std(axis=0)
    assert drawn[:4].max() < 0.02
    assert drawn[4] > 0.3
    assert not noise_of_means(losses[:1], random, 10).any()


def test_noise_of_means_has_the_deviation_that_was_simulated() -> None:
    random = np.random.default_rng(1)
    found = [noise_of_means(random.normal(0, 0.1, (3, 9)), random, 400).std() for _ in range(200)]
    # the median over mixtures takes a ninth of the variance; Student's t with six degrees of freedom gives a half more
    assert np.mean(found) == pytest.approx(0.1 / np.sqrt(3), rel=0.25)


def test_a_clear_ratio_is_said_and_an_open_one_is_not() -> None:
    random, losses = np.random.default_rng(0), np.array([3.0, 2.9, 2.8, 2.9, 3.2])
    clear = good_ratio(losses, losses + random.normal(0, 0.01, (1_000, 5)), 3)
    assert (clear.at, clear.low, clear.high, clear.reason) == (2, 2, 2, "")
    flat = good_ratio(losses, 3 + random.normal(0, 0.1, (1_000, 5)), 3)
    assert (flat.low, flat.high) == (0, 4)
    assert flat.reason == "5 of 5 ratios lie within the interval"
    assert sum(flat.shares) == pytest.approx(1)
    alone = good_ratio(losses, losses + np.zeros((10, 1)), 1)
    assert "one replicate" in alone.reason


def test_the_slope_is_a_doublings_change() -> None:
    tokens = np.array([1.0, 2.0, 4.0, 8.0])
    np.testing.assert_allclose(slope(tokens, np.array([[0.0, 0.5, 1.0, 1.5], [3.0, 3.0, 3.0, 3.0]])), [0.5, 0.0], atol=1e-12)


def test_the_papers_gaps_are_those_of_its_table() -> None:
    assert gap("textbook", 100.0, 1.0) == pytest.approx(0.942, abs=0.001)
    assert gap("textbook", 33.0, 21.67) == pytest.approx(0.0, abs=1e-4), "where the two cross"
    assert gap("textbook", 67.0, 651.5) == pytest.approx(0.0, abs=1e-4)
    assert gap("hq-rephrase", 50.0, 1.0) is None
