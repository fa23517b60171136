"""Ends the server when the last of its users has ended, kill -9 included; so it is a small process of its own.

Its arguments are the home, the server's pid file, the socket's folder and the link to that. It imports nothing but the
standard library.
"""

import contextlib
import fcntl
import os
import signal
import sys
import time


def main(home: str, pid_file: str, sockets: str, alias: str) -> None:
    if os.fork():
        os._exit(0)
    os.chdir(home)
    with open("users.lock", "r+") as users, open("alive.lock", "r+") as alive:
        os.close(1)
        os.close(2)
        fcntl.flock(users, fcntl.LOCK_EX)  # granted when the last user has ended
        while os.path.exists("ephemeral"):
            try:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with contextlib.suppress(OSError, ValueError), open(pid_file) as server:  # starting, or just gone
                    os.kill(int(server.readline()), signal.SIGINT)
                time.sleep(0.05)
            else:
                os.rmdir(sockets)
                if alias:
                    os.unlink(alias)
                    os.rmdir(os.path.dirname(alias))
                break


if __name__ == "__main__":
    main(*sys.argv[1:])
