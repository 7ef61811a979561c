"""Pages as text: templates, shared styles and scripts, and what a browser may load: nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent


@cache
def environment(folder: Path) -> Environment:
    """The templates of a folder and the shared ones: values are escaped, missing ones an error."""
    return Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, folder: Path, *, sends: bool = False, **context: Any) -> str:
    """A self-contained page: every value is escaped, styles and scripts are inside it.

    Parameters
    ----------
    template
        Name of a template in `folder`; it extends the shared `layout.html`.
    sends
        Whether it may send forms to where it comes from.
    context
        What the template needs; a name that is missing is an error.
    """
    style, script = ((HERE / name).read_text("utf-8") for name in ("style.css", "page.js"))
    context |= {"style": Markup(style), "script": Markup(script), "policy": policy(script, sends)}
    return environment(folder).get_template(template).render(context)


def policy(script: str, sends: bool = False) -> str:
    """The content security policy of a page: no requests, and no script but this one."""
    to = "'self'" if sends else "'none'"
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
        f" script-src {digest(script)}; base-uri 'none'; form-action {to}"
    )


def digest(text: str) -> str:
    """How a content security policy names an inline script or style."""
    made = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{made}'"


class Served:
    """Pages that a server sends: one script and one style inside each, forms go to the server.

    Parameters
    ----------
    folder
        Templates, and the style and script that are theirs beside the shared ones.
    style, script
        Names of files in `folder`.
    asks
        Whether the script asks the server for anything.
    """

    def __init__(self, folder: Path, *, style: str, script: str, asks: bool = False) -> None:
        self.folder = folder
        styles = [HERE / "style.css", folder / style]
        self.style = "".join(path.read_text("utf-8") for path in styles)
        self.script = (folder / script).read_text("utf-8")
        self.policy = (
            f"default-src 'none'; style-src {digest(self.style)}; img-src data:;"
            f" script-src {digest(self.script)}; base-uri 'none'; form-action 'self';"
            " frame-ancestors 'none'" + asks * "; connect-src 'self'"
        )
        """For the header; a page says nothing about it."""

    def render(self, template: str, **context: Any) -> str:
        """A page as text."""
        context |= {"style": Markup(self.style), "script": Markup(self.script), "policy": ""}
        return environment(self.folder).get_template(template).render(context)
