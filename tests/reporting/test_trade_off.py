import re

from hyperseg_tf.presets import paper
from hyperseg_tf.presets.paper_scores import CITYSCAPES, SCORES, VOC
from hyperseg_tf.reporting.beside import Timed
from hyperseg_tf.reporting.costs import Costs
from hyperseg_tf.reporting.run import read_runs
from hyperseg_tf.reporting.trade_off import scores, trade_offs
from tests.reporting.written_run import write_evaluation, write_run


def _timed(tmp_path, ms=20.0):
    return Costs(None, Timed(tmp_path, ms, (64, 96), 1, "my CPU"))


def test_every_protocol_is_a_series_of_its_own(tmp_path):
    folders = [write_run(tmp_path / name) for name in "ab"]
    write_evaluation(folders[1] / "e.json", protocol="cityscapes19")
    runs = read_runs(folders)
    page = trade_offs(runs, [_timed(tmp_path)] * 2)
    legend = re.findall(r"<span>(.*?)</span>", page)
    assert len(set(legend)) == len(legend)
    assert "own runs: validation of the training on mine val; my CPU" in legend
    assert "own runs: cityscapes19 on mine val; my CPU" in legend
    assert f"paper: {CITYSCAPES}; GTX 1080 Ti, HyperSeg" in legend
    assert "polyline" not in page  # nothing joins them


def test_an_evaluation_comes_before_the_validation_of_the_training(tmp_path):
    folder = write_run(tmp_path / "a")
    assert [miou for _, miou in scores(read_runs([folder])[0])] == [60.0]
    write_evaluation(folder / "e.json", miou=0.55)
    (found,) = scores(read_runs([folder])[0])
    assert found == ("own runs: own-folder on mine val", 55.00000000000001)


def test_without_costs_there_is_no_chart(tmp_path):
    runs = read_runs([write_run(tmp_path / "a")])
    assert "nothing to draw" in trade_offs(runs, [Costs()])


def test_the_printed_costs_are_those_of_the_presets_table():
    of = {(row.method, row.benchmark): row for row in SCORES}
    for name, method, benchmark in (
        ("hyperseg_m_cityscapes", "HyperSeg-M", CITYSCAPES),
        ("hyperseg_s_cityscapes", "HyperSeg-S", CITYSCAPES),
        ("hyperseg_l_voc", "HyperSeg-L", VOC),
    ):
        figures, row = paper.FIGURES[name], of[method, benchmark]
        assert (figures.parameters_m, figures.gflops) == (row.parameters_m, row.gflops)
