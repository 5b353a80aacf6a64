"""Draws the training curve: python plot.py training.jsonl training.png"""

import json
import sys

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

SHOWN = {"name": "naming", "count": "counting", "read": "print", "print": "small print", "several": "several pictures", "followup": "follow-ups"}


def smooth(values, weight=0.7):
    mean, result = None, []
    for value in values:
        mean = value if mean is None else weight * mean + (1 - weight) * value
        result.append(mean)
    return result


def main(log, out):
    rows = [json.loads(line) for line in open(log)]
    minutes = [row["seconds"] / 60 for row in rows]
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6.5), sharex=True, height_ratios=(2, 3))
    top.semilogy(minutes, [row["loss"] for row in rows], label="loss of the answers")
    top.semilogy(minutes, [row["aux"] for row in rows], label="auxiliary loss")
    bottom.plot(minutes, smooth([100 * row["right"] for row in rows]), color="black", linewidth=2, label="all answers")
    for key, label in SHOWN.items():
        having = [row for row in rows if key in row["rows"]]
        bottom.plot([row["seconds"] / 60 for row in having], smooth([100 * row["rows"][key] for row in having]), label=label)
    for before, after in zip(rows, rows[1:]):
        if before["phase"] != after["phase"]:
            for axes in (top, bottom):
                axes.axvline(before["seconds"] / 60, color="grey", linestyle=":")
    bottom.set_xlabel("minutes on one H200")
    bottom.set_ylabel("wholly right, %")
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
