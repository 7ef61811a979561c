"""Whether a hub answers: its own client retries for a minute to find out."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calibrant.errors import ModelUnavailable

TIMEOUT_S = 5


def why_silent(path: str, *, hidden: bool = False) -> str:
    """Why the hub does not show `path` at once; "" when it does.

    Parameters
    ----------
    path
        "models/OWNER/NAME" or "datasets/OWNER/NAME".
    hidden
        What asks for a log-in is there, too.
    """
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set and it is not in the local cache"
    headers = {"user-agent": "calibrant"}
    if token := get_token():
        headers["authorization"] = f"Bearer {token}"
    address = f"{constants.ENDPOINT}/api/{path}"
    request = urllib.request.Request(address, headers=headers, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        return "" if hidden and error.code in (401, 403) else f"the hub answers {error}"
    except OSError as error:
        return f"{constants.ENDPOINT} cannot be reached ({getattr(error, 'reason', error)})"
    return ""


@contextmanager
def answering(name: str, hint: str = "") -> Iterator[None]:
    """For the loading of a model: where the hub is silent, from the local cache alone.

    Parameters
    ----------
    name
        Of a folder, which asks no hub, or OWNER/NAME.

    Raises
    ------
    ModelUnavailable
        When the hub is silent and the cache does not hold it.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    silent = "" if Path(name).is_dir() else why_silent(f"models/{name}")
    if silent and not isinstance(try_to_load_from_cache(name, "config.json"), str):
        raise ModelUnavailable(
            f"{name!r} cannot be loaded from the hub: {silent}; download it elsewhere and give the"
            f" path of its folder.{hint}"
        )
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or bool(silent)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
