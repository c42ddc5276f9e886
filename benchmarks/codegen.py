#!/usr/bin/env python3
"""Looks at the machine code of the hot paths (codegen.cc): from the start to a return, without a
call, over as few conditional jumps as can be. Ends with 1 when a path has more of them than it may.
With --record writes the paths into docs/benchmarks.md.
"""

import argparse
import heapq
import html
import os
import re
import subprocess
import sys

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "docs", "benchmarks.md")
BEGIN, END = "<!-- codegen: ./dev counts --record -->", "<!-- end of codegen -->"

# function, what it does, what the path must contain in this order to be the one that is meant (the
# reference that is taken, the table and not the one of two segments, ...), conditional jumps that
# are allowed, shown
KEEPERS = [
    ("keep_read_u32", "Cursor::read_be<uint32_t>", ["bswap"], 1, True),
    ("keep_bytes_put_u32", "BytesBuilder::put_be<uint32_t>", ["bswap"], 1, True),
    ("keep_chain_put_u32", "ChainBuilder::put_be<uint32_t>", ["bswap"], 1, True),
    ("keep_chain_append_64", "ChainBuilder::append of 64 bytes", ["movdq"], 1, False),
    ("keep_slice", "Bytes::slice", ["lock"], 4, True),
    ("keep_drop", "~Bytes of a slice", ["lock"], 3, True),
    ("keep_consume", "Chain::consume within a segment", ["sub "], 3, True),
    ("keep_split_to", "Chain::split_to within a segment", [], 6, False),
    ("keep_push_back", "Chain::push_back, second segment", ["lock"], 8, False),
    ("keep_push_back", "Chain::push_back into the table", ["lock", "shl    $0x4"], 10, True),
    ("keep_copy", "Chain's copy of a table", ["lock", "orw "], 3, True),
]


def read_functions(path):
    """{name: [(address, instruction)]}"""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    functions, lines = {}, None
    for line in text.splitlines():
        head = re.match(r"^[0-9a-f]+ <(\w+)>:$", line)
        if head:
            lines = functions.setdefault(head[1], [])
            continue
        code = re.match(r"^\s+([0-9a-f]+):\s+(.*\S)", line)
        if code and lines is not None:
            lines.append((int(code[1], 16), re.sub(r"\s*[#<].*$", "", code[2])))
    return functions


def fast_path(lines, must):
    """The instructions to a return without a call, with the fewest conditional jumps."""
    index = {address: i for i, (address, _) in enumerate(lines)}
    queue, seen = [(0, 0, 0, 0, ())], set()
    while queue:
        jumps, length, i, found, path = heapq.heappop(queue)
        if i >= len(lines) or (i, found) in seen:
            continue
        seen.add((i, found))
        code = lines[i][1]
        if found < len(must) and must[found] in code:
            found += 1
        if not code.startswith(("nop", "data16", "cs nop", "xchg   %ax,%ax")):
            path = path + (code,)
        if code.startswith("ret"):
            if found == len(must):
                return jumps, list(path)
            continue
        if code.startswith("call") or re.match(r"jmp\s+\*", code):
            continue
        target = re.match(r"(j\w+)\s+([0-9a-f]+)$", code)
        if target:
            there = index.get(int(target[2], 16))
            if target[1] == "jmp":
                if there is not None:
                    heapq.heappush(queue, (jumps, length, there, found, path[:-1]))
                continue
            if there is not None:
                heapq.heappush(queue, (jumps + 1, length + 1, there, found, path))
            heapq.heappush(queue, (jumps + 1, length + 1, i + 1, found, path))
            continue
        heapq.heappush(queue, (jumps, length + 1, i + 1, found, path))
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--object", required=True)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    functions = read_functions(options.object)
    failed, shown = False, []
    table = ["| way | instructions | conditional jumps |", "|---|---:|---:|"]
    for name, what, must, allowed, show in KEEPERS:
        found = fast_path(functions.get(name, []), must)
        if found is None:
            print(f"{name:24}{what:36} NO PATH WITHOUT A CALL")
            failed = True
            continue
        jumps, path = found
        word = "" if jumps <= allowed else f"  MORE THAN {allowed}"
        failed = failed or jumps > allowed
        print(f"{name:24}{what:36} {len(path):3} instructions, {jumps} conditional jumps{word}")
        table.append(f"| {html.escape(what, quote=False)} | {len(path)} | {jumps} |")
        if show:
            shown += ["", f"`{what}`, {jumps} conditional jump{'s' if jumps != 1 else ''}:", "```"]
            shown += path + ["```"]
    if options.record and os.path.exists(DOCS):
        with open(DOCS, encoding="utf-8") as file:
            text = file.read()
        text = re.sub(re.escape(BEGIN) + r".*?" + re.escape(END),
                      lambda _: "\n".join([BEGIN] + table + shown + [END]), text, flags=re.DOTALL)
        with open(DOCS, "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
