"""Which system calls a program in the sandbox may not make, as a seccomp filter."""

from __future__ import annotations

import platform
import struct

# Memory that outlives a process or is in none of its pages, so that no limit counts it; doors into
# the kernel that no program needs; and sockets, some of which no network namespace holds (pairs of
# them stay: event loops wake by one).  Name: numbers on x86-64 and on 64-bit ARM.
DENIED = {
    "socket": (41, 198),
    "setsockopt": (54, 208),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""The kernel's number of an architecture, and the column above."""
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000
_X32 = 0x40000000
"""From this number on: the same calls with 32-bit pointers."""


def syscall_filter() -> bytes:
    """Instructions (struct sock_filter) for `bwrap --seccomp`; empty on other machines."""
    if platform.machine() not in _MACHINES:
        return b""
    arch, column = _MACHINES[platform.machine()]
    numbers = [found[column] for found in DENIED.values()]
    refuse = len(numbers) + 1  # the instruction after the last comparison is to allow
    steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, refuse, 0, _X32),
        *((_EQUAL, refuse - i, 0, number) for i, number in enumerate(numbers, 1)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
