"""Starts a program as another account, which takes no right of ours along; so it is a small process of its own.

Its arguments are uid, gid, the folder to start it in, and the program with its own. `LOG` in the environment puts that
into the background, with the file for its output. It imports nothing but the standard library.
"""

import ctypes
import os
import sys


def main(uid: str, gid: str, folder: str, *program: str) -> None:
    os.chdir(folder)  # with our rights: the account need not be able to reach its current directory
    log = os.environ.pop("LOG", None)
    if log is not None:
        # nothing that the account may have put there is followed
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        os.fchown(output, int(uid), int(gid))
        if os.fork():
            os._exit(0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))  # the kernel takes all capabilities away
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: no setuid program gives any back
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
