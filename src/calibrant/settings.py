"""Settings from text: NAME=VALUE for any variant that is a dataclass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from calibrant.errors import InvalidData

T = TypeVar("T")


def settings_of(thing: Any) -> dict[str, Any]:
    """The settings of a variant as plain values."""
    return {field.name: getattr(thing, field.name) for field in fields(thing) if field.init}


@cache
def choices_of(cls: Any) -> dict[str, tuple[Any, ...]]:
    """Setting -> the values that it may have, where these are named."""
    hints = get_type_hints(cls)
    return {
        field.name: get_args(hints[field.name])
        for field in fields(cls)
        if get_origin(hints[field.name]) is Literal
    }


def check_choices(thing: Any) -> None:
    """Refuse a value that is none of those that its setting names.

    Raises
    ------
    InvalidData
        Naming the setting and its values.
    """
    kind: Any = type(thing)
    for name, values in choices_of(kind).items():
        if (given := getattr(thing, name)) not in values:
            known = ", ".join(map(str, values))
            raise InvalidData(f"{name} is {given!r}: it can be {known}")


def with_settings(thing: T, settings: Sequence[str]) -> T:
    """The variant with some settings changed, each "NAME=VALUE" with a JSON value.

    Where the setting is text, or a list of texts, the value may stand without quotes: the text as
    it is, or the texts parted by commas; so may numbers of a list.

    Raises
    ------
    InvalidData
        When it has no such setting, or the value is none.
    """
    changes = {}
    usual = settings_of(thing)
    for text in settings:
        name, _, value = text.partition("=")
        if name not in usual:
            known = ", ".join(usual) or "none"
            called = getattr(thing, "name", type(thing).__name__)
            raise InvalidData(f"{called} has no setting {name!r}; it has {known}")
        hint = get_type_hints(type(thing))[name]
        (kind, *_) = get_args(hint) or [None]
        if isinstance(usual[name], tuple) and kind in (int, float):
            changes[name] = _numbers(text, name, value, kind)
        else:
            changes[name] = _value(text, name, value, usual[name])
        if hint in (int, int | None) and isinstance(changes[name], bool | float):
            raise InvalidData(f"{text!r} is no setting: {name} is a whole number")
    return replace(thing, **changes)  # type: ignore[type-var]


def _numbers(text: str, name: str, value: str, kind: type) -> tuple[Any, ...]:
    """A list of numbers, which may stand without brackets."""
    try:
        found = json.loads(value if value.lstrip().startswith("[") else f"[{value}]")
    except ValueError:
        found = [value]
    if not all(type(one) in (int, kind) for one in found):
        raise InvalidData(f"{text!r} is no setting: write {name}=NUMBER,NUMBER,...")
    return tuple(found)


def _value(text: str, name: str, value: str, usual: Any) -> Any:
    try:
        found = json.loads(value)
    except ValueError as error:
        if isinstance(usual, tuple):
            return tuple(value.split(","))
        if isinstance(usual, str):
            return value
        raise InvalidData(f"{text!r} is no setting: write {name}=VALUE") from error
    if isinstance(usual, str):
        return found if isinstance(found, str) else value
    if isinstance(usual, tuple) and not isinstance(found, list):
        return (value,)
    numbers = isinstance(usual, int | float) and isinstance(found, int | float)
    if usual is not None and not numbers and not isinstance(found, list | type(usual)):
        raise InvalidData(f"{text!r} is no setting: {name} is now {usual!r}")
    if numbers and isinstance(usual, bool) is not isinstance(found, bool):
        raise InvalidData(f"{text!r} is no setting: {name} is now {usual!r}")
    return tuple(found) if isinstance(found, list) else found
