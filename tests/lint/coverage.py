#!/usr/bin/python3
"""What the tests of a coverage build reached, a line of code each.

    coverage.py --build FOLDER [--source FOLDER] [--missed] [ROOM|FILE...]

Prints a table of rooms and, below each, its files; with --missed also the
lines that nothing reached. ROOM (`dkim`, `proxy/net`) or FILE: only these.
Exit 1 when smtp/, dkim/ or proxy/ is below its goal.

A line counts when it has code of its own: blank lines, comments and lone
braces do not, nor do headers. An unreachable line cannot be left out by a
word in the source: it counts as missed, and the goals leave room for it.
"""
import argparse
import collections
import glob
import json
import os
import re
import subprocess
import sys

GOALS = {"smtp": 95.0, "dkim": 95.0, "proxy": 85.0}
PROGRAMS = "sealpostd", "sealpost" # between them they have every file
NO_CODE = re.compile(r"[\s{}();,]*$|[\s{}]*(else|do|\w+:)?[\s{}]*$")


def tool(build, name):
    """A program that configure found, as the Makefile names it."""
    with open(os.path.join(build, "Makefile"), encoding="utf-8") as makefile:
        found = re.search(rf"^{name} = (\S+)$", makefile.read(), re.M)
    if not found:
        sys.exit(f"{build} counts nothing: configure --enable-coverage CC=clang")
    return found[1]


def counters(build):
    """{file: segments} of all runs so far: where on a line a count begins."""
    raw = glob.glob(os.path.join(build, "coverage", "*.prof*"))
    if not raw:
        sys.exit(f"no counters in {build}/coverage: run the tests first")
    merged = os.path.join(build, "coverage", "merged")
    subprocess.run([tool(build, "LLVM_PROFDATA"), "merge", "-o",
                    merged, *raw], check=True)
    first, *others = (os.path.join(build, p) for p in PROGRAMS)
    done = subprocess.run(
        [tool(build, "LLVM_COV"), "export", "-skip-functions",
         "-skip-expansions", "-instr-profile", merged, first,
         *(f"-object={p}" for p in others)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0: # else it warns of inline functions without use
        sys.exit(done.stderr.decode())
    return {os.path.realpath(os.path.join(build, f["filename"])): f["segments"]
            for f in json.loads(done.stdout)["data"][0]["files"]}


def code_lines(path):
    """{number: column of its first word} of lines with code of their own."""
    with open(path, encoding="utf-8") as source:
        text = source.read()
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text,
                  flags=re.S)
    return {n: len(line) - len(line.lstrip()) + 1
            for n, line in enumerate(text.split("\n"), 1)
            if not NO_CODE.match(line)}


def line_counts(code, segments):
    """{line: how often}. llvm-cov's own sum takes a line behind assert() for
    unreached, since it looks at the end of the line before."""
    counts, at, now = {}, 0, None
    for line, column in sorted(code.items()):
        seen = []
        while at < len(segments) and tuple(segments[at][:2]) <= (line, column):
            now = segments[at]
            at += 1
        seen.append(now)
        while at < len(segments) and segments[at][0] == line:
            now = segments[at]
            seen.append(now)
            at += 1
        # A segment: line, column, count, has count, is entry, is gap.
        seen = [s[2] for s in seen if s is not None and s[3] and not s[5]]
        if seen:
            counts[line] = max(seen)
    return counts


def ranges(numbers, lines):
    """3-5 9 of {3, 4, 5, 9}: a run goes on over lines that do not count."""
    runs = []
    for n in sorted(numbers):
        if runs and not any(m in lines for m in range(runs[-1][1] + 1, n)):
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


class Sum:
    def __init__(self):
        self.lines = self.missed = 0

    def add(self, lines, missed):
        self.lines += lines
        self.missed += missed
        return self

    def percent(self):
        return 100.0 * (self.lines - self.missed) / max(self.lines, 1)

    def row(self, name):
        return f"{name:34} {self.lines:6} {self.missed:6} {self.percent():6.1f}"


def measure(source, files):
    """(name, {line: how often}) of every .c file of the rooms."""
    for room in GOALS:
        for path in sorted(glob.glob(f"{source}/{room}/**/*.c",
                                     recursive=True)):
            code = code_lines(path)
            segments = files.get(os.path.realpath(path))
            yield os.path.relpath(path, source), (
                dict.fromkeys(code, 0) if segments is None # in no program
                else line_counts(code, segments))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=".")
    parser.add_argument("--source", default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    parser.add_argument("--missed", action="store_true")
    parser.add_argument("only", nargs="*")
    a = parser.parse_args()
    source = os.path.realpath(a.source)
    rooms = collections.defaultdict(Sum)
    tops = collections.defaultdict(Sum)
    rows = collections.defaultdict(list)
    for name, counts in measure(source, counters(a.build)):
        missed = {n for n, count in counts.items() if count == 0}
        room = os.path.dirname(name)
        for total in (rooms[room], tops[name.split("/")[0]]):
            total.add(len(counts), len(missed))
        if not a.only or room in a.only or name in a.only:
            row = Sum().add(len(counts), len(missed)).row(
                "  " + os.path.basename(name))
            if a.missed and missed:
                row += "  " + ranges(missed, counts)
            rows[room].append(row)
    print(f"{'':34} {'lines':>6} {'missed':>6} {'%':>6}")
    for room in sorted(rows):
        print("\n" + rooms[room].row(room + "/"))
        print("\n".join(rows[room]))
    print()
    below = False
    for top, goal in GOALS.items():
        good = tops[top].percent() >= goal
        below = below or not good
        print(tops[top].row(top) + f"  goal {goal:g}"
              + ("" if good else ": NOT REACHED"))
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
