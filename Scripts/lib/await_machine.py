"""Waits until a systemd-nspawn machine is up, without a service manager: await_machine.py DIRECTORY SECONDS

systemd-nspawn is started with NOTIFY_SOCKET=DIRECTORY/notify. It sends the pid of the machine's first process when that
starts and, with --notify-ready=yes, READY=1 when the systemd inside is up. DIRECTORY/supervisor has the pid of
systemd-nspawn: one that is gone will never send anything, so there is no point in waiting out the time.
"""

import os
import socket
import sys
import time


def start_time(process):
    """Field 22 of stat, which with the pid names a process for good; the name in field 2 may have spaces."""
    with open(f"/proc/{process}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return "ended" if fields[0] == "Z" else fields[19]


def write(path, text):
    with open(path + ".new", "w") as file:
        file.write(text + "\n")
    os.rename(path + ".new", path)


def is_gone(directory):
    try:
        with open(directory + "/supervisor") as file:
            process, started = file.read().split()
        return start_time(process) != started
    except (FileNotFoundError, ValueError):
        return not os.path.exists(directory + "/starting")


def main():
    directory, seconds = sys.argv[1], float(sys.argv[2])
    # A socket's path has 107 bytes at most, which a deep TMPDIR exceeds; a name relative to the directory does not.
    os.chdir(directory)
    notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifications.bind("notify")
    notifications.settimeout(0.2)
    write("listening", "")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            message = notifications.recv(65536).decode(errors="replace")
        except TimeoutError:
            if is_gone("."):
                return 1
            continue
        for line in message.splitlines():
            if line.startswith("X_NSPAWN_LEADER_PID="):
                leader = line.partition("=")[2]
                write("leader", f"{leader} {start_time(leader)}")
            elif line == "READY=1":
                return 0
    return 1


sys.exit(main())
