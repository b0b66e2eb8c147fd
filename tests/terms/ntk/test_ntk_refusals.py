"""What cannot be captured exactly is refused by name."""

import pytest
import torch
from ntk_reference import own_logit
from torch import Tensor, nn
from torch.nn import functional

from mixval.errors import ModelError, NumericalError, ShapeError
from mixval.terms.ntk.capture import capture, some_rows
from mixval.terms.ntk.kinds import select_parameters


class Table(nn.Module):
    """A table (T, T) of distances, looked up without examples, as in T5's relative positions."""

    def __init__(self) -> None:
        super().__init__()
        self.distances = nn.Embedding(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        place = torch.arange(x.shape[1])
        bias = self.distances((place[:, None] - place[None]).abs())[:, :, 0]
        return torch.einsum("bi,ij,bj->b", x, bias, x)[:, None]


class Behind(nn.Module):
    """Reads its head's weight a second time, where no hook can see it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(torch.tanh(self.head(x)), self.head.weight)


class Mixing(nn.Module):
    """Centres over the batch, so that examples depend on each other."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layer(x)
        return self.head(torch.tanh(hidden - hidden.mean(0)))


class Kinked(nn.Module):
    """A ReLU that one row has at 0, and which rounding puts on the other side in a batch of one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layer(x)
        return self.head(torch.relu(hidden + (1e-12 if len(x) == 1 else -1e-12)))


class Overwriting(nn.Module):
    """Writes over a layer's input after the call."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = x * 1
        out = self.head(hidden)
        hidden.add_(1.0)
        return out


class Flattening(nn.Module):
    """Joins examples and positions before a layer, example by example (OPT) or position by position."""

    def __init__(self, by_position: bool = True) -> None:
        super().__init__()
        self.head = nn.Linear(2, 4)
        self.by_position = by_position

    def forward(self, x: Tensor) -> Tensor:
        places = x.reshape(len(x), 2, 2)
        if self.by_position:
            return self.head(places.transpose(0, 1).reshape(-1, 2)).reshape(2, len(x), 4).square().sum(0)
        return self.head(places.reshape(-1, 2)).reshape(len(x), 2, 4).square().sum(1)


def rows(n: int = 4) -> dict[str, Tensor]:
    return {"x": torch.randn(n, 4, generator=torch.Generator().manual_seed(0)), "y": torch.zeros(n, dtype=torch.long)}


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (Table, "distances.weight", "distances"),
        (Behind, "head.weight", r"head\.weight.*reads the weight outside"),
        (Mixing, "layer.weight", r"layer\.weight.*mixes examples"),
        (Overwriting, "head.weight", "head.*overwritten in place"),
        (Flattening, "head.weight", r"head\.weight.*mixes examples"),
    ],
)
def test_what_hooks_cannot_see_is_refused(make: type[nn.Module], name: str, said: str) -> None:
    torch.manual_seed(0)
    module = make().eval()
    with pytest.raises(ModelError, match=said):
        capture(module, [name], own_logit(module), [rows()])


def test_places_of_all_examples_in_one_dimension_are_taken_apart_by_example() -> None:
    torch.manual_seed(0)
    module, given = Flattening(by_position=False).eval(), rows()
    taken = capture(module, ["head.weight", "head.bias"], own_logit(module), [given])
    for row in range(4):
        one = {name: value[row : row + 1] for name, value in given.items()}
        truth = torch.autograd.grad(own_logit(module)(one).sum(), [module.head.weight, module.head.bias])
        for name, true in zip(("head.weight", "head.bias"), truth, strict=True):
            torch.testing.assert_close(taken.weights[name].row(row), true.flatten())


def test_a_row_that_is_rounded_past_a_kink_is_no_reason_to_refuse() -> None:
    torch.manual_seed(0)
    module, given = Kinked().eval(), rows()
    given["x"][-1] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    with torch.no_grad():
        module.layer.weight[:, 0] = 0
    taken = capture(module, ["layer.weight"], own_logit(module), [given])
    assert taken.weights["layer.weight"].row(3).abs().max() == 0  # on the batch's side of it
    assert taken.weights["layer.weight"].row(0).abs().max() > 0
    given["x"][:] = given["x"][-1]
    with pytest.raises(ModelError, match=r"off by 100.0% .* all 3 rows that were compared"):
        capture(module, ["layer.weight"], own_logit(module), [given])


def test_training_mode_and_batch_statistics_are_refused() -> None:
    for module in (
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)),
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)).eval(),
        nn.Sequential(nn.Linear(4, 4), nn.Dropout()),
    ):
        with pytest.raises(ModelError, match="evaluation mode"):
            capture(module, ["0.weight"], own_logit(module), [rows()])


def test_outputs_must_be_one_finite_number_an_example() -> None:
    module = nn.Sequential(nn.Linear(4, 4)).eval()
    with pytest.raises(ShapeError, match=r"\(4,\), found \(4, 4\)"):
        capture(module, ["0.weight"], lambda batch: module(batch["x"]), [rows()])
    broken = rows()
    broken["x"][1] = torch.nan
    with pytest.raises(NumericalError, match="1 of 4 outputs"):
        capture(module, ["0.weight"], own_logit(module), [broken])
    with pytest.raises(NumericalError, match="at least one row"):
        capture(module, ["0.weight"], own_logit(module), [])
    with pytest.raises(ModelError, match="nothing"):
        capture(module, ["nothing"], own_logit(module), [rows()])


def test_a_refusal_leaves_no_trace() -> None:
    torch.manual_seed(0)
    module = Behind().eval()
    before = [parameter.requires_grad for parameter in module.parameters()]
    with pytest.raises(ModelError):
        capture(module, ["head.weight"], own_logit(module), [rows()])
    assert [parameter.requires_grad for parameter in module.parameters()] == before
    assert not module.head._forward_hooks


def test_single_rows_of_all_batch_types() -> None:
    x, table = torch.arange(6).view(3, 2), torch.zeros(1, 2)
    assert torch.equal(some_rows(x, 2, 1), x[1:2])
    assert some_rows({"x": x, "table": table, "word": "a"}, 3, 2)["x"].tolist() == [[4, 5]]
    assert some_rows((x, table), 1)[1] is table
    with pytest.raises(ShapeError, match="needs a tensor"):
        some_rows({"word": "a"}, 1)


class Gated(nn.Module):
    """An attention layer whose matrices no hook sees, and a recurrent one."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2)
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.head = nn.Linear(4, 2)


def test_selection_by_kind() -> None:
    module = nn.Sequential(nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.Embedding(3, 4), nn.Linear(4, 2))
    assert select_parameters(module, ["linear"]) == ["3.weight"]
    assert select_parameters(module, ["bias", "conv"]) == ["0.weight", "0.bias", "3.bias"]
    assert select_parameters(module, ["norm", "embedding"]) == ["1.weight", "1.bias", "2.weight"]


def test_selection_that_cannot_be_met_names_what_is_there() -> None:
    with pytest.raises(ModelError, match=r"no parameter of kind lora; it has bias, linear"):
        select_parameters(nn.Linear(2, 2), ["lora"])
    assert select_parameters(nn.Linear(2, 2), ["linear", "conv"]) == ["weight"], "the default fits language models too"
    with pytest.raises(ModelError, match="unknown kinds"):
        select_parameters(nn.Linear(2, 2), ["weights"])
    with pytest.raises(ModelError, match=r"'attention.in_proj_weight' belongs to 'attention' \(MultiheadAttention\)"):
        select_parameters(Gated(), ["linear"])
    with pytest.raises(ModelError, match="LSTM"):
        select_parameters(nn.Sequential(nn.LSTM(2, 2), nn.Linear(2, 2)), ["linear"])
    with pytest.raises(ModelError, match="ConvTranspose2d"):
        select_parameters(nn.Sequential(nn.ConvTranspose2d(2, 2, 2), nn.Conv2d(2, 2, 1)), ["conv"])
    with pytest.raises(ModelError, match="Embedding"):
        select_parameters(nn.Embedding(3, 2, max_norm=1.0), ["embedding"])


def test_tables_with_a_leading_one_are_no_matrices() -> None:
    module = Gated()
    module.attention = nn.Identity()
    assert select_parameters(module, ["linear"]) == ["head.weight"]
