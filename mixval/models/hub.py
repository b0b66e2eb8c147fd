"""Whether the Hugging Face hub, or its cache on this machine, has a checkpoint; asked within a bound. Needs no torch."""

from __future__ import annotations

import queue
import threading

_WEIGHTS = "model.safetensors"
HUB_SECONDS = 5.0
"""How long the hub may take to answer."""


def is_cached(path: str, revision: str) -> bool:
    """Whether this checkpoint's weights were downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(path, _WEIGHTS, revision=revision), str)


def missing_from_hub(path: str, revision: str, seconds: float = HUB_SECONDS) -> str | None:
    """Why the hub does not give this checkpoint, as the beginning of a sentence; None where it says that it has it.

    Returns within `seconds`, whatever the network does: an HTTP client's own limit leaves out the search for the server's
    address, and counts anew at each redirection.
    """
    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    asking = threading.Thread(target=lambda: answers.put(_ask(path, revision, seconds)), name="ask-hub", daemon=True)
    asking.start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return f"The Hugging Face hub did not answer within {seconds:g} s"


def _ask(path: str, revision: str, seconds: float) -> str | None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        get_hf_file_metadata(hf_hub_url(path, _WEIGHTS, revision=revision), timeout=2 * seconds)  # ours decides
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        return f"The Hugging Face hub answered {status} when asked for {path}"
    except OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set"
    except Exception:  # its HTTP client raises classes of its own, which change with its version
        return "The Hugging Face hub cannot be reached"
    return None
