"""An own torch module as the backbone: every task by both routes, named by what it is, refused where it cannot serve."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

import mixval
from mixval.config.backbone import BackboneConfig
from mixval.config.load import parse_config
from mixval.config.tasks import Task
from mixval.errors import ConfigError, MixvalError, ModelError
from mixval.models.load import load_backbone
from mixval.models.own import handed_over
from mixval.terms.ntk.kernel import exact_kernel
from mixval.terms.ntk.kinds import select_parameters
from tests.api.own_modules import END, BagOfLetters, Causal, Lite, encode, seeded
from tests.worlds import rows

OPTIONS: dict[str, Any] = {"gate": {"min_rows": 8, "data_docs": False}, "value": {"replicates": 8}, "sample": {"count": 64}}
ROUTES: dict[str, dict[str, Any]] = {
    "sketched": {"method": "sketched", "sketch_features": 64},
    "exact": {"method": "exact", "sample": {"count": 24}},
}


def scaled(image: Any) -> Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.float32).transpose(2, 0, 1)) / 127.5 - 1


def text_module(kind: type[nn.Module]) -> mixval.OwnModule:
    return mixval.OwnModule(seeded(kind), tokenizer=encode, end_id=END, max_length=48)


MADE: dict[Task, Callable[[], mixval.OwnModule]] = {
    "image-classification": lambda: mixval.OwnModule(seeded(Lite), transform=scaled),
    "text-classification": lambda: text_module(BagOfLetters),
    "instruction": lambda: text_module(Causal),
    "language-modelling": lambda: text_module(Causal),
}


def contributors(task: Task) -> dict[str, pd.DataFrame]:
    """`clean` has the labels, or texts, of T; `wrong` other labels, or other words; both as many rows."""
    clean, wrong = pd.DataFrame(rows(task, 24, 1_000)), pd.DataFrame(rows(task, 24, 2_000))
    if "label" in wrong:
        return {"clean": clean, "wrong": wrong.assign(label=(wrong["label"] + 1) % 4)}
    return {"clean": clean, "wrong": pd.DataFrame(rows(task, 24, 2_000, is_near=False))}


def valued(task: Task, own: mixval.OwnModule, output: Path, route: str = "sketched") -> mixval.ValuationResult:
    target = pd.DataFrame(rows(task, 24, 0))
    return mixval.value(contributors(task), target, own, task=task, output=output, ntk=ROUTES[route], **OPTIONS)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One place for all runs: what the gate finds of the same rows is found once."""
    return tmp_path_factory.mktemp("own")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("task", MADE)
def test_every_task_is_valued_by_both_routes(task: Task, route: str, output: Path) -> None:
    own = MADE[task]()
    before = copy.deepcopy(own.module.state_dict())
    found = valued(task, own, output, route)
    assert set(found.ranking["contributor"]) == {"clean", "wrong"}
    assert np.isfinite(found.ranking["value"]).all()
    if task == "image-classification":  # bright quarters that a random net of four classes separates
        assert found.ranking["contributor"][0] == "clean"
        assert np.ptp(found.ranking["value"]) > 0.05
    assert own.module.training  # the user's own is as it was
    assert all(parameter.requires_grad for parameter in own.module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.module.state_dict().items())
    assert found.config["backbone"]["module"] == own.digest()


def test_the_same_module_is_found_again_and_another_weight_is_another_module(output: Path) -> None:
    task: Task = "language-modelling"
    first = valued(task, MADE[task](), output)
    assert valued(task, MADE[task](), output).url == first.url
    other = MADE[task]()
    with torch.no_grad():
        other.module.head.bias[3] += 1e-3  # type: ignore[union-attr,operator,index]
    again = valued(task, other, output)
    assert again.url != first.url
    assert not np.allclose(again.ranking["value"], first.ranking["value"], rtol=0, atol=1e-12)


def test_gradients_of_an_own_module_are_those_of_autograd() -> None:
    """The kernel of the exact route against one backward pass a row."""
    own = mixval.OwnModule(seeded(BagOfLetters), tokenizer=encode, max_length=48, dtype="float64")
    with handed_over(own) as digest:
        backbone = load_backbone(BackboneConfig(module=digest, **own.settings), "text-classification", [0, 1, 2, 3])
    batch = backbone.encode(pa.Table.from_pylist(rows("text-classification", 5, 0)))

    def scalar(batch: dict[str, Tensor]) -> Tensor:
        return backbone.output(backbone.forward(batch), batch, "mix")

    names = select_parameters(backbone.module, ["linear"])
    found = exact_kernel(backbone.module, [names], scalar, lambda start: [{k: v[start:] for k, v in batch.items()}], 5, 2**20)
    weights = [backbone.module.get_parameter(name).requires_grad_() for name in names]
    outputs = scalar(batch)
    gradients = [torch.cat([g.flatten() for g in torch.autograd.grad(one, weights, retain_graph=True)]) for one in outputs]
    dense = torch.stack(gradients) @ torch.stack(gradients).T
    torch.testing.assert_close(found.theta, dense, rtol=1e-10, atol=1e-14)  # float64 throughout


class Renamed(Lite):
    """The same weights and another forward pass."""

    def forward(self, pixels: Tensor) -> Tensor:
        return 2 * super().forward(pixels)


class Scaled(Lite):
    """A plain attribute that the forward pass uses."""

    scale = 1.0

    def forward(self, pixels: Tensor) -> Tensor:
        return self.scale * super().forward(pixels)


def test_the_name_follows_weights_code_settings_transform_and_tokenizer() -> None:
    plain, again = mixval.OwnModule(seeded(Lite)), mixval.OwnModule(seeded(Lite))
    one, other = Scaled(), Scaled()
    other.load_state_dict(one.state_dict())
    other.scale = 2.0
    assert plain.digest() == again.digest()
    names = [
        plain.digest(),
        mixval.OwnModule(seeded(Lite, seed=1)).digest(),
        mixval.OwnModule(seeded(Renamed)).digest(),
        mixval.OwnModule(one).digest(),
        mixval.OwnModule(other).digest(),
        mixval.OwnModule(seeded(Lite), transform=scaled).digest(),
        mixval.OwnModule(seeded(Lite), transform=lambda image: scaled(image) / 2).digest(),
        mixval.OwnModule(seeded(Lite), labels=[3, 2, 1, 0]).digest(),
        text_module(BagOfLetters).digest(),
        mixval.OwnModule(seeded(BagOfLetters), tokenizer=lambda text: encode(text.lower())).digest(),
        mixval.OwnModule(seeded(BagOfLetters), tokenizer=encode, pad_id=2).digest(),
    ]
    assert len(set(names)) == len(names)


def test_labels_name_the_outputs(output: Path) -> None:
    """Outputs in another order with labels to match give the same values."""
    task: Task = "image-classification"
    plain = valued(task, MADE[task](), output)
    turned = seeded(Lite)
    with torch.no_grad():
        turned.classifier.weight.copy_(turned.classifier.weight.flip(0))  # type: ignore[union-attr,operator]
        turned.classifier.bias.copy_(turned.classifier.bias.flip(0))  # type: ignore[union-attr,operator]
    named = valued(task, mixval.OwnModule(turned, transform=scaled, labels=[3, 2, 1, 0]), output, "sketched")
    losses = [dict(zip(one.ranking["contributor"], one.ranking["loss"], strict=True)) for one in (plain, named)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)  # float32 passes


class Wide(Lite):
    def forward(self, pixels: Tensor) -> Tensor:
        return pixels


class Headless(Lite):
    def forward(self, pixels: Tensor) -> Tensor:
        return self.classifier(self.stem(pixels).mean((2, 3))).softmax(1)[:, :3] * 1.0


class Failing(Lite):
    def forward(self, pixels: Tensor) -> Tensor:
        raise KeyError(f"what {pixels.ndim}")


IMAGES: Task = "image-classification"


@pytest.mark.parametrize(
    ("own", "error", "words"),
    [
        (lambda: mixval.OwnModule(seeded(Wide)), ModelError, r"Wide must give logits \(rows, classes\) for \(4,\), found"),
        (lambda: mixval.OwnModule(seeded(Headless)), ModelError, "Headless has 3 outputs, and the target's labels need 4"),
        (lambda: mixval.OwnModule(seeded(Failing)), ModelError, "Failing failed on a batch .*KeyError: 'what 4'"),
        (
            lambda: mixval.OwnModule(seeded(Lite), labels=[0, 1, 2]),
            ModelError,
            r"an output for each label .* labels \[0, 1, 2, 3",
        ),
        (
            lambda: mixval.OwnModule(seeded(Lite), features="trunk"),
            ModelError,
            "expected a submodule .* found 'trunk'. It has stem",
        ),
        (lambda: mixval.OwnModule(seeded(Lite), transform=lambda image: image), ConfigError, "transform: .* found Image"),
        (
            lambda: mixval.OwnModule(seeded(Lite), transform=lambda image: scaled(image) + torch.rand(1)),
            ConfigError,
            "transform: expected the same tensor for the same image, found two",
        ),
    ],
)
def test_what_cannot_serve_is_refused_by_name(
    own: Callable[[], mixval.OwnModule], error: type[MixvalError], words: str, output: Path
) -> None:
    with pytest.raises(error, match=words):
        valued(IMAGES, own(), output)


def test_a_text_module_without_a_tokenizer_and_one_with_ids_beyond_its_table_are_refused(output: Path) -> None:
    with pytest.raises(ConfigError, match="an own module that reads text needs a tokenizer, found none"):
        valued("text-classification", mixval.OwnModule(seeded(BagOfLetters)), output)
    beyond = mixval.OwnModule(seeded(BagOfLetters), tokenizer=lambda text: [500 for _ in text])
    with pytest.raises(ModelError, match=r"BagOfLetters failed on a batch .*IndexError.* ids above its embedding table"):
        valued("text-classification", beyond, output)
    with pytest.raises(ConfigError, match="tokenizer: expected a function from a text to integers"):
        mixval.OwnModule(seeded(BagOfLetters), tokenizer=str.upper).digest()
    with pytest.raises(ConfigError, match=r"tokenizer: expected one of transformers, .* found int"):
        mixval.OwnModule(seeded(BagOfLetters), tokenizer=3)


def test_a_configuration_does_not_find_the_module_afterwards(output: Path) -> None:
    found = valued("language-modelling", MADE["language-modelling"](), output)
    config = parse_config(found.config)
    with pytest.raises(
        ConfigError, match=r"expected a module that this process was handed over, found none\. Call `mixval.value`"
    ):
        load_backbone(config.backbone, config.task, None)
    with pytest.raises(ConfigError, match="cluster: expected a backbone that workers can load"):
        mixval.value(
            contributors("language-modelling"),
            pd.DataFrame(rows("language-modelling", 24, 0)),
            MADE["language-modelling"](),
            cluster=True,
            **OPTIONS,
        )
