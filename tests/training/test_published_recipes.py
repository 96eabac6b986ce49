"""The published recipes, from the benchmarks' folders to a scored checkpoint.

Pictures have the official sizes and the transforms are the recipes' own; the network,
the batch and the number of steps are small.
"""

import json

import keras
import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import protocols
from hyperseg_tf.cli import main
from hyperseg_tf.pipelines.class_tables import CAMVID_COLOURS, CITYSCAPES, VOC
from tests.needed import needed

SMALL = {
    "preset": "hyperseg_tiny",
    "epochs": "1",
    "samples_per_epoch": "4",
    "batch_size": "2",
    "overlays": "1",
}


# Seeds of the splits: a picture that is in two of them is refused.
FIRST = {"train": 0, "val": 10, "test": 20}


def surfaces(height, width, values, seed):
    """Values (H, W), one of `values` in each of 3 by 5 rectangles."""
    rng = np.random.default_rng(seed)
    grid = Image.fromarray(rng.choice(np.array(values, np.uint8), (3, 5)))
    return np.array(grid.resize((width, height), Image.Resampling.NEAREST))


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def picture_of(values, seed):
    noise = np.random.default_rng(seed).integers(0, 60, (*values.shape, 3))
    return (noise + (7 * values[..., None].astype(int)) % 190).astype(np.uint8)


def cityscapes(root):
    """leftImg8bit beside gtFine, of 34 ids; returns labelled pixels of val."""
    labelled = 0
    for split, city, count in (("train", "aachen", 3), ("val", "ulm", 2)):
        for n in range(count):
            seed = FIRST[split] + n
            ids = surfaces(1024, 2048, range(34), seed)
            name = f"{city}_{n:06d}_000019"
            folder = root / "leftImg8bit" / split / city
            save(folder / f"{name}_leftImg8bit.png", picture_of(ids, seed))
            folder = root / "gtFine" / split / city
            save(folder / f"{name}_gtFine_labelIds.png", ids)
            save(folder / f"{name}_gtFine_color.png", picture_of(ids, n))
            if split == "val":
                labelled += int(np.isin(ids, CITYSCAPES.values).sum())
    return labelled


def camvid(root):
    """train, val and test beside their colours; returns labelled pixels of test."""
    # Black is the class Void; (60, 40, 222) is pavement elsewhere, and ignored.
    colours = np.array([*CAMVID_COLOURS.colours, (0, 0, 0), (60, 40, 222)], np.uint8)
    labelled = 0
    for split, count in (("train", 2), ("val", 1), ("test", 2)):
        for n in range(count):
            seed = FIRST[split] + n
            values = surfaces(720, 960, range(13), seed)
            name = f"0001TP_{n:06d}"
            save(root / split / f"{name}.png", picture_of(values, seed))
            save(root / f"{split}_labels" / f"{name}_L.png", colours[values])
            labelled += int((values < 12).sum()) if split == "test" else 0
    return labelled


def voc(root):
    """VOCdevkit beside SBD's archive; returns labelled pixels of val."""
    io = needed("scipy.io")
    devkit = root / "VOCdevkit/VOC2012"
    lists = devkit / "ImageSets/Segmentation"
    sbd = root / "benchmark_RELEASE/dataset"
    for folder in (lists, sbd / "cls"):
        folder.mkdir(parents=True)
    palette = [value for colour in VOC.colours for value in colour]
    palette += [0] * (3 * 255 - len(palette)) + [224, 224, 192]
    sizes = ((375, 500), (500, 333), (333, 500), (281, 500), (375, 500))
    names = [f"2007_{n:06d}" for n in range(len(sizes))]
    labelled = 0
    for n, (name, size) in enumerate(zip(names, sizes, strict=True)):
        values = surfaces(*size, [*range(21), 255], n)
        save(devkit / "JPEGImages" / f"{name}.jpg", picture_of(values, n))
        if n in (1, 2):  # of SBD alone
            entry = np.zeros((1, 1), [("Segmentation", object)])
            entry["Segmentation"][0, 0] = np.where(values == 255, 0, values)
            io.savemat(sbd / "cls" / f"{name}.mat", {"GTcls": entry})
            continue
        label = Image.frombytes("P", size[::-1], values.tobytes())
        label.putpalette(palette)
        (devkit / "SegmentationClass").mkdir(exist_ok=True)
        label.save(devkit / "SegmentationClass" / f"{name}.png")
        labelled += int((values != 255).sum()) if n > 2 else 0
    (lists / "train.txt").write_text(f"{names[0]}\n")
    (lists / "val.txt").write_text(f"{names[3]}\n{names[4]}\n")
    (sbd / "train.txt").write_text(f"{names[1]}\n")
    (sbd / "val.txt").write_text(f"{names[2]}\n")
    return labelled


RUNS = {
    "cityscapes_hyperseg_m": (cityscapes, "val", 3),
    "cityscapes_hyperseg_s": (cityscapes, "val", 3),
    "voc_hyperseg_l": (voc, "val", 3),
    "camvid12_hyperseg_s": (camvid, "test", 3),
    "camvid12_hyperseg_l": (camvid, "test", 3),
}


# Of two that read the same folder in the same way, one is enough for every check.
_ALIKE = ("cityscapes_hyperseg_m", "camvid12_hyperseg_l", "camvid12_hyperseg_s")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=pytest.mark.grid if name in _ALIKE else pytest.mark.slow
        )
        for name in RUNS
    ],
)
def test_a_published_recipe_runs_from_the_official_folder_to_a_score(
    name, tmp_path, capsys
):
    write, split, samples = RUNS[name]
    data, out, scores = tmp_path / "data", tmp_path / "run", tmp_path / "scores.json"
    labelled = write(data)
    settings = [word for k, v in SMALL.items() for word in ("--set", f"{k}={v}")]
    where = ["--data", str(data)]
    words = ["train", name, *where, "--out", str(out), "--weights", "none", *settings]
    assert main(words) == 0
    trained = capsys.readouterr()
    assert trained.out.startswith(f"{out}/model.keras: mIoU 0.")
    assert f"{samples} training and 2 validation samples" in trained.err

    facts = json.loads((out / "run.json").read_text())
    protocol = protocols.get(facts["recipe"]["protocol"])
    assert tuple(facts["data"]["classes"]) == protocol.classes
    metadata = keras.models.load_model(out / "model.keras", compile=False).metadata
    assert metadata["protocol"] == protocol.name
    assert len(list((out / "overlays").iterdir())) == 1

    words = ["evaluate", str(out / "model.keras"), *where, "--protocol", protocol.name]
    assert main([*words, "--split", split, "--json", str(scores)]) == 0
    result = json.loads(scores.read_text())
    assert result["images"] == 2 and 0 < result["miou"] < 1
    assert tuple(result["classes"]) == protocol.classes
    assert np.sum(result["matrix"]) == labelled
    assert not result["one_void"]
