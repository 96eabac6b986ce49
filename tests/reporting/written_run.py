"""The folder of a run, written by hand: what a report reads, nothing trained."""

import csv
import json

import numpy as np
from PIL import Image

NAMES = ["road", "thin pole"]


def write_run(folder, *, seed=0, names=NAMES, miou=(0.2, 0.6, 0.5), **changes):
    """A run of `len(miou)` epochs whose best is the one of the highest mIoU."""
    folder.mkdir(parents=True)
    best = max(range(len(miou)), key=lambda i: miou[i])
    facts = {
        "recipe": {"preset": "hyperseg_tiny", "epochs": 9, "seed": seed},
        "data": {"directory": "/data/mine", "evaluate_samples": 3, "classes": names},
        "weights": None,
        "best": {"epoch": best + 1, "val_miou": miou[best]},
        "versions": {"keras": "3.15.1"},
        "environment": {"git": "0123abc+changes", "devices": ["CPU"]},
        "class_pixels": {"val": [300, 100, 7]},
        **changes,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    rows = [
        {
            "epoch": i + 1,
            "step": 10 * (i + 1),
            "loss": 2 / (i + 1),
            "val_loss": 3 / (i + 1),
            "val_miou": value,
            **{f"iou/{name}": value + 0.1 * (-1) ** k for k, name in enumerate(names)},
            "lr": 0.01 / (i + 1),
            "seconds": 61.0,
        }
        for i, value in enumerate(miou)
    ]
    write_log(folder, rows)
    return folder


def write_log(folder, rows):
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_evaluation(path, *, miou=0.55, names=NAMES, **changes):
    """What `evaluate --json` writes, as far as a report looks at it."""
    data = {
        "protocol": "own-folder",
        "model": "model.keras",
        "dataset": "mine",
        "split": "val",
        "images": 3,
        "miou": miou,
        "iou": {name: miou for name in names},
        "intervals": {
            "miou": [0.41, 0.62],
            "iou": {name: [0.31, 0.72] for name in names},
        },
        "classes": names,
        "matrix": (np.eye(len(names)) * 6 + 2).tolist(),
        **changes,
    }
    path.write_text(json.dumps(data))


def write_picture(path, colour=(200, 30, 90)):
    path.parent.mkdir(exist_ok=True)
    pixels = np.full((7, 13, 3), colour, np.uint8)
    Image.fromarray(pixels).save(path)
