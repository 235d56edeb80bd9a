"""Warm interpreters: what a program ends like, what proves its end, and that nothing of it is left for the next."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ownlm.errors import SandboxError
from ownlm.evaluate.runners.language import RUN
from ownlm.evaluate.runners.toolchain import path_of
from ownlm.evaluate.sandbox.bubblewrap import BubblewrapSandbox
from ownlm.evaluate.sandbox.program import MIB, Ended, Limits
from ownlm.evaluate.sandbox.python_pool import PythonPool

NONCE = "e3b0c44298fc1c14"
SMALL = replace(RUN, cpu_seconds=1.0, memory_bytes=128 * MIB)


@pytest.fixture(scope="module")
def pool(bubblewrap: BubblewrapSandbox) -> Iterator[PythonPool]:
    with PythonPool(bubblewrap, lambda: path_of("python3"), RUN) as opened:
        yield opened


@pytest.fixture(scope="module")
def small(bubblewrap: BubblewrapSandbox) -> Iterator[PythonPool]:
    with PythonPool(bubblewrap, lambda: path_of("python3"), SMALL) as opened:
        yield opened


def passed(ended: Ended) -> bool:
    return (ended.how, ended.code) == ("exit", 0) and NONCE.encode() in ended.stdout


def run(pool: PythonPool, text: str) -> Ended:
    return pool.run(text.encode(), NONCE)


def test_a_program_that_comes_to_its_end_has_the_nonce_behind_what_it_printed(pool: PythonPool) -> None:
    ended = run(pool, "import sys\nprint('out', end='')\nprint('err', file=sys.stderr)")
    assert (ended.how, ended.code, ended.stdout, ended.stderr) == ("exit", 0, f"out\n{NONCE}\n".encode(), b"err\n")
    assert ended.cpu_seconds > 0
    assert ended.wall_seconds > 0
    assert ended.peak_bytes > MIB


@pytest.mark.parametrize(
    ("text", "how", "code"),
    [
        ("1 / 0", "exit", 1),
        ("assert False, 'wrong'", "exit", 1),
        ("x = (", "exit", 1),
        ("raise SystemExit(3)", "exit", 3),
        ("raise SystemExit('said')", "exit", 1),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", "signal", signal.SIGTERM),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal", signal.SIGKILL),
        ("import os\nos.abort()", "signal", signal.SIGABRT),
        ("import ctypes\nctypes.string_at(0)", "signal", signal.SIGSEGV),
        ("print('x' * 10**6)", "output", signal.SIGKILL),
        ("import sys\nwhile True: sys.stderr.write('x' * 10**4)", "output", signal.SIGKILL),
    ],
)
def test_how_programs_end(pool: PythonPool, text: str, how: str, code: int) -> None:
    ended = run(pool, text)
    assert (ended.how, ended.code) == (how, code)
    assert not passed(ended)


def test_a_failure_says_where_and_shows_no_line_of_the_driver(pool: PythonPool) -> None:
    said = run(pool, "def f():\n    return {}['missing']\n\nf()\n").stderr.decode()
    assert 'File "program.py", line 2, in f' in said
    assert "return {}['missing']" in said
    assert said.count("File ") == 2


TO_THE_END_WITHOUT_THE_TESTS = {
    "exit": "exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "SystemExit": "raise SystemExit",
    "at exit": "import atexit, os\natexit.register(os._exit, 0)\nassert False",
    "exit hook": "import sys, os\nsys.excepthook = lambda *_: os._exit(0)\nassert False",
    "exit in a thread": "import sys, threading\nthreading.Thread(target=sys.exit).start()\nassert False",
    "os._exit in a thread": """
import os, threading, time
threading.Thread(target=os._exit, args=(0,)).start()
time.sleep(60)""",
    "patched traceback": "import traceback, os\ntraceback.print_exception = lambda *a, **k: os._exit(0)\nassert False",
    "patched os._exit": "import os\nreal = os._exit\nos._exit = lambda code: real(0)\nassert False",
    "patched builtins": "import builtins\nbuiltins.compile = builtins.exec = lambda *a, **k: None\nassert False",
    "junk on every descriptor": """
import os
for number in range(256):
    for text in (b"s", b"\\0" * 16, b"\\n", bytes(33)):
        try: os.write(number, text)
        except OSError: pass
os._exit(0)""",
    "what frames know": """
import os, sys
frame, found = sys._getframe(), []
while frame:
    found += [*frame.f_locals.values(), *frame.f_globals.values()]
    frame = frame.f_back
for thing in found:
    if isinstance(thing, bytes):
        os.write(3, thing[-16:])
os._exit(0)""",
    "what the collector knows": """
import gc, os, sys
gc.unfreeze()
seen, todo = set(), [*gc.get_objects(), sys._getframe(), *sys._current_frames().values()]
while todo:
    thing = todo.pop()
    if id(thing) in seen: continue
    seen.add(id(thing))
    if type(thing) is bytes and len(thing) == 16: os.write(3, thing)
    todo += gc.get_referents(thing)
os._exit(0)""",
    "the iterators themselves": """
import gc, itertools, os
gc.unfreeze()
for thing in gc.get_objects():
    if isinstance(thing, (itertools.starmap, itertools.chain, type(iter([])))):
        try: list(thing)
        except Exception: pass
os._exit(0)""",
    "its own descriptors, opened again": """
import os
for number in os.listdir("/proc/self/fd"):
    try: os.write(3, os.read(os.open(f"/proc/self/fd/{number}", os.O_RDWR | os.O_NONBLOCK), 64)[-16:])
    except OSError: pass
os._exit(0)""",
    "the globals of the driver": """
import os, sys
frame = sys._getframe()
while frame.f_back: frame = frame.f_back
frame.f_globals["_run"] = frame.f_globals["_collect"] = lambda *_: {"proved": True, "status": 0, "started": True}
frame.f_globals["os"] = None
assert False""",
    "back into the loop of the driver": """
import os, sys
frame = sys._getframe()
while frame.f_back: frame = frame.f_back
class Never:
    def __getattr__(self, name): return lambda *_: None
frame.f_globals["os"] = Never()
assert False""",
    "the first process": """
import os
for path in ("/proc/1/mem", "/proc/1/fd/3", "/proc/1/fd/4"):
    try: os.write(os.open(path, os.O_RDWR), bytes(4))
    except OSError: pass
for number in range(1, 32):
    try: os.kill(1, number)
    except OSError: pass
os._exit(0)""",
}


@pytest.mark.parametrize("attack", TO_THE_END_WITHOUT_THE_TESTS)
def test_nothing_but_the_end_proves_the_end(pool: PythonPool, attack: str) -> None:
    assert not passed(run(pool, TO_THE_END_WITHOUT_THE_TESTS[attack]))
    assert passed(run(pool, "assert True"))


def test_an_exit_in_a_thread_ends_the_thread_only(pool: PythonPool) -> None:
    text = "import sys, threading\none = threading.Thread(target=sys.exit)\none.start()\none.join()\nassert True"
    assert passed(run(pool, text))


def test_nothing_of_a_program_is_left_for_the_next(pool: PythonPool) -> None:
    first = """
import builtins, os, random, sys, time, typing
for folder in ("/tmp", "/dev/shm", "."):
    open(f"{folder}/left", "w").write("secret")
builtins.print = None
sys.modules["left"] = typing
random.seed(1)
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
"""
    then = """
import os, sys
assert [os.listdir(folder) for folder in ("/dev/shm", ".")] == [[], []]
assert os.listdir("/tmp") == ["program"]
assert "left" not in sys.modules
assert [name for name in os.listdir("/proc") if name.isdigit()] == ["1", str(os.getpid())]
print("clean")
"""
    assert passed(run(pool, first))
    ended = run(pool, then)
    assert ended.stderr == b""
    assert passed(ended)


def test_programs_are_told_apart_by_what_random_gives_them_but_not_by_the_order_of_sets(pool: PythonPool) -> None:
    drawn = {run(pool, "import random\nprint(random.random())").stdout for _ in range(3)}
    assert len(drawn) == 3
    ordered = {run(pool, "print({'a', 'b', 'c', 'd', 'e'}, hash('x'))").stdout for _ in range(3)}
    assert len(ordered) == 1


def test_a_main_program_is_as_it_is_elsewhere(pool: PythonPool) -> None:
    text = """
import __main__, os, pickle, signal, sys, threading
from dataclasses import dataclass

@dataclass
class Point:
    x: int

assert __name__ == "__main__" and __main__.Point is Point
assert pickle.loads(pickle.dumps(Point(1))) == Point(1)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert threading.current_thread() is threading.main_thread()
assert sys.stdin.read() == ""
assert sorted(os.environ) == ["HOME", "LANG", "PATH", "PWD", "PYTHONHASHSEED"], sorted(os.environ)
assert (os.getsid(0), os.getpgrp()) == (os.getpid(), os.getpid())
def deep(n): return n and 1 + deep(n - 1)
assert deep(990) == 990
"""
    ended = run(pool, text)
    assert ended.stderr == b""
    assert passed(ended)


def test_cpu_time_is_limited_also_where_children_spend_it_and_nobody_waits_for_them(small: PythonPool) -> None:
    ignored = "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    ended = run(small, ignored + "for _ in range(2): os.fork()\nwhile True: pass")
    assert ended.how == "cpu"
    assert ended.cpu_seconds >= SMALL.cpu_seconds
    assert passed(run(small, "pass"))


def test_waiting_is_limited(bubblewrap: BubblewrapSandbox) -> None:
    with PythonPool(bubblewrap, lambda: path_of("python3"), Limits(wall_seconds=0.5)) as pool:
        assert run(pool, "import time\ntime.sleep(60)").how == "wall"
        assert run(pool, "import time\nwhile True:\n    try: time.sleep(60)\n    except: pass").how == "wall"


def test_memory_is_limited_and_the_worker_after_it_is_a_new_one(small: PythonPool) -> None:
    assert run(small, "hold = [bytearray(2**20) for _ in range(4096)]").how == "memory"
    assert passed(run(small, "hold = bytearray(2**20)"))


def test_a_worker_that_dies_says_so(bubblewrap: BubblewrapSandbox) -> None:
    with PythonPool(bubblewrap, lambda: path_of("python3"), RUN) as pool:
        assert passed(run(pool, "pass"))
        (worker,) = pool._workers._idle
        worker._kill()
        worker._process.wait()
        with pytest.raises(SandboxError, match="ended without an answer"):
            run(pool, "pass")
        assert passed(run(pool, "pass"))


def test_a_pool_that_is_closed_leaves_no_process(bubblewrap: BubblewrapSandbox) -> None:
    with PythonPool(bubblewrap, lambda: path_of("python3"), RUN) as pool:
        run(pool, "pass")
        (worker,) = pool._workers._idle
        pid = worker._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@settings(max_examples=40, deadline=None)
@given(out=st.binary(max_size=300), err=st.binary(max_size=300), code=st.integers(0, 255))
def test_what_is_printed_and_the_exit_code_come_through(pool: PythonPool, out: bytes, err: bytes, code: int) -> None:
    ended = run(pool, f"import os\nos.write(1, {out!r})\nos.write(2, {err!r})\nos._exit({code})")
    assert (ended.how, ended.code, ended.stdout, ended.stderr) == ("exit", code, out, err)
