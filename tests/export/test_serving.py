import functools
import json
import sys

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from hyperseg_tf import export
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.base.limit import Limit
from hyperseg_tf.export import serving, warmup
from tests.tiny_segmenter import by_brightness


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with version 3 of a model."""
    base = tmp_path_factory.mktemp("models") / "road"
    out = export.write(by_brightness(), out=base, version=3, verify=False)
    assert out == base / "3"
    return base


def _nothing(folder):
    facts = {"max_pixels": 10_000, "size_multiple": 32, "max_side": 100}
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "classes.json").write_text(json.dumps(facts))


@pytest.mark.slow
def test_a_version_lies_where_a_server_looks_for_it(base):
    assert sorted(path.name for path in base.iterdir()) == [
        "3",
        "batching_parameters.txt",
    ]
    extra = sorted(path.name for path in (base / "3" / "assets.extra").iterdir())
    assert extra == ["classes.json", "tf_serving_warmup_requests"]
    assert (base / "3" / "saved_model.pb").exists()


@pytest.mark.slow
def test_every_endpoint_is_warmed_up_by_a_request_that_it_answers(base):
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    endpoints = tf.saved_model.load(str(base / "3")).signatures
    warmed = []
    for record in tf.data.TFRecordDataset(str(base / "3" / warmup.FILE)):
        log = PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "road"
        name = request.model_spec.signature_name
        given = {key: tf.make_ndarray(x) for key, x in request.inputs.items()}
        answer = endpoints[name](**{key: tf.constant(x) for key, x in given.items()})
        if "sizes" in answer:
            assert answer["sizes"].numpy().tolist() == [[512, 512]]
        else:
            assert next(iter(answer.values())).shape[1:3] == (512, 512)
        warmed.append(name)
    assert sorted(set(warmed)) == sorted(endpoints) and len(warmed) == 6
    assert (base / "3" / warmup.FILE).stat().st_size < 50_000


def test_another_version_touches_nothing_that_is_there(tmp_path):
    serving.write(_nothing, tmp_path / "m", 1)
    (tmp_path / "m" / serving.BATCHING_FILE).write_text("mine")
    files = list((tmp_path / "m" / "1").rglob("*"))
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    assert before
    serving.write(_nothing, tmp_path / "m", 20)
    for path, facts in before.items():
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == facts
    assert (tmp_path / "m" / serving.BATCHING_FILE).read_text() == "mine"
    for version in (20, 7, 1):
        with pytest.raises(UserError, match="name 21"):
            serving.write(_nothing, tmp_path / "m", version)
    names = sorted(path.name for path in (tmp_path / "m").iterdir())
    assert names == ["1", "20", serving.BATCHING_FILE]


def test_a_version_appears_complete_or_not_at_all(tmp_path):
    seen = []

    def spoiled(folder):
        _nothing(folder)
        seen.extend(path.name for path in (tmp_path / "m").iterdir())
        raise UserError("differs")

    with pytest.raises(UserError, match="differs"):
        serving.write(spoiled, tmp_path / "m", 1)
    # A server takes whatever is a number for a version.
    assert len(seen) == 1 and not seen[0].isdigit()
    assert list((tmp_path / "m").iterdir()) == []


def test_a_version_that_was_overtaken_is_not_published(tmp_path):
    def overtaken(folder):
        _nothing(folder)
        (tmp_path / "m" / "9").mkdir()

    with pytest.raises(UserError, match="name 10"):
        serving.write(overtaken, tmp_path / "m", 4)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["9"]


@pytest.mark.parametrize("version", [0, -1, 2**63, True, "1", 1.0])
def test_a_version_is_a_number_from_1_on(version, tmp_path):
    with pytest.raises(UserError, match="a version is"):
        serving.write(_nothing, tmp_path / "m", version)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_folder_of_versions_is_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    for base, said in ((tmp_path, "is a SavedModel"), (tmp_path / "file", "is a file")):
        with pytest.raises(UserError, match=said):
            serving.write(_nothing, base, 1)


def test_versions_are_not_overwritten(tmp_path):
    with pytest.raises(UserError, match="never replaced"):
        export.write(by_brightness(), out=tmp_path, version=1, overwrite=True)


def test_without_the_protocol_the_package_is_named_first(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    monkeypatch.delitem(
        sys.modules, "tensorflow_serving.apis.prediction_log_pb2", raising=False
    )
    with pytest.raises(UserError, match=r"pip install 'hyperseg_tf\[serve\]'"):
        serving.write(_nothing, tmp_path / "m", 1)
    assert list(tmp_path.iterdir()) == []


def test_warm_up_keeps_to_what_a_request_may_have():
    facts = {"preset": {"image_size": [768, 1536]}}
    assert serving.usual_size(facts, Limit(2**22, 64)) == (768, 1536)
    assert serving.usual_size(facts, Limit(2**20, 64)) == (384, 768)
    assert serving.usual_size({"preset": None}, Limit(2 * 64 * 64, 64)) == (64, 64)
    assert serving.usual_size({}, Limit(2 * 32 * 32, 32)) == (32, 32)


@pytest.mark.parametrize(("pixels", "at_once"), [(2**22, 8), (2**20, 2), (9000, 1)])
def test_batches_keep_to_what_a_request_may_have(pixels, at_once):
    text = serving.batching_parameters(Limit(pixels, 64), (576, 768))
    found = text_format.Parse(text, _batching_parameters()())
    assert found.max_batch_size.value == at_once
    assert found.num_batch_threads.value >= 1 and found.max_enqueued_batches.value > 0
    assert found.batch_timeout_micros.value == 0
    assert not found.pad_variable_length_inputs
    assert str(pixels) in text


@functools.cache
def _batching_parameters():
    """`tensorflow.serving.BatchingParameters`, which no package has: its fields."""
    pool = descriptor_pool.Default()
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    integer = ".google.protobuf.Int64Value"
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches")
    for number, name in enumerate((*names, "num_batch_threads"), 1):
        message.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, type_name=integer
        )
    message.field.add(name="pad_variable_length_inputs", number=7, type=field.TYPE_BOOL)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("BatchingParameters")
    )
