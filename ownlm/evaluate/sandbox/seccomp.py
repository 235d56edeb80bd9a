"""The system call filter: classic BPF (linux/seccomp.h, linux/filter.h), allowed unless denied.

Which calls a language's runtime needs changes with every release, so an allow list would turn new releases into failed
tests. What is denied is what no test program needs and what past escapes from containers used: calls that reach other
processes, mount file systems, make namespaces, load code into the kernel, or have large attack surfaces.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass

EPERM = 1
ENOSYS = 38
EAFNOSUPPORT = 97

# struct seccomp_data: nr, arch, instruction_pointer, args[6], each argument's low half first.
_NUMBER, _ARCHITECTURE = 0, 4
_LOAD, _JUMP_EQUAL, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000

# Flags of clone(): new mount, cgroup, uts, ipc, user, pid, network namespaces.
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

# Number on x86_64, number on aarch64 (None where there is no such call).
_DENIED: dict[str, tuple[int, int | None]] = {
    # Other processes: their memory, their descriptors.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # Mounts and namespaces.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268),
    "unshare": (272, 97), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # Code in the kernel, the machine itself.
    "bpf": (321, 280), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "uselib": (134, None), "vhangup": (153, 58),
    "nfsservctl": (180, 42), "lookup_dcookie": (212, 18), "fanotify_init": (300, 262),
    # Keyrings are not in any namespace.
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # Large attack surfaces that test programs have no use for.
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "vmsplice": (278, 75),
    "mbind": (237, 235), "migrate_pages": (256, 238), "move_pages": (279, 239),
}  # fmt: skip
# Missing rather than forbidden: programs then take the older way. The flags of clone3 lie behind a pointer, where a
# filter cannot look.
_MISSING: dict[str, tuple[int, int | None]] = {
    "clone3": (435, 435), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "memfd_secret": (447, 447),
}  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """What differs between processors.

    Attributes:
        audit: AUDIT_ARCH_* of its native calls.
        column: in the tables of this module.
        x32: whether calls with bit 30 set are a second table of numbers, which must not be a way around the first.
        prctl, prlimit64, memfd_create: numbers the supervisor calls by.
    """

    audit: int
    column: int
    x32: bool
    clone: int
    ioctl: int
    socket: int
    socketpair: int
    prctl: int
    prlimit64: int
    memfd_create: int


MACHINES = {
    "x86_64": Machine(0xC000003E, 0, True, clone=56, ioctl=16, socket=41, socketpair=53,
                      prctl=157, prlimit64=302, memfd_create=319),
    "aarch64": Machine(0xC00000B7, 1, False, clone=220, ioctl=29, socket=198, socketpair=199,
                       prctl=167, prlimit64=261, memfd_create=279),
}  # fmt: skip


def machine() -> Machine | None:
    """This one; None where there is no table for it."""
    return MACHINES.get(platform.machine())


def calls(machine: Machine) -> dict[str, int]:
    """Numbers of the calls that are denied whatever their arguments."""
    numbers = {name: row[machine.column] for name, row in (_DENIED | _MISSING).items()}
    return {name: number for name, number in numbers.items() if number is not None}


def filter_program(machine: Machine) -> bytes:
    """The filter as an array of struct sock_filter, as `bwrap --seccomp` reads it."""
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, _KILL)]
    code.append((_LOAD, 0, 0, _NUMBER))
    if machine.x32:
        code += [(_JUMP_BITS, 0, 1, 0x40000000), (_RETURN, 0, 0, _ERROR | ENOSYS)]
    for table, error in ((_DENIED, EPERM), (_MISSING, ENOSYS)):
        for numbers in table.values():
            number = numbers[machine.column]
            if number is not None:
                code += _when(number, [(_RETURN, 0, 0, _ERROR | error)])
    code += _when(machine.clone, [
        (_LOAD, 0, 0, _argument(0)), (_JUMP_BITS, 0, 1, _NEW_NAMESPACES), (_RETURN, 0, 0, _ERROR | EPERM),
    ])  # fmt: skip
    code += _when(machine.ioctl, [
        (_LOAD, 0, 0, _argument(1)), (_JUMP_EQUAL, 1, 0, _TIOCSTI), (_JUMP_EQUAL, 0, 1, _TIOCLINUX),
        (_RETURN, 0, 0, _ERROR | EPERM),
    ])  # fmt: skip
    for number in (machine.socket, machine.socketpair):
        code += _when(number, _families())
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _families() -> list[tuple[int, int, int, int]]:
    """Only local, internet (the namespace has a loopback alone) and routing sockets: vsock reaches the host of a VM."""
    return [
        (_LOAD, 0, 0, _argument(0)), (_JUMP_EQUAL, 5, 0, _AF_UNIX), (_JUMP_EQUAL, 4, 0, _AF_INET),
        (_JUMP_EQUAL, 3, 0, _AF_INET6), (_JUMP_EQUAL, 0, 3, _AF_NETLINK), (_LOAD, 0, 0, _argument(2)),
        (_JUMP_EQUAL, 0, 1, 0), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERROR | EAFNOSUPPORT),
    ]  # fmt: skip


def _when(number: int, then: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """If the call is this one, `then`; afterwards the number is loaded again, for the next test."""
    reload = [(_LOAD, 0, 0, _NUMBER)] if len(then) > 1 else []
    return [(_JUMP_EQUAL, 0, len(then) + len(reload), number), *then, *reload]


def _argument(index: int) -> int:
    """Offset of the low half of a system call's argument."""
    return 16 + 8 * index
