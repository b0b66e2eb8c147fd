"""YAML as plain values, read so that no key is lost and no text takes more memory than it has characters.

YAML lets the last of two equal keys win in silence, and lets a short text name the same part again and again.
"""

from __future__ import annotations

from typing import Any

import yaml

from mixval.errors import ConfigError

MOST_BYTES = 1 << 20
"""Bytes of a configuration file. The longest that mixval writes has some thousands."""
MOST_VALUES = 100_000
"""Values after every alias is written out."""


def read_yaml(text: str) -> Any:
    """The value that a YAML text stands for: mappings, lists and scalars.

    Raises ConfigError, which names no file, for what is no YAML, a key that is given twice, or a text that is too long, too
    deeply nested or too large once its aliases are written out.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(f"a text of {len(text):,} characters, of at most {MOST_BYTES:,}")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(str(error)) from error
    except RecursionError as error:
        raise ConfigError("sections that are nested too deeply") from error
    finally:
        loader.dispose()


def _check(node: yaml.Node, sizes: dict[int, int]) -> int:
    """Values below a node, aliases written out. Raises ConfigError for a key given twice, and for too many values."""
    if id(node) in sizes:
        if sizes[id(node)] == 0:
            raise ConfigError("a section that contains itself" + _where(node))
        return sizes[id(node)]
    sizes[id(node)] = 0
    below: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _refuse_repeated(node)
        below = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = list(node.value)
    size = 1
    for part in below:
        size += _check(part, sizes)
        if size > MOST_VALUES:
            raise ConfigError(f"more than {MOST_VALUES:,} values once its aliases are written out" + _where(node))
    sizes[id(node)] = size
    return size


def _refuse_repeated(node: yaml.MappingNode) -> None:
    seen: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if (first := seen.setdefault((key.tag, key.value), key)) is not key:
            raise ConfigError(
                f"the key `{key.value}` twice, in lines {first.start_mark.line + 1} and {key.start_mark.line + 1}, of which "
                "one would be lost"
            )


def _where(node: yaml.Node) -> str:
    return f", line {node.start_mark.line + 1}"
