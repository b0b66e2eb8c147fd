"""URLs that carry a password, a key or a signature: they would be stored in manifests and written in messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mixval.errors import ConfigError

_SIGNED = re.compile(
    r"[?&;](x-(amz|goog)-(signature|credential|security-token)|awsaccesskeyid|signature|sig|token|access_token|api_?key|password|"
    r"sharedaccesssignature)=",
    re.IGNORECASE,
)
_USER = re.compile(r"^[a-z][a-z0-9+.-]*://(?P<user>[^/?#]*)@", re.IGNORECASE)

_USERINFO = re.compile(r"(?<=://)[^/@\s]*@")
_WEB_QUERY = re.compile(r"(\bhttps?://[^\s?#]*)[?#]\S*")
_OTHER_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?]*)\?[\w.-]+=\S*", re.IGNORECASE)


def carries_secret(url: str) -> bool:
    """Whether a URL has a password or key before its host (`s3://KEY:SECRET@bucket`), or is signed by its query.

    A container before an account, as in `abfs://container@account/...`, is none.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        return False
    user = _USER.match(url)
    return bool(_SIGNED.search(url)) or (user is not None and (":" in user["user"] or scheme.lower() in ("s3", "s3a", "s3n")))


def stripped_url(text: str) -> str:
    """The text with user, password and query taken out of every URL in it."""
    bare = _USERINFO.sub("", text)
    return _OTHER_QUERY.sub(r"\1", _WEB_QUERY.sub(r"\1", bare))


def refuse_secrets(given: Any, where: str) -> None:
    """Raise ConfigError when a value or key of nested mappings and lists is such a URL. The message names its place alone."""
    for key, text in _texts(given, ()):
        if carries_secret(text):
            raise ConfigError(
                f"{where}: {'.'.join(key)}: expected a URL without credentials, found one that carries them. They would be "
                "stored with the run. Take them out, and give them by the environment (AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY) or by `source.storage.credentials_block`; renew them if this file has been shared."
            )


def _texts(given: Any, key: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(given, str):
        yield key, given
    elif isinstance(given, dict):
        for name, value in given.items():
            yield from _texts(value, (*key, stripped_url(str(name))))
    elif isinstance(given, list | tuple):
        for at, value in enumerate(given):
            yield from _texts(value, (*key, str(at)))
