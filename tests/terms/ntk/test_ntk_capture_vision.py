"""Captured kernels of convolutional networks against full gradients by torch.func, in float64."""

import pytest
import torch
import transformers as hf
from ntk_reference import dense_theta, own_class_logit, own_logit, relative, split, widen
from torch import Tensor, nn

from mixval.terms.ntk.capture import capture
from mixval.terms.ntk.gram import gram_block
from mixval.terms.ntk.kinds import select_parameters
from mixval.terms.ntk.quadratic import quadratic_form
from mixval.terms.ntk.residual import residual

FORMS = ("auto", "gradient", "factors")


class Network(nn.Module):
    """Strides, dilation, groups, other paddings, writes in place, and one layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.batch = nn.BatchNorm2d(8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.group_norm = nn.GroupNorm(2, 8)
        self.same = nn.Conv2d(8, 8, (4, 3), padding="same", padding_mode="reflect", bias=False)
        self.pointwise = nn.Conv2d(8, 6, 1, stride=2)
        self.row = nn.Conv1d(6, 6, 3, padding=1, stride=2, groups=1)
        self.twice = nn.Linear(6, 6)
        self.layer_norm = nn.LayerNorm((2, 6))
        self.head = nn.Linear(12, 4)
        self.unused = nn.Linear(3, 3)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu_(self.batch(self.first(images)))
        hidden = torch.relu_(self.group_norm(self.grouped(hidden)))
        hidden = self.pointwise(torch.tanh(self.same(hidden)))
        hidden = self.row(hidden.flatten(2)).transpose(1, 2)[:, :2]
        hidden = self.layer_norm(self.twice(torch.tanh(self.twice(hidden))))
        return self.head(hidden.flatten(1))


def images(n: int, side: int, n_classes: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "x": torch.randn(n, 3, side, side, generator=generator, dtype=torch.float64),
        "y": torch.arange(n) % n_classes,
    }


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = Network()
    made.batch.running_mean.normal_()
    made.batch.running_var.uniform_(0.5, 2)
    return widen(made)


@pytest.mark.parametrize("kinds", [["linear", "conv"], ["linear", "conv", "norm", "bias"], ["norm"], ["bias"]])
@pytest.mark.parametrize("form", FORMS)
def test_kernel_and_term_equal_dense(network: nn.Module, kinds: list[str], form: str) -> None:
    batch, names = images(7, 11, 4), select_parameters(network, kinds)
    truth = dense_theta(network, names, own_logit, batch)
    for size in (1, 3, 7):
        found = capture(network, names, own_logit(network), split(batch, size), form)
        theta = gram_block(found, found)
        assert relative(theta, truth) <= 1e-10, size
        r = residual(found.outputs, torch.zeros(7), "one-minus-output")
        assert quadratic_form(theta, r, 1e-2).term == pytest.approx(quadratic_form(truth, r, 1e-2).term, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_resnet_equals_dense(form: str) -> None:
    torch.manual_seed(0)
    config = hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3)
    module = widen(hf.ResNetForImageClassification(config))
    batch = images(5, 20, 3)
    batch = {"pixel_values": batch["x"], "y": batch["y"]}
    names = select_parameters(module, ["linear", "conv"])
    truth = dense_theta(module, names, own_class_logit, batch)
    for size in (1, 3, 5):
        found = capture(module, names, own_class_logit(module), split(batch, size), form)
        assert relative(gram_block(found, found), truth) <= 1e-10, size


def test_float32_agrees_with_float64(network: nn.Module) -> None:
    batch, names = images(7, 11, 4), select_parameters(network, ["linear", "conv"])
    truth = dense_theta(network, names, own_logit, batch)
    single = Network()
    single.load_state_dict(network.state_dict())
    single.eval()
    rows = {"x": batch["x"].float(), "y": batch["y"]}
    for form in FORMS:
        found = capture(single, names, own_logit(single), [rows], form)
        assert gram_block(found, found).dtype == torch.float64
        # Sums of some hundred float32 products: a hundred times the rounding of one.
        assert relative(gram_block(found, found), truth) <= 1e-5, form


def test_weights_need_no_gradient_and_get_none(network: nn.Module) -> None:
    batch, names = images(4, 11, 4), select_parameters(network, ["linear", "conv"])
    frozen = gram_block(*[capture(network, names, own_logit(network), [batch])] * 2)
    for i, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(i % 2 == 0)
    free = gram_block(*[capture(network, names, own_logit(network), [batch])] * 2)
    kept = [parameter.requires_grad for parameter in network.parameters()]
    assert kept == [i % 2 == 0 for i in range(len(kept))]
    assert all(parameter.grad is None for parameter in network.parameters())
    network.requires_grad_(False)
    assert relative(free, frozen) <= 1e-12  # a pass that keeps its graph may take other kernels


def test_unused_weight_adds_nothing(network: nn.Module) -> None:
    batch = images(4, 11, 4)
    found = capture(network, ["unused.weight"], own_logit(network), split(batch, 3))
    assert torch.equal(gram_block(found, found), torch.zeros(4, 4, dtype=torch.float64))
