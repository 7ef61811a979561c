"""Several stochastic answers from a model behind an endpoint: one request each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from calibrant.answers.extract import extract
from calibrant.answers.prompts import messages
from calibrant.answers.sample import Sampling, kept_samples
from calibrant.errors import MissingCapability, ModelUnavailable
from calibrant.models.remote import Chat, Refused, RemoteModel, Reply, run_async, side_by_side
from calibrant.records import Answer, Question, content_hash

N_IN_FLIGHT = 64


def sample_remote(
    questions: Sequence[Question],
    model: Chat,
    sampling: Sampling,
    *,
    log_probs: bool = True,
    needed_for: str = "",
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> list[list[Answer]]:
    """The samples of each question, in their order; those that failed are left out and said.

    Each request has a seed of its own, which an endpoint may heed or not.

    Parameters
    ----------
    log_probs
        Whether the endpoint is asked for log-probabilities, which it may give or not; one that
        refuses is asked without.
    needed_for
        What is nothing without them, if anything: then the first reply that has none is the last.
    cache
        Folder where samples are kept; a question that is short of some is asked anew next time.

    Raises
    ------
    ModelUnavailable
        When there is not one sample.
    MissingCapability
        When log-probabilities are needed and the first reply has none.
    """
    found: dict[tuple[str, int], Answer] = {}
    failed: Counter[str] = Counter()
    asking = _Asking(model, sampling, log_probs, bool(needed_for))

    async def one(question: Question, k: int) -> None:
        try:
            reply = await asking.reply(question, k)
        except ModelUnavailable as error:
            failed[str(error)] += 1
            return
        if needed_for and reply.text and not reply.log_probs and not found:
            raise MissingCapability(untold)
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

    untold = f"{model.name.name} tells no log-probabilities, which {needed_for}"
    places = range(sampling.n_samples)
    asked_as = (getattr(model, "base_url", ""), asdict(model.name), "chat", log_probs)
    key = content_hash(*asked_as, sampling.label)
    drawn = kept_samples(questions, cache and cache / f"samples-{key}", sampling, work)
    texts = [sample for of_question in drawn for sample in of_question if sample.text]
    if needed_for and texts and not any(sample.log_probs for sample in texts):
        raise MissingCapability(untold)  # they were drawn for what does without
    if failed:
        why, _ = failed.most_common(1)[0]
        if not any(drawn):
            raise ModelUnavailable(f"not one sample was drawn: {why}")
        say(f"{failed.total()} of {failed.total() + len(found)} samples failed, most often: {why}")
    return drawn


@dataclass
class _Asking:
    """Requests for samples: with log-probabilities, until they are refused and can be spared."""

    model: Chat
    sampling: Sampling
    log_probs: bool
    needed: bool

    async def reply(self, question: Question, k: int) -> Reply:
        asked = self.log_probs
        try:
            return await self._chat(question, k, int(asked))
        except Refused:
            if self.needed or not asked:
                raise
        reply = await self._chat(question, k, 0)
        self.log_probs = False  # only now is it known that this was the reason
        return reply

    async def _chat(self, question: Question, k: int, n_top: int) -> Reply:
        return await self.model.chat(
            messages(question),
            max_new_tokens=1 if question.choices else self.sampling.max_new_tokens,
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            n_top=n_top,
            seed=int(content_hash(question.id, self.sampling.seed, k), 16) % 2**31,
        )


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
