"""Several stochastic answers from a model behind an endpoint: one request each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from calibrant.answers.extract import extract
from calibrant.answers.prompts import messages
from calibrant.answers.sample import Sampling
from calibrant.errors import ModelUnavailable
from calibrant.models.remote import Chat, RemoteModel, run_async, side_by_side
from calibrant.records import Answer, Question, content_hash

N_IN_FLIGHT = 64


def sample_remote(
    questions: Sequence[Question],
    model: Chat,
    sampling: Sampling,
    *,
    say: Callable[[str], None] = print,
) -> list[list[Answer]]:
    """The samples of each question, in their order; those that failed are left out and said.

    Each request has a seed of its own, which an endpoint may heed or not. Log-probabilities are
    there where the endpoint gives them.

    Raises
    ------
    ModelUnavailable
        When not one request was answered.
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
                n_top=1,
                seed=int(content_hash(question.id, sampling.seed, k), 16) % 2**31,
            )
        except ModelUnavailable as error:
            failed[str(error)] += 1
            return
        found[question.id, k] = Answer(
            question_id=question.id,
            text=reply.text,
            extracted=extract(reply.text, question),
            model=model.name,
            prompt=f"chat/{len(question.shots)}-shot" if question.shots else "chat",
            sampling=f"{sampling.label} sample={k}",
            log_probs=reply.log_probs,
            finish_reason="stop" if reply.finish_reason == "stop" else "length",
        )

    async def work() -> None:
        async with AsyncExitStack() as stack:
            if isinstance(model, RemoteModel):
                await stack.enter_async_context(model)
            jobs = (one(question, k) for question in asked for k in range(sampling.n_samples))
            await side_by_side(jobs, N_IN_FLIGHT)

    asked = list({question.id: question for question in questions}.values())
    run_async(work())
    if failed:
        why, _ = failed.most_common(1)[0]
        if not found:
            raise ModelUnavailable(f"not one sample was drawn: {why}")
        say(f"{failed.total()} of {failed.total() + len(found)} samples failed, most often: {why}")
    places = range(sampling.n_samples)
    return [[found[q.id, k] for k in places if (q.id, k) in found] for q in questions]
