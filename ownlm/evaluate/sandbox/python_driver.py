"""Inside containment: a warm Python that runs each test program in a process and namespaces of its own.

Run by `python_pool` as `python3 -c <this text> <filter> <answers> <sample>`, in bubblewrap, where it may make
namespaces (no file of the package can be read there: it uses the standard library only). An order on stdin is a line
of JSON and a program's text; the answer, on the descriptor named, a line of JSON. For each order:

    this process --clone, new pid namespace, shared memory--> number 1, which only waits to be killed
        |
        +--fork into it--> in new mount and ipc namespaces it mounts fresh /tmp, /dev/shm, /proc, gives up its
                           capabilities, takes seccomp and limits, and is the program

One fork is what most of a short program's time goes into: number 1 costs none, as it has no memory of its own.
When the program ends, number 1 is killed, and with it the kernel kills whatever is left in the namespace. Number 1
keeps its capabilities: so the program, which has none, can neither trace it nor open its memory.

How it is known that the tests came to their end: before the program starts, its process draws 16 random bytes and
sends them here; behind the program's last line it sends them again. Who ends sooner (exit, signal, exception) sends
nothing. The bytes are held by C iterators that no frame, global, file or walk of the collector leads to. This is as far
as one process goes: a program that searches its own raw memory for them would find them.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # what `signal` wraps, without its enumerations
import _socket
import collections
import ctypes
import fcntl
import gc
import itertools
import json
import linecache
import os
import resource
import select
import struct
import sys
import traceback
import types
from typing import Any, NoReturn

WARM = "abc bisect collections copy enum functools heapq itertools math operator random re string time types typing"
"""Imported once, for all programs; every other module is imported by the program as ever."""
WARM_UPS = 30
"""Of a sample: code that has run is specialized, and memory that was used and freed is used again by the programs."""

FOLDER = "/tmp/program"  # noqa: S108 - in a file system of the program's own
FILE = "program.py"
FRAMES = 6  # of this file below a program's
STARTED, TOKEN = b"s", 16
PROOF = 3
LOWEST = 10  # descriptors of this process; below are those of the programs
HIGHEST = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
CLONE_VM, CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWIPC = 0x100, 0x20000000, 0x00020000, 0x08000000
NOSUID_NODEV, NOEXEC = 2 | 4, 8
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_FILTER, PR_CAPBSET_DROP = 38, 22, 2, 24
AT_ONCE = 65536

# What the child of a fork touches first is copied page by page: whatever can be made before it is made before.
_c = ctypes.CDLL(None, use_errno=True)
_mount_call, _unshare, _capset, _prctl = _c.mount, _c.unshare, _c.capset, _c.prctl
_no_capabilities = ((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())  # _LINUX_CAPABILITY_VERSION_3
_clone, _setns = _c.clone, _c.setns
_clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
_pause = ctypes.cast(_c.pause, ctypes.c_void_p)
_stack = ctypes.create_string_buffer(2**16)
_init_stack = ctypes.addressof(_stack) + len(_stack) & ~15
_untrack, _keep = ctypes.pythonapi.PyObject_GC_UnTrack, ctypes.pythonapi.Py_IncRef
_untrack.argtypes = _keep.argtypes = [ctypes.py_object]
_untrack.restype = _keep.restype = None


class Order:
    """One program, its limits, and the filter of system calls (an array of struct sock_filter)."""

    def __init__(self, asked: dict[str, Any], text: bytes, seccomp: bytes) -> None:
        self.text = text
        self.output_bytes: int = asked["output_bytes"]
        room = b"size=%d,mode=1777" % asked["disk_bytes"]
        self.mounts = [
            (b"tmpfs", b"/tmp", b"tmpfs", NOSUID_NODEV, room),
            (b"tmpfs", b"/dev/shm", b"tmpfs", NOSUID_NODEV, room),
            (b"proc", b"/proc", b"proc", NOSUID_NODEV | NOEXEC, b""),
        ]
        self.limits = [(resource.RLIMIT_CORE, 0), *((what, most) for what, most in asked["limits"])]
        self._code = ctypes.create_string_buffer(seccomp, len(seccomp))
        self.filter = struct.pack("HxxxxxxP", len(seccomp) // 8, ctypes.addressof(self._code))


def _check(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def _start(order: Order, own: int, files: list[int]) -> tuple[int, int]:
    """Number 1 of a new process name space, and the program in it. `own`: a descriptor of this process itself."""
    init = _check(_clone(_pause, _init_stack, CLONE_VM | CLONE_NEWPID | _signal.SIGCHLD, None), "clone")
    inside = os.pidfd_open(init)
    _check(_setns(inside, CLONE_NEWPID), "setns")  # from here on children are born there
    program = os.fork()
    if program == 0:
        _program(order, files)
    _check(_setns(own, CLONE_NEWPID), "setns")
    os.close(inside)
    return init, program


def _run(order: Order, own: int, orders: int) -> dict[str, Any]:
    """One program, to the death of its last process, or to an order to cut it off."""
    (out, out_end), (err, err_end) = os.pipe(), os.pipe()
    proof, proof_end = _socket.socketpair()  # unlike a pipe, it cannot be opened a second time through /proc
    init, program = _start(order, own, [out_end, err_end, proof_end.fileno()])
    for end in (out_end, err_end):
        os.close(end)
    proof_end.close()
    collected = _Collected([out, err, proof.fileno()], order.output_bytes, init, program)
    collected.collect(orders)
    os.waitpid(init, 0)
    for file in (out, err):
        os.close(file)
    proof.close()
    stdout, stderr, proved = map(bytes, collected.parts.values())
    return {
        "status": collected.status,
        "too_much": collected.too_much,
        "started": proved.startswith(STARTED),
        "proved": len(proved) == 1 + 2 * TOKEN and proved[1 : 1 + TOKEN] == proved[1 + TOKEN :],
        "peak_bytes": collected.peak_bytes,
        "stdout": stdout.decode("latin-1"),
        "stderr": stderr.decode("latin-1"),
    }


class _Collected:
    """What a program writes, each file to the limit, and how it ends."""

    def __init__(self, files: list[int], limit: int, init: int, program: int) -> None:
        self.parts = {file: bytearray() for file in files}
        self.too_much = False
        self.status = self.peak_bytes = 0
        self._limit, self._init, self._program = limit, init, program

    def collect(self, orders: int) -> None:
        """To the ends of all; everything is killed at too much, and when anything is ordered meanwhile."""
        ended = os.pidfd_open(self._program)
        waiting = {*self.parts, ended}
        poll = select.poll()
        for file in (*waiting, orders):
            poll.register(file, select.POLLIN)
        while waiting:
            for file, _ in poll.poll():
                if file == orders:
                    if not os.read(orders, AT_ONCE):
                        os._exit(0)  # nobody waits any more, and with the last process here the kernel ends all others
                    os.kill(self._init, _signal.SIGKILL)
                elif self._end() if file == ended else self._read(file):
                    poll.unregister(file)
                    waiting.discard(file)
        os.close(ended)

    def _end(self) -> bool:
        """The program's; what it leaves behind goes with number 1."""
        _, self.status, used = os.wait4(self._program, 0)
        self.peak_bytes = used.ru_maxrss * 1024
        os.kill(self._init, _signal.SIGKILL)
        return True

    def _read(self, file: int) -> bool:
        """Whether this was the end."""
        data = os.read(file, AT_ONCE)
        room = self._limit - len(self.parts[file])
        if len(data) > room:
            self.too_much = True
            os.kill(self._init, _signal.SIGKILL)
        self.parts[file] += data[:room]
        return not data


def _confine(order: Order) -> None:
    """Limits of each process, no capabilities, no way to get any, the filter of system calls."""
    for what, most in order.limits:
        resource.setrlimit(what, (most, most))
    for capability in (21, 8):  # CAP_SYS_ADMIN, CAP_SETPCAP: all that there are
        _check(_prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "bounding set")
    _check(_capset(*_no_capabilities), "capset")
    _check(_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _check(_prctl(PR_SET_SECCOMP, SECCOMP_FILTER, order.filter, 0, 0), "seccomp")
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _place(order: Order, files: list[int]) -> None:
    os.setsid()  # kill(0) must not reach beyond
    for target, file in enumerate(files, start=1):
        os.dup2(file, target)
    os.closerange(PROOF + 1, HIGHEST)
    _check(_unshare(CLONE_NEWNS | CLONE_NEWIPC), "unshare")
    for mount in order.mounts:
        _check(_mount_call(*mount), "mount")
    os.mkdir(FOLDER)  # noqa: PTH102 # pathlib would have to be imported
    os.chdir(FOLDER)
    score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)  # when memory ends, it is the program that goes
    os.write(score, b"1000")
    os.close(score)


def _program(order: Order, files: list[int]) -> NoReturn:
    """Run the text as a main program; it exists as a file nowhere, so tests cannot be read from one."""
    code = 1
    try:
        _place(order, files)
        _confine(order)
        os.write(PROOF, STARTED)
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        gc.enable()
        compiled = compile(order.text, FILE, "exec", dont_inherit=True)
        collections.deque(_to_the_end(compiled, module.__dict__), 0)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        text = order.text.decode("utf-8", "replace")
        linecache.cache[FILE] = (len(text), None, text.splitlines(True), FILE)
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace.tb_next if trace else None)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code & 255)


def _to_the_end(code: types.CodeType, namespace: dict[str, Any]) -> itertools.chain[Any]:
    """Run through, it runs the program and then proves the end. What holds the proof cannot be found from Python."""
    token = os.urandom(TOKEN)
    os.write(PROOF, token)
    arguments = [(PROOF, token)]
    waiting = iter(arguments)
    ending = itertools.starmap(os.write, waiting)
    steps = [itertools.starmap(exec, [(code, namespace)]), ending]
    turns = iter(steps)
    whole = itertools.chain.from_iterable(turns)
    for held in (arguments[0], arguments, waiting, ending, steps, turns, whole):
        _keep(held)  # never freed: freeing expects what is tracked
        _untrack(held)
    return whole


def serve() -> None:
    """Answer orders until stdin ends."""
    seccomp, answers_end, sample = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    orders = os.fdopen(fcntl.fcntl(0, fcntl.F_DUPFD, LOWEST), "rb")
    answers = os.fdopen(fcntl.fcntl(answers_end, fcntl.F_DUPFD, LOWEST), "wb")
    low, high = sorted((orders.fileno(), answers.fileno()))  # what was handed over stays open nowhere else
    for first, last in ((3, low), (low + 1, high), (high + 1, HIGHEST)):
        os.closerange(first, last)
    null = os.open(os.devnull, os.O_RDONLY)
    for file in (0, *range(null + 1, LOWEST)):  # taken, so that what is opened later lies above
        os.dup2(null, file)
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    for name in WARM.split():
        __import__(name)
    for _ in range(WARM_UPS):
        exec(compile(sample, FILE, "exec", dont_inherit=True), {"__name__": FILE})  # noqa: S102
    sys.argv[:] = [FILE]
    sys.path[:] = [folder for folder in sys.path if folder]
    sys.setrecursionlimit(sys.getrecursionlimit() + FRAMES)
    gc.collect()
    gc.freeze()
    gc.disable()
    own = os.pidfd_open(os.getpid())
    answers.write(b"ready\n")
    answers.flush()
    for line in iter(orders.readline, b""):
        asked = json.loads(line)
        answer = _run(Order(asked, orders.read(asked["size"]), seccomp), own, orders.fileno())
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


serve()
