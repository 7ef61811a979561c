"""Whether a hub answers: its own client retries for a minute to find out."""

from __future__ import annotations

import urllib.error
import urllib.request

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
