"""Starts an example server for a test, and stops it whatever happens."""

import contextlib
import re
import subprocess


@contextlib.contextmanager
def running(program, *arguments):
    """Yields "ADDRESS:PORT" and the process. The server ends by itself after four minutes."""
    process = subprocess.Popen([program, "--listen=127.0.0.1:0", "--seconds=240", *arguments],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"listening on ([0-9.]+:[0-9]+)\n", line)
        assert found, f"{program} said {line!r}"
        yield found.group(1), process
        assert process.poll() is None, f"{program} ended with {process.returncode}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
    assert process.returncode == 0, f"{program} ended with {process.returncode}"


def resident_kib(process):
    """The most memory that the process has held so far."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read()).group(1))
