import json
import os
import shutil
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from hyperseg_tf.base.errors import UserError
from hyperseg_tf.pipelines import check, check_folder, open_dataset, require, verdicts
from tests.needed import needed
from tests.pipelines.test_fingerprint import old

# Behind functions of the same names.
check_module, marks = map(
    import_module, ("hyperseg_tf.pipelines.check", "hyperseg_tf.pipelines.fingerprint")
)


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("cache") / "checked"
    monkeypatch.setattr(verdicts, "folder", lambda: place)
    return place


@pytest.fixture
def read(monkeypatch):
    """Names of the samples that are decoded."""
    names = []
    inspect_sample = check_module._inspect_sample

    def counting(dataset, i):
        names.append(f"{dataset.split}/{dataset[i].name}")
        return inspect_sample(dataset, i)

    monkeypatch.setattr(check_module, "_inspect_sample", counting)
    return names


def checked(read, *args, **options):
    """The report, and what was read for it."""
    read.clear()
    report = check_folder(*args, **options)
    return report, sorted(read)


ALL = [f"{split}/{name}" for split in ("train", "val") for name in "abc"]


def test_files_that_passed_are_not_read_again_and_the_report_is_the_same(
    folder, cache, read
):
    old(folder)
    first, names = checked(read, folder)
    assert names == ALL
    second, names = checked(read, folder)
    assert names == [] and second.summary() == first.summary()
    assert second.duplicates == first.duplicates
    note = second.notes[-1]
    assert note.startswith("3 of train, 3 of val are as at an earlier check")
    assert set(second.notes) - {note} == set(first.notes)
    data = first.as_data() | {"notes": []}
    assert second.as_data() | {"notes": []} == data
    _, names = checked(read, folder, again=True)
    assert names == ALL


def test_training_takes_what_a_check_has_found_out(folder, cache, read):
    old(folder)
    checked(read, folder)
    read.clear()
    assert require(open_dataset(folder, "train")).notes == ()
    held = open_dataset(folder, "train").subset([0, 2])
    require(held)
    assert read == []
    # A check by hand looks at every file.
    assert check(open_dataset(folder, "train")) == [] and len(read) == 3


def test_training_alone_keeps_it_too_but_for_the_hashes(folder, cache, read):
    needed("imagehash")
    old(folder)
    require(open_dataset(folder, "train"))
    read.clear()
    require(open_dataset(folder, "train"))
    assert read == []
    assert checked(read, folder, "train")[1] == []
    assert checked(read, folder)[1] == ALL  # looks for duplicates
    assert checked(read, folder)[1] == []


@pytest.mark.parametrize("change", ["image", "label", "time"])
def test_only_what_has_changed_is_read_again(folder, cache, read, change):
    old(folder)
    checked(read, folder)
    path = folder / f"train/{'images' if change == 'image' else 'labels'}/b.png"
    if change != "time":
        array = np.asarray(Image.open(path))
        Image.fromarray(np.concatenate([array, array])).save(path)
    os.utime(path, ns=(1, 1))
    report, names = checked(read, folder)
    assert names == ["train/b"]
    assert len(report.findings) == (change != "time")


def test_findings_are_read_again_and_never_kept(folder, cache, read):
    (folder / "val/labels/c.png").write_bytes(b"x")
    old(folder)
    for _ in range(2):
        report, names = checked(read, folder)
        assert len(report.findings) == 1 and "val/labels/c.png" in report.findings[0]
    assert names == ["val/c"]
    with pytest.raises(UserError, match=r"val/labels/c\.png"):
        require(open_dataset(folder, "val"))


@pytest.mark.parametrize("change", ["classes", "labels", "version", "rules"])
def test_whatever_else_decides_makes_another_key(
    folder, cache, read, change, monkeypatch
):
    old(folder)
    checked(read, folder)
    options = {}
    if change == "classes":
        text = (folder / "classes.csv").read_text()
        (folder / "classes.csv").write_text(text.replace("car", "tram"))
    elif change == "labels":
        options = {"labels": "others=void"}
    elif change == "version":
        monkeypatch.setattr(marks, "_versions", lambda: {"x": "2"})
    else:
        monkeypatch.setattr(marks, "RULES", 99)
    assert checked(read, folder, **options)[1] == ALL
    assert len(list(cache.iterdir())) == 2
    # Both are kept.
    assert checked(read, folder, **options)[1] == []


def test_files_written_a_moment_ago_are_read_again(folder, cache, read):
    for _ in range(2):
        assert checked(read, folder)[1] == ALL
    assert not cache.exists()


def test_a_damaged_cache_is_as_none(folder, cache, read):
    old(folder)
    first, _ = checked(read, folder, "train")
    (path,) = cache.iterdir()
    whole, entries = path.read_bytes(), verdicts._read(path)
    for damaged in (
        b"",
        whole[:-3],
        whole[:10],
        whole.replace(b"[", b"{", 1),
        whole[:-20] + b"9" + whole[-19:],
        whole.replace(b"a", b"\xff"),
        verdicts._seal(b"[]") + b"[]",
        verdicts._seal(b"{") + b"{",
    ):
        path.write_bytes(damaged)
        assert verdicts._read(path) == {}
    again, names = checked(read, folder, "train")
    assert names == ALL[:3] and again.summary() == first.summary()
    assert verdicts._read(path) == entries != {}


def test_entries_that_nobody_wrote_are_not_believed(folder, cache, read):
    old(folder)
    checked(read, folder)
    (path,) = cache.iterdir()
    entries = verdicts._read(path)
    for key, change in zip(entries, ([None], [[], []], ["x"] * 3), strict=False):
        entries[key] = [*entries[key][: 6 - len(change)], *change]
    text = json.dumps(entries).encode()
    path.write_bytes(verdicts._seal(text) + text)
    assert checked(read, folder)[0].findings == ()
    assert 1 <= len(read) <= 3


def test_nothing_is_written_beside_the_data_nor_where_it_cannot_be(
    folder, tmp_path, monkeypatch, read
):
    old(folder)
    for place in (folder / "cache/checked", None, tmp_path / "classes.csv/checked"):
        monkeypatch.setattr(verdicts, "folder", lambda place=place: place)
        before = sorted(folder.rglob("*"))
        for _ in range(2):
            assert checked(read, folder)[1] == ALL
        assert sorted(folder.rglob("*")) == before


def test_the_cache_is_bounded(folder, cache, read, monkeypatch):
    old(folder)
    monkeypatch.setattr(verdicts, "_MOST_FILES", 2)
    for rules in ("", "others=void", "0=0,1=1,9=void"):
        checked(read, folder, labels=rules)
        for path in cache.iterdir():
            stamp = path.stat().st_mtime_ns - 10**9
            os.utime(path, ns=(stamp, stamp))
    assert len(list(cache.iterdir())) == 2
    assert checked(read, folder)[1] == ALL  # the one that was used longest ago
    monkeypatch.setattr(verdicts, "_LARGEST_BYTES", 100)
    checked(read, folder, labels="others=void")
    assert all(not path.name.startswith(".") for path in cache.iterdir())
    shutil.rmtree(cache)
    checked(read, folder)
    assert not cache.exists()


def test_a_file_of_records_is_known_again(folder, cache, read, tmp_path):
    needed("array_record")
    from hyperseg_tf.pipelines import prepare

    out = tmp_path / "prepared"
    prepare(folder, out, name="mine")
    for path in out.rglob("*array_record*"):
        os.utime(path, ns=(1, 1))
    assert len(checked(read, out)[1]) == 6
    assert checked(read, out)[1] == []


def test_check_of_samples_that_are_no_files_is_as_ever(cache, read):
    from tests.pipelines.drawn import drawn

    for _ in range(2):
        assert require(drawn(2)).notes == ()
    assert len(read) == 4 and not cache.exists() and check(drawn(2)) == []
