#!/usr/bin/env python3
"""Draws docs/scores.svg, README's picture: trains on one telemetry table and shows what the scores of another are.

    scripts/draw_scores.py build/cpu/cugad docs/scores.svg
"""
import csv
import math
import os
import subprocess
import sys
import tempfile

WIDTH, HEIGHT, LEFT, TOP, GAP = 360, 230, 58, 34, 78
NORMAL, ANOMALOUS, INK = "#4878a8", "#d1492e", "#333333"
SHOWN = {True: 700, False: 200}  # normal and anomalous rows in the left picture


def scored_table(command, folder):
    def run(*arguments):
        return subprocess.run([command, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout

    for seed, name in ((1, "train.csv"), (2, "new.csv")):
        run("synthesize", "telemetry", "--rows", "20000", "--seed", str(seed), "--output", name)
    labels = ("--label-column", "label", "--normal", "normal")
    run("train", "train.csv", *labels, "--output", "model.safetensors", "--quiet")
    found = run("evaluate", "new.csv", "--model", "model.safetensors", *labels, "--false-alarm-rate", "0.005")
    run("score", "new.csv", "--model", "model.safetensors", "--output", "scores.csv")
    read = lambda name: list(csv.DictReader(open(f"{folder}/{name}", encoding="utf-8")))
    threshold = next(float(line.split()[1]) for line in found.splitlines() if line.startswith("threshold"))
    return read("new.csv"), [float(row["score"]) for row in read("scores.csv")], threshold


class Axes:
    """One picture: x and y are (from, to) of what is drawn, y upwards."""

    def __init__(self, number, title, x, y):
        self.left, self.x, self.y = LEFT + number * (WIDTH + GAP), x, y
        self.parts = [f'<rect x="{self.left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999999"/>',
                      self.text(self.left, TOP - 12, title, "start", "bold")]

    def at(self, x, y):
        share = [(value - low) / (high - low) for value, (low, high) in ((x, self.x), (y, self.y))]
        share = [min(1.0, max(0.0, value)) for value in share]
        return self.left + share[0] * WIDTH, TOP + (1 - share[1]) * HEIGHT

    @staticmethod
    def text(x, y, words, anchor="middle", weight="normal", colour=INK):
        return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">{words}</text>'

    def ticks(self, x, y, labels):
        for value, words in x:
            self.parts.append(self.text(self.at(value, 0)[0], TOP + HEIGHT + 16, words))
        for value, words in y:
            self.parts.append(self.text(self.left - 6, self.at(0, value)[1] + 4, words, "end"))
        middle = TOP + HEIGHT / 2
        self.parts.append(self.text(self.left + WIDTH / 2, TOP + HEIGHT + 34, labels[0]))
        self.parts.append(f'<g transform="rotate(-90 {self.left - 44} {middle})">{self.text(self.left - 44, middle, labels[1])}</g>')

    def dot(self, x, y, colour, has_ring):
        x, y = self.at(x, y)
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6" fill="{colour}" fill-opacity=".8"/>')
        if has_ring:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="none" stroke="{colour}"/>')

    def steps(self, edges, heights, colour):
        """A histogram's outline."""
        points = [self.at(edges[0], self.y[0])]
        for low, high, height in zip(edges, edges[1:], heights):
            points += [self.at(low, height), self.at(high, height)]
        points.append(self.at(edges[-1], self.y[0]))
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polygon points="{path}" fill="{colour}" fill-opacity=".35" stroke="{colour}"/>')

    def upright(self, x, words):
        x, top = self.at(x, self.y[1])
        self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{TOP + HEIGHT}" stroke="{INK}" stroke-dasharray="4 3"/>')
        self.parts.append(self.text(x + 5, top + 14, words, "start"))


def table_picture(rows, scores, threshold):
    axes = Axes(0, "Two of eleven columns: rings are above the threshold", (0, 1), (0, 3.5))
    axes.ticks([(0, "0"), (.5, ".5"), (1, "1")], [(n, f"{10 ** n:,}") for n in range(4)], ("load", "latency in ms"))
    for is_normal, shown in SHOWN.items():
        kind = [n for n, row in enumerate(rows) if (row["label"] == "normal") == is_normal and row["load"] and row["latency_ms"]]
        for n in kind[::max(1, len(kind) // shown)]:
            x, y = float(rows[n]["load"]), math.log10(max(1.0, float(rows[n]["latency_ms"])))
            axes.dot(x, y, NORMAL if is_normal else ANOMALOUS, scores[n] > threshold)
    return axes.parts


def score_picture(rows, scores, threshold):
    low, high, bins = -1.0, 8.0, 72
    edges = [low + (high - low) * n / bins for n in range(bins + 1)]
    axes = Axes(1, "Their scores", (low, high), (0, 4))
    axes.ticks([(n, f"{n}") for n in range(-1, 9)], [(n, f"{10 ** n:,}") for n in range(5)], ("score", "rows"))
    for is_normal, colour in ((True, NORMAL), (False, ANOMALOUS)):
        counts = [0] * bins
        for row, score in zip(rows, scores):
            if (row["label"] == "normal") == is_normal:
                counts[min(bins - 1, max(0, int((score - low) / (high - low) * bins)))] += 1
        axes.steps(edges, [math.log10(count) if count else 0 for count in counts], colour)
    axes.upright(threshold, "threshold, .5 % false alarms")
    x = axes.left + WIDTH - 10
    axes.parts += [Axes.text(x, TOP + 50, "normal", "end", "bold", NORMAL), Axes.text(x, TOP + 68, "anomalous", "end", "bold", ANOMALOUS)]
    return axes.parts


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        table = scored_table(os.path.abspath(sys.argv[1]), folder)
    width, height = 2 * (LEFT + WIDTH) + 40, TOP + HEIGHT + 46
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
                  f'<rect width="{width}" height="{height}" fill="white"/>\n')
        out.write("\n".join(table_picture(*table) + score_picture(*table)) + "\n</svg>\n")


if __name__ == "__main__":
    main()
