"""A remote model against a scripted endpoint: replies, retries, refusals, requests side by side."""

from __future__ import annotations

import asyncio
import math

import pytest

from calibrant.errors import InvalidData, MissingCapability, ModelUnavailable
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.estimators.needs import require
from calibrant.models.remote import RemoteModel, Reply, run_async, side_by_side
from calibrant.models.scripted import ScriptedModel, ScriptedServer

TOP = ({"yes": math.log(0.8), "no": math.log(0.2)},)


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def remote(server: ScriptedServer, **options: object) -> RemoteModel:
    return RemoteModel("any", base_url=server.base_url, first_wait_s=0.01, **options)  # type: ignore[arg-type]


def test_reply_with_log_probabilities_and_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    script = {"hello": Reply(text="yes", top=TOP, n_prompt_tokens=7, n_reply_tokens=1)}
    with ScriptedServer(script) as server:
        model = remote(server, key_variable="MY_KEY")
        reply = run_async(model.chat(ask("hello"), n_top=5, seed=3))
        plain = run_async(model.chat(ask("hello")))
    assert reply == Reply(
        text="yes", log_probs=(math.log(0.8),), top=TOP, n_prompt_tokens=7, n_reply_tokens=1
    )
    assert plain.top == () and plain.text == "yes"
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert server.bodies[0]["top_logprobs"] == 5 and server.bodies[0]["seed"] == 3
    assert "logprobs" not in server.bodies[1]


def test_passing_failures_are_tried_again_and_others_not() -> None:
    with ScriptedServer({"hello": "yes"}, failures=(429, 503)) as server:
        assert run_async(remote(server).chat(ask("hello"))).text == "yes"
        assert len(server.bodies) == 3
        with pytest.raises(ModelUnavailable, match="no reply to 'what'"):
            run_async(remote(server).chat(ask("what")))
        assert len(server.bodies) == 4
    with ScriptedServer({}, failures=(500,) * 9) as server:
        with pytest.raises(ModelUnavailable, match=r"3 attempts.*status 500.*script says"):
            run_async(remote(server, n_retries=2).chat(ask("hello")))
        assert len(server.bodies) == 3


def test_silence_and_nobody_there() -> None:
    with ScriptedServer({"hello": "yes"}, delay_s=5) as server:
        model = remote(server, timeout_s=0.1, n_retries=1)
        with pytest.raises(ModelUnavailable, match="ReadTimeout"):
            run_async(model.chat(ask("hello")))
    gone = RemoteModel("any", base_url=server.base_url, n_retries=1, first_wait_s=0.01)
    with pytest.raises(ModelUnavailable, match="2 attempts"):
        run_async(gone.chat(ask("hello")))
    with pytest.raises(InvalidData, match="no address"):
        RemoteModel("any", base_url="localhost:8000")


def test_64_requests_are_in_flight() -> None:
    async def work(model: RemoteModel) -> list[str]:
        found = [""] * 200

        async def one(i: int) -> None:
            found[i] = (await model.chat(ask(f"{i}"))).text

        async with model:
            await side_by_side((one(i) for i in range(200)), 64)
        return found

    with ScriptedServer(lambda words: f"{words}!", delay_s=0.1) as server:
        found = run_async(work(remote(server)))
    assert found == [f"{i}!" for i in range(200)]
    assert server.most_open == 64


def test_the_first_error_is_raised_as_it_is() -> None:
    async def one(i: int) -> None:
        if i == 3:
            raise ModelUnavailable(f"{i} failed") from KeyError("why")

    with pytest.raises(ModelUnavailable, match="3 failed") as told:
        run_async(side_by_side((one(i) for i in range(9)), 4))
    assert isinstance(told.value.__cause__, KeyError)


def test_embeddings() -> None:
    with ScriptedServer({}, embed=lambda text: [len(text), 1.0]) as server:
        vectors = run_async(remote(server).embeddings(["a", "abc"]))
        assert vectors.tolist() == [[1, 1], [3, 1]] and vectors.dtype == "float32"
    with ScriptedServer({}) as server, pytest.raises(ModelUnavailable, match="404"):
        run_async(remote(server).embeddings(["a"]))


def test_a_scripted_model_replies_and_does_not_guess() -> None:
    model = ScriptedModel({"hello": "yes"})
    assert run_async(model.chat(ask("hello"))).text == "yes"
    with pytest.raises(ModelUnavailable):
        run_async(model.chat(ask("what")))
    assert model.asked == ["hello", "what"]
    with pytest.raises(MissingCapability, match="train"):
        require([LoraPrompt()], model)


def test_inside_a_running_loop() -> None:
    async def outer() -> str:
        return run_async(ScriptedModel({"a": "b"}).chat(ask("a"))).text

    assert asyncio.run(outer()) == "b"
