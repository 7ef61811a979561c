"""Several stochastic answers from a model behind an endpoint: one request each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from calibrant.answers.extract import extract
from calibrant.answers.prompts import messages
from calibrant.answers.sample import Sampling, kept_samples
from calibrant.errors import ModelUnavailable
from calibrant.models.remote import Chat, RemoteModel, Reply, run_async, side_by_side
from calibrant.records import Answer, Question, content_hash

N_IN_FLIGHT = 64


def sample_remote(
    questions: Sequence[Question],
    model: Chat,
    sampling: Sampling,
    *,
    log_probs: bool = True,
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[list[Answer]]:
    """The samples of each question, in their order; those that failed are left out and said.

    Each request has a seed of its own, which an endpoint may heed or not.

    Parameters
    ----------
    log_probs
        Whether the endpoint is asked for log-probabilities, which it may give or not.
    cache
        Folder where samples are kept; a question that is short of some is asked anew next time.

    Raises
    ------
    ModelUnavailable
        When there is not one sample.
    """
    found: dict[tuple[str, int], Answer] = {}
    failed: Counter[str] = Counter()

    async def one(question: Question, k: int) -> None:
        try:
            reply = await model.chat(
                messages(question),
                max_new_tokens=1 if question.choices else sampling.max_new_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                n_top=int(log_probs),
                seed=int(content_hash(question.id, sampling.seed, k), 16) % 2**31,
            )
        except ModelUnavailable as error:
            failed[str(error)] += 1
            return
        found[question.id, k] = _answer(question, model, reply, f"{sampling.label} sample={k}")

    async def requests(asked: list[Question]) -> None:
        async with AsyncExitStack() as stack:
            if isinstance(model, RemoteModel):
                await stack.enter_async_context(model)
            jobs = (one(question, k) for question in asked for k in places)
            await side_by_side(jobs, N_IN_FLIGHT)

    def work(asked: list[Question]) -> list[list[Answer]]:
        run_async(requests(asked))
        return [[found[q.id, k] for k in places if (q.id, k) in found] for q in asked]

    places = range(sampling.n_samples)
    asked_as = (getattr(model, "base_url", ""), asdict(model.name), "chat", log_probs)
    key = content_hash(*asked_as, sampling.label)
    drawn = kept_samples(questions, cache and cache / f"samples-{key}", sampling, work)
    if failed:
        why, _ = failed.most_common(1)[0]
        if not any(drawn):
            raise ModelUnavailable(f"not one sample was drawn: {why}")
        say(f"{failed.total()} of {failed.total() + len(found)} samples failed, most often: {why}")
    return drawn


def _answer(question: Question, model: Chat, reply: Reply, sampling: str) -> Answer:
    return Answer(
        question_id=question.id,
        text=reply.text,
        extracted=extract(reply.text, question),
        model=model.name,
        prompt=f"chat/{len(question.shots)}-shot" if question.shots else "chat",
        sampling=sampling,
        log_probs=reply.log_probs,
        finish_reason="stop" if reply.finish_reason == "stop" else "length",
    )
