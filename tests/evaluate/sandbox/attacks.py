"""Hostile programs: each tries one thing, says "TRIED" when it got to it, and "ESCAPED" when it worked.

Those that say nothing are after the machine's memory, time or processes; how they end tells. `control` says that the
same program, run as a plain process, must come through, so that the test can fail: left out where that would harm the
machine that tests, or needs a right the tests may not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ownlm.evaluate.sandbox.program import MIB, How, Limits

SMALL = Limits(cpu_seconds=2, wall_seconds=10, memory_bytes=128 * MIB, processes=24, disk_bytes=16 * MIB)


@dataclass(frozen=True)
class Attack:
    """One program.

    Attributes:
        text: Python; names in capitals of `Scene` are replaced by its values.
        ends: how it may end; None where only the words count.
        control: whether a plain process comes through ("root": only root's).
        shell: `text` is for bash instead.
    """

    name: str
    text: str
    ends: tuple[How, ...] | None = None
    control: bool | str = True
    limits: Limits = field(default=SMALL)
    shell: bool = False


_CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    return result if result >= 0 else -ctypes.get_errno()
print("TRIED", flush=True)
"""
_TRY = """
import os, sys
print("TRIED", flush=True)
def escaped(*what): print("ESCAPED", *what, flush=True)
"""


def _reading(path: str) -> str:
    return _TRY + f"try:\n    escaped(open({path!r}, 'rb').read(20))\nexcept OSError as error: print(error)\n"


def _opening(path: str) -> str:
    """Only opens: the machine of the control run is left as it was."""
    return _TRY + f"try:\n    os.open({path!r}, os.O_WRONLY)\n    escaped()\nexcept OSError as error: print(error)\n"


def _calling(arguments: str) -> str:
    return _CALL + f"result = call({arguments})\nprint('ESCAPED' if result >= 0 else os.strerror(-result))\n"


def _socket(family: str, kind: str, protocol: int = 0) -> str:
    return _TRY + (
        f"import socket\ntry:\n    socket.socket({family}, {kind}, {protocol})\n    escaped()\n"
        "except OSError as error: print(error)\n"
    )


FILES = [
    Attack("read /etc/shadow", _reading("/etc/shadow"), control="root"),
    Attack("read a secret file", _reading("SECRET")),
    Attack("read a secret file through /proc/1/root", _reading("/proc/1/rootSECRET"), control=False),
    Attack("write a file of the machine", _TRY + """
try:
    open("TARGET", "a").write("x")
    escaped()
except OSError as error: print(error)
"""),
    Attack("write through a symbolic link", _TRY + """
os.symlink("TARGET", "link")
try:
    open("link", "r+").write("x")
    escaped()
except OSError as error: print(error)
"""),
    Attack("write through a hard link", _TRY + """
try:
    os.link("TARGET", os.path.join(os.path.dirname("TARGET"), "hard"))
    open(os.path.join(os.path.dirname("TARGET"), "hard"), "a").write("x")
    escaped()
except OSError as error: print(error)
"""),
    Attack("write to /usr", _opening("/usr/bin/env"), control="root"),
    Attack("climb out of the folder", _TRY + """
if os.path.exists("../" * 20 + "SECRET".lstrip("/")): escaped()
"""),
    Attack("climb out with chroot", _CALL + """
os.mkdir("cell")
home = os.open(".", os.O_RDONLY)
try:
    os.chroot("cell"); os.fchdir(home); os.chroot("../" * 20)
    if os.path.exists("SECRET"): print("ESCAPED")
except OSError as error: print(error)
""", control="root"),
    Attack("open a file by its handle", _CALL + """
handle = ctypes.create_string_buffer(256); ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
mount = ctypes.c_int()
result = libc.name_to_handle_at(-100, b"/usr", handle, ctypes.byref(mount), 0)
home = os.open("/usr", os.O_RDONLY)
if result == 0 and libc.open_by_handle_at(home, handle, 0) >= 0: print("ESCAPED")
""", control="root"),
    Attack("read the folder of another run", _TRY + """
import glob
if glob.glob("/tmp/*/NEIGHBOUR"): escaped()
"""),
]  # fmt: skip

KERNEL = [
    Attack("open core_pattern for writing", _opening("/proc/sys/kernel/core_pattern"), control="root"),
    Attack("open another /proc/sys for writing", _opening("/proc/sys/vm/overcommit_memory"), control="root"),
    Attack("open sysrq-trigger", _opening("/proc/sysrq-trigger"), control=False),
    Attack("read the kernel's log", _CALL + """
text = ctypes.create_string_buffer(4096)
if libc.klogctl(3, text, 4096) >= 0: print("ESCAPED")
""", control="root"),
    Attack("mount a file system", _CALL + """
if libc.mount(b"none", b"/proc", b"tmpfs", 0, None) == 0: print("ESCAPED")
""", control=False),
    Attack("make a user namespace", _CALL + "print('ESCAPED' if libc.unshare(0x10000000) == 0 else 'no')"),
    Attack("make a user namespace with clone", _CALL + """
pid = call(CLONE, 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0: os._exit(0)
print("ESCAPED" if pid > 0 else os.strerror(-pid))
"""),
    Attack("make a user namespace with clone3", _CALL + """
import struct
settings = ctypes.create_string_buffer(struct.pack("8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0))
pid = call(CLONE3, settings, 64)
if pid == 0: os._exit(0)
print("ESCAPED" if pid > 0 else os.strerror(-pid))
"""),
    Attack("make a user namespace with unshare(1)", """
echo TRIED; unshare --user --map-root-user true 2>&1 && echo ESCAPED
""", shell=True),
    Attack("set up io_uring", _CALL + """
result = call(IO_URING, 4, ctypes.create_string_buffer(512))
print("ESCAPED" if result >= 0 else os.strerror(-result))
"""),
    Attack("use the keyring", _calling("KEYCTL, 0, -3, 1")),
    Attack("load a BPF map", _CALL + """
import struct
result = call(BPF, 0, ctypes.create_string_buffer(struct.pack("5I", 2, 4, 4, 1, 0).ljust(128, b"\\0")), 72)
print("ESCAPED" if result >= 0 else os.strerror(-result))
""", control="root"),
    Attack("open performance counters", _CALL + """
import struct
settings = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0).ljust(112, b"\\0"))
result = call(PERF, settings, 0, -1, -1, 0)
print("ESCAPED" if result >= 0 else os.strerror(-result))
""", control="root"),
    Attack("handle page faults in user space", _calling("USERFAULTFD, 1"), control="root"),
    Attack("become root by a setuid program", """
echo TRIED; cp /usr/bin/id ./id; chmod 4755 ./id
grep -q 'NoNewPrivs:.1' /proc/self/status || echo ESCAPED
[ "$(./id -u)" = 0 ] && echo ESCAPED; true
echo x | timeout 0.3 su root -c id 2>/dev/null | grep -q uid=0 && echo ESCAPED; true
""", shell=True),
    Attack("be root or hold capabilities", _TRY + """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
if int(status["CapPrm"], 16) or int(status["CapBnd"], 16) or os.getuid() == 0: escaped()
try:
    os.setuid(0); escaped()
except OSError as error: print(error)
"""),
    Attack("type into the terminal (TIOCSTI)", _TRY + """
import fcntl, pty, termios
if os.fork() == 0:
    os.setsid(); main, other = pty.openpty(); fcntl.ioctl(other, termios.TIOCSCTTY, 0)
    try:
        fcntl.ioctl(other, termios.TIOCSTI, b"x"); escaped()
    except OSError as error: print(error)
    os._exit(0)
os.wait()
try:
    os.open("/dev/tty", os.O_RDWR); escaped()
except OSError as error: print(error)
""", control="root"),
    Attack("make a device node", _TRY + """
try:
    os.mknod("disk", 0o60600, os.makedev(8, 0)); escaped()
except OSError as error: print(error)
""", control="root"),
]  # fmt: skip

PROCESSES = [
    Attack("read the harness' environment", _TRY + """
import glob
for file in glob.glob("/proc/*/environ"):
    try:
        if b"TOKEN" in open(file, "rb").read(): escaped(file)
    except OSError: pass
"""),
    Attack("kill a process of the machine", _TRY + """
try:
    os.kill(VICTIM, 9); escaped()
except OSError as error: print(error)
"""),
    Attack("trace a sibling", _CALL + """
child = os.fork()
if child == 0:
    import time; time.sleep(5); os._exit(0)
result = call(PTRACE, 16, child, 0, 0)
print("ESCAPED" if result == 0 else os.strerror(-result))
os.kill(child, 9)
"""),
    Attack("read a sibling's memory", _CALL + """
import struct
text = ctypes.create_string_buffer(b"x" * 16)
child = os.fork()
if child == 0:
    import time; time.sleep(5); os._exit(0)
into = ctypes.create_string_buffer(16)
one = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(into), 16))
two = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(text), 16))
result = call(READV, child, one, 1, two, 1, 0)
print("ESCAPED" if result == 16 else os.strerror(-result))
os.kill(child, 9)
"""),
    Attack("answer in the supervisor's name", _TRY + """
for number in range(64):
    try:
        os.write(os.open(f"/proc/1/fd/{number}", os.O_WRONLY), b"0\\n"); escaped(number)
    except OSError: pass
try:
    open("/proc/1/mem", "r+b"); escaped()
except OSError: pass
raise SystemExit(7)
""", control=False),
    Attack("kill all that can be killed", _TRY + """
import signal
for number in (1, 0, -1):
    if os.fork() == 0:
        for sent in (signal.SIGTERM, signal.SIGKILL):
            try: os.kill(number, sent)
            except OSError: pass
        os._exit(0)
import time; time.sleep(5)
""", ends=("signal",), control=False),
    Attack("stop the supervisor", _TRY + """
import signal, time
os.kill(1, signal.SIGSTOP); os.kill(1, signal.SIGKILL)
""", ends=("exit",), control=False),
    Attack("leave a daemon", _TRY + """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(0); os.close(1); os.close(2)
        os.execv("/usr/bin/python3", ["python3", "-c", "import time; time.sleep(600)", "TOKEN"])
    os._exit(0)
import time; time.sleep(0.2)
""", ends=("exit",), control=False),
    Attack("ignore every signal and spin", _TRY + """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""", ends=("cpu",), control=False, limits=Limits(cpu_seconds=0.3, wall_seconds=30)),
    Attack("spin in many processes", _TRY + """
for _ in range(4): os.fork()
while True: pass
""", ends=("cpu",), control=False, limits=Limits(cpu_seconds=0.5, wall_seconds=30)),
    Attack("sleep for ever", _TRY + """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(600)
""", ends=("wall",), control=False, limits=Limits(wall_seconds=0.4)),
    Attack("fork bomb", "echo TRIED; f() { f | f & }; f; sleep 1", shell=True, control=False,
           ends=("exit", "cpu", "wall", "memory", "output", "signal"), limits=SMALL),
    Attack("fork bomb whose parents wait", _TRY + """
while True:
    try: os.fork()
    except OSError: pass
""", ends=("cpu", "memory"), control=False, limits=replace(SMALL, cpu_seconds=0.5)),
    Attack("thread bomb", _TRY + """
import threading, time
started = 0
try:
    while started < 200:
        threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start(); started += 1
    escaped(started)
except RuntimeError as error: print(error, started)
"""),
    Attack("zombies", _TRY + """
made = 0
try:
    while made < 200:
        if os.fork() == 0: os._exit(0)
        made += 1
    escaped(made)
except OSError as error: print(error, made)
""", control="root"),
]  # fmt: skip

NETWORK = [
    Attack("connect to the machine's loopback", _TRY + """
import socket
try:
    socket.create_connection(("127.0.0.1", PORT), 1); escaped()
except OSError as error: print(error)
"""),
    Attack("connect to an address outside", _TRY + """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    s.connect(("192.0.2.1", 53)); s.send(b"x"); escaped()
except OSError as error: print(error)
""", control=False),
    Attack("connect to an abstract socket", _TRY + """
import socket
s = socket.socket(socket.AF_UNIX)
try:
    s.connect("\\0ABSTRACT"); escaped()
except OSError as error: print(error)
"""),
    Attack("open a raw socket", _socket("socket.AF_INET", "socket.SOCK_RAW", 1), control="root"),
    Attack("open a packet socket", _socket("17", "socket.SOCK_RAW"), control="root"),
    Attack("open a socket to the host of the machine (vsock)", _socket("40", "socket.SOCK_STREAM"), control=False),
    Attack("open a kernel crypto socket", _socket("38", "socket.SOCK_SEQPACKET"), control=False),
    Attack("open a netfilter socket", _socket("16", "socket.SOCK_RAW", 12)),
]  # fmt: skip

RESOURCES = [
    Attack("one big process", _TRY + "x = b'x' * (512 << 20)\nescaped()\n", ends=("memory", "exit")),
    Attack("eight processes of 40 MB", _TRY + """
import time
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        x = b"x" * (40 << 20); time.sleep(3); os._exit(0)
    children.append(child)
if all(os.waitpid(child, 0)[1] == 0 for child in children): escaped()
""", ends=("memory",)),
    Attack("fill the folder", _TRY + """
try:
    with open("big", "wb") as file:
        for _ in range(64): file.write(b"x" * (1 << 20)); file.flush()
    escaped()
except OSError as error: print(error)
"""),
    Attack("fill /dev/shm", _TRY + """
try:
    with open("/dev/shm/TOKEN", "wb") as file:
        for _ in range(64): file.write(b"x" * (1 << 20)); file.flush()
    escaped()
except OSError as error: print(error)
finally:
    try: os.unlink("/dev/shm/TOKEN")
    except OSError: pass
"""),
    Attack("fill a file without a name (memfd)", _TRY + """
file = os.memfd_create("x")
for _ in range(256): os.write(file, b"x" * (1 << 20))
escaped()
""", ends=("memory",)),
    Attack("fill shared memory (System V)", _CALL + """
libc.shmat.restype = ctypes.c_void_p
number = libc.shmget(0, 256 << 20, 0o1600)
place = libc.shmat(number, None, 0); libc.shmctl(number, 0, None)
ctypes.memset(place, 1, 256 << 20)
print("ESCAPED")
""", ends=("memory",)),
    Attack("make files without end", _TRY + """
for number in range(400_000):
    try: os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
    except OSError as error: print(error); break
else: escaped()
""", ends=("cpu", "memory", "exit"), control=False),
    Attack("open files without end", _TRY + """
opened = []
try:
    while len(opened) < 6000: opened.append(os.open("/dev/null", os.O_RDONLY))
    escaped()
except OSError as error: print(error, len(opened))
""", control=False),
    Attack("endless output", _TRY + "\nwhile True: sys.stdout.write('x' * 4096)\n", ends=("output",), control=False),
    Attack("endless output on stderr by a child", "echo TRIED; (yes 1>&2) & wait", shell=True, ends=("output",),
           control=False),
    Attack("grow stdin into a file of its own", _TRY + """
try:
    for _ in range(256): os.write(0, b"x" * (1 << 20))
    escaped()
except OSError as error: print(error)
""", ends=("memory", "exit"), control=False),
    Attack("close the streams and go on", _TRY + """
import time
os.close(0); os.close(1); os.close(2)
while True: time.sleep(0.01)
""", ends=("wall",), control=False, limits=Limits(wall_seconds=0.6)),
]  # fmt: skip

ATTACKS = [*FILES, *KERNEL, *PROCESSES, *NETWORK, *RESOURCES]
