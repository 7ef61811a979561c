"""calibrant doctor: what works on this machine."""

from __future__ import annotations

import os
from typing import Any

from calibrant.cli import options, tell
from calibrant.runs import provenance


def command(as_json: options.Json = False) -> None:
    """Tell whether models can be run here. Versions, devices, threads.

    Example: calibrant doctor
    """
    found: dict[str, Any] = {"versions": provenance(), "cpus": os.cpu_count()}
    try:
        import torch

        from calibrant.models.local import embedded
    except ImportError as error:
        found["models"] = f"no: {error}; pip install 'calibrant[models]'"
    else:
        found |= {
            "models": ", ".join(embedded()),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "threads": torch.get_num_threads(),
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "not set"),
        }
    tell(found, as_json, "\n".join(f"{name}: {value}" for name, value in found.items()))
