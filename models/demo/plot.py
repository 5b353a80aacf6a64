"""Draws the training curve: python plot.py log.jsonl curve.png"""

import json
import sys

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(log, out):
    rows = [json.loads(line) for line in open(log)]
    minutes = [row["seconds"] / 60 for row in rows]
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 5), sharex=True)
    top.semilogy(minutes, [row["loss"] for row in rows], label="loss of the answers")
    top.semilogy(minutes, [row["aux"] for row in rows], label="auxiliary loss")
    for key, label in (("right", "all answers"), ("counting", "counting"), ("places", "left, right, above, below")):
        having = [row for row in rows if key in row]
        if having:
            bottom.plot([row["seconds"] / 60 for row in having], [100 * row[key] for row in having], label=label)
    for before, after in zip(rows, rows[1:]):
        if before["phase"] != after["phase"]:
            for axes in (top, bottom):
                axes.axvline(before["seconds"] / 60, color="grey", linestyle=":")
    bottom.set_xlabel("minutes on one H100")
    bottom.set_ylabel("wholly right, %")
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.tight_layout()
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
