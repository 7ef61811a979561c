"""What estimators need, looked at before any work."""

from __future__ import annotations

from collections.abc import Sequence

from calibrant import registry
from calibrant.errors import MissingCapability
from calibrant.estimators.estimator import Estimator, Say, silent
from calibrant.models.model import Capability, Model
from calibrant.models.remote import RemoteModel
from calibrant.records import Answer, Answered


def lacks(estimator: Estimator, model: Model, items: Sequence[Answered] | None = None) -> list[str]:
    """What an estimator needs and does not get.

    Parameters
    ----------
    items
        The answers, where they are there: then these must carry what it reads in them, whatever
        the model could give. None: the model is to answer.
    """
    needs = estimator.needs if items is None else estimator.calls
    missing = sorted(str(need) for need in needs - model.capabilities)
    scored = _scored(estimator, items)
    unread = [name for name in estimator.reads if not any(getattr(a, name) for a in scored)]
    return missing + [f"{name} of the answers" for name in unread if scored]


def _scored(estimator: Estimator, items: Sequence[Answered] | None) -> list[Answer]:
    """The answers of its formats."""
    return [i.answer for i in items or () if i.question.format in estimator.formats]


def _that_run(cls: type[Estimator], model: Model, items: Sequence[Answered] | None) -> list[str]:
    """Its name, where all of its forms run; where some do, each with its form."""
    forms = [form for form in cls.forms() if items is None or _scored(form, items)]
    run = [form for form in forms if not lacks(form, model, items)]
    if len(run) == len(forms) or not hasattr(cls, "form"):
        return [cls.name] if run else []
    return [f"{cls.name} form={form.settings()['form']}" for form in run]


def require(
    estimators: Sequence[Estimator],
    model: Model,
    items: Sequence[Answered] | None = None,
    say: Say = silent,
) -> None:
    """Refuse estimators that cannot run here; answers that lack what one reads are counted.

    An endpoint is asked once whether it tells log-probabilities, where they are needed of it.

    Raises
    ------
    MissingCapability
        Naming what is missing, and all estimators that would run.
    CalibrantError
        When an encoder or a judge that one reads is missing.
    """
    told = set()
    if isinstance(model, RemoteModel) and any(Capability.LOGPROBS in e.calls for e in estimators):
        model.look_for_log_probs()
    for estimator in estimators:
        if missing := lacks(estimator, model, items):
            would = [
                named
                for cls in registry.variants("estimators").values()
                for named in _that_run(cls, model, items)
            ]
            named = " ".join(filter(None, (estimator.name, getattr(estimator, "form", ""))))
            raise MissingCapability(
                f"{named} needs {', '.join(missing)}, which {model.name.name} does not"
                f" give; these would run: {', '.join(would)}"
            )
        estimator.look(model)
        scored = _scored(estimator, items)
        for field in estimator.reads:
            n = sum(not getattr(one, field) for one in scored)
            if n and (estimator.name, field) not in told:
                told.add((estimator.name, field))
                say(f"{n} of {len(scored)} answers have no {field}, which {estimator.name} reads")
