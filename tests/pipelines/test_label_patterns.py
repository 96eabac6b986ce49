import numpy as np
import pytest
from PIL import Image, ImageFilter

from hyperseg_tf.pipelines import (
    ClassTable,
    batches,
    check_folder,
    convert,
    load_sample,
)
from hyperseg_tf.pipelines.check import inspect
from hyperseg_tf.pipelines.opening import open_dataset

HEIGHT, WIDTH = 60, 84


def table(count=3, first=0):
    colours = ((128, 64, 128), (0, 0, 142), (220, 20, 60), (70, 130, 180))[:count]
    names = ("road", "car", "person", "sky")[:count]
    values = tuple(range(first, first + count))
    return ClassTable(names, colours, (255,), ((0, 0, 0),), values)


def scenes(count, classes):
    """Labels of a few large flat areas, every class in each."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        for value in range(1, classes):
            top, left = rng.integers(0, 25, 2) + (0, 20 * (value - 1))
            label[top : top + 25, left : left + 18] = value
        yield label


def write(root, classes, save, pairs=(3, 2), ending=".png", **options):
    labels = scenes(sum(pairs), len(classes))
    for split, count in zip(("train", "val"), pairs, strict=True):
        for number in range(count):
            for kind in ("images", "labels"):
                (root / split / kind).mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3))
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(root / split / "images" / f"{number}.png")
            path = root / split / "labels" / f"{number}{ending}"
            save(next(labels)).save(path, **options)
    classes.write(root / "classes.csv")
    return root


def values(*of):
    return lambda label: Image.fromarray(np.array(of, np.uint8)[label])


def colours(label):
    return Image.fromarray(np.array(table(4).colours, np.uint8)[label])


def through_jpeg(picture, tmp_path):
    picture.save(tmp_path / "x.jpg", quality=70)
    return Image.open(tmp_path / "x.jpg").copy()


def blurred(picture):
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def bgr(label):
    return Image.fromarray(np.asarray(colours(label))[..., ::-1].copy())


def grey_rgb(*of):
    return lambda label: values(*of)(label).convert("RGB")


CASES = {
    "0 and 255": (2, values(0, 255), "--read-labels 0=0,255=1"),
    "soft 0 and 255": (
        2,
        lambda x: blurred(values(0, 255)(x)),
        "--read-labels 0=0,255=1,nearest",
    ),
    "0 and 200": (2, values(0, 200), "--read-labels 0=0,200=1"),
    "counting from 1": (3, values(1, 2, 3), "--read-labels first=1"),
    "stretched": (3, values(0, 127, 255), "--read-labels 0=0,127=1,255=2"),
    "stretched, rounded up": (3, values(0, 128, 255), "--read-labels 0=0,128=1,255=2"),
    "stretched, four": (4, values(0, 85, 170, 255), "0=0,85=1,170=2,255=3"),
    "stretched and soft": (
        3,
        lambda x: blurred(values(0, 127, 255)(x)),
        "--read-labels 0=0,127=1,255=2,nearest",
    ),
    "as many as classes": (3, values(0, 7, 200), "--read-labels 0=0,7=1,200=2"),
    "colours with soft edges": (
        3,
        lambda x: blurred(colours(x)),
        "--read-labels nearest",
    ),
    "red and blue swapped": (3, bgr, "--read-labels bgr"),
    "swapped and soft": (3, lambda x: blurred(bgr(x)), "--read-labels bgr,nearest"),
    "values in three channels": (3, grey_rgb(0, 1, 2), "--read-labels grey"),
    "three channels from 1": (3, grey_rgb(1, 2, 3), "--read-labels grey,first=1"),
    "three channels of 0 and 255": (
        2,
        grey_rgb(0, 255),
        "--read-labels grey,0=0,255=1",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_pattern_is_named_once_and_what_it_offers_mends_it(tmp_path, name):
    count, save, says = CASES[name]
    root = write(tmp_path / "data", table(count), save)
    (line,) = check_folder(root).findings
    assert says in line
    mended = check_folder(root, labels=says.rpartition(" ")[2])
    assert mended.findings == ()
    sound = check_folder(write(tmp_path / "b", table(count), values(*range(count))))
    for (_, got), (_, wanted) in zip(mended.splits, sound.splits, strict=True):
        total = wanted.class_pixels.sum()
        # Edges may move by a fraction of a pixel.
        near = np.abs(got.class_pixels - wanted.class_pixels) <= 0.03 * total
        assert near.all() and got.void_pixels <= 0.02 * total


def test_traces_of_jpeg_are_told_from_colours_that_nobody_has_listed(tmp_path):
    root = write(tmp_path / "a", table(3), lambda x: through_jpeg(colours(x), tmp_path))
    (line,) = check_folder(root).findings
    assert "JPEG's traces" in line and "--read-labels nearest" in line
    root = write(tmp_path / "b", table(4), colours)
    table(3).write(root / "classes.csv")
    (line,) = check_folder(root).findings
    assert "(70, 130, 180)" in line and "write 3,NAME,70,130,180" in line
    assert "nearest" not in line and "in 5 labels" in line


def test_a_dark_colour_that_is_not_listed_is_not_taken_for_void(tmp_path):
    def save(label):
        seen = np.array(((128, 64, 128), (0, 0, 142), (1, 2, 3)), np.uint8)
        return Image.fromarray(seen[label])

    (line,) = check_folder(write(tmp_path, table(3), save)).findings
    assert "write 3,NAME,1,2,3" in line


def test_background_beside_classes_from_one_gets_its_line(tmp_path):
    root = write(tmp_path, table(3), values(0, 1, 2))
    table(2, first=1).write(root / "classes.csv")
    (line,) = check_folder(root).findings
    assert "write the line 0,background,64,64,64 into the class file" in line


def test_values_from_zero_to_one_too_many_leave_both_readings_open(tmp_path):
    root = write(tmp_path, table(4), values(0, 1, 2, 3))
    table(3).write(root / "classes.csv")
    (line,) = check_folder(root).findings
    assert "--read-labels first=1, 0 is void then; or write 3,NAME,R,G,B" in line


def test_values_with_gaps_get_their_lines_of_the_class_file(tmp_path):
    (line,) = check_folder(write(tmp_path, table(3), values(0, 7, 2))).findings
    assert (
        "--read-labels 0=0,2=1,7=2, or write 2,car,0,0,142 and 7,person,220,20,60"
        in line
    )


def test_a_255_in_the_class_file_is_told_how_it_is_read(tmp_path):
    root = write(tmp_path, table(2), values(0, 255))
    text = (root / "classes.csv").read_text()
    (root / "classes.csv").write_text(text.replace("1,car", "255,car"))
    (line,) = check_folder(root).findings
    assert "give it the index 1 and read the labels so: --read-labels 0=0,255=1" in line


def test_files_of_one_split_without_a_pattern_stay_apart(tmp_path):
    def save(label):
        label[0, :2] = 77
        return Image.fromarray(label)

    root = write(tmp_path, table(3), save)
    (line,) = check_folder(root).findings
    assert "77 (10 pixels), in 5 labels" in line and "write 77,NAME,64,64,64" in line
    assert len(inspect(open_dataset(root, "train")).findings) == 3


JPEGS = {
    "0 and 255": (2, values(0, 255), "0=0,255=1,nearest"),
    "0 and 255 in three channels": (2, grey_rgb(0, 255), "grey,0=0,255=1,nearest"),
    "colours": (3, colours, "nearest"),
    "values far apart": (3, values(0, 100, 200), "0=0,100=1,200=2,nearest"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", JPEGS)
def test_labels_that_are_jpegs_get_the_rules_that_read_them(tmp_path, case):
    count, save, rules = JPEGS[case]
    root = write(tmp_path / "a", table(count), save, ending=".jpg", quality=75)
    lines = check_folder(root).findings
    assert len(lines) == 1 and f"--read-labels {rules}" in lines[0]
    mended = check_folder(root, labels=rules)
    sound = check_folder(write(tmp_path / "b", table(count), values(*range(count))))
    assert mended.findings == ()
    for (_, got), (_, wanted) in zip(mended.splits, sound.splits, strict=True):
        total = wanted.class_pixels.sum()
        assert (np.abs(got.class_pixels - wanted.class_pixels) <= 0.03 * total).all()


def test_jpegs_of_values_that_lie_too_near_are_refused_whatever_is_asked(tmp_path):
    root = write(tmp_path, table(3), values(0, 1, 2), ending=".jpeg", quality=95)
    for rules in ("", "nearest", "others=void"):
        (line,) = check_folder(root, labels=rules).findings
        assert "classes of a JPEG label are further apart" in line and "0 and 1" in line
        assert "export the labels as PNG" in line and "5 files" in line


def test_jpegs_without_a_trace_are_read_as_the_nearest_only(tmp_path):
    def flat(label):
        return Image.new("L", (WIDTH, HEIGHT), 128)

    classes = ClassTable(("a", "b"), ((1, 1, 1), (2, 2, 2)), (255,), (), (0, 128))
    root = write(tmp_path, classes, flat, ending=".jpg", quality=100)
    (line,) = check_folder(root).findings
    assert "a label keeps its values" in line and "--read-labels nearest" in line
    (line,) = check_folder(root, labels="nearest").findings
    assert "b is all there is of 2" in line  # they are read, and show one class
    (line,) = check_folder(root, labels="others=void").findings
    assert line.endswith("--read-labels nearest.")


def test_jpegs_of_few_unknown_values_are_known_for_what_they_are(tmp_path):
    def save(label):
        return Image.new("L", (WIDTH, HEIGHT), 125)

    classes = ClassTable(("a", "b"), ((1, 1, 1), (2, 2, 2)), (255,), (), (0, 128))
    root = write(tmp_path, classes, save, ending=".jpg", quality=100)
    (line,) = check_folder(root).findings
    assert "JPEG's traces: 125" in line and "--read-labels nearest" in line


@pytest.mark.slow
def test_jpeg_labels_are_trained_on_and_converted_as_they_are_read(tmp_path):
    root = write(tmp_path / "a", table(3), colours, ending=".jpg", quality=90)
    data = open_dataset(root, "train", labels="nearest")
    wanted = load_sample(data, 0)["label"]
    (_, label), *_ = batches(data, batch_size=1, count=1, shuffle=False)
    np.testing.assert_array_equal(label[0], wanted)
    convert(root, tmp_path / "new", labels="nearest")
    new = open_dataset(tmp_path / "new", "train")
    np.testing.assert_array_equal(load_sample(new, 0)["label"], wanted)
    truth = next(scenes(1, 3))
    assert (wanted == truth).mean() > 0.97
