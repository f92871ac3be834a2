"""Rows as Markdown, and a plot of them by gnuplot."""
import os
import shutil
import subprocess


def number(value):
    if not isinstance(value, float):
        return str(value)
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


class Table:
    """Prints its head at once and each row as it comes."""

    def __init__(self, bench, *columns):
        self.bench = bench
        bench.say("| " + " | ".join(columns) + " |")
        bench.say("| --- |" + " ---: |" * (len(columns) - 1))

    def row(self, *values):
        self.bench.say("| " + " | ".join(number(v) for v in values) + " |")


def size(octets):
    if octets % (1 << 20) == 0:
        return f"{octets >> 20} MB"
    return f"{octets >> 10} KB"


SCRIPT = """set terminal svg size 900,760 font 'sans,13'
set output '{svg}'
set logscale xy
set grid
set key outside right
set multiplot layout 2,1
set xlabel 'octets of a message'
set ylabel 'messages/s'
plot {rates}
set ylabel 'CPU s for 1000 messages'
plot {costs}
"""


def plot(bench, name, rows):
    """rows: (who, sessions, octets, rate, CPU). Without gnuplot: nothing."""
    data = bench.path(name + ".dat")
    lines = {}
    for who, sessions, octets, rate, cpu in rows:
        lines.setdefault((who, sessions), []).append((octets, rate, cpu))
    with open(data, "w") as f:
        for key, points in lines.items():
            f.write('"%s, %d"\n' % key)
            f.writelines("%d %g %g\n" % p for p in sorted(points))
            f.write("\n\n")
    if not shutil.which("gnuplot"):
        return
    svg = bench.path(name + ".svg")

    def curves(column, wanted):
        return ", ".join(
            f"'{data}' index {i} using 1:{column} with linespoints "
            f"title '{who}, {sessions}'"
            for i, (who, sessions) in enumerate(lines) if wanted(who))
    script = SCRIPT.format(svg=svg, rates=curves(2, lambda who: True),
                           costs=curves(3, lambda who: who != "direct"))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)
    bench.say(f"\nPlot: {os.path.basename(svg)}")
