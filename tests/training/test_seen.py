import numpy as np
import pytest
from PIL import Image

from hyperseg_tf import cli
from hyperseg_tf.inference.seen import METADATA
from hyperseg_tf.network.model_file import load
from hyperseg_tf.pipelines import Normalise, RandomCrop
from hyperseg_tf.training.seen import describing
from hyperseg_tf.training.task import Task
from hyperseg_tf.training.train import train
from tests.tiny_segmenter import random_hyperseg
from tests.training import tiny_run
from tests.training.tiny_run import build, write_data


def recipe(**changes):
    return tiny_run.recipe(**{"train": (RandomCrop(12, 14), Normalise()), **changes})


@pytest.mark.slow
def test_a_model_gets_what_its_training_pictures_are_like(tmp_path):
    task = Task.open(recipe(), write_data(tmp_path / "data", train=7))
    model = random_hyperseg()
    before = dict(model.metadata)
    describing(task, model)(model)
    found = model.metadata.pop(METADATA)
    assert found["pictures"] == 7 and model.metadata == before
    # Pictures are those of the training, whole, each once.
    shown = [np.asarray(image) for image, _ in task.training_pictures(256)]
    assert {image.shape for image in shown} == {(1, 13, 17, 3)}
    assert len({image.tobytes() for image in shown}) == 7


def test_what_generates_no_weights_has_nothing_to_describe(tmp_path):
    task = Task.open(recipe(), write_data(tmp_path / "data"))
    assert describing(task, build("two_layers", 3, None)) is None


@pytest.mark.slow
def test_too_few_pictures_leave_the_model_without(tmp_path):
    task = Task.open(recipe(), write_data(tmp_path / "data", train=1))
    model = random_hyperseg()
    model.set_metadata({**model.metadata, METADATA: {"of": "an earlier epoch"}})
    describing(task, model)(model)
    assert METADATA not in model.metadata


@pytest.mark.slow
def test_a_trained_model_explains_a_picture(tmp_path, capsys):
    data = write_data(tmp_path / "data", train=12)
    crops = (RandomCrop(40, 48), Normalise())
    length = {"epochs": 1, "samples_per_epoch": 4}
    options = recipe(preset="hyperseg_tiny", train=crops, **length)
    trained = train(options, data, tmp_path / "run")
    assert load(trained.model).metadata[METADATA]["pictures"] == 12
    source = tmp_path / "a.png"
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(source)
    out = tmp_path / "out"
    words = ["predict", str(tmp_path / "run"), str(source), "--out", str(out)]
    assert cli.main([*words, "--explain"]) == 0
    assert "of the training's patches (usual: 50 %)" in capsys.readouterr().out
    assert (out / "explained" / "a.png").is_file()
