import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.evaluation.evaluate import evaluate
from hyperseg_tf.pipelines import Dataset, open_dataset
from tests.pipelines.drawn import drawn
from tests.tiny_segmenter import NAMES, by_brightness, write_data


@pytest.fixture
def masks(tmp_path):
    """Bright where 255 is written, dark where 0 is."""
    label = np.zeros((7, 13), np.uint8)
    label[:, 5:] = 1
    data = write_data(tmp_path, [label], names=NAMES[:2])
    (path,) = (data / "val/labels").iterdir()
    Image.fromarray(255 * label).save(path)
    return data


def trained(read_labels, names=NAMES[:2]):
    model = by_brightness(names=names, channels=len(names))
    model.metadata["recipe"] = {"read_labels": read_labels}
    return model


def test_labels_are_read_as_in_training_which_a_line_says(masks, capsys):
    result = evaluate(trained("0=0,255=1"), masks)
    assert result.matrix.tolist() == [[35, 0], [0, 56]]
    assert result.as_data()["read_labels"] == "0=0,255=1"
    said = capsys.readouterr().err
    assert (
        f"labels of {masks} are read by 0=0,255=1, as in the model's training" in said
    )


def test_an_option_comes_before_what_training_said(masks, capsys):
    as_they_are = evaluate(trained("0=0,255=1"), masks, labels="")
    assert as_they_are.matrix.tolist() == [[35, 0], [0, 0]]
    assert as_they_are.read_labels == ""
    swapped = evaluate(trained("0=0,255=1"), masks, labels="0=1,255=0")
    assert swapped.matrix.tolist() == [[0, 56], [35, 0]]
    plain = evaluate(trained(""), masks)
    assert plain.matrix.tolist() == as_they_are.matrix.tolist()
    assert not capsys.readouterr().err


def test_an_open_dataset_stays_as_it_is(masks):
    result = evaluate(trained("0=0,255=1"), open_dataset(masks, "val"))
    assert result.matrix.sum() == 35
    read = open_dataset(masks, "val", labels="0=0,255=1")
    assert evaluate(trained(""), read).read_labels == "0=0,255=1"


def test_labels_that_are_drawn_or_prepared_need_no_reading(
    tmp_path, monkeypatch, capsys
):
    data = drawn(2, split="val")
    monkeypatch.setattr(
        "hyperseg_tf.evaluation.labelled.open_dataset", lambda *_, **__: data
    )
    model = trained("first=1", data.classes.names)
    result = evaluate(model, tmp_path)
    assert isinstance(data, Dataset) and result.read_labels == ""
    assert "are no files of values or colours" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("bgr", "about three channels.* labels read so; give --read-labels RULES"),
        ("rot13", "got 'rot13' .*give --read-labels RULES"),
        (["first=1"], r"got \['first=1'\] \(that is no text\)"),
    ],
)
def test_what_does_not_suit_is_one_line_with_the_way_out(masks, written, said):
    with pytest.raises(UserError, match=said) as error:
        evaluate(trained(written), masks)
    assert "\n" not in str(error.value)
    assert evaluate(trained(written), masks, labels="0=0,255=1").miou == 1
