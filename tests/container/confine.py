"""Runs a program as a container engine would: confine.py <root folder> <user id> <NAME=value>… -- <program> <argument>…
The folder becomes the root, read-only; user and group change; every capability is given up for good; no new privileges.
To be started as root, by `unshare --mount --pid --fork` where it shall be PID 1 of its own."""

import ctypes
import os
import sys

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAPBSET_READ = 24, 38, 23
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def main(root, user, *rest):
    split = rest.index("--")
    environment, command = dict(pair.split("=", 1) for pair in rest[:split]), rest[split + 1:]
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    call("mount", root.encode(), root.encode(), None, MS_BIND, None)
    call("mount", b"none", root.encode(), None, MS_BIND | MS_REMOUNT | MS_RDONLY, None)
    os.chdir(root)
    os.chroot(".")
    capability = 0
    while libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
        capability += 1
    os.setgroups([])
    os.setresgid(int(user), int(user), int(user))
    os.setresuid(int(user), int(user), int(user))
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execve(command[0], command, environment)


main(*sys.argv[1:])
