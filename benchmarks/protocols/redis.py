#!/usr/bin/env python3
"""examples/redis_server beside redis-server, both driven by redis-benchmark. Part of ./dev bench
protocols; docs/protocols.md explains the tables.

Bar: throughput of SET and GET of 64 B and 16 KiB at pipelines of 16 and 64 is at least redis-server's,
less what redis-server falls short of itself.
"""

import os
import random
import re
import socket
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

KEYS = 100000
CLIENTS = 50
BARRED = [(size, pipeline, test) for size in (64, 16384) for pipeline in (16, 64)
          for test in ("SET", "GET")]
# size, pipelines, keys and clients of the rows without a bar
OTHERS = [(3, (1, 16, 64), KEYS, CLIENTS), (64, (1,), KEYS, CLIENTS),
          (1024, (1, 16, 64), KEYS, CLIENTS), (16384, (1,), KEYS, CLIENTS),
          (262144, (1, 16), 1000, 8), (1048576, (1, 16), 100, 8)]


class Client:
    """One connection: checks what the servers hold."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    @staticmethod
    def encode(*words):
        parts = [b"*%d\r\n" % len(words)]
        for word in words:
            parts.append(b"$%d\r\n%b\r\n" % (len(word), word))
        return b"".join(parts)

    def reply(self):
        line = self.file.readline()
        if line[:1] == b"$":
            size = int(line[1:])
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if line[:1] in (b"+", b":"):
            return line[1:-2]
        sys.exit(f"reply {line!r}")

    def __call__(self, *words):
        self.socket.sendall(self.encode(*words))
        return self.reply()

    def info(self, field):
        found = re.search(rb"%b[:=](\d+)" % field.encode(), self(b"INFO"))
        return int(found.group(1)) if found else 0

    def keys(self):
        return self.info("db0:keys")


def key(i):
    return b"key:%012d" % i  # as redis-benchmark names them


def value(i, size):
    return (b"%d." % i * size)[:size]


def fill(server, keys, size):
    """Stores all keys, so that every GET hits. Bytes of memory a key, as the process's growth."""
    client = Client(server.port)
    client(b"FLUSHALL")
    before = server.memory()
    batch = max(1, min(256, (1 << 20) // size))
    for first in range(0, keys, batch):
        group = range(first, min(first + batch, keys))
        client.socket.sendall(b"".join(client.encode(b"SET", key(i), value(i, size)) for i in group))
        for _ in group:
            client.reply()
    memory = (server.memory() - before) / keys
    check(server, keys, size, lambda i, got: got == value(i, size))
    client.close()
    return memory


def check(server, keys, size, right):
    """All keys are there, and a hundred of them are right."""
    client = Client(server.port)
    if client.keys() != keys:
        sys.exit(f"{server.name} holds {client.keys()} keys, not {keys}")
    for i in random.sample(range(keys), min(keys, 100)):
        if not right(i, client(b"GET", key(i))):
            sys.exit(f"{server.name} has another value of {size} bytes at {key(i)}")
    client.close()


def run(server, test, size, pipeline, keys, clients, requests, cpus):
    """Requests a second, and seconds of the server's processor a request."""
    client = Client(server.port)
    hits, misses = client.info("keyspace_hits"), client.info("keyspace_misses")
    cpu = server.cpu_seconds()
    done = subprocess.run(
        ["redis-benchmark", "-p", str(server.port), "-t", test.lower(), "-n", str(requests),
         "-d", str(size), "-P", str(pipeline), "-c", str(clients), "-r", str(keys), "--csv"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    cpu = server.cpu_seconds() - cpu
    row = re.search(rf'^"{test}","([0-9.]+)"', done.stdout, re.MULTILINE)
    if not row:
        sys.exit(f"redis-benchmark against {server.name}: {done.stdout}{done.stderr}")
    hits, misses = client.info("keyspace_hits") - hits, client.info("keyspace_misses") - misses
    client.close()
    if test == "GET" and (misses != 0 or hits < requests):
        sys.exit(f"{server.name}: {hits} hits and {misses} misses of {requests} GETs")
    return float(row.group(1)), cpu / requests


def compare(servers, rounds, cpus, *what):
    """The three servers' medians: rates and microseconds a request, ratio to redis, A/A."""
    results = common.rotated(servers, rounds, lambda server: run(server, *what, cpus))
    print(".", end="", file=sys.stderr, flush=True)
    rates = [[rate for rate, _ in result] for result in results]
    cpu = [statistics.median(cost for _, cost in result) * 1e6 for result in results]
    return ([statistics.median(rate) for rate in rates], cpu, common.ratio(rates[0], rates[1]),
            common.ratio(rates[2], rates[1]) if len(rates) > 2 else None)


def requests_of(size, pipeline, quick):
    """So many that a run takes about half a second (a fifth of it with --quick)."""
    n = 30000 if pipeline == 1 else 400000 if size <= 1024 else 40000
    n = min(n, (2 << 30) // size)
    return max(n // 5, 200) if quick else n


def main():
    options = common.arguments(__doc__)
    bars = common.Bars()
    rounds = 3 if options.quick else 9
    allowed = sorted(os.sched_getaffinity(0))
    ours, theirs = {allowed[0]}, {allowed[-1]}
    # The server is redis-tools' own program for checking dumps, under its other name.
    checker = subprocess.run(["sh", "-c", "command -v redis-check-rdb"], capture_output=True,
                             text=True, check=True).stdout.strip()
    os.makedirs(options.packages, exist_ok=True)
    redis = os.path.join(options.packages, "redis-server")
    if os.path.lexists(redis):
        os.remove(redis)
    os.symlink(checker, redis)
    version = subprocess.run([redis, "--version"], capture_output=True, text=True,
                             check=True).stdout.split()[2]
    common.print_machine()
    print(f"redis-server {version}, persistence off; redis_server with one thread; servers on "
          f"processor {allowed[0]}, redis-benchmark on {allowed[-1]}; {rounds} rounds")

    def start_redis(name):
        port = common.free_port()
        return common.Server(name, [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                                    "--appendonly", "no", "--daemonize", "no"], port, ours)

    program = os.path.join(options.build, "bin", "redis_server")
    with common.Server("redis_server", [program, "--listen=127.0.0.1:0", "--seconds=3600"],
                       cpus=ours) as bight, start_redis("redis-server") as peer, \
            start_redis("redis-server again") as again:
        rows, memory = [], []
        for size in (64, 16384):
            filled = [fill(server, KEYS, size) for server in (bight, peer, again)]
            # Overwrites every key, so that nobody measures the growth to the size that stays.
            for server in (bight, peer, again):
                run(server, "SET", size, 64, KEYS, CLIENTS, KEYS * (1 if options.quick else 3),
                    theirs)
            for _, pipeline, test in [barred for barred in BARRED if barred[0] == size]:
                rate, cpu, ratio, repeat = compare(
                    (bight, peer, again), rounds, theirs, test, size, pipeline, KEYS, CLIENTS,
                    requests_of(size, pipeline, options.quick))
                name = f"{test} {common.size_name(size)}, pipeline {pipeline}"
                rows.append([name, f"{rate[0]:,.0f}", f"{rate[1]:,.0f}", f"{ratio:.2f}",
                             f"{repeat:.2f}", f"{cpu[0]:.2f}", f"{cpu[1]:.2f}",
                             bars.at_least(name, ratio, 1.0, repeat)])
            for server in (bight, peer, again):
                check(server, KEYS, size, lambda i, got: len(got) == size)
            after = [server.memory() / KEYS for server in (bight, peer)]
            memory.append([common.size_name(size), f"{filled[0]:,.0f}", f"{filled[1]:,.0f}",
                           f"{after[0]:,.0f}", f"{after[1]:,.0f}"])
        heads = ["bar: at least 1.00", "bight req/s", "redis req/s", "bight/redis", "A/A",
                 "bight CPU us/req", "redis CPU us/req", "verdict"]
        common.print_table("Throughput and the server's processor time", heads, rows)
        common.print_table(f"Resident bytes a stored key of 16 B, {KEYS:,} keys",
                           ["value", "bight, filled", "redis, filled", "bight, after the runs",
                            "redis, after the runs"], memory)
        rows = []
        for size, pipelines, keys, clients in OTHERS if not options.quick else OTHERS[1:2]:
            for server in (bight, peer):
                fill(server, keys, size)
            for pipeline in pipelines:
                for test in ("SET", "GET"):
                    rate, cpu, ratio, _ = compare(
                        (bight, peer), 1 if options.quick else 3, theirs, test, size, pipeline, keys,
                        clients, requests_of(size, pipeline, options.quick))
                    rows.append([f"{test} {common.size_name(size)}, pipeline {pipeline}",
                                 f"{rate[0]:,.0f}", f"{rate[1]:,.0f}", f"{ratio:.2f}",
                                 f"{cpu[0]:.2f}", f"{cpu[1]:.2f}"])
        common.print_table("Without a bar", ["", "bight req/s", "redis req/s", "bight/redis",
                                             "bight CPU us/req", "redis CPU us/req"], rows)
        print(f"\nEvery GET found its key, and {KEYS:,} keys were there after the runs.")
    bars.exit()


if __name__ == "__main__":
    main()
