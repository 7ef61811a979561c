"""Settings from text."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from calibrant.errors import InvalidData
from calibrant.settings import settings_of, with_settings


@dataclass(frozen=True, kw_only=True)
class Thing:
    share: float = 0.5
    count: int = 3
    deep: bool = False
    word: str = "a"
    words: tuple[str, ...] = ()
    layers: tuple[int, ...] = (-1,)
    shares: tuple[float, ...] = ()
    most: float | None = None
    limit: int | None = None
    inner: list[int] = field(default_factory=list, init=False)


def test_values_by_the_kind_of_setting() -> None:
    texts = ["share=1", "deep=true", "word=http://x/v1?a=b", "words=a,b", "most=2.5"]
    found = with_settings(Thing(), texts)
    assert found == Thing(share=1, deep=True, word="http://x/v1?a=b", words=("a", "b"), most=2.5)
    assert with_settings(Thing(), ['words=["a, b"]', "word=12"]).words == ("a, b",)
    assert with_settings(Thing(share=1), ["share=0.5", "count=4", "limit=5"]).share == 0.5
    assert with_settings(Thing(), ["word=12"]).word == "12"
    assert with_settings(Thing(), ['word="b"']).word == "b"
    assert with_settings(Thing(), ["words=5"]).words == ("5",)
    for text, layers in (("3", (3,)), ("-1,2", (-1, 2)), ("[3]", (3,)), ("[]", ()), ("", ())):
        assert with_settings(Thing(), [f"layers={text}"]).layers == layers
    assert with_settings(Thing(), ["shares=0.5,1"]).shares == (0.5, 1)
    assert "inner" not in settings_of(Thing())


@pytest.mark.parametrize(
    "text",
    [
        "shape=1",
        "share=x",
        "share=true",
        "deep=1",
        "count=[1",
        "count=2.5",
        "count=2.0",
        "count=NaN",
        "limit=2.5",
        "limit=true",
        "layers=x",
        "layers=0.5",
        "layers=true",
        "layers=[[1]]",
    ],
)
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(InvalidData, match=text.split("=")[0]):
        with_settings(Thing(), [text])
