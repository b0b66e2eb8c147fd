"""Settings given beside a configuration file: `sample.count=500`, a dotted key and a YAML value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixval.config.url_secrets import carries_secret
from mixval.config.yaml_text import read_yaml
from mixval.errors import ConfigError


@dataclass(frozen=True)
class Override:
    """One value that takes the place of the file's."""

    key: tuple[str, ...]
    """The dotted key's parts, outermost first."""
    value: Any

    def put_into(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` with this value at its key, a whole section or list replaced too; other keys stay as they are.

        Raises ConfigError where the key goes below something that is no section.
        """
        changed = here = dict(given)
        for depth, part in enumerate(self.key[:-1], start=1):
            below = {} if here.get(part) is None else here[part]
            if not isinstance(below, Mapping):
                raise ConfigError(
                    f"--set {'.'.join(self.key)}: expected a section at `{'.'.join(self.key[:depth])}`, found {below!r}. "
                    "Correct the key."
                )
            here[part] = dict(below)
            here = here[part]
        here[self.key[-1]] = self.value
        return changed


def overrides(settings: Sequence[str]) -> list[Override]:
    """What each `KEY=VALUE` sets, in order. Raises ConfigError for another form."""
    return [_override(setting) for setting in settings]


def _override(setting: str) -> Override:
    key, equals, text = setting.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not equals or not all(parts):
        raise ConfigError(
            f"--set: expected KEY=VALUE with a dotted key, such as sample.count=500, found {setting!r}. Write it so."
        )
    try:
        return Override(parts, read_yaml(text))
    except ConfigError as error:
        why = " ".join(str(error).split())
        shown = "a URL with credentials" if carries_secret(text) else repr(text)
        raise ConfigError(f"--set {key}: expected a YAML value after `=`, found {shown} ({why}). Quote it.") from error
