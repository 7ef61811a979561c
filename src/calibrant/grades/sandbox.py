"""Programs that nobody has read, in a bubblewrap sandbox.

Inside there is a Python with its libraries, read-only, an empty /tmp of a few megabytes, no
network, no other process, no environment, and no user with rights. Processor time, wall time,
memory, processes, files and output are limited; some system calls are refused. A program that sets
out to forge a pass from within the interpreter that runs its tests could do so; one that only ends
early does not pass.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from calibrant.errors import NoSandbox
from calibrant.grades.syscalls import syscall_filter

End = Literal["passed", "failed", "limit", "harness"]
NOBODY = "65533"
"""The user that a sandbox is started as by root: limits do not hold root."""
_CHECK_S = 0.05
_RUNNER = """
import os, resource, sys  # and nothing that takes long to import
job = eval(os.fdopen(os.dup(0), encoding="ascii").read())  # what the harness wrote
os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
for name, value in job["limits"].items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
os.write(job["fd"], b"begun\\n")
place = type(sys)("answer")
sys.modules["answer"] = place
try:
    exec(compile(job["program"], "answer", "exec"), vars(place))
    exec(compile(job["tests"], "tests", "exec"), vars(place))
    end = "passed " + job["token"]
except BaseException as error:
    text = str(error)[:200]
    end = "raised " + type(error).__name__ + (": " + text if text else "")
os.write(job["fd"], end.encode("utf-8", "replace"))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True, kw_only=True)
class ProgramLimits:
    """What a program may take."""

    wall_s: float = 10.0
    """Time by the clock."""
    cpu_s: int = 5
    """Time of the processor, of each process."""
    memory_mb: int = 512
    """Of each process, and of all together."""
    n_processes: int = 16
    """Processes and threads, in the sandbox."""
    file_mb: int = 1
    """Size of a file; /tmp has room for 16 of them."""
    n_files: int = 2000
    """In /tmp."""
    output_mb: int = 1
    """What is printed."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a program ended."""

    end: End
    """Its tests passed; it failed; it met a limit of its own; or it could not be run."""
    reason: str = ""
    """Why, in a few words."""
    output: str = field(default="", repr=False)
    """What it printed, up to the limit."""


def run_program(
    program: str,
    tests: str,
    limits: ProgramLimits,
    *,
    python: str = "/usr/bin/python3",
    sandboxed: bool = True,
) -> Outcome:
    """Run a program and then its tests, in one interpreter.

    Parameters
    ----------
    python
        The interpreter; its standard library must lie under /usr/lib for the sandbox.
    sandboxed
        False runs it with the rights of the caller: only the limits hold it.
    """
    token = secrets.token_hex(16)
    with ExitStack() as stack:
        read_fd, write_fd = os.pipe()
        stack.callback(os.close, read_fd)
        home = stack.enter_context(tempfile.TemporaryDirectory()) if not sandboxed else None
        mb = 1 << 20
        job = {
            "program": program,
            "tests": tests,
            "token": token,
            "fd": write_fd,
            "limits": {
                "CPU": limits.cpu_s,
                "AS": limits.memory_mb * mb,
                # Out of the sandbox it would count all processes of the user.
                **({"NPROC": limits.n_processes} if sandboxed else {}),
                "FSIZE": limits.file_mb * mb,
                "NOFILE": 64,
                "CORE": 0,
            },
        }
        given = stack.enter_context(tempfile.TemporaryFile())
        given.write(ascii(job).encode())
        given.seek(0)
        command = [python, "-I", "-S", "-B", "-c", _RUNNER]
        rules = stack.enter_context(tempfile.TemporaryFile())
        rules.write(syscall_filter())
        rules.seek(0)
        try:
            child = subprocess.Popen(
                [*_sandbox(python, limits, rules.fileno()), *command] if sandboxed else command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(write_fd, rules.fileno()),
                env={"PATH": "/usr/bin:/bin"},  # bubblewrap's own environment can be read inside
                cwd=home or "/",
                start_new_session=True,
            )
        except OSError as error:
            return Outcome(end="harness", reason=f"the program could not be started: {error}")
        finally:
            os.close(write_fd)
        told, output, over = _watch(child, read_fd, limits)
    return _outcome(told, output.decode("utf-8", "replace"), over, token, child.returncode)


def _watch(
    child: subprocess.Popen[bytes], read_fd: int, limits: ProgramLimits
) -> tuple[bytes, bytes, str]:
    """(what the runner told, what was printed, which limit was met) when nothing is left of it."""
    assert child.stdout is not None
    told, output, over = b"", b"", ""
    deadline = time.monotonic() + limits.wall_s
    with selectors.DefaultSelector() as selector, child.stdout:
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(read_fd, selectors.EVENT_READ)
        checked = time.monotonic()
        while selector.get_map() and not over:
            for key, _ in selector.select(_CHECK_S):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fd == read_fd:
                    told = (told + data)[:4096]
                else:
                    output += data
            now = time.monotonic()
            if len(output) > limits.output_mb << 20:
                over = f"printed more than {limits.output_mb} MB"
            elif now > deadline:
                over = f"took longer than {limits.wall_s:g} s"
            elif now - checked > _CHECK_S:
                checked = now
                family = list(_family(child.pid))
                if _resident_mb(family) > limits.memory_mb < _own_mb(family):
                    over = f"took more than {limits.memory_mb} MB of memory"
                elif max(map(_n_files, family)) > limits.n_files:
                    over = f"made more than {limits.n_files} files"
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # the sandbox's first process takes all with it
        child.wait()
    return told, output[: limits.output_mb << 20], over


def _outcome(told: bytes, output: str, over: str, token: str, code: int) -> Outcome:
    begun, _, end = told.decode("utf-8", "replace").partition("\n")
    if begun != "begun":
        why = over or " ".join(output.split())[:200] or f"exit code {code}"
        return Outcome(end="harness", reason=f"the sandbox did not start: {why}", output=output)
    if over:
        return Outcome(end="limit", reason=over, output=output)
    if end == f"passed {token}":
        return Outcome(end="passed", output=output)
    if end.startswith("raised "):
        kind: End = "limit" if end.startswith("raised MemoryError") else "failed"
        return Outcome(end=kind, reason=end.removeprefix("raised "), output=output)
    return Outcome(end="failed", reason="ended before its tests did", output=output)


def _resident_mb(pids: Iterable[int]) -> float:
    """Memory of processes."""
    return sum(map(_pages, pids)) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _own_mb(pids: Iterable[int]) -> float:
    """The same with pages that several share counted once, which takes longer to find out."""
    return sum(map(_own_kb, pids)) / 1024


def _own_kb(pid: int) -> float:
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    except OSError:  # not ours to look at
        return _pages(pid) * os.sysconf("SC_PAGE_SIZE") / 1024
    found = re.search(r"^Pss:\s+(\d+)", told, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _n_files(pid: int) -> int:
    """Files in a process's /tmp, where that is not ours."""
    try:
        place = Path("/proc", str(pid), "root", "tmp")
        if os.stat(place).st_dev == os.stat("/tmp").st_dev:
            return 0
        found = os.statvfs(place)
    except OSError:  # it ended, or it is not ours to look at
        return 0
    return found.f_files - found.f_ffree


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0


def _family(pid: int) -> Iterator[int]:
    """A process and those that it started."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):  # each thread has its own
        with suppress(OSError):
            for child in file.read_text("ascii").split():
                yield from _family(int(child))


def _as_nobody() -> list[str]:
    """What a command follows that must not run as root: limits do not hold root."""
    if os.geteuid():
        return []
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *user, "--no-new-privs"]


@cache
def _no_network() -> subprocess.Popen[bytes]:
    """A process that holds a network namespace with nothing in it, for all programs.

    One for each program would do; but taking one down stalls the next for up to a second.
    """
    unshared = ["unshare", "--user", "--map-root-user", "--net"]
    holder = subprocess.Popen(
        [*_as_nobody(), *unshared, "sh", "-c", "echo ready; exec cat"],  # ends when we do
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        start_new_session=True,
    )
    atexit.register(_end, holder)
    if holder.stdout is None or holder.stdout.readline() != b"ready\n":
        raise OSError("no network namespace can be made")
    return holder


def _end(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.communicate()


def _sandbox(python: str, limits: ProgramLimits, rules_fd: int) -> list[str]:
    """The command that a program's command follows."""
    holder = str(_no_network().pid)
    command = [*_as_nobody(), "nsenter", "--preserve-credentials", "--user", "--net"]
    command += ["--target", holder, "bwrap"]
    command += ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--disable-userns", "--hostname", "sandbox"]
    command += ["--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    command += ["--die-with-parent", "--new-session", "--clearenv", "--setenv", "PATH", "/usr/bin"]
    for folder in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"):
        if os.path.islink(folder):
            command += ["--symlink", os.readlink(folder), folder]
        else:
            command += ["--ro-bind-try", folder, folder]
    command += ["--ro-bind", os.path.realpath(python), python, "--proc", "/proc"]
    for device in ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"):
        command += ["--dev-bind", device, device]
    command += ["--size", str(16 * limits.file_mb << 20), "--tmpfs", "/tmp", "--chdir", "/tmp"]
    command += ["--seccomp", str(rules_fd)] if syscall_filter() else []
    return [*command, "--remount-ro", "/", "--"]


@cache
def why_no_sandbox(python: str = "/usr/bin/python3") -> str:
    """Why no sandbox can be started here; empty when one can."""
    tools = ("bwrap", "unshare", "nsenter", *(() if os.geteuid() else ("setpriv",)))
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        return f"{missing[0]} is not installed (apt install bubblewrap util-linux)"
    if not os.access(python, os.X_OK):
        return f"there is no interpreter at {python}: set python to one under /usr"
    try:
        tried = run_program("", "", ProgramLimits(), python=python)
    except OSError as error:
        return str(error)
    return "" if tried.end == "passed" else tried.reason


def run_programs(
    jobs: Sequence[tuple[str, str]],
    limits: ProgramLimits,
    *,
    python: str = "/usr/bin/python3",
    unsandboxed: bool = False,
) -> list[Outcome]:
    """Run (program, tests) pairs, one for each core at a time, in their order.

    Raises
    ------
    NoSandbox
        When none can be started and running without one was not asked for.
    """
    if not unsandboxed and (why := why_no_sandbox(python)):
        raise NoSandbox(
            f"no sandbox can be started here: {why}. Programs that nobody has read are not run"
            " without one, unless you ask for it: --set unsandboxed=true runs them with your rights"
        )
    where = sys.executable if unsandboxed else python

    def one(job: tuple[str, str]) -> Outcome:
        return run_program(*job, limits, python=where, sandboxed=not unsandboxed)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, jobs))
