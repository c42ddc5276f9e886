"""The HTTP server and the clients that people use: curl, wrk and h2load.

    http_clients.py HTTP_SERVER FOLDER
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

import server

MOST_SECONDS = 120
LARGE = 20_000_000
UPLOAD = 60_000_000


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, timeout=MOST_SECONDS, check=False, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr.decode()}"
    return done.stdout


def curl(*arguments, **options):
    return run("curl", "--silent", "--show-error", "--max-time", str(MOST_SECONDS), *arguments,
               **options)


def check(what, condition):
    assert condition, what
    print("ok:", what)


def with_curl(url, files, process):
    check("curl gets a file", curl(f"{url}/large") == files["large"])
    check("curl gets many files on one connection",
          curl(*[f"{url}/small"] * 50, "--write-out", "%{num_connects}").count(b"small") == 50)
    head = curl("--head", f"{url}/large").decode()
    check("curl --head has the length and no body", f"Content-Length: {LARGE}\r\n" in head)
    check("curl --range from, to",
          curl("--range", "1000-4999999", f"{url}/large") == files["large"][1000:5000000])
    check("curl --range from", curl("--range", "19999000-", f"{url}/large") == files["large"][19999000:])
    check("curl --range at the end", curl("--range", "-5", f"{url}/large") == files["large"][-5:])

    with open("part", "wb") as part:
        part.write(files["large"][:12345])
    curl("--continue-at", "-", "--output", "part", f"{url}/large")
    with open("part", "rb") as part:
        check("curl --continue-at goes on", part.read() == files["large"])
    curl("--etag-save", "tag", "--output", "first", f"{url}/small")
    status = curl("--etag-compare", "tag", "--output", "second", "--write-out", "%{http_code}",
                  f"{url}/small")
    check("curl --etag-compare is told that nothing changed", status == b"304")

    upload = os.urandom(1 << 16) * (UPLOAD >> 16)
    digest = hashlib.sha256(upload).digest()
    before = server.resident_kib(process)
    for how, arguments in {
            "with a length": ("--upload-file", "upload", "--header", "Expect:"),
            "chunked": ("--upload-file", "-", "--header", "Expect:"),
            "after 100-continue": ("--upload-file", "upload", "--header", "Expect: 100-continue"),
            "chunked after 100-continue": ("--upload-file", "-", "--header", "Expect: 100-continue"),
            "by POST": ("--data-binary", "@upload"),
    }.items():
        with open("upload", "wb") as file:
            file.write(upload)
        with open("upload", "rb") as file:
            echoed = curl(*arguments, f"{url}/echo", stdin=file)
        check(f"curl uploads {how} and gets it back", hashlib.sha256(echoed).digest() == digest)
    held = (server.resident_kib(process) - before) * 1024
    check(f"the server held {held / len(upload):.2f} times one upload", held < 2 * len(upload))

    verbose = subprocess.run(
        ["curl", "--silent", "--verbose", "--upload-file", "-", "--header", "Expect: 100-continue",
         "--max-time", str(MOST_SECONDS), f"{url}/echo"],
        input=b"x" * 10, capture_output=True, timeout=MOST_SECONDS, check=True)
    check("curl hears 100 Continue", b"< HTTP/1.1 100 Continue" in verbose.stderr)
    status = curl("--output", os.devnull, "--write-out", "%{http_code}", "--header", "Expect: 100-continue",
                  "--header", "Content-Length: 99999999999", "--upload-file", "upload", f"{url}/echo")
    check("curl hears 413 before it sends", status == b"413")
    for path in ("../etc/passwd", "%2e%2e/etc/passwd", "..%2f..%2fetc/passwd", "leaves"):
        status = curl("--path-as-is", "--output", os.devnull, "--write-out", "%{http_code}",
                      f"{url}/{path}")
        check(f"curl is refused /{path}", status in (b"400", b"403"))


def with_load(url):
    for name, size in (("small", 5), ("middle", 65536)):
        text = run("wrk", "--threads", "1", "--connections", "20", "--duration", "2s",
                   f"{url}/{name}").decode()
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        check(f"wrk gets {requests} times {size} bytes without an error",
              requests > 100 and "Socket errors" not in text and "Non-2xx" not in text)
        text = run("h2load", "--h1", "--requests", "5000", "--clients", "20", "--max-concurrent-streams",
                   "10", f"{url}/{name}").decode()
        check(f"h2load --h1 gets 5,000 times {size} bytes, ten at once on a connection",
              "5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored" in text
              and "status codes: 5000 2xx" in text)


def main():
    program, folder = sys.argv[1:]
    program = os.path.abspath(program)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "root"))
    os.chdir(folder)
    files = {"small": b"small", "middle": os.urandom(65536), "large": os.urandom(LARGE)}
    for name, content in files.items():
        with open(os.path.join("root", name), "wb") as file:
            file.write(content)
    os.symlink("/etc/passwd", "root/leaves")
    with server.running(program, "--root=root", f"--max_body={UPLOAD + 1}") as (address, process):
        with_curl(f"http://{address}", files, process)
        with_load(f"http://{address}")
    shutil.rmtree(os.path.join("..", os.path.basename(folder)))


main()
