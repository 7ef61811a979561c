"""Programs against their tests, in a sandbox: verdicts, limits, attacks.

Where no sandbox can be started these tests fail when CI is set, and are skipped elsewhere.
"""

from __future__ import annotations

import os
import resource
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from calibrant.errors import NoSandbox
from calibrant.grades import sandbox
from calibrant.grades.code import Code, program
from calibrant.grades.grader import grade, grader_called
from calibrant.grades.sandbox import ProgramLimits, run_program, why_no_sandbox
from calibrant.records import Answer, Answered, ModelName, Question, Verdict

REPO = Path(__file__).parents[2]
SHORT = ProgramLimits(wall_s=3.0, cpu_s=2, memory_mb=256)
TESTS = "assert double(4) == 8"


@pytest.fixture(scope="module", autouse=True)
def _needs_a_sandbox() -> None:
    if why := why_no_sandbox():
        if os.environ.get("CI"):
            pytest.fail(f"no sandbox can be started: {why}")
        pytest.skip(f"no sandbox can be started: {why}")


def item(text: str, tests: str = TESTS, question: str = "Write double(x).") -> Answered:
    asked = Question(text=question, tests=tests)
    answer = Answer(question_id=asked.id, text=text, model=ModelName(name="someone"))
    return Answered(question=asked, answer=answer)


def test_verdicts() -> None:
    items = [
        item("def double(x): return 2 * x"),
        item("Here it is:\n```python\ndef double(x):\n    return x + x\n```\nIt adds."),
        item("def double(x): return x"),
        item("def double(x) return x"),
        item("I cannot do that."),
        item(""),
        item("import os; os._exit(0)"),
        item("raise SystemExit(0)"),
        item("def double(x):\n  while True: pass"),
        item("def double(x): return 2 * x", tests=""),
    ]
    grades = grader_called("code", ["wall_s=2", "cpu_s=1"]).grade(items)
    reasons = [g.reason for g in grades]
    assert [g.verdict for g in grades[:2]] == [Verdict.CORRECT] * 2, reasons
    assert [g.verdict for g in grades[2:9]] == [Verdict.INCORRECT] * 7, reasons
    assert grades[9].verdict is Verdict.UNGRADED and reasons[9] == "the question has no tests"
    assert reasons[2] == "AssertionError" and reasons[3].startswith("SyntaxError")
    assert reasons[6] == "ended before its tests did" and reasons[7].startswith("SystemExit")
    assert grades[0].grader == "code/2"


def test_pages_that_children_share_count_once() -> None:
    forks = "import os, time\nx = bytearray(100 << 20)\n"
    forks += "for i in range(4):\n    if not os.fork(): time.sleep(0.5); os._exit(0)\n"
    outcome = run_program(forks + "time.sleep(0.5)", "", SHORT)
    assert outcome.end == "passed", outcome


PROSE = {
    "a shell block before": "First:\n```bash\npip install x\n```\nThen:\n```python\n{}\n```",
    "a helper in a block of its own": "```\ndef twice(x): return 2 * x\n```\nand\n```\n"
    "def double(x): return twice(x)\n```",
    "in a list": "1. Write:\n   ```python\n   def double(x):\n       return 2 * x\n   ```",
    "no block": "Here is the solution:\n\nimport math\n\n{}",
    "a wake-up pipe": "import asyncio\n"
    "async def work(x): return 2 * x\ndef double(x): return asyncio.run(work(x))",
}


@pytest.mark.parametrize("name", PROSE)
def test_programs_in_prose(name: str) -> None:
    text = PROSE[name].format("def double(x):\n    return 2 * x")
    (found,) = grade([item(text)], "code")
    assert found.verdict is Verdict.CORRECT, (found.reason, program(item(text)))


def test_a_body_goes_on_from_the_question() -> None:
    start = "def double(x):\n    '''Twice x.'''"
    assert grade([item("    return 2 * x", question=start)], "code")[0].verdict is Verdict.CORRECT
    both = item("```\nprint(1)\n```\nthen\n```py\ndef double(x): return 2 * x\n```")
    assert program(both) == "def double(x): return 2 * x\n"


ATTACKS = {
    "files": "open('/etc/passwd')",
    "home": "import os; os.listdir('/root')",
    "project": f"open({str(REPO / 'pyproject.toml')!r})",
    "project, writing": f"open({str(REPO / 'attack')!r}, 'w')",
    "root": "open('/attack', 'w')",
    "libraries": "open('/usr/lib/attack', 'w')",
    "devices": "open('/dev/mem')",
    "kernel": "open('/proc/sysrq-trigger', 'w').write('b')",
    "large file": "open('/tmp/x', 'w').write('a' * (2 << 20))",
    "many files": "for i in range(99): open(f'/tmp/{i}', 'w').write('a' * (1 << 20))",
    "empty files": "for i in range(10**6): open(f'/tmp/{i}', 'w').close()",
    "empty files of one that leaves a dead child": "import os\n"
    "if not os.fork(): os._exit(0)\n"
    "for i in range(10**6): os.mknod(f'/tmp/{i}')",
    "another machine's doors": "import socket\nsocket.socket(socket.AF_VSOCK)",
    "a neighbour's doors": "import socket\nsocket.socket(socket.AF_UNIX)",
    "memory in wires": "import socket\n"
    "socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)",
    "memory of nobody": "import ctypes\nassert ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600) >= 0",
    "files of nobody": "import os; os.memfd_create('x')",
    "message queues": "import ctypes\nassert ctypes.CDLL(None).msgget(0, 0o1600) >= 0",
    "root again": "import os; os.setuid(0)",
    "namespaces": "import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == 0",
    "mount": "import ctypes; assert ctypes.CDLL(None).mount(b'a', b'/tmp', b'tmpfs', 0, 0) == 0",
    "network": "import socket; socket.create_connection(('1.1.1.1', 53), 1)",
    "limits": "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))",
    "forks": "import os\nwhile True: os.fork()",
    "threads": "import threading, time\n"
    "while True: threading.Thread(target=time.sleep, args=(9,)).start()",
    "memory": "x = bytearray(1 << 30)",
    "memory of many": "import os, time\n"
    "for i in range(8): os.fork()\nx = bytearray(100 << 20); time.sleep(9)",
    "memory of a thread's children": "import os, threading, time\n"
    "def work():\n"
    "    for i in range(6):\n"
    "        if not os.fork(): x = bytearray(100 << 20); time.sleep(1.5); os._exit(0)\n"
    "    time.sleep(1.5)\n"
    "one = threading.Thread(target=work); one.start(); one.join()",
    "output": "while True: print('x' * 1000)",
    "errors": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "sleep": "import time; time.sleep(60)",
    "spin": "while True: pass",
    "ignored signals": "import signal\nfor i in (1, 2, 3, 15, 24): "
    "signal.signal(i, signal.SIG_IGN)\nwhile True: pass",
    "daemon": "import os, time\nif os.fork(): os._exit(0)\nos.setsid(); time.sleep(60)",
    "nesting": "exec('(' * 100000)",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_fail_and_do_no_harm(name: str) -> None:
    start = time.monotonic()
    outcome = run_program(ATTACKS[name], "", SHORT)
    assert outcome.end in ("failed", "limit"), outcome
    assert outcome.reason and len(outcome.output) <= 1 << 20
    assert time.monotonic() - start < 30
    assert run_program("x = 1", "assert x == 1", SHORT).end == "passed", "the next one runs"
    assert not (REPO / "attack").exists()


def test_no_secrets_are_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "do-not-tell")
    look = (
        "import glob, os\n"
        "for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try: print(open(path).read())\n"
        "    except OSError: pass\n"
        "print(dict(os.environ), os.getcwd(), os.getuid(), sorted(os.listdir('/')))\n"
        "places = []\n"
        "for fd in range(64):\n"
        "    try: places.append(os.readlink(f'/proc/self/fd/{fd}'))\n"
        "    except OSError: pass\n"
        "print(places)\n"
    )
    outcome = run_program(look, "", SHORT)
    assert outcome.end == "passed"
    for secret in ("do-not-tell", str(REPO), "/root", "/home", "HOME"):
        assert secret not in outcome.output
    assert "['dev', 'lib', 'lib64', 'proc', 'tmp', 'usr']" in outcome.output
    opened = outcome.output.splitlines()[-1]
    assert all(place.startswith(("pipe:", "/dev/null")) for place in eval(opened)), opened


def test_a_server_on_this_machine_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        attack = f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)"
        assert run_program(attack, "", SHORT).end == "failed"


def test_nothing_outside_can_be_killed() -> None:
    attack = "import os, signal\nfor pid in (1, os.getppid(), -1): os.kill(pid, signal.SIGKILL)"
    outcome = run_program(attack, "raise ValueError", SHORT)
    assert outcome.end == "failed"
    everyone = "import os\nprint(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))"
    assert run_program(everyone, "", SHORT).output.strip() in ("[1, 2]", "[1, 2, 3]")


def test_nothing_is_left_running() -> None:
    attack = "import os, time\nfor i in range(3): os.fork()\ntime.sleep(60)"
    run_program(attack, "", ProgramLimits(wall_s=0.5))
    time.sleep(0.2)
    lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if _is_there(p)]
    assert not [line for line in lines if b'sys.modules["answer"]' in line]


def _is_there(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def test_a_harness_that_fails_leaves_ungraded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_no_sandbox", lambda python: "")  # it could be, until now
    monkeypatch.setattr(sandbox, "_sandbox", lambda *_: ["/bin/false"])
    found = Code().grade([item("def double(x): return 2 * x")])[0]
    assert found.verdict is Verdict.UNGRADED and "did not start" in found.reason
    monkeypatch.setattr(sandbox, "_sandbox", lambda *_: ["/no/such/program"])
    assert Code().grade([item("x = 1")])[0].verdict is Verdict.UNGRADED


def test_without_a_sandbox_it_refuses_unless_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "why_no_sandbox", lambda python: "bwrap is not installed")
    right, wrong = item("def double(x): return 2 * x"), item("def double(x): return x")
    with pytest.raises(NoSandbox, match=r"bwrap is not installed.*unsandboxed=true"):
        Code().grade([right])
    grades = grader_called("code", ["unsandboxed=true"]).grade([right, wrong])
    assert [g.verdict for g in grades] == [Verdict.CORRECT, Verdict.INCORRECT]
    assert grades[0].grader == "code/2 unsandboxed"


def test_without_a_sandbox_processes_are_not_limited() -> None:
    """The limit would count all of the user's."""
    program = "import resource\nfound = resource.getrlimit(resource.RLIMIT_NPROC)"
    tests = f"assert found == {resource.getrlimit(resource.RLIMIT_NPROC)}"
    limits = replace(SHORT, n_processes=7)
    assert run_program(program, tests, limits, sandboxed=False).end == "passed"
    assert run_program(program, "assert found == (7, 7)", limits).end == "passed"


def test_why_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no interpreter" in why_no_sandbox("/no/python")
    monkeypatch.setenv("PATH", "/nowhere")
    why_no_sandbox.cache_clear()
    assert "bwrap is not installed" in why_no_sandbox()
    why_no_sandbox.cache_clear()
