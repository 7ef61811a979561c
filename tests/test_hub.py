"""Artefacts to a hub and back, with the hub's own client against a hub in this process."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
import yaml
from huggingface_hub import constants

from calibrant import artefacts
from calibrant.answers.generate import answer
from calibrant.artefacts import ask, load_artefact, pull, push
from calibrant.calibration.platt import Platt
from calibrant.errors import DamagedFile, InvalidData, ModelUnavailable
from calibrant.estimators.calibrated import calibrate, load_calibrated
from calibrant.estimators.estimator import Estimator
from calibrant.estimators.forms import restored
from calibrant.estimators.logistic_head import LogisticHead
from calibrant.estimators.lora_prompt import LoraPrompt
from calibrant.estimators.probe import Probe
from calibrant.estimators.sampling import Sampling
from calibrant.estimators.text_embedding import TextEmbedding
from calibrant.models.hub import why_silent
from calibrant.models.local import LocalModel
from calibrant.records import Grade, Graded, Question, Verdict

# Of the client's own use of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
NAME = "me/confidence"
SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Repositories in memory; large files go the way of Git LFS."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.objects: dict[str, bytes] = {}
        self.created: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        self.read_with: set[str | None] = set()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code: str, status: int = 404) -> None:
        self.reply({"error": code}, status, x_error_code=code, x_error_message=code)

    def do_GET(self) -> None:
        self.server.read_with.add(self.headers.get("authorization"))
        parts = unquote(urlparse(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "whoami-v2"]:
            return self.refuse("Unauthorized", 401)
        is_api = parts[0] == "api"
        repo = "/".join(parts[2:4] if is_api else parts[:2])
        if (files := self.server.repos.get(repo)) is None:
            return self.refuse("RepoNotFound")
        if not is_api:
            content = files["/".join(parts[4:])]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self.reply(content, etag=etag, x_repo_commit=SHA)
        if parts[4:5] == ["tree"]:
            return self.reply(
                [
                    {"type": "file", "path": name, "size": len(held), "oid": "0" * 40}
                    for name, held in files.items()
                ]
            )
        if parts[4:5] == ["revision"] and parts[5] not in ("main", SHA):
            return self.refuse("RevisionNotFound")
        names = [{"rfilename": name} for name in files]
        return self.reply({"id": repo, "sha": SHA, "siblings": names, "private": True})

    do_HEAD = do_GET

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def do_PUT(self) -> None:
        self.server.objects[self.path.rsplit("/", 1)[-1]] = self.body()
        self.reply({})

    def do_POST(self) -> None:
        path, body = urlparse(self.path).path, self.body()
        self.server.tokens.add(self.headers.get("authorization"))
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.server.created.append(asked)
            self.server.repos.setdefault(name if "/" in name else f"me/{name}", {})
            return self.reply({"url": f"{self.server.endpoint}/{name}"})
        if path == "/api/validate-yaml":
            text = json.loads(body)["content"]
            yaml.safe_load(text.split("---")[1])
            return self.reply({"errors": [], "warnings": []})
        if path.endswith("/info/lfs/objects/batch"):
            found = [
                {**one, "actions": {"upload": {"href": f"{self.server.endpoint}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self.reply({"transfer": "basic", "objects": found})
        if "/preupload/" in path:
            files = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith("safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for one in json.loads(body)["files"]
            ]
            return self.reply({"files": files})
        return self.commit("/".join(path.split("/")[3:5]), body)

    def commit(self, repo: str, body: bytes) -> None:
        files = self.server.repos[repo]
        for line in map(json.loads, body.splitlines()):
            key, value = line["key"], line["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        url = f"{self.server.endpoint}/{repo}/commit/{SHA}"
        self.reply({"success": True, "commitOid": SHA, "commitUrl": url})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        files = f"{server.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def items(llama: LocalModel) -> list[Graded]:
    questions = [Question(text=f"What is {i}?", targets=(str(i),)) for i in range(40)]
    return [
        Graded(
            question=question,
            answer=said,
            grade=Grade(
                answer_id=said.id,
                verdict=(Verdict.CORRECT, Verdict.INCORRECT)[i % 3 > 0],
                grader="test/1",
            ),
        )
        for i, (question, said) in enumerate(
            zip(questions, answer(questions, llama, max_new_tokens=4))
        )
    ]


def made(form: Estimator, items: list[Graded], model: LocalModel, folder: Path) -> Path:
    splits = {"train": items[:16], "validation": items[16:24], "calibration": items[24:]}
    fitted = form.fit(splits["train"], splits["validation"], model, 0)
    calibrate(fitted, Platt(), splits, model).save(folder)
    return folder


def test_pushed_and_pulled_is_the_same(
    hub: Hub, llama: LocalModel, items: list[Graded], tmp_path: Path
) -> None:
    folder = made(LoraPrompt(n_epochs=1), items, llama, tmp_path / "here")
    (folder / "secret.env").write_text("KEY=1")
    said: list[str] = []
    assert push(folder, NAME, say=said.append) == f"{hub.endpoint}/{NAME}/commit/{SHA}"
    assert said == [f"artefact.json names the base model by its place here, {llama.name.name}"]
    assert hub.created[0]["visibility"] == "private" and hub.tokens == {"Bearer hf_secret"}
    assert sorted(hub.repos[NAME]) == [
        "README.md",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
        "artefact.json",
    ]
    assert len(hub.objects) == 1, "weights go as large files"
    there = pull(NAME, tmp_path / "there")
    assert {path.name for path in there.iterdir()} == {"README.md", "adapter", "artefact.json"}
    here = load_calibrated(folder, llama).confidences(items, llama)
    assert load_calibrated(there, llama).confidences(items, llama) == here
    copied = shutil.copytree(folder, tmp_path / "copied")
    assert load_calibrated(copied, llama).confidences(items, llama) == here


def test_a_log_in_opens_what_is_private(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that `hf auth login` left in a file, where no variable names a token."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("hf_saved\n")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    why_silent(f"models/{NAME}")
    assert hub.read_with == {"Bearer hf_saved"}


def test_a_second_artefact_takes_the_place_of_the_first(
    hub: Hub, llama: LocalModel, items: list[Graded], tmp_path: Path
) -> None:
    push(made(LoraPrompt(n_epochs=1), items, llama, tmp_path / "a"), NAME)
    hub.repos[NAME]["LICENSE"] = b"of the owner's"
    push(made(Probe(place="last", n_epochs=1), items, llama, tmp_path / "b"), NAME, private=False)
    assert sorted(hub.repos[NAME]) == ["LICENSE", "README.md", "artefact.json", "head.safetensors"]
    again = load_calibrated(pull(NAME, tmp_path / "c", revision=SHA), llama)
    assert again.estimator == Probe(place="last", n_epochs=1)
    assert not (tmp_path / "c" / "LICENSE").exists()


def test_what_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DamagedFile, match="no artefact"):
        push(tmp_path, NAME)
    with pytest.raises(ModelUnavailable, match=r"me/confidence on the hub: .*404"):
        pull(NAME, tmp_path / "out")
    hub.repos[NAME] = {"config.json": b"{}"}
    with pytest.raises(DamagedFile, match="no artefact"):
        pull(NAME, tmp_path / "out")
    with pytest.raises(ModelUnavailable, match="me/confidence on the hub"):
        pull(NAME, tmp_path / "out", revision="nothing")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(InvalidData, match="not empty"):
        pull(NAME, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "nothing is left behind"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE is set"):
        pull(NAME, tmp_path / "new")


def test_a_model_on_the_hub_is_not_replaced(
    llama: LocalModel, items: list[Graded], tmp_path: Path, hub: Hub
) -> None:
    folder = made(Probe(place="last", n_epochs=1), items, llama, tmp_path / "a")
    hub.repos[NAME] = {"config.json": b"{}", "model-00001-of-00002.safetensors": b"x"}
    with pytest.raises(InvalidData, match="holds a model of its own, model-00001"):
        push(folder, NAME)
    assert sorted(hub.repos[NAME]) == ["config.json", "model-00001-of-00002.safetensors"]
    hub.repos[NAME] = {"README.md": b"", ".gitattributes": b""}  # as a new one is made by hand
    push(folder, NAME)
    assert "artefact.json" in hub.repos[NAME]


def test_the_card_tells_how_it_was_made(
    llama: LocalModel, items: list[Graded], tmp_path: Path
) -> None:
    folder = made(LoraPrompt(n_epochs=1), items, llama, tmp_path / "a")
    text = (folder / "README.md").read_text()
    _, front, page = text.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "calibrant"
    told = json.loads((folder / "artefact.json").read_text())["made_with"]
    metrics, prompts = told["metrics"], told["prompts"]
    assert metrics["n"] == 16 and metrics["n_missing"] == 0
    assert 0 <= metrics["auroc"] <= 1 and 0 < metrics["brier_score"] < 1
    right = [item.correct for item in items[24:]]
    assert metrics["accuracy"] == sum(right) / len(right)
    for part in (
        f"| AUROC | {metrics['auroc']:.3f} |",
        str(prompts["query_ids"]),
        "Is the proposed answer correct?",
        "`lora_prompt` with calibrator `platt`",
        "| rank | 8 |",
        "| slope | ",
        llama.name.revision,
        told["data"],
        "test/1",
        "train 16, validation 8, calibration 16",
    ):
        assert part in page, part
    assert str(tmp_path.parents[2]) not in page, "no place on this machine"
    few = {"train": items[3:], "validation": [], "calibration": items[:3]}
    fitted = Probe(place="last", n_epochs=1).fit(items, items, llama, 0)
    calibrate(fitted, Platt(), few, llama).save(tmp_path / "few")
    assert "Not measured: the calibration" in (tmp_path / "few" / "README.md").read_text()


def test_a_model_that_lies_elsewhere_is_named(
    llama: LocalModel, items: list[Graded], tmp_path: Path
) -> None:
    folder = made(Probe(place="last", n_epochs=1), items, llama, tmp_path / "a")
    artefact = json.loads((folder / "artefact.json").read_text())
    artefact["made_with"]["model"]["name"] = "/nowhere/model"
    (folder / "artefact.json").write_text(json.dumps(artefact))
    with pytest.raises(ModelUnavailable, match=r"for the model /nowhere/model.*--model"):
        load_artefact(folder)
    with pytest.raises(ModelUnavailable, match="--model"):
        ask("What is 1?", folder)
    found = ask("What is 1?", folder, model=llama.name.name)
    assert 0 <= found["confidence"] <= 1


def judged_by(judge: str) -> Estimator:
    return Sampling(equivalence="judge", judge=judge)


EVIL = "http://evil.example/v1"


@pytest.mark.parametrize(
    ("form", "url"),
    [
        (TextEmbedding(base_url=EVIL), EVIL),
        (
            TextEmbedding(base_url="http://localhost:1@evil.example"),
            "http://localhost:1@evil.example",
        ),
        (TextEmbedding(base_url="http://localhost"), ""),
        (judged_by("j@http://localhost.evil.example"), "http://localhost.evil.example"),
        (judged_by(f"http://localhost/@{EVIL}"), EVIL),
        (judged_by("j@http://127.0.0.1:9/v1"), ""),
    ],
)
def test_a_key_goes_to_no_address_that_only_an_artefact_names(
    form: Estimator, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor to that of a member of an ensemble."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    head = LogisticHead.fit(np.eye(2), np.array([0.0, 1.0])).to_dict()
    state = {"encoder": {"name": "e"}, "head": head}
    told = {"estimator": {"name": form.name, "settings": form.settings()}, "state": state}
    stacked = {"members": [told], "can_miss": [False], "centers": [0.0], "head": head}
    settings = {"name": "stacked", "settings": {"members": ["base_rate"]}}
    for one in (told, {"estimator": settings, "state": stacked}):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        restored(one, tmp_path)
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        if url:
            with pytest.raises(InvalidData, match=r"your OPENAI_API_KEY to .* name it") as refused:
                restored(one, tmp_path)
            assert f"to {url}:" in str(refused.value)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/")
        restored(one, tmp_path)
        monkeypatch.delenv("OPENAI_BASE_URL")


def test_a_quantized_model_answers_as_it_was(
    llama: LocalModel, items: list[Graded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(Probe(place="last", n_epochs=1), items, llama, tmp_path / "a")
    artefact = json.loads((folder / "artefact.json").read_text())
    artefact["made_with"]["model"]["revision"] += "-4bit"
    (folder / "artefact.json").write_text(json.dumps(artefact))
    loaded: list[str] = []

    def load(name: str, *, quantize: str) -> LocalModel:
        loaded.append(quantize)
        raise ModelUnavailable("stop")

    monkeypatch.setattr(artefacts, "LocalModel", load)
    for use in (load_artefact, lambda folder: ask("What is 1?", folder)):
        with pytest.raises(ModelUnavailable):
            use(folder)
    assert loaded == ["4bit", "4bit"]
