#!/usr/bin/python3
"""tests/ACCEPTANCE.md from tests/acceptance.txt.

    acceptance.py           writes it
    acceptance.py --check   fails when it is stale, or names a test that is not
                            there

A line of acceptance.txt: `ROW | what is done | TEST TEST ...`; a TEST is
`FILE:NAME` below tests/, NAME a method `Class.test_x` of a Python file, a
test of a C file or a fuzz target's function. `- REASON` instead of tests: why there is none. A line
`# Title` begins a group.
"""
import ast
import os
import re
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE, PAGE = (os.path.join(TESTS, name)
                for name in ("acceptance.txt", "ACCEPTANCE.md"))
HEAD = """# Acceptance

What attackers and bad peers try, row by row, and the test that does it.
Written by `tests/lint/acceptance.py` from `acceptance.txt`; a check of `make
check` fails when a test named here is gone. Rows that take hours run for a
short while in `sh tests/run.sh`, and long in `sh tests/run.sh --long`.

"""


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def names(path, cache={}):
    """The tests in a file."""
    if path not in cache:
        full = os.path.join(TESTS, path)
        text = read(full) if os.path.exists(full) else ""
        if path.endswith(".py"):
            cache[path] = {f"{c.name}.{f.name}" for c in ast.parse(text).body
                           if isinstance(c, ast.ClassDef) for f in c.body
                           if isinstance(f, ast.FunctionDef)
                           and f.name.startswith("test")}
        else:
            cache[path] = set(re.findall(
                r"(?m)^(\w+)\((?:void \*\*state\)|const uint8_t \*)", text))
    return cache[path]


def rows():
    """(title, None, None) or (row, what, tests or reason)."""
    for number, line in enumerate(read(SOURCE).splitlines(), 1):
        if line.startswith("# "):
            yield line[2:], None, None
        elif line.strip():
            parts = [p.strip() for p in line.split(" | ")]
            if len(parts) != 3:
                sys.exit(f"{SOURCE}:{number}: not `ROW | what | tests`")
            yield parts


def state(tests):
    return "no test" if tests.startswith("-") else "tested"


def page():
    out, count = [HEAD], {"tested": 0, "no test": 0}
    for row, what, tests in rows():
        if what is None:
            out.append(f"\n## {row}\n\n| row | what is done | state | test |\n"
                       "| --- | --- | --- | --- |\n")
            continue
        count[state(tests)] += 1
        shown = tests[1:].strip() if tests.startswith("-") else " ".join(
            f"`{t}`" for t in tests.split())
        out.append(f"| {row} | {what} | {state(tests)} | {shown} |\n")
    out.insert(1, f"{count['tested']} rows have a test, {count['no test']} "
                  "have none and say why.\n")
    return "".join(out)


def missing():
    seen = set()
    for row, what, tests in rows():
        if what is None:
            continue
        if row in seen:
            yield f"{row}: twice"
        seen.add(row)
        if tests == "-" or not tests:
            yield f"{row}: neither a test nor a reason"
        for test in [] if tests.startswith("-") else tests.split():
            path, _, name = test.partition(":")
            if name not in names(path):
                yield f"{row}: there is no {test}"


def main():
    wrong = list(missing())
    text = page()
    if "--check" in sys.argv[1:]:
        if not os.path.exists(PAGE) or read(PAGE) != text:
            wrong.append("tests/ACCEPTANCE.md is stale: run "
                         "tests/lint/acceptance.py")
    else:
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(text)
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


main()
