"""Tokenizers: bytes, a folder's, or the checkpoint's; token counts for the gate; a small BPE trained here. Needs no torch."""

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from mixval.config.backbone import BackboneConfig
from mixval.config.tasks import Task, spec_of
from mixval.errors import ConfigError, ModelError
from mixval.models.checkpoint import has_vocabulary, locate, raw_config, unreachable
from mixval.models.identity import tokenizer_folder
from mixval.models.tokenise import TokenCounts, Tokeniser

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
N_BYTES = 256


def load_tokenizer(config: BackboneConfig, task: Task) -> Any:
    """The transformers tokenizer of a text backbone, with a pad token (the end token, where it has none of its own).

    Raises ConfigError when none is named, ModelError when it cannot be read or the task needs a token it lacks.
    """
    spec = spec_of(task)
    if not spec.is_text:
        raise ConfigError(
            f"the task {task!r} has no tokenizer: expected rows of modality 'text', found {spec.modality!r}. Ask for one only "
            "where rows are text."
        )
    if config.reads_bytes:
        tokenizer = byte_tokenizer()
    elif config.tokenizer is None and config.module is not None:
        tokenizer = _own(config)
    else:
        tokenizer = _from_folder(config.tokenizer) if config.tokenizer else _from_checkpoint(config)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ModelError("the tokenizer has neither a pad nor an end token. Name one in tokenizer_config.json.")
        tokenizer.pad_token = tokenizer.eos_token
    if spec.has_prompt and tokenizer.eos_token_id is None:
        raise ModelError("the tokenizer has no end token, and a response needs one. Name `eos_token` in tokenizer_config.json.")
    if spec.has_prompt and config.prompt_format == "chat" and not tokenizer.chat_template:
        raise ModelError(
            "backbone.prompt_format is `chat`, and the tokenizer has no chat template. Save one with it, or choose `plain`."
        )
    return tokenizer


def token_counter(config: BackboneConfig, task: Task) -> Callable[[pa.Table], TokenCounts]:
    """A function from contract rows to their token counts, the tokenizer loaded once. A null counts as an empty string."""
    tokeniser = Tokeniser(load_tokenizer(config, task), config.prompt_format)
    return lambda rows: tokeniser.counts(rows, task)


def byte_tokenizer() -> Any:
    """A tokenizer whose ids are UTF-8 bytes: 0 to 255, then <pad>, <bos>, <eos>. A text opens with <bos>.

    A row that spells `<eos>` gives its five bytes, never the end token. Decoding gives the text back exactly.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE({letter: byte for byte, letter in enumerate(_byte_letters())}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, BOS, EOS])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, N_BYTES + 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS, split_special_tokens=True
    )


def train_tokenizer(texts: Iterable[str], vocab_size: int, folder: str | Path) -> Path:
    """Train a byte-level BPE on `texts`, save it as `tokenizer.json` and `tokenizer_config.json`, and return the folder.

    The same texts in the same order give the same bytes. The vocabulary holds 256 bytes, <pad>, <bos>, <eos> and up to
    `vocab_size` tokens in all; no text is ever unknown to it. Raises ConfigError for a `vocab_size` under 259.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    if vocab_size < N_BYTES + 3:
        raise ConfigError(f"vocab_size must be at least {N_BYTES + 3} (bytes and three special tokens), found {vocab_size}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[PAD, BOS, EOS], initial_alphabet=_byte_letters(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS)
    fast.save_pretrained(str(folder))
    return Path(folder)


def _byte_letters() -> list[str]:
    """(256,) the printable letter that byte-level BPE (GPT-2) writes for each byte."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(N_BYTES, 2 * N_BYTES))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(N_BYTES)]


def _from_folder(path: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    folder = tokenizer_folder(path)
    try:
        return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the Rust reader raises bare Exception
        raise ModelError(f"tokenizer.json in {folder} cannot be read: {error}. Save the tokenizer again.") from error


def _own(config: BackboneConfig) -> Any:
    from mixval.models.own import own_module

    if (tokenizer := own_module(config).tokenizer) is None:
        raise ConfigError(
            "an own module that reads text needs a tokenizer, found none. Give `OwnModule(module, tokenizer=...)`: one of "
            "transformers, a tokenizers.Tokenizer, a function from a text to ids, or `byte`."
        )
    return copy.copy(tokenizer)


def _from_checkpoint(config: BackboneConfig) -> Any:
    from transformers import AutoTokenizer

    if config.path is None:
        raise ConfigError(
            "backbone.tokenizer must be `byte` or a folder with tokenizer.json: a random initialisation has none of its own."
        )
    checkpoint = locate(config.path, config.revision)
    raw_config(checkpoint)
    if not has_vocabulary(checkpoint):
        raise ModelError(_no_tokenizer(str(checkpoint), "there is no tokenizer.json or other vocabulary"))
    try:
        return AutoTokenizer.from_pretrained(checkpoint.name, trust_remote_code=False, **checkpoint.source)
    except Exception as error:  # the Rust reader raises bare Exception
        if isinstance(error, OSError) and checkpoint.folder is None:
            raise ModelError(unreachable(checkpoint)) from error
        raise ModelError(_no_tokenizer(str(checkpoint), str(error))) from error


def _no_tokenizer(checkpoint: str, problem: str) -> str:
    return (
        f"checkpoint {checkpoint}: its tokenizer cannot be read: {problem}. Save it into the folder "
        "(`tokenizer.save_pretrained`), or name another under backbone.tokenizer."
    )
