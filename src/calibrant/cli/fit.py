"""calibrant fit: fit estimators and calibrators."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calibrant.cli import options, say, tell
from calibrant.cli.options import names


def command(
    run: options.RunFolder,
    estimators: options.Estimators = "lora_prompt",
    calibrator: Annotated[str, typer.Option(help="The one in the artefact.")] = "platt",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of a setting; repeat it.")
    ] = None,
    together: options.Together = False,
    model: Annotated[
        str,
        typer.Option(
            help="Base model that lies elsewhere now or behind an endpoint (NAME@URL), or reads"
            " answers of others."
        ),
    ] = "",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: options.Json = False,
) -> None:
    """Fit estimators on a run's graded answers. Artefacts go to RUN/artefacts.

    Settings that are not the usual ones make a variant of its own.

    Example: calibrant fit runs/demo --estimators lora_prompt --set n_epochs=6
    """
    from calibrant.errors import Mismatch
    from calibrant.estimators.forms import forms_of, with_settings
    from calibrant.models.local import LocalModel
    from calibrant.models.model import Given, Model
    from calibrant.models.remote import model_called
    from calibrant.models.weights import quantization_of
    from calibrant.pipeline import fit_stage
    from calibrant.runs import Run

    here = Run(run)
    # Settings may make one form of several.
    forms = list(
        dict.fromkeys(with_settings(form, settings or []) for form in forms_of(names(estimators)))
    )
    made = here.manifest["identity"]["model"]
    is_given = here.manifest["identity"]["prompt"] == "given"
    base: Model
    if model or (not is_given and any(form.calls_model for form in forms)):
        load: dict[str, Any] = {
            "device": device,
            "dtype": dtype,
            "trust_remote_code": trust_remote_code,
            "quantize": quantization_of(made["revision"]),
        }
        # An endpoint, which may be sent a key, is one that the user names, never the run.
        base = model_called(model, **load) if model else LocalModel(made["name"], **load)
        if model and (base.name.name, base.name.revision) != (made["name"], made["revision"]):
            say(f"{base.name.name} reads the answers of {made['name']}")
        if not model and base.name.revision != made["revision"]:
            raise Mismatch(
                f"{made['name']} is another model now (revision {base.name.revision}) than the one"
                f" that answered ({made['revision']}): name the one that is to read its answers"
                " (--model)"
            )
    else:
        base = Given(made["name"], made["revision"])
    fit_stage(here, base, forms, calibrator=calibrator, together=together, say=say)
    folders = sorted(str(path.parent) for path in run.glob("artefacts/*/artefact.json"))
    tell(folders, as_json, "\n".join(folders))
