#!/usr/bin/env python3
"""Runs a program with the restrictions of a systemd unit that hold without systemd:

    confine.py UNIT-FILE COMMAND [ARGUMENT...]

The system call filter (its groups as systemd-analyze knows them), address families, namespaces, memory
that is writable and executable, no new privileges. What needs mounts or capabilities is left out: with
those a test starts the program (see test_confined.py). Linux on x86-64 or 64-bit ARM.
"""
import ctypes
import os
import re
import socket
import subprocess
import sys

ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
MASKED_EQ, EQ = 7, 4
NAMESPACES = {"cgroup": 0x02000000, "ipc": 0x08000000, "net": 0x40000000, "mnt": 0x00020000,
              "pid": 0x20000000, "user": 0x10000000, "uts": 0x04000000}
PROT_WRITE, PROT_EXEC = 2, 4
PR_SET_NO_NEW_PRIVS = 38


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def options(path):
    """{name: [values in order]} of [Service]."""
    found = {}
    section = None
    for line in open(path, encoding="utf-8"):
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def groups():
    out = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True, capture_output=True,
                         text=True).stdout
    sets, name = {}, None
    for line in out.splitlines():
        if re.match(r"@[a-z0-9-]+$", line):
            name = line
            sets[name] = set()
        elif name and line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].add(line.strip())
        elif line and not line.startswith(" "):
            name = None
    return sets


def allowed_calls(lines, sets):
    """As systemd reads SystemCallFilter: the first line says that it is a list of what is allowed."""
    def expand(word):
        if not word.startswith("@"):
            return {word}
        return set().union(*(expand(w) for w in sets[word]))

    allowed = expand("@default")
    for line in lines:
        words = set().union(*(expand(w) for w in line.lstrip("~").split()))
        allowed = allowed - words if line.startswith("~") else allowed | words
    return allowed


class Filter:
    def __init__(self):
        self.lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.lib.seccomp_init.argtypes = [ctypes.c_uint32]
        self.lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                                    ctypes.POINTER(Compare)]
        self.lib.seccomp_load.argtypes = [ctypes.c_void_p]
        self.ctx = self.lib.seccomp_init(EPERM)

    def add(self, name, *compares, action=ALLOW):
        number = self.lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # not a call of this architecture
        r = self.lib.seccomp_rule_add_array(self.ctx, action, number, len(compares),
                                            (Compare * len(compares))(*compares) if compares else None)
        if r < 0:
            raise OSError(-r, f"{name}: {os.strerror(-r)}")

    def load(self):
        r = self.lib.seccomp_load(self.ctx)
        if r < 0:
            raise OSError(-r, os.strerror(-r))


def build(unit):
    has = options(unit)
    f = Filter()
    calls = allowed_calls(has.get("SystemCallFilter", []), groups())
    special = {"clone3"}
    f.add("clone3", action=ENOSYS)  # its flags can't be seen; libc takes clone instead
    words = " ".join(has.get("RestrictNamespaces", ["no"]))
    if words != "no":
        special |= {"clone", "unshare", "setns"}
        kept = set() if words == "yes" else set(words.split())
        mask = sum(bit for name, bit in NAMESPACES.items() if name not in kept)
        for call in {"clone", "unshare"} & calls:
            f.add(call, Compare(0, MASKED_EQ, mask, 0))
    if "RestrictAddressFamilies" in has:
        special.add("socket")
        for family in has["RestrictAddressFamilies"][-1].split():
            f.add("socket", Compare(0, EQ, getattr(socket, family), 0))
    if has.get("MemoryDenyWriteExecute") == ["yes"]:
        special |= {"mmap", "mprotect", "pkey_mprotect"}
        both = PROT_WRITE | PROT_EXEC
        for value in (0, PROT_WRITE, PROT_EXEC):
            f.add("mmap", Compare(2, MASKED_EQ, both, value))
        for call in ("mprotect", "pkey_mprotect"):
            f.add(call, Compare(2, MASKED_EQ, PROT_EXEC, 0))
    for call in sorted(calls - special):
        f.add(call)
    return f


def main(argv):
    f = build(argv[1])
    if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError("prctl")
    f.load()
    os.execvp(argv[2], argv[2:])


if __name__ == "__main__":
    main(sys.argv)
