import re
from html.parser import HTMLParser

import pytest

from hyperseg_tf import cli
from hyperseg_tf.base.errors import UserError
from hyperseg_tf.reporting.report import report
from tests.reporting.written_run import write_evaluation, write_picture, write_run

HOSTILE = "<script>alert('x')</script>"
EMPTY = {"meta", "img", "br"}


class _Page(HTMLParser):
    """Elements and texts; every element must be closed in order."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.text = path.read_text("utf-8")
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def holds(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture
def run(tmp_path):
    stage = {"kind": "anneal", "start": 20, "until": 30}
    folder = write_run(tmp_path / "run", plan=[stage])
    write_evaluation(folder / "evaluation.json")
    write_picture(folder / "pictures" / "worst_01_street.png")
    write_picture(folder / "pictures" / "best_01_park.png")
    return folder


def test_a_run_is_one_page_that_asks_for_nothing_else(run):
    path = report(run)
    page = _Page(path)
    assert path == run / "report.html"
    places = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href")]
    assert len(places) == 2
    assert all(place.startswith("data:image/jpeg;base64,") for place in places)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "http:" not in page.text and "https:" not in page.text
    assert "url(" not in page.text and "@import" not in page.text
    for said in (
        "best epoch, 2",
        "31.00 to 72.00",
        "own-folder on mine val",
        "worst: street",
        "best: park",
        "0123abc+changes",
        "anneal from step 20 to 30",
        '"preset": "hyperseg_tiny"',
        "/data/mine",
        "75.000",
    ):
        assert said in page.texts or any(said in text for text in page.texts), said


def test_names_out_of_files_never_become_markup(tmp_path):
    names = [HOSTILE, 'a" onload="x']
    folder = write_run(
        tmp_path / "x<b>&",
        names=names,
        environment={HOSTILE: HOSTILE},
        recipe={"preset": HOSTILE, "epochs": HOSTILE, "evaluate_split": HOSTILE},
        data={"directory": HOSTILE, "classes": names},
    )
    write_evaluation(
        folder / f"{HOSTILE.replace('/', '')}.json", names=names, protocol=HOSTILE
    )
    other = write_run(tmp_path / "other")
    page = _Page(report([folder, other], tmp_path / "out.html"))
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert page.texts.count(HOSTILE) > 3


def test_what_is_missing_is_left_out(tmp_path):
    folder = write_run(tmp_path / "run", names=[], environment=None, class_pixels=None)
    page = _Page(report(folder))
    assert page.holds("img") == 0
    assert any("has no IoU of classes" in text for text in page.texts)


def test_overlays_of_the_best_epoch_stand_in_for_drawn_pictures(tmp_path):
    folder = write_run(tmp_path / "run")
    for epoch in (1, 2, 3):
        write_picture(folder / "overlays" / f"epoch_{epoch:04d}.png")
    page = _Page(report(folder))
    assert page.holds("img") == 1
    assert "epoch 2, epoch_0002.png" in page.texts


def test_several_runs_are_linked_from_their_table(tmp_path):
    runs = [write_run(tmp_path / name, seed=i) for i, name in enumerate("ab")]
    page = _Page(report(runs, tmp_path / "out.html"))
    links = {a["href"] for tag, a in page.tags if tag == "a"}
    ids = {a["id"] for _, a in page.tags if "id" in a}
    assert links == {f"#{name}" for name in ids} and len(ids) == 2


def test_classes_beyond_a_readable_matrix_still_have_their_mistakes(tmp_path):
    names = [f"class {i}" for i in range(60)]
    folder = write_run(tmp_path / "run", names=names)
    matrix = [[9 if i == j else 2 * (j == i + 1) for j in range(60)] for i in range(60)]
    write_evaluation(folder / "e.json", names=names, matrix=matrix)
    text = report(folder).read_text("utf-8")
    assert "Confusion matrix" not in text and "Most often taken" in text
    assert len(text) < 200_000


def test_a_page_that_is_there_is_kept_unless_told(run, capsys):
    (run / "report.html").write_text("mine")
    assert cli.main(["report", str(run)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "--overwrite" in said[0]
    assert (run / "report.html").read_text() == "mine"
    assert cli.main(["report", str(run), "--overwrite"]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")


def test_a_mistake_leaves_no_page(run, tmp_path):
    (run / "pictures" / "best_01_park.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="best_01_park.png"):
        report(run, tmp_path / "out.html")
    assert not (tmp_path / "out.html").exists()
    with pytest.raises(UserError, match="has no run.json"):
        report(tmp_path / "nowhere", tmp_path / "out.html")
    with pytest.raises(ValueError, match="at least one run"):
        report([])


def test_costs_are_counted_once_per_architecture(tmp_path, monkeypatch):
    from hyperseg_tf import presets
    from hyperseg_tf.profiling.counting import Count
    from hyperseg_tf.reporting import costs

    preset, asked = presets.get("hyperseg_tiny"), []

    def count(preset, size):
        asked.append(size)
        macs = {"backbone": 3_210_000_000}
        return Count(
            preset=preset,
            size=size,
            parameters=1_234_567,
            generated=0,
            grid=(0, 0),
            macs=macs,
            normalised=0,
        )

    monkeypatch.setattr(costs, "count", count)
    monkeypatch.setattr(costs, "read_preset", lambda path: preset)
    runs = [write_run(tmp_path / name, seed=i) for i, name in enumerate("ab")]
    for run in runs:
        (run / "model.keras").write_bytes(b"")
    text = report(runs, tmp_path / "out.html").read_text("utf-8")
    assert asked == [preset.image_size]
    assert "1,234,567" in text and "3.21 G at 192x256" in text
    assert len(re.findall("mIoU against", text)) >= 2
