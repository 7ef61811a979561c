"""Samples from, and comparisons by, a model behind an endpoint that is scripted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from calibrant.answers.sample import Sampling
from calibrant.answers.sample_remote import sample_remote
from calibrant.errors import InvalidData, MissingCapability, ModelUnavailable
from calibrant.estimators.needs import require
from calibrant.estimators.sampling import Sampling as SamplingEstimator
from calibrant.estimators.semantic_entropy import SemanticEntropy
from calibrant.estimators.semantic_entropy_probe import SemanticEntropyProbe
from calibrant.estimators.similarity_graph import SimilarityGraph as Graph
from calibrant.grades.equivalence import JudgedRemotely, equivalence
from calibrant.models.model import Capability
from calibrant.models.remote import RemoteModel, Reply
from calibrant.models.scripted import ScriptedServer
from calibrant.records import Answer, Answered, ModelName, Question

FRANCE = Question(text="What is the capital of France?", targets=("Paris",))
SPAIN = Question(text="What is the capital of Spain?", targets=("Madrid",))


def served(server: ScriptedServer, n_retries: int = 0) -> RemoteModel:
    return RemoteModel("any", base_url=server.base_url, n_retries=n_retries, first_wait_s=0.01)


def capital(words: str) -> Reply:
    return Reply(text="Paris" if "France" in words else "Madrid", log_probs=(math.log(0.5),))


def test_each_sample_is_a_request_with_a_seed_of_its_own() -> None:
    with ScriptedServer(capital) as server:
        drawn = sample_remote(
            [SPAIN, FRANCE], served(server), Sampling(n_samples=3, top_p=0.9, temperature=0.7)
        )
    assert [[one.text for one in answers] for answers in drawn] == [["Madrid"] * 3, ["Paris"] * 3]
    assert all(one.model.name == "any" for answers in drawn for one in answers)
    assert len({one.id for answers in drawn for one in answers}) == 6
    assert len({body["seed"] for body in server.bodies}) == 6
    assert {(body["top_p"], body["temperature"]) for body in server.bodies} == {(0.9, 0.7)}


def test_failures_leave_samples_out_and_say_so() -> None:
    said: list[str] = []
    with ScriptedServer(capital, failures=(500, 500)) as server:
        drawn = sample_remote([FRANCE], served(server), Sampling(n_samples=4), say=said.append)
    assert len(drawn[0]) == 2
    assert len(said) == 1 and said[0].startswith("2 of 4 samples failed") and "500" in said[0]
    answer = Answer(question_id=FRANCE.id, text="Paris", extracted="Paris", model=drawn[0][0].model)
    item = Answered(question=FRANCE, answer=answer)
    with ScriptedServer(capital, failures=(500,)) as server:
        fitted = SamplingEstimator(n_samples=2).fit([], [], served(server), 0)
        found = fitted.score([item], served(server))
    assert found.reasons == {0: "1 samples in place of 2"}
    down = ScriptedServer(capital, failures=(500,) * 9)
    with down as server, pytest.raises(ModelUnavailable, match="not one sample"):
        sample_remote([FRANCE], served(server), Sampling(n_samples=4))


def test_samples_are_drawn_once_and_short_ones_anew(tmp_path: Path) -> None:
    """What is kept serves every estimator with the same settings; without a cache none is ahead."""
    answer = Answer(question_id=FRANCE.id, text="Paris", model=ModelName(name="m"))
    items = [Answered(question=FRANCE, answer=answer)]
    splits = {"train": items, "calibration": items, "test": items}
    forms = [SamplingEstimator(n_samples=2), SemanticEntropy(n_samples=2)]
    with ScriptedServer(capital) as server:
        model = served(server)
        SamplingEstimator(n_samples=2).prepare(splits, model)
        SemanticEntropyProbe(n_samples=2).prepare(splits, model)
        assert not server.bodies, "there is no cache"
        model.cache = tmp_path
        forms[0].prepare(splits, model)
        found = [form.fit([], [], model, 0).score(items, model) for form in forms]
        assert len(server.bodies) == 2 and not any(scores.reasons for scores in found)
        ours = sample_remote([FRANCE], model, Sampling(n_samples=1), cache=tmp_path)
        assert len(server.bodies) == 2 and [one.text for one in ours[0]] == ["Paris"]
        SamplingEstimator(n_samples=2, temperature=0.5).samples(items, model)
        assert len(server.bodies) == 4, "other settings, other samples"
    with ScriptedServer(capital, failures=(500,)) as server:
        model = served(server)
        model.cache = tmp_path
        fitted = forms[0].fit([], [], model, 0)
        assert fitted.score(items, model).reasons == {0: "1 samples in place of 2"}
        assert not fitted.score(items, model).reasons and len(server.bodies) == 4
        server.failures = [500] * 2
        known = sample_remote([FRANCE, SPAIN], model, Sampling(n_samples=2), cache=tmp_path)
        assert [len(drawn) for drawn in known] == [2, 0], "what is kept is there all the same"


def test_log_probabilities_are_not_asked_of_who_tells_none() -> None:
    item = Answered(
        question=FRANCE,
        answer=Answer(text="Paris", model=ModelName(name="m"), question_id=FRANCE.id),
    )
    with ScriptedServer(capital) as server:
        for told in (True, False):
            model = RemoteModel("any", base_url=server.base_url, log_probs=told)
            SamplingEstimator(n_samples=1).samples([item], model)
    assert ["logprobs" in body for body in server.bodies] == [True, False]
    assert Capability.LOGPROBS not in model.capabilities
    assert Capability.LOGPROBS in RemoteModel.capabilities


def test_an_endpoint_that_refuses_log_probabilities_serves_who_needs_none() -> None:
    item = Answered(
        question=FRANCE,
        answer=Answer(text="Paris", model=ModelName(name="m"), question_id=FRANCE.id),
    )
    with ScriptedServer(capital, failures=(400,)) as server:
        (drawn,) = SamplingEstimator(n_samples=1).samples([item], served(server))
    assert len(drawn) == 1 and ["logprobs" in body for body in server.bodies] == [True, False]
    with ScriptedServer(capital, failures=(400,)) as server:
        weighted = SemanticEntropy(form="weighted", n_samples=1)
        with pytest.raises(ModelUnavailable, match="status 400"):
            weighted.samples([item], served(server))
        assert len(server.bodies) == 1


def test_who_needs_log_probabilities_pays_for_no_more_replies_without_them() -> None:
    said = Answer(text="Paris", model=ModelName(name="m"), question_id=FRANCE.id)
    item = Answered(question=FRANCE, answer=said)
    with ScriptedServer(lambda words: "Paris") as server:
        many = SamplingEstimator(form="likelihood", n_samples=1000)
        with pytest.raises(MissingCapability, match=r"which sampling likelihood .*form=counting"):
            many.samples([item], served(server))
        assert len(server.bodies) < 500
        (drawn,) = SamplingEstimator(n_samples=3).samples([item], served(server))
        assert len(drawn) == 3


def test_kept_samples_without_log_probabilities_serve_nobody_who_needs_them(tmp_path: Path) -> None:
    said = Answer(text="Paris", model=ModelName(name="m"), question_id=FRANCE.id)
    item = Answered(question=FRANCE, answer=said)
    with ScriptedServer(lambda words: "Paris", failures=(400,)) as server:
        model = served(server)
        model.cache = tmp_path
        assert len(SamplingEstimator(n_samples=1).samples([item], model)[0]) == 1
        n = len(server.bodies)
        with pytest.raises(MissingCapability, match=r"which sampling likelihood .*form=counting"):
            SamplingEstimator(form="likelihood", n_samples=1).samples([item], model)
        assert len(server.bodies) == n, "they are in the cache"


@pytest.mark.parametrize("refuses", [False, True])
def test_an_endpoint_is_asked_once_whether_it_tells_log_probabilities(refuses: bool) -> None:
    """Then what needs them is refused, and what would do is named, before any sample."""
    forms = [Graph(), *SamplingEstimator.forms()]
    with ScriptedServer(lambda words: "Yes", failures=(400,) if refuses else ()) as server:
        model = served(server)
        with pytest.raises(
            MissingCapability, match=r"sampling likelihood .*sampling form=counting"
        ):
            require(forms, model)
        assert len(server.bodies) == 1 + refuses
        require([Graph(), SamplingEstimator()], model)
        item = Answered(
            question=FRANCE, answer=Answer(text="Yes", model=model.name, question_id=FRANCE.id)
        )
        assert len(SamplingEstimator(n_samples=1).samples([item], model)[0]) == 1
        assert len(server.bodies) == 2 + refuses and "logprobs" not in server.bodies[-1]
    told = Reply(text="Yes", log_probs=(-0.1,), top=({"Yes": -0.1},))
    with ScriptedServer(lambda words: told) as server:
        require(forms, served(server))
        assert len(server.bodies) == 1


def test_what_compares_is_looked_for_before_any_sample(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="takes a classifier"):
        SamplingEstimator(equivalence="nli")
    with pytest.raises(InvalidData, match=r"equivalence .*match, embedding, nli, judge"):
        SamplingEstimator(equivalence="mtach")  # type: ignore[arg-type]
    with ScriptedServer(capital) as server:
        for kind in ("embedding", "nli", "judge"):
            form = SamplingEstimator(equivalence=kind, judge=str(tmp_path / "none"))  # type: ignore[arg-type]
            with pytest.raises(ModelUnavailable, match="none"):
                require([form], served(server))
        assert not server.bodies


def test_a_remote_judge_of_sameness(tmp_path: Path) -> None:
    """The mean of P(yes) over both orders; a word where there are no probabilities."""

    def judge(words: str) -> Reply:
        first = words.index("Paris") < words.index("paris, France")
        p = 0.9 if first else 0.7
        top = {"yes": math.log(p), "no": math.log(1 - p)}
        return Reply(text="yes", log_probs=(math.log(p),), top=(top,))

    pair = (FRANCE, "Paris", "paris, France")
    with ScriptedServer(judge) as server:
        how = JudgedRemotely(model=served(server), cache=str(tmp_path / "replies"))
        assert how.similarity([pair]) == pytest.approx([0.8])
        assert how.similarity([pair]) == pytest.approx([0.8]) and len(server.bodies) == 2
    with ScriptedServer(lambda words: "No.") as server:
        how = JudgedRemotely(model=served(server), cache=str(tmp_path / "other"))
        assert how.similarity([pair]) == pytest.approx([0.0])
    with ScriptedServer(lambda words: "perhaps") as server:
        how = JudgedRemotely(model=served(server), cache=str(tmp_path / "third"))
        with pytest.raises(ModelUnavailable, match=r"2 of 2 comparisons failed.*perhaps"):
            how.similarity([pair])
    named = equivalence("judge", served(server), judge="gpt@http://localhost:1/v1")
    assert isinstance(named, JudgedRemotely) and named.model.name.name == "gpt"
