#!/usr/bin/env python3
"""Runs the comparison of ./dev bench and prints its table. docs/benchmarks.md explains both.

Every library is a program that knows the same rows. Row by row all programs run in turn, round
after round, each round beginning with another one, so that what the machine does beside hits all of
them; the table shows medians over all rounds, and only ratios of one run count.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys

# programs, name in the table, Debian package, rows (by their number) that it has
PEERS = [
    ("compare_cord", "absl::Cord", "libabsl-dev",
     "1 2 3 4 5 6 7 8 9 10 11 12 12x 13 14 15 16 17 18 18b 19"),
    ("compare_asio", "Asio/Beast", "libboost-dev",
     "1 2 3 4 5 6 7 8 9 10 11 12 12x 13 14 15 16 17 18 18b 19"),
    ("compare_evbuffer adapters_evbuffer", "evbuffer", "libevent-dev",
     "1 2 3 4 5 6 7 8 9 10 11 12 12x 13 15 15b 16 17 18 18b 19 A1 A2 A3 A4 A6 A8"),
    ("compare_grpc", "gRPC slices", "libgrpc-dev",
     "1 2 3 4 5 6 7 8 9 10 11 12 12x 13 14 15 16 17 18 18b 19"),
    ("compare_glib", "GBytes", "libglib2.0-dev", "1 12 12x 14"),
    ("compare_tokio", "tokio bytes", "librust-bytes-dev",
     "1 2 3 4 5 6 7 8 9 10 11 12 12x 13 14 15 16 17 18 18b 19"),
    ("compare_std_string", "std::string", None, "8 9 12 12x"),
    ("compare_std_shared_vector", "shared_ptr<vector>", None, "1 3 4 12 12x 14 17 19"),
    ("compare_std_deque", "deque<Bytes>", None, "2 3 4 5 6 15 16 17 18 18b 19"),
    ("adapters_asio adapters_tls", "Asio", "libasio-dev", "A1 A2 A4 A7 A9"),
]
BIGHT = "bight"
AGAIN = "bight again"  # the same program once more: how far apart are two runs of one thing
PLAIN = "bight plain"
SHARED = "bight shared"
FLOOR = "floor"
OURS = "compare_bight adapters_bight adapters_bight_asio adapters_tls"
LIBRARIES = ([("compare_floor adapters_floor adapters_tls", FLOOR), (OURS, BIGHT), (OURS, AGAIN),
              ("compare_bight_plain", PLAIN), ("compare_bight_shared", SHARED)] +
             [(peer[0], peer[1]) for peer in PEERS])

# The pair of the machine on which bars in nanoseconds were set; they move with this run's pair.
PAIR_OF_BARS = 9.55

# What a bar compares with: the row's floor, the pair, nanoseconds, a peer; all parts must hold, of
# parts in one tuple any.
BARS = {
    "W1_slice_drop": [("floor", 1.1)],
    "W2_frame_split": [("pair", 1.1)],
    "W3_append_1000": [("floor", 1.15)],
    "W4_chain_copy_1000": [("floor", 1.3)],
    "W5_chain_slice_mid": [("pair", 4), ("absl::Cord", 0.25)],
    "W6_random_byte": [("absl::Cord", 0.8)],
    "W6_random_byte_of_1e6": [("absl::Cord", 0.8)],
    "W6_two_sizes": [("absl::Cord", 1.1)],
    "W6_two_sizes_apart": [("absl::Cord", 1.1)],
    "W7_read_u32": [("floor", 1.4)],
    "W8_build_64": [("floor", 1.15)],
    "W9_write_u32": [[("ns", 0.45), ("floor", 1.3)]],
    "W10_find_crlf": [("floor", 1.3)],
    "W10_find_a31b": [("floor", 30)],
    "W11_flatten": [("floor", 1.15)],
    "W12_create_16": [("ns", 5)],
    "W12_create_64": [("ns", 5)],
    "W12_create_1024": [("ns", 13)],
    "W12x_create_here_drop_there": [("ns", 40)],
    "W13_equal": [("floor", 1.1)],
    "W14_clone_contended": [("floor", 1.15)],
    "W15_prepend_header": [("ns", 14)],
    "W15b_prepend_into_headroom": [("ns", 2.5)],
    "W16_fifo": [[("ns", 100), ("floor", 1.0)]],
    "W16_fifo_backlog_16": [[("ns", 100), ("floor", 1.0)]],
    "W16_fifo_backlog_256": [[("ns", 100), ("floor", 1.0)]],
    "W17_memory_8": [("bytes", 48 * 8 + 64)],
    "W17_memory_16": [("bytes", 48 * 16 + 64)],
    "W17_memory_100": [("bytes", 48 * 100 + 64)],
    "W17_memory_1000": [("bytes", 24700)],
    "W18_header_on_body": [("floor", 1.0)],
    "W18b_header_and_trailer": [],
    "W19_first_push_3": [("pair", 4)],
    "W19_first_push_16": [("pair", 4)],
    "W19_first_push_1000": [("pair", 4)],
    "W19_second_pusher_3": [],
    "W19_second_pusher_16": [],
    "W19_second_pusher_1000": [],
    "W19_pushes_twice_3": [],
    "W19_pushes_twice_16": [],
    "W19_pushes_twice_1000": [],
    "A1_write_64_unix": [("floor", 1.3), ("lead", 0.75)],
    "A1_write_64_tcp": [("floor", 1.3), ("lead", 0.75)],
    "A2_write_1k_unix": [("floor", 1.1), ("best peer", 1.0)],
    "A2_write_1k_tcp": [("floor", 1.1), ("best peer", 1.0)],
    "A2_write_16k_unix": [("floor", 1.05), ("best peer", 1.0)],
    "A2_write_16k_tcp": [("floor", 1.05), ("best peer", 1.0)],
    "A3_calls_write_64": [("calls", 2)],
    "A3_calls_write_1k": [("calls", 2)],
    "A3_calls_read_960k": [("calls", 2)],
    "A4_read_960k_unix": [("floor", 1.1), ("best peer", 1.05)],
    "A4_read_960k_tcp": [("floor", 1.1), ("best peer", 1.05)],
    "A5_read_200": [("floor + ns", 60)],
    "A6_kept_64_of_1": [("times", 1.5)],
    "A6_kept_64_of_2000": [("times", 1.5)],
    "A6_kept_512_of_1": [("times", 1.1)],
    "A6_kept_512_of_2000": [("times", 1.1)],
    "A6_few_kept_64_of_1": [("times", 2)],
    "A6_few_kept_64_of_2000": [("times", 2)],
    "A6_few_kept_512_of_1": [("times", 2)],
    "A6_few_kept_512_of_2000": [("times", 2)],
    "A7_tls_write_64": [("floor", 1.1), ("Asio", 1 / 4)],
    "A7_tls_write_1k": [("floor", 1.1), ("Asio", 1 / 1.2)],
    "A8_file_unix": [("floor", 1.05), ("floor:read", 1.05)],
    "A8_file_tcp": [("floor", 1.05), ("floor:read", 1.05)],
    "A9_async_write_64_unix": [("Asio", 1 / 5)],
    "A9_async_write_64_tcp": [("Asio", 1 / 5)],
    "A9_read_lines_unix": [],
    "A9_read_lines_tcp": [],
    "A9_least_room": [("at least B", 16384)],
}
PLAIN_BARS = {
    "W1_slice_drop": [("ns", 1.5)],
    "W2_frame_split": [("ns", 8)],
    "W16_fifo": [("ns", 60)],
    "W16_fifo_backlog_16": [("ns", 60)],
    "W16_fifo_backlog_256": [("ns", 60)],
}
HOSTILE_BAR = 300  # times memchr, at 1 MiB
# From 16 to 1e6 segments a flat row may grow by this, for a table of 24 MB and its cache misses,
# and a logarithmic one by that.
FLAT = 2.0
LOGARITHMIC = 4.0
GROWTH = {
    "W4": ("chain copy", FLAT),
    "W5": ("slice of the middle half", FLAT),
    "W6": ("random byte", LOGARITHMIC),
    "W16": ("queue cycle behind a backlog", FLAT),
    "W18": ("header on a copy, no iovecs", FLAT),
}
SIZES = [1, 2, 3, 16, 1000, 1000000]
# Peers' variants with these words in their notes are shown and are not in the running.
NOT_IN_THE_RUNNING = ("owns no", "size known")


def number_of(row):
    """12x of W12x_create_here_drop_there; 4 of W4_growth/16; A1 of A1_write_64_unix."""
    found = re.match(r"W(\d+[bx]?)", row) or re.match(r"(A\d+)", row)
    return found.group(1) if found else row


def place_of(number):
    """Sorts the numbers of rows: A rows behind W rows."""
    return (number.startswith("A"), int(re.search(r"\d+", number).group()), number)


def unit_of(row):
    if row.startswith("A6_"):
        return "B/B"
    if row.startswith("A3_"):
        return "calls"
    return "B" if row.startswith(("W17_", "A9_least_room")) else "ns"


# Rows that a library loaded before the C library counts, by that library.
COUNTED = {"count_requested.so": ("W17_", "A6_"), "count_calls.so": ("A3_", "A9_least_room")}


def row_of(name):
    """The row that a benchmark of Google's frame is called after."""
    return re.sub(r"/(iterations:\d+|manual_time)", "", name.strip())


class Library:
    def __init__(self, programs, name, folder):
        self.name = name
        self.paths = [os.path.join(folder, program) for program in programs.split()]
        self.rows = {}     # row -> the program that has it, and its own name for it
        self.samples = {}  # row -> list of values
        self.labels = {}
        self.facts = {}    # row -> what else was counted
        self.version = ""

    def is_partly_there(self):
        return any(os.access(path, os.X_OK) for path in self.paths)

    def exists(self):
        return all(os.access(path, os.X_OK) for path in self.paths)

    def call(self, path, arguments, preload=None):
        environment = dict(os.environ)
        if preload:
            environment["LD_PRELOAD"] = preload
        done = subprocess.run([path] + arguments, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            sys.exit(f"{path} {' '.join(arguments)}\n{done.stderr}\n"
                     f"{self.name} ended with {done.returncode}")
        return done.stdout

    def list_rows(self, wanted, preload=None):
        for path in self.paths:
            if not os.access(path, os.X_OK):
                continue
            for name in self.call(path, ["--benchmark_list_tests"], preload).splitlines():
                row = row_of(name)
                # A program for several libraries names the one behind each row.
                row, _, library = row.partition("@")
                if library and self.name.replace(AGAIN, BIGHT) != library:
                    continue
                if preload and not row.startswith(COUNTED[os.path.basename(preload)]):
                    continue
                if row.startswith("W10_hostile/") and self.name not in (BIGHT, FLOOR):
                    continue
                if row == "pair" or wanted.search(row):
                    self.rows[row] = (path, name)

    def run(self, rows, repetitions, seconds, preload=None):
        for path in self.paths:
            names = [self.rows[row][1] for row in rows if row in self.rows
                     and self.rows[row][0] == path]
            if names:
                self.run_program(path, names, repetitions, seconds, preload)

    def run_program(self, path, names, repetitions, seconds, preload):
        names = [re.sub(r"([.+*?()\[\]{}|^$\\])", r"\\\1", name) for name in names]
        text = self.call(path, ["--benchmark_filter=^(" + "|".join(names) + ")$",
                                f"--benchmark_repetitions={repetitions}",
                                f"--benchmark_min_time={seconds}",
                                "--benchmark_format=json"], preload)
        answer = json.loads(text)
        if not any("@" in name for name in names):  # that of TLS is not the library's
            self.version = self.version or answer["context"]["version"]
        for one in answer["benchmarks"]:
            if one.get("run_type") != "iteration":
                continue
            row = row_of(one["name"]).partition("@")[0]
            if "value" in one:
                value = one["value"]
            elif "bytes" in one:
                value = one["bytes"]
                self.facts[row] = {key: int(one[key]) for key in ("sizeof_buffer", "sizeof_chain")}
            else:
                own_clock = one["name"].endswith("/manual_time")
                value = one["real_time"] if own_clock else one["cpu_time"]
                value *= {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[one["time_unit"]]
                value /= one.get("ops", 1)
            self.samples.setdefault(row, []).append(value)
            self.labels[row] = one.get("label", "")

    def has(self, row):
        """Whether it has what it should have of the row's number."""
        return self.exists() or any(number_of(one) == number_of(row) for one in self.samples)

    def median(self, row):
        samples = self.samples.get(row)
        return statistics.median(samples) if samples else None

    def spread(self, row):
        """Median absolute deviation from the median, as a part of the median."""
        middle = self.median(row)
        if not middle:
            return 0.0
        return statistics.median(abs(s - middle) for s in self.samples[row]) / middle


# ---- Measuring --------------------------------------------------------------------------------


def measure(folder, wanted, quick):
    libraries = [Library(programs, name, folder) for programs, name in LIBRARIES]
    present = [library for library in libraries if library.is_partly_there()]
    for library in present:
        library.list_rows(wanted)
    if not any(wanted.search(row) for row in BARS) and \
            all(set(library.rows) <= {"pair"} for library in present):
        sys.exit("No row fits the filter.")
    groups = {}
    for library in present:
        for row in library.rows:
            # Rows of many sizes get few rounds with more repetitions: making a million segments
            # takes longer than measuring them.
            kind = ("hostile" if row.startswith("W10_hostile/") else
                    "growth" if "_growth/" in row else
                    "adapter" if row.startswith("A") else "")
            if row != "pair":
                groups.setdefault((number_of(row), kind), set()).add(row)
    if quick:
        plans = {"": (3, 3, 0.001), "growth": (1, 3, 0.001), "hostile": (1, 3, 0.02),
                 "adapter": (3, 3, 0.001)}
    else:
        # Twice as much again as an adapter's clock shows is spent at the other end.
        plans = {"": (9, 1, 0.01), "growth": (3, 3, 0.005), "hostile": (3, 3, 0.02),
                 "adapter": (9, 1, 0.004)}
    order = sorted(groups, key=lambda g: (g[1], place_of(g[0])))
    turn = 0
    most = max(plan[0] for plan in plans.values())
    for round_ in range(most):
        for group in order:
            rounds, repetitions, seconds = plans[group[1]]
            if round_ >= rounds:
                continue
            turn += 1
            for i in range(len(present)):
                library = present[(turn + i) % len(present)]
                rows = sorted(groups[group])
                if library.name == FLOOR and group[1] in ("", "adapter"):
                    rows.append("pair")
                library.run(rows, repetitions, seconds)
        if sys.stderr.isatty():
            print(f"\rround {round_ + 1} of {most}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)

    for name in COUNTED:
        preload = os.path.join(folder, name)
        if not os.path.exists(preload):
            continue
        for library in present:
            library.rows = {}
            library.list_rows(wanted, preload)
            library.run(sorted(library.rows), 1, 0.001, preload)
    return {library.name: library for library in libraries}


# ---- Judging ----------------------------------------------------------------------------------


class Row:
    """One line of the table."""

    def __init__(self, row, libraries, bars, ours=BIGHT):
        self.row = row
        self.unit = unit_of(row)
        self.value = libraries[ours].median(row)
        self.spread = libraries[ours].spread(row)
        self.floor = libraries[FLOOR].median(row) if self.unit == "ns" else None
        again = libraries[AGAIN].median(row)
        base = libraries[BIGHT].median(row)
        self.again = again / base if again and base else None
        self.deviation = abs(self.again - 1) if self.again else 0.0
        self.best, self.best_name, self.views = self.find_best(libraries)
        self.at_least = any(part[0] == "at least B" for part in bars)
        self.bar, self.limit = self.judge_limit(libraries, bars)
        self.missing = [name for _, name, _, rows in PEERS
                        if number_of(row) in rows.split() and not libraries[name].has(row)]
        if not bars:
            self.held = None
        else:
            self.held = (self.value is not None and self.limit is not None and not self.missing and
                         (self.value >= self.limit if self.at_least else
                          self.value <= self.limit * (1 + self.deviation)))

    def find_best(self, libraries):
        best, best_name, views = None, "", []
        for _, peer, _, _ in PEERS:
            library = libraries[peer]
            for row in library.samples:
                if row != self.row and not row.startswith(self.row + ":"):
                    continue
                variant = row[len(self.row) + 1:]
                name = peer + (" " + variant if variant else "")
                label = library.labels[row]
                value = library.median(row)
                if label.startswith(NOT_IN_THE_RUNNING):
                    views.append((name, label, value))
                elif best is None or value < best:
                    best, best_name = value, name + (f" ({label})" if label else "")
        return best, best_name, views

    def judge_limit(self, libraries, bars):
        texts, limits = [], []
        for part in bars:
            options = part if isinstance(part, list) else [part]
            found = []
            for kind, factor in options:
                pair = libraries[FLOOR].median("pair")
                floor = libraries[FLOOR].median(self.row)
                limit = factor
                if kind == "ns":
                    limit = factor * pair / PAIR_OF_BARS if pair else None
                    texts.append(f"{number(factor)} ns scaled")
                elif kind == "bytes":
                    texts.append(f"{factor} B")
                elif kind == "at least B":
                    texts.append(f"at least {factor:,} B")
                elif kind == "calls":
                    texts.append(f"{factor} calls")
                elif kind == "times":
                    texts.append(f"{factor}x the bytes")
                elif kind == "floor + ns":
                    limit = floor + factor * pair / PAIR_OF_BARS if floor and pair else None
                    texts.append(f"floor + {factor} ns scaled")
                elif kind == "lead":
                    # peer / bight >= factor * peer / floor, which no peer's figure changes.
                    limit = floor / factor if floor else None
                    texts.append(f"{factor} of the floor's lead over any peer")
                elif kind == "best peer":
                    limit = self.best * factor if self.best else None
                    texts.append(f"{number(factor)}x best peer")
                else:
                    # The floor may have several ways: "floor:read" is one.
                    is_floor = kind == "pair" or kind.split(":")[0] == "floor"
                    row = "pair" if kind == "pair" else self.row
                    if is_floor and ":" in kind:
                        row += kind[len("floor"):]
                    base = libraries[FLOOR if is_floor else kind].median(row)
                    limit = base * factor if base else None
                    texts.append(f"{factor:.4g}x {kind.replace('absl::', '')}")
                if limit is not None:
                    found.append(limit)
            joined = " or ".join(texts[-len(options):])
            texts[-len(options):] = [joined]
            limits.append(max(found) if found else None)
        if any(limit is None for limit in limits) or not limits:
            return " and ".join(texts), None
        return " and ".join(texts), min(limits)

    def as_object(self, run):
        return {
            "run": run, "workload": self.row, "unit": self.unit, "bight": self.value,
            "spread": self.spread, "floor": self.floor, "best_peer": self.best,
            "best_peer_name": self.best_name, "again": self.again, "bar": self.bar,
            "limit": self.limit, "held": self.held, "missing_peers": self.missing,
        }


def number(value):
    if value is None:
        return "-"
    if value >= 1e4:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"


def ratio(a, b):
    return f"{a / b:.2f}" if a is not None and b else "-"


def verdict(held):
    return {True: "held", False: "NOT HELD", None: ""}[held]


def print_table(rows):
    lines = [("workload", "bight", "+-%", "floor", "/floor", "best peer", "", "/best", "A/A", "bar",
              "limit", "")]
    for row in rows:
        lines.append((row.row, number(row.value), f"{row.spread * 100:.1f}", number(row.floor),
                      ratio(row.value, row.floor), number(row.best), row.best_name,
                      ratio(row.value, row.best), f"{row.again:.2f}" if row.again else "-",
                      row.bar, number(row.limit), verdict(row.held)))
    left = {0, 6, 9, 11}
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) if i in left else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip())


def judge_hostile(libraries):
    """Needles made to be slow: (needle, times memchr at 1 MiB, growth, held) each."""
    ours, floor = libraries[BIGHT], libraries[FLOOR]
    names = sorted({row.split("/")[1] for row in ours.samples if row.startswith("W10_hostile/")})
    result = []
    for name in names:
        times = {}
        for kib in (64, 1024, 16384):
            mine = ours.median(f"W10_hostile/{name}/{kib}")
            base = floor.median(f"W10_hostile/memchr/{kib}")
            times[kib] = mine / base if mine and base else None
        if None in times.values():
            continue
        # Linear: a byte of 16 MiB costs no more than twice a byte of 64 KiB, beside what memchr's
        # own bytes over the same segments do when they leave the cache.
        growth = times[16384] / times[64]
        result.append((name, times[1024], growth, times[1024] <= HOSTILE_BAR and growth <= 2))
    return result


def judge_growth(libraries):
    result = []
    for row, (title, most) in GROWTH.items():
        values = [libraries[BIGHT].median(f"{row}_growth/{n}") for n in SIZES]
        if values[-1] is None or values[3] is None:
            continue
        grown = values[-1] / values[3]
        result.append((row, title, values, grown, most, grown <= most))
    return result


def print_run(libraries, rows, plain_rows, hostile, growth):
    print_table(rows)
    for row in rows:
        for name, label, value in row.views:
            print(f"  not in the running in {row.row}: {name} {number(value)} ({label})")
        for variant in sorted(libraries[BIGHT].samples):
            if variant.startswith(row.row + ":"):
                print(f"  {row.row} by {variant[len(row.row) + 1:]}: "
                      f"{number(libraries[BIGHT].median(variant))}")
        if row.missing:
            print(f"  {row.row} counts as not held: nothing of {', '.join(row.missing)} to compare "
                  "with on this machine")
    sizes = libraries[BIGHT].facts.get("W17_memory_1000")
    if sizes:
        held = sizes["sizeof_buffer"] == 24 and sizes["sizeof_chain"] == 64
        print(f"\nsizeof Bytes {sizes['sizeof_buffer']}, Chain {sizes['sizeof_chain']} "
              f"(bar: 24 and 64): {verdict(held)}")
    if plain_rows:
        print("\nbight with plain counts (BIGHT_PLAIN_COUNT)")
        print_table(plain_rows)
    shared = libraries[SHARED]
    pairs = [(row, shared.median(row.row)) for row in rows]
    pairs = [(row, value) for row, value in pairs if value and row.value and row.unit == "ns"]
    if pairs:
        print("\nbight as a shared library, times the static one:")
        cells = [f"{row.row} {value / row.value:.2f}" for row, value in pairs]
        for i in range(0, len(cells), 4):
            print("  " + "   ".join(cell.ljust(34) for cell in cells[i:i + 4]).rstrip())
    if hostile:
        print(f"\nneedles made to be slow, times memchr at 1 MiB (bar {HOSTILE_BAR}), and how a "
              "byte of 16 MiB compares with one of 64 KiB (bar 2):")
        for name, times, grown, held in hostile:
            print(f"  {name:16} {times:8.2f}x  {grown:5.2f}  {verdict(held)}")
    if growth:
        print("\ngrowth, ns an operation, by segments:")
        print("  " + "".ljust(34) + "".join(f"{n:>11,}" for n in SIZES) + "   1e6 to 16")
        for row, title, values, grown, most, held in growth:
            cells = "".join(number(value).rjust(11) for value in values)
            print(f"  {row + ' ' + title:34}{cells}   {grown:.2f} (bar {most:.0f}) {verdict(held)}")


# ---- The machine ------------------------------------------------------------------------------


def read_first(path, pattern):
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
            return found.group(1).strip() if found else ""
    except OSError:
        return ""


def package_version(package):
    if not package:
        return ""
    try:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def describe_machine(build):
    cache = os.path.join(build, "CMakeCache.txt")
    compiler = read_first(cache, r"^CMAKE_CXX_COMPILER:\w+=(.*)$")
    try:
        text = subprocess.run([compiler, "--version"], text=True, stdout=subprocess.PIPE,
                              check=False).stdout.splitlines()[0]
    except (OSError, IndexError):
        text = compiler
    kind = read_first(cache, r"^CMAKE_BUILD_TYPE:\w+=(.*)$").upper()
    flags = " ".join([read_first(cache, r"^CMAKE_CXX_FLAGS:\w+=(.*)$"),
                      read_first(cache, rf"^CMAKE_CXX_FLAGS_{kind}:\w+=(.*)$")]).strip()
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": read_first("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "system": read_first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "libc": " ".join(platform.libc_ver()),
        "compiler": text,
        "flags": flags,
        "allocator": "the C library's, default settings",
    }


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Runs bight beside its peers.")
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--filter", default="", help="only rows that this regular expression finds")
    parser.add_argument("--quick", action="store_true", help="rough figures in under two minutes")
    parser.add_argument("--runs", type=int, default=1, help="how many runs; all must hold")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    folder = os.path.join(options.build, "compare")

    context = describe_machine(options.build)
    if "-O" not in context["flags"]:
        sys.exit(f"{options.build} is no optimized build (flags: {context['flags']})")
    for key, value in context.items():
        print(f"{key + ':':11}{value}")
    results, table, failed = [], [], set()
    for run in range(1, options.runs + 1):
        start = datetime.datetime.now()
        libraries = measure(folder, re.compile(options.filter), options.quick)
        if run == 1:
            context["libraries"] = {}
            for _, name in LIBRARIES:
                library = libraries[name]
                if name == AGAIN:
                    continue
                package = next((peer[2] for peer in PEERS if peer[1] == name), None)
                version = library.version or "not asked"
                if not library.is_partly_there():
                    version = f"MISSING (package {package}): its rows count as not held"
                elif package_version(package):
                    version += f" ({package} {package_version(package)})"
                context["libraries"][name] = version
                print(f"{name + ':':20}{version}")
        if options.runs > 1:
            print(f"\n==== Run {run} of {options.runs} ====")
        print()
        # A row of an adapter that could not be built is in the table, and not held.
        wanted = re.compile(options.filter)
        rows = [Row(row, libraries, bars) for row, bars in BARS.items()
                if row in libraries[BIGHT].samples or (row[0] == "A" and wanted.search(row))]
        plain = [Row(row, libraries, bars, PLAIN) for row, bars in PLAIN_BARS.items()
                 if row in libraries[PLAIN].samples]
        hostile = judge_hostile(libraries)
        growth = judge_growth(libraries)
        print_run(libraries, rows, plain, hostile, growth)
        spent = (datetime.datetime.now() - start).total_seconds()
        missed = [row.row for row in rows if row.held is False]
        missed += [f"{row.row} (plain)" for row in plain if row.held is False]
        missed += [f"W10_hostile/{name}" for name, _, _, held in hostile if not held]
        missed += [f"{row}_growth" for row, _, _, _, _, held in growth if not held]
        failed.update(missed)
        print(f"\n{spent:.0f} s. " + (f"Not held: {', '.join(missed)}" if missed else
                                      "Every bar is held."))
        for name, library in libraries.items():
            for row, samples in sorted(library.samples.items()):
                workload, _, variant = row.partition(":")
                results.append({
                    "run": run, "workload": workload, "library": name, "variant": variant,
                    "note": library.labels[row], "unit": unit_of(row),
                    "median": library.median(row), "spread": library.spread(row),
                    "samples": len(samples),
                })
        table += [row.as_object(run) for row in rows]
        table += [dict(row.as_object(run), workload=row.row + " (plain)") for row in plain]
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"schema": 1, "context": context, "results": results, "table": table}, file,
                      indent=1)
            file.write("\n")
    if options.runs > 1:
        print(f"\nOver {options.runs} runs " +
              (f"not held at least once: {', '.join(sorted(failed))}" if failed else
               "every bar is held."))
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
