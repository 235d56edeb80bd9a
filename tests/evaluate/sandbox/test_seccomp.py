"""The filter, beside an obvious reference: an interpreter of classic BPF and a sentence for each rule."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ownlm.evaluate.sandbox.program import Program, Sandbox, Step
from ownlm.evaluate.sandbox.seccomp import MACHINES, Machine, calls, filter_program, machine

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
MISSING = {"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_secret"}
NAMESPACES = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]


def interpret(program: bytes, data: bytes) -> int:
    """What the kernel would answer, for the four kinds of instruction the filter is made of."""
    code = list(struct.iter_unpack("=HBBI", program))
    at, accumulator = 0, 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return int(value)
        else:
            assert operation in (0x15, 0x45)
            at += yes if (accumulator == value if operation == 0x15 else accumulator & value) else no


def expected(this: Machine, number: int, arguments: list[int]) -> int:
    low = [argument & 0xFFFFFFFF for argument in arguments]
    names = {value: name for name, value in calls(this).items()}
    if this.x32 and number & 0x40000000:
        return ERROR | ENOSYS
    if number in names:
        return ERROR | (ENOSYS if names[number] in MISSING else EPERM)
    if number == this.clone and any(low[0] & flag for flag in NAMESPACES):
        return ERROR | EPERM
    if number == this.ioctl and low[1] in (0x5412, 0x541C):
        return ERROR | EPERM
    if number in (this.socket, this.socketpair):
        fine = low[0] in (1, 2, 10) or (low[0] == 16 and low[2] == 0)
        return ALLOW if fine else ERROR | EAFNOSUPPORT
    return ALLOW


PROGRAMS = {name: filter_program(this) for name, this in MACHINES.items()}


@given(data=st.data(), name=st.sampled_from(sorted(MACHINES)))
def test_decides_as_the_rules_say(data: st.DataObject, name: str) -> None:
    this = MACHINES[name]
    special = [*calls(this).values(), this.clone, this.ioctl, this.socket, this.socketpair]
    number = data.draw(st.sampled_from(special) | st.integers(0, 600) | st.integers(0, 2**32 - 1))
    argument = st.sampled_from([1, 2, 10, 16, 40, 0x5412, 0x541C, 0, 17, *NAMESPACES]) | st.integers(0, 2**64 - 1)
    arguments = data.draw(st.lists(argument, min_size=6, max_size=6))
    seen = struct.pack("=IIQ6Q", number, this.audit, 0, *arguments)
    assert interpret(PROGRAMS[name], seen) == expected(this, number, arguments)


@pytest.mark.parametrize("name", MACHINES)
def test_calls_of_another_architecture_kill(name: str) -> None:
    this = MACHINES[name]
    other = struct.pack("=IIQ6Q", 39, 0x40000003, 0, *[0] * 6)  # getpid of 32-bit x86
    assert interpret(filter_program(this), other) == KILL


def test_the_kernel_refuses_every_denied_call(sandbox: Sandbox) -> None:
    this = machine()
    assert this is not None
    denied = calls(this)
    text = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {denied!r}.items():
    ctypes.set_errno(0)
    print(name, libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6), ctypes.get_errno())
"""
    (ended,) = sandbox.run(Program({}, (Step(("/usr/bin/python3", "-c", text)),)))
    answers = {line.split()[0]: line.split()[1:] for line in ended.stdout.decode().splitlines()}
    assert answers == {name: ["-1", str(ENOSYS if name in MISSING else EPERM)] for name in denied}, ended.stderr
