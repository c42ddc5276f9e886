"""The RESP server and the clients that people use: redis-cli and redis-benchmark.

    redis_clients.py REDIS_SERVER
"""

import re
import subprocess
import sys

import server

MOST_SECONDS = 120
KEYS = 1000


def check(what, condition):
    assert condition, what
    print("ok:", what)


def cli(port, *arguments, **options):
    done = subprocess.run(["redis-cli", "-p", port, *arguments], capture_output=True,
                          timeout=MOST_SECONDS, check=False, **options)
    assert done.returncode == 0, f"redis-cli {arguments}: {done.stdout!r} {done.stderr!r}"
    return done.stdout


def info(port):
    return {name: int(value) for name, value in
            re.findall(r"(\w+)[:=](?:keys=)?(\d+)(?=[,\r\n])", cli(port, "INFO").decode())}


def with_cli(port):
    check("PING", cli(port, "PING") == b"PONG\n")
    check("HELLO, asked for by -3", cli(port, "-3", "ECHO", "resp3") == b"resp3\n")
    check("a null of RESP3", cli(port, "-3", "GET", "none") == b"\n")
    picture = bytes(range(256)) * 12000
    check("SET with a value from standard input", cli(port, "-x", "SET", "picture", input=picture) == b"OK\n")
    check("GET brings it back", cli(port, "GET", "picture") == picture + b"\n")
    check("GETRANGE", cli(port, "GETRANGE", "picture", "-3", "-1") == b"\xfd\xfe\xff\n")
    check("STRLEN", cli(port, "STRLEN", "picture") == b"%d\n" % len(picture))
    check("MSET", cli(port, "MSET", "a", "1", "b", "two words") == b"OK\n")
    check("MGET", cli(port, "MGET", "a", "none", "b") == b"1\n\ntwo words\n")
    check("INCR ten times", cli(port, "-r", "10", "INCR", "a").splitlines()[-1] == b"11")
    check("APPEND", cli(port, "APPEND", "a", "0") == b"3\n")
    check("EXISTS", cli(port, "EXISTS", "a", "b", "none") == b"2\n")
    check("DEL", cli(port, "DEL", "a", "b", "none", "picture") == b"3\n")
    check("SELECT", cli(port, "-n", "0", "PING") == b"PONG\n")
    check("an error is shown", b"ERR unknown command" in cli(port, "NOSUCH"))
    check("CONFIG GET", cli(port, "CONFIG", "GET", "appendonly") == b"appendonly\nno\n")
    commands = b"".join(b"SET key%d value%d\r\n" % (i, i) for i in range(5))
    check("commands from standard input", cli(port, input=commands) == b"OK\n" * 5)
    mass = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nmass%d\r\n$%d\r\n%s\r\n" %
                    (4 + len(str(i)), i, i, b"v" * i) for i in range(5000))
    check("--pipe", b"errors: 0, replies: 5000" in cli(port, "--pipe", input=mass))
    check("what --pipe stored", cli(port, "GET", "mass4321") == b"v" * 4321 + b"\n")
    check("FLUSHALL", cli(port, "FLUSHALL") == b"OK\n")
    check("no key is left", info(port)["db0"] == 0)


def with_benchmark(port):
    for size in (3, 64, 1024, 16384, 1 << 20):
        for pipeline in (1, 16, 64):
            count = min(20000, (64 << 20) // size)
            keys = min(KEYS, count)
            cli(port, "FLUSHALL")
            fill = b"".join(b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$1\r\n0\r\n" % i
                            for i in range(keys))
            cli(port, "--pipe", input=fill)
            before = info(port)
            done = subprocess.run(
                ["redis-benchmark", "-p", port, "-t", "set,get", "-n", str(count), "-d", str(size),
                 "-P", str(min(pipeline, count)), "-c", "10", "-r", str(keys), "--csv"],
                capture_output=True, text=True, timeout=MOST_SECONDS, check=True)
            what = f"redis-benchmark, {size} B, pipeline {pipeline}"
            check(what, re.search('"SET","[1-9]', done.stdout) and
                  re.search('"GET","[1-9]', done.stdout) and "rror" not in done.stdout + done.stderr)
            after = info(port)
            check(f"{what}: every GET hits, and no key is lost",
                  after["keyspace_hits"] - before["keyspace_hits"] >= count and
                  after["keyspace_misses"] == before["keyspace_misses"] and after["db0"] == keys)


def main():
    for threads in (1, 3):
        with server.running(sys.argv[1], f"--threads={threads}") as (address, _):
            port = address.split(":")[1]
            with_cli(port)
            with_benchmark(port)


if __name__ == "__main__":
    main()
