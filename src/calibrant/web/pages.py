"""Pages as text: templates, shared styles and scripts, and what a browser may load: nothing."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent


def render(template: str, folder: Path, *, forms: bool = False, **context: Any) -> str:
    """A self-contained page: every value is escaped, styles and scripts are inside it.

    Parameters
    ----------
    template
        Name of a template in `folder`; it extends the shared `layout.html`.
    forms
        Whether it may send forms to where it comes from.
    context
        What the template needs; a name that is missing is an error.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = ((HERE / name).read_text("utf-8") for name in ("style.css", "page.js"))
    context |= {"style": Markup(style), "script": Markup(script), "policy": policy(script, forms)}
    return environment.get_template(template).render(context)


def policy(script: str, forms: bool = False) -> str:
    """The content security policy of a page: no requests, and no script but this one."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    to = "'self'" if forms else "'none'"
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
        f" script-src 'sha256-{digest}'; base-uri 'none'; form-action {to}"
    )
