#!/usr/bin/env python3
"""Draws the pictures of docs/benchmarks.md, and writes its tables, from the figures that
./dev bench --json FILE wrote."""

import argparse
import json
import math
import os
import re
import statistics
from xml.sax.saxutils import escape

# Readable on light and on dark paper, which the viewer's setting chooses between.
STYLE = """
  text { font: 12px system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #424a53 }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 11px; fill: #6e7781 }
  .bold { font-weight: 600 }
  .grid { stroke: #8c959f; stroke-opacity: .25; stroke-width: 1 }
  .axis { stroke: #8c959f; stroke-width: 1 }
  .one { stroke: #e8590c; stroke-width: 2 }
  .other { fill: #8c959f; fill-opacity: .55 }
  .best { fill: #1c7ed6 }
  .behind { fill: #c92a2a }
  .even { fill: #8c959f }
  .ahead { stroke: #1c7ed6; stroke-opacity: .35; stroke-width: 5 }
  .back { stroke: #c92a2a; stroke-opacity: .35; stroke-width: 5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #c9d1d9 }
    .small { fill: #9ea7b3 }
    .best { fill: #4dabf7 } .ahead { stroke: #4dabf7 }
    .behind { fill: #ff8787 } .back { stroke: #ff8787 }
  }
"""

COLORS = {
    "bight": "#e8590c",
    "absl::Cord": "#1c7ed6",
    "tokio bytes": "#2f9e44",
    "Asio/Beast": "#9c36b5",
    "gRPC slices": "#0c8599",
    "evbuffer": "#b08800",
    "Asio": "#9c36b5",
    "shared_ptr<vector>": "#e64980",
    "deque<Bytes>": "#868e96",
}

TITLES = {
    "W1_slice_drop": "slice and drop",
    "W2_frame_split": "cut frames off a stream",
    "W3_append_1000": "append 1000 buffers, gather",
    "W4_chain_copy_1000": "copy 1000 segments",
    "W5_chain_slice_mid": "slice the middle of them",
    "W6_random_byte": "random byte of 1000 segments",
    "W6_random_byte_of_1e6": "random byte of 1e6 segments",
    "W6_two_sizes": "the same, two sizes mixed",
    "W6_two_sizes_apart": "the same, two sizes apart",
    "W7_read_u32": "read u32 across segments",
    "W8_build_64": "append 64 B pieces to 1 MiB",
    "W9_write_u32": "write u32",
    "W10_find_crlf": "find CR LF in 1 MiB",
    "W10_find_a31b": "find a needle made to be slow",
    "W11_flatten": "flatten 1 MiB",
    "W12_create_16": "create 16 B",
    "W12_create_64": "create 64 B",
    "W12_create_1024": "create 1 KiB",
    "W12x_create_here_drop_there": "create here, drop on a thread",
    "W13_equal": "compare 1 MiB",
    "W14_clone_contended": "copy on two threads at once",
    "W15_prepend_header": "header before a payload",
    "W15b_prepend_into_headroom": "header into headroom",
    "W16_fifo": "queue cycle",
    "W16_fifo_backlog_16": "queue cycle, 16 waiting",
    "W16_fifo_backlog_256": "queue cycle, 256 waiting",
    "W17_memory_1000": "memory of 1000 segments",
    "W18_header_on_body": "header on a cached body",
    "W19_first_push_1000": "push beside a snapshot",
    "A1_write_64_unix": "write 1000 x 64 B, Unix",
    "A1_write_64_tcp": "the same, TCP",
    "A2_write_1k_unix": "write 1000 x 1 KiB, Unix",
    "A2_write_1k_tcp": "the same, TCP",
    "A2_write_16k_unix": "write 50 x 16 KiB, Unix",
    "A2_write_16k_tcp": "the same, TCP",
    "A4_read_960k_unix": "read 960 KiB, Unix",
    "A4_read_960k_tcp": "the same, TCP",
    "A6_kept_64_of_2000": "memory of kept messages",
    "A7_tls_write_64": "write 1000 x 64 B, TLS",
    "A7_tls_write_1k": "write 1000 x 1 KiB, TLS",
    "A8_file_unix": "send a file slice, Unix",
    "A8_file_tcp": "the same, TCP",
    "A9_async_write_64_tcp": "async_write 1000 x 64 B, TCP",
    "A9_read_lines_tcp": "async_read_until of lines, TCP",
}
GROWTH = [("W4", "copy a chain"), ("W5", "slice its middle half"), ("W6", "read a random byte"),
          ("W16", "queue cycle behind a backlog"), ("W18", "header on a copy")]
NOT_IN_THE_RUNNING = ("owns no", "size known")


class Svg:
    def __init__(self, width, height, label):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" aria-label="{escape(label)}">',
            f"<style>{STYLE}</style>",
        ]

    def line(self, x1, y1, x2, y2, css, extra=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'class="{css}"{extra}/>')

    def dot(self, x, y, radius, css, extra=""):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{css}"{extra}/>')

    def text(self, x, y, text, css="", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
                          f'{f" class={chr(34)}{css}{chr(34)}" if css else ""}>{escape(text)}</text>')

    def path(self, points, color, width, dash=""):
        steps = " ".join(f"{'M' if i == 0 else 'L'}{x:.1f} {y:.1f}"
                         for i, (x, y) in enumerate(points))
        self.parts.append(f'<path d="{steps}" fill="none" stroke="{color}" '
                          f'stroke-width="{width}" stroke-linejoin="round"{dash}/>')

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.parts + ["</svg>\n"]))


def medians(figures):
    """{workload: {library: (value, variant)}}: over all runs, the best variant of each library."""
    collected = {}
    for one in figures["results"]:
        if one["note"].startswith(NOT_IN_THE_RUNNING) or one["median"] is None:
            continue
        key = (one["workload"], one["library"], one["variant"])
        collected.setdefault(key, []).append(one["median"])
    result = {}
    for (workload, library, variant), values in collected.items():
        value = statistics.median(values)
        row = result.setdefault(workload, {})
        if library == "bight" and variant:
            continue
        if library not in row or value < row[library][0]:
            row[library] = (value, variant)
    return result


def times(value):
    if value >= 100:
        return f"{value:,.0f}x"
    return f"{value:.1f}x" if value >= 10 else f"{value:.2f}x"


def draw_overview(rows, context, path):
    ours = {"floor", "bight", "bight again", "bight plain", "bight shared"}
    shown = []
    for workload, title in TITLES.items():
        values = rows.get(workload, {})
        if "bight" not in values:
            continue
        base = values["bight"][0]
        peers = sorted((value / base, name, variant) for name, (value, variant) in values.items()
                       if name not in ours and base > 0 and value > 0)
        if peers:
            shown.append((workload, title, peers))
    top, step, left, right = 62, 22, 255, 640
    height = top + step * len(shown) + 56
    svg = Svg(880, height, "Time of each peer relative to bight, by workload")
    low, high = math.log10(0.3), 4

    def x_of(ratio):
        place = (min(max(math.log10(ratio), low), high) - low) / (high - low)
        return left + place * (right - left)

    svg.text(16, 24, "Peers beside bight: time (or memory) divided by bight's", "title")
    svg.text(16, 42, "large dot: the best peer of the row (blue: behind bight, red: ahead, grey: within 3 %); "
             "small dots: the others",
             "small")
    bottom = top + step * len(shown)
    for mark in (1, 10, 100, 1000, 10000):
        svg.line(x_of(mark), top - 4, x_of(mark), bottom, "grid")
        svg.text(x_of(mark), bottom + 16, f"{mark:,}x", "small", "middle")
    svg.line(x_of(1), top - 4, x_of(1), bottom, "one")
    svg.text(x_of(1), top - 8, "bight", "small bold", "middle")
    for i, (workload, title, peers) in enumerate(shown):
        y = top + step * i + step / 2
        svg.text(left - 12, y + 4, title, "", "end")
        svg.text(16, y + 4, workload.split("_")[0], "small")
        best, name, variant = peers[0]
        even = abs(best - 1) <= 0.03
        ahead = best >= 1
        svg.line(x_of(1), y, x_of(best), y, "ahead" if ahead else "back")
        for value, _, _ in peers[1:]:
            svg.dot(x_of(value), y, 2.6, "other")
        svg.dot(x_of(best), y, 4.6, "even" if even else "best" if ahead else "behind")
        svg.text(right + 16, y + 4, times(best), "bold")
        svg.text(right + 78, y + 4, name + (" " + variant if variant else ""), "")
    svg.text(16, bottom + 40,
             f"{context['cpu']}, {context['compiler']}, {context['flags'].split(' -falign')[0]} -O3, "
             f"{context['date']}. Drawn by ./dev plot.", "small")
    svg.save(path)


def draw_growth(rows, context, path):
    sizes = [1, 2, 3, 16, 1000, 1000000]
    width, height = 300, 235
    svg = Svg(3 * width, 2 * height + 66, "Time by number of segments")
    svg.text(16, 24, "What an operation costs as a chain grows: ns by number of segments", "title")
    names = [name for name in COLORS
             if any(name in rows.get(f"{row}_growth/{n}", {}) for row, _ in GROWTH for n in sizes)]
    for index, (row, title) in enumerate(GROWTH):
        x0, y0 = index % 3 * width + 52, index // 3 * height + 62
        w, h = width - 70, height - 70
        high = 8 if row in ("W4", "W5", "W18") else 6 if row == "W6" else 3
        low = -1 if row == "W6" else 1

        def place(n, value, x0=x0, y0=y0, w=w, h=h, low=low, high=high):
            up = (min(max(math.log10(value), low), high) - low) / (high - low)
            return x0 + math.log10(n) / 6 * w, y0 + h - up * h

        svg.text(x0, y0 - 10, f"{title} ({row})", "bold")
        for power in range(low, high + 1):
            _, y = place(1, 10.0 ** power)
            if high - low > 4 and (power - low) % 2 == 1:
                continue
            svg.line(x0, y, x0 + w, y, "grid")
            label = {-1: "0.1", 0: "1 ns", 1: "10 ns", 2: "100 ns", 3: "1 us", 4: "10 us",
                     5: "100 us", 6: "1 ms", 7: "10 ms", 8: "100 ms"}[power]
            svg.text(x0 - 6, y + 4, label, "small", "end")
        for n, label in ((1, "1"), (16, "16"), (1000, "1,000"), (1000000, "1e6")):
            x, _ = place(n, 1)
            svg.text(x, y0 + h + 15, label, "small", "middle")
        svg.line(x0, y0 + h, x0 + w, y0 + h, "axis")
        for name in reversed(names):
            points = [place(n, rows[f"{row}_growth/{n}"][name][0]) for n in sizes
                      if name in rows.get(f"{row}_growth/{n}", {})]
            if not points:
                continue
            svg.path(points, COLORS[name], 3 if name == "bight" else 1.6)
            for x, y in points:
                svg.dot(x, y, 3.2 if name == "bight" else 2, "",
                        f' fill="{COLORS[name]}"')
    x, y = 2 * width + 52, height + 62
    for name in names:
        svg.line(x, y, x + 26, y, "", f' stroke="{COLORS[name]}" '
                 f'stroke-width="{3 if name == "bight" else 1.6}"')
        svg.text(x + 36, y + 4, name, "bold" if name == "bight" else "")
        y += 19
    svg.text(16, 2 * height + 54, f"{context['cpu']}, {context['compiler']}, {context['date']}. "
             "Drawn by ./dev plot.", "small")
    svg.save(path)


def number(value):
    if value is None:
        return "-"
    if value >= 1e4:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(a, b):
    return f"{a / b:.2f}" if a is not None and b else "-"


def write_tables(figures, rows, path):
    """The main table and the growth table, medians of all runs, between their marks."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    context = figures["context"]
    runs = max(one["run"] for one in figures["table"])
    lines = [f"{context['cpu']}, {context['cores']} cores, {context['system']}, "
             f"Linux {context['kernel']}, {context['libc']}, {context['compiler']}, "
             f"`{context['flags']}`, {context['date']}; medians of {runs} "
             f"run{'s' if runs > 1 else ''}.", "",
             "| workload | bight | floor | /floor | best peer | | /best | A/A | bar | |",
             "|---|---:|---:|---:|---:|---|---:|---:|---|---|"]
    for workload in dict.fromkeys(one["workload"] for one in figures["table"]):
        ones = [one for one in figures["table"] if one["workload"] == workload]

        def middle(key, ones=ones):
            values = [one[key] for one in ones if one[key] is not None]
            return statistics.median(values) if values else None

        held = [one["held"] for one in ones]
        word = "" if None in held else "held" if all(held) else f"not in {held.count(False)}"
        if word == "not in 1" and runs == 1:
            word = "not held"
        lines.append(f"| {workload} | {number(middle('bight'))} | {number(middle('floor'))} | "
                     f"{ratio(middle('bight'), middle('floor'))} | {number(middle('best_peer'))} | "
                     f"{ones[-1]['best_peer_name']} | {ratio(middle('bight'), middle('best_peer'))} "
                     f"| {number(middle('again'))} | {ones[-1]['bar']} | {word} |")
    growth = ["| ns | " + " | ".join(f"{n:,}" for n in (1, 2, 3, 16, 1000, 1000000)) + " |",
              "|---|" + "---:|" * 6]
    for row, title in GROWTH:
        for library in ("bight", "absl::Cord", "tokio bytes"):
            cells = [rows.get(f"{row}_growth/{n}", {}).get(library, (None,))[0]
                     for n in (1, 2, 3, 16, 1000, 1000000)]
            if any(cells):
                growth.append(f"| {title}: {library} | " +
                              " | ".join(number(cell) for cell in cells) + " |")
    versions = ["| library | version |", "|---|---|"]
    versions += [f"| {name} | {version} |" for name, version in context["libraries"].items()
                 if name != "floor" and not name.startswith("bight ")]
    for name, content in (("table", lines), ("growth", growth), ("versions", versions)):
        begin, end = f"<!-- {name}: ./dev plot -->", f"<!-- end of {name} -->"
        text = re.sub(re.escape(begin) + r".*?" + re.escape(end),
                      lambda _, c=content, b=begin, e=end: "\n".join([b] + c + [e]), text,
                      flags=re.DOTALL)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser(prog="./dev plot", description=__doc__)
    parser.add_argument("figures", help="what ./dev bench --json wrote")
    parser.add_argument("--output", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with open(options.figures, encoding="utf-8") as file:
        figures = json.load(file)
    os.makedirs(options.output, exist_ok=True)
    rows = medians(figures)
    draw_overview(rows, figures["context"], os.path.join(options.output, "overview.svg"))
    draw_growth(rows, figures["context"], os.path.join(options.output, "growth.svg"))
    docs = os.path.join(os.path.dirname(options.output), "benchmarks.md")
    if os.path.exists(docs):
        write_tables(figures, rows, docs)
    print(f"Drawn: {options.output}/overview.svg, growth.svg; tables in {docs}")


if __name__ == "__main__":
    main()
