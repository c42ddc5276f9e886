#!/usr/bin/env python3
"""Counts the instructions of the hot operations under callgrind and keeps their record.

Without --record: compares with benchmarks/counts.txt; ends with 1 if one grew by more than 5 %.
With --record: writes the file, and the same table into docs/benchmarks.md.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "counts.txt")
DOCS = os.path.join(HERE, os.pardir, "docs", "benchmarks.md")
ALLOWED = 1.05
BEGIN, END = "<!-- counts: ./dev counts --record -->", "<!-- end of counts -->"


def measure(program):
    """{operation: instructions of one}, in the program's order."""
    environment = dict(os.environ)
    # The C library's plainest copies, so that the record does not depend on the processor.
    environment["GLIBC_TUNABLES"] = ("glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,"
                                     "-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM")
    totals = {}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
        if done.returncode != 0:
            sys.exit(done.stdout)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            what = re.search(r"Trigger: Client Request: (\S+) (\d+) (once|twice)", text)
            total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
            part = re.search(r"^part: (\d+)", text, re.MULTILINE)
            if what and total:
                entry = totals.setdefault(what[1], {"part": int(part[1]) if part else 0})
                entry["units"] = int(what[2])
                entry[what[3]] = int(total[1])
    ordered = sorted(totals.items(), key=lambda item: item[1]["part"])
    return {name: (entry["twice"] - entry["once"]) / entry["units"] for name, entry in ordered}


def show(value):
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def read_record():
    record = {}
    with open(RECORD, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, value = line.split()
                record[name] = float(value)
    return record


def write_record(counts):
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write("# Instructions of the hot operations (./dev counts --record), g++ 12, release.\n"
                   "# The commit that changes a line says why.\n")
        for name, value in counts.items():
            file.write(f"{name} {show(value)}\n")
    table = [BEGIN, "| operation | instructions |", "|---|---:|"]
    table += [f"| {name} | {show(value)} |" for name, value in counts.items()] + [END]
    if not os.path.exists(DOCS):
        return
    with open(DOCS, encoding="utf-8") as file:
        text = file.read()
    text = re.sub(re.escape(BEGIN) + r".*?" + re.escape(END), lambda _: "\n".join(table), text,
                  flags=re.DOTALL)
    with open(DOCS, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(prog="./dev counts", description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--record", action="store_true", help="write what is counted to the record")
    options = parser.parse_args()
    counts = measure(options.program)
    if not counts:
        sys.exit("callgrind counted nothing")
    if options.record:
        write_record(counts)
        print("Recorded in benchmarks/counts.txt and docs/benchmarks.md; "
              "the commit must say why each count has changed.")
    record = read_record()
    grown = []
    for name in dict.fromkeys(list(record) + list(counts)):
        now, then = counts.get(name), record.get(name)
        if now is None or then is None:
            word = "not counted any more" if now is None else "not in the record"
            grown.append(name)
        else:
            word = f"{(now / then - 1) * 100:+.1f} %" if abs(now / then - 1) >= 0.005 else ""
            # Half an instruction of a short operation is no growth.
            if now > then * ALLOWED and now - then >= 0.5:
                grown.append(name)
                word += "  GROWN"
            elif now < then / ALLOWED and then - now >= 0.5:
                word += "  (record it)"
        print(f"{name:24}{show(now) if now is not None else '-':>10}"
              f"{show(then) if then is not None else '-':>10}  {word}".rstrip())
    if grown:
        print(f"Grown by more than 5 %, or not comparable: {', '.join(grown)}\n"
              "If that is meant: ./dev counts --record, and say why in the commit.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
