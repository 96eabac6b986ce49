"""Scores under cityscapes19 are those of the benchmark's own script."""

import sys
import types

import keras
import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.pipelines.class_tables import CITYSCAPES
from hyperseg_tf.protocols import CITYSCAPES_CLASSES, get
from tests.evaluation.drawn import maps
from tests.needed import needed

SIZE = (48, 80)


@pytest.fixture
def protocol():
    from dataclasses import replace

    return replace(get("cityscapes19"), size=SIZE, input_size="own")


def model():
    """A network that reads the class off the grey value, 13 for each."""
    inputs = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(19, 1)
    network = keras.Model(inputs, conv(inputs), name="by_grey")
    # Of x = (grey - mean) / deviation the nearest centre c: the largest c x - c c / 2.
    centres = (13 * np.arange(19) - 123.675) / 58.395
    kernel = np.zeros((1, 1, 3, 19))
    kernel[0, 0, 0] = centres
    conv.set_weights([kernel, -(centres**2) / 2])
    network.metadata = {"classes": list(CITYSCAPES_CLASSES)}
    return network


def write(root, instances=True):
    for i in range(3):
        name = f"ulm_{i:06d}_000019"
        label, prediction = maps(*SIZE, classes=19, seed=i)
        ids = np.array([*CITYSCAPES.values] + [0] * 237, np.uint8)[label]
        ids[label == 255] = 4
        for kind in ("leftImg8bit", "gtFine"):
            (root / kind / "val" / "ulm").mkdir(parents=True, exist_ok=True)
        grey = np.repeat(13 * prediction[..., None], 3, axis=-1)
        Image.fromarray(grey).save(root / f"leftImg8bit/val/ulm/{name}_leftImg8bit.png")
        stem = root / f"gtFine/val/ulm/{name}_gtFine"
        Image.fromarray(ids).save(f"{stem}_labelIds.png")
        if instances:
            # Every column of 20 pixels has its own instances, but for crowds.
            number = np.indices(SIZE)[1] // 20
            found = np.where(ids > 23, 1000 * ids.astype(np.int32) + number, ids)
            found[:5] = ids[:5]
            Image.fromarray(found.astype(np.uint16)).save(f"{stem}_instanceIds.png")
    return root


@pytest.mark.slow
def test_they_are_those_of_the_benchmarks_script(tmp_path, protocol, monkeypatch):
    # Of 3D boxes; its script for pixels never calls it.
    other = types.ModuleType("pyquaternion")
    other.Quaternion = object
    monkeypatch.setitem(sys.modules, "pyquaternion", other)
    # It is of the time before NumPy 2.
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)
    script = needed("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    root = write(tmp_path / "cityscapes")
    result = evaluate(model(), root, protocol, label_ids=tmp_path / "ids")
    labels = sorted(map(str, root.rglob("*_labelIds.png")))
    predictions = sorted(map(str, (tmp_path / "ids").iterdir()))
    monkeypatch.setattr(script, "CSUPPORT", False)
    args = script.args
    args.JSONOutput, args.quiet, args.evalInstLevelScore = False, True, True
    theirs = script.evaluateImgLists(predictions, labels, args)
    assert result.miou == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    for name, iou in zip(result.names, result.iou, strict=True):
        assert iou == pytest.approx(theirs["classScores"][name], nan_ok=True)
    for (name, _), iou in zip(result.categories, result.category_iou, strict=True):
        assert iou == pytest.approx(theirs["categoryScores"][name], nan_ok=True)
    of = result.instances
    for k, iou in zip(of.classes, of.iou(result.matrix), strict=True):
        wanted = theirs["classInstScores"][result.names[k]]
        assert 0 < iou < 1 and iou == pytest.approx(wanted, abs=1e-9)
    assert [name for name, _ in of.categories] == ["human", "vehicle"]
    for (name, _), iou in zip(
        of.categories, of.category_iou(result.matrix), strict=True
    ):
        wanted = theirs["categoryInstScores"][name]
        assert iou == pytest.approx(wanted, abs=1e-9)
    data = result.as_data()
    wanted = theirs["averageScoreInstClasses"]
    assert data["instances"]["classes"]["miou"] == pytest.approx(wanted)
    assert data["categories"]["miou"] == pytest.approx(theirs["averageScoreCategories"])


def test_categories_are_named_and_instances_are_where_all_files_are(tmp_path, protocol):
    root = write(tmp_path, instances=False)
    result = evaluate(model(), root, protocol)
    assert result.instances is None and result.as_data()["instances"] is None
    assert "\ncategory IoU" in result.table() and "iIoU" not in result.table()
    write(root)
    table = evaluate(model(), root, protocol).table()
    assert "\niIoU" in table and "\ncategory iIoU" in table
    path = next(root.rglob("*_instanceIds.png"))
    Image.fromarray(np.zeros((5, 7), np.uint16)).save(path)
    with pytest.raises(UserError, match="the size of their label, 80x48"):
        evaluate(model(), root, protocol)
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="instances are a picture"):
        evaluate(model(), root, protocol)
    path.unlink()
    assert evaluate(model(), root, protocol).instances is None
