"""What the comparisons of ./dev bench protocols share: programs from Debian's packages, servers that
die with this program, rotated rounds, medians, bars and the table.

A comparison runs its contenders in turn, round after round, each round beginning with another one.
A contender's figure is the median over the rounds of its ratio to the peer in the same round; the
peer runs twice a round (A/A), and what its second run falls short of the first one is what a bar is
lowered by: no more can be told on this machine in this run.
"""

import argparse
import ctypes
import datetime
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time


def unpacked(build, package, program):
    """The path of `program` (like usr/sbin/nginx) of a Debian package, which is downloaded and
    unpacked into the build folder, and neither installed nor started as a service."""
    folder = os.path.join(build, "protocols")
    root = os.path.join(folder, package)
    path = os.path.join(root, program)
    if not os.path.lexists(path):
        os.makedirs(folder, exist_ok=True)
        for old in os.listdir(folder):
            if old.startswith(package + "_") and old.endswith(".deb"):
                os.remove(os.path.join(folder, old))
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True,
                       stdout=subprocess.DEVNULL)
        archive = [f for f in os.listdir(folder) if f.startswith(package + "_")]
        subprocess.run(["dpkg", "-x", archive[0], root], cwd=folder, check=True)
    if not os.path.lexists(path):
        sys.exit(f"{package} has no {program}")
    return path


def free_port():
    """A port that the kernel chose a moment ago, for servers that cannot ask for one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Server:
    """A process that is killed at the end of the `with` block, or with this program."""

    def __init__(self, name, command, port=None, cpus=None, **options):
        """Without a port, the process says "listening on ADDRESS:PORT" on its standard output."""
        self.name = name
        output = subprocess.PIPE if port is None else subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                        preexec_fn=_die_with_parent, text=True, **options)
        try:
            if port is None:
                line = self.process.stdout.readline()
                port = int(line.rsplit(":", 1)[1])
            self.port = port
            self._wait_until_it_listens()
            if cpus:
                for task in os.listdir(f"/proc/{self.process.pid}/task"):
                    os.sched_setaffinity(int(task), cpus)
        except BaseException:
            self.close()
            raise

    def _wait_until_it_listens(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"{self.name} does not listen on port {self.port}")

    def _family(self):
        """This process and its children: servers may have worker processes."""
        pids = [self.process.pid]
        for pid in pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    pids += [int(child) for child in children.read().split()]
        return pids

    def cpu_seconds(self):
        """Processor time of all its threads so far, user and system."""
        total = 0
        for pid in self._family():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
                    total += int(stat.read().split()[0])
        return total / 1e9

    def memory(self):
        """Bytes of resident memory."""
        total = 0
        for pid in self._family():
            with open(f"/proc/{pid}/statm") as statm:
                total += int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        return total

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def rotated(contenders, rounds, run):
    """Calls run(contender) for each, `rounds` times, each round beginning with another one.
    A list of results for each contender, in the order of the rounds."""
    results = [[] for _ in contenders]
    for i in range(rounds):
        for j in range(len(contenders)):
            k = (i + j) % len(contenders)
            results[k].append(run(contenders[k]))
    return results


def ratio(ours, peers):
    """The median of the ratios of the pairs."""
    return statistics.median(a / b for a, b in zip(ours, peers))


class Bars:
    """Collects what was promised and not held."""

    def __init__(self):
        self.broken = []

    def at_least(self, what, value, bar, again):
        """`again` is the A/A ratio. Returns the verdict for the table."""
        lowered = bar - max(0.0, 1.0 - again)
        if value >= lowered:
            return "holds"
        self.broken.append(f"{what}: {value:.3f}, and the bar is {bar} less A/A's shortfall, "
                           f"so {lowered:.3f}")
        return "BROKEN"

    def require(self, what, holds):
        if not holds:
            self.broken.append(what)

    def exit(self):
        for line in self.broken:
            print("BROKEN:", line)
        sys.exit(1 if self.broken else 0)


def print_table(title, heads, rows):
    """As Markdown, so that it can be put into docs/protocols.md as it is."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [heads] + rows) for i in range(len(heads))]
    print(f"\n{title}\n")
    for row in [heads, ["-" * width for width in widths]] + rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    sys.stdout.flush()


def size_name(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def print_machine():
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    print(f"{datetime.date.today()}, {model}, {os.cpu_count()} processors, Linux "
          f"{platform.release()}, load {os.getloadavg()[0]:.1f}")


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", required=True, help="the build folder of the examples (release)")
    parser.add_argument("--packages", required=True, help="where packages are unpacked")
    parser.add_argument("--quick", action="store_true", help="a short run; the bars are the same")
    return parser.parse_args()
