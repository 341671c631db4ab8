"""Labels: every way of writing them down, and every way of getting them wrong."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from padscope.errors import PadscopeError
from padscope.images import Labels, given_labels, read_labels

NAMES = ("cats/a.png", "cats/b.png", "dogs/a.png", "dogs/c.png")
FOUR = "cats/a.png,{}\ncats/b.png,{}\ndogs/a.png,{}\ndogs/c.png,{}\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(
    folder: Path, text: str, classes: int | None = None, known: dict[str, int] | None = None
) -> Labels:
    return read_labels(write(folder, text), NAMES, classes, known=known)


def test_by_relative_path(tmp_path: Path) -> None:
    text = (
        "file,class_index,name\ndogs/c.png,4,cur\ncats/a.png,0,\ncats/b.png,0,tom\ndogs/a.png,3,\n"
    )
    labels = read(tmp_path, text, classes=5)
    assert labels.classes == (0, 0, 3, 4)
    assert labels.names == {0: "tom", 4: "cur"}
    assert labels.described == "3 classes by labels.csv"
    chosen = labels.of([3, 0, 0])
    assert chosen.dtype == torch.int64
    assert chosen.tolist() == [4, 0, 0]


@pytest.mark.parametrize("file", ["file", "filename", "image", "path", " File "])
@pytest.mark.parametrize("label", ["class_index", "label", "class", "target", "LABEL"])
def test_columns(tmp_path: Path, file: str, label: str) -> None:
    rows = "".join(f"x,{name},{number % 2}\n" for number, name in enumerate(NAMES))
    assert read(tmp_path, f"other,{file},{label}\n{rows}").classes == (0, 1, 0, 1)


def test_the_first_column_of_the_list_counts(tmp_path: Path) -> None:
    rows = "".join(f"{number},9,{name}\n" for number, name in enumerate(NAMES))
    assert read(tmp_path, f"class_index,target,file\n{rows}").classes == (0, 1, 2, 3)


def test_base_names_where_only_one_file_can_be_meant(tmp_path: Path) -> None:
    text = "file,class\n/somewhere/else/b.png,1\nc.png,2\ncats/a.png,3\n./dogs\\a.png,4\n"
    assert read(tmp_path, text).classes == (3, 1, 4, 2)
    # Two images are called a.png, and the table tells of one without saying which.
    text = "file,class\na.png,7\nb.png,1\nc.png,2\n"
    labels = read(tmp_path, text)
    assert labels.classes == (-1, 1, -1, 2)
    assert labels.described == (
        "2 classes by labels.csv; 2 of 4 images have no label, the first cats/a.png"
    )
    # Two lines mean files called b.png, of two classes.
    text = "file,class\nx/b.png,7\ny/b.png,1\nc.png,2\ncats/a.png,1\n"
    assert read(tmp_path, text).classes == (1, -1, -1, 2)


def test_an_empty_class_is_no_label(tmp_path: Path) -> None:
    text = "file,class\ncats/a.png,3.0\ncats/b.png,\ndogs/a.png, 1 \n"
    assert read(tmp_path, text).classes == (3, -1, 1, -1)


def test_a_byte_order_mark_and_other_columns(tmp_path: Path) -> None:
    text = '\ufefffile,class,remark\n"cats/a.png",0,"x, ""y"""\ndogs/c.png,1,ä\r\n'
    assert read(tmp_path, text).classes == (0, -1, -1, 1)


@pytest.mark.parametrize("none", ["NA", "", "NaN", "None", "null", "<NA>", "n/a"])
def test_numbers_are_numbers_whatever_stands_where_there_is_none(tmp_path: Path, none: str) -> None:
    text = "file,class\n" + FOUR.format(10, "1.1e+01", none, "2.0")
    labels = read(tmp_path, text, classes=24)
    assert labels.classes == (10, 11, -1, 2)
    assert labels.names == {}
    assert labels.described.endswith("1 of 4 images has no label, the first dogs/a.png")
    labels = read(tmp_path, "file,class\n" + FOUR.format("tom", "tim", none, "cur"), classes=3)
    assert labels.classes == (2, 1, -1, 0)


def test_a_class_called_none(tmp_path: Path) -> None:
    text = "file,class\n" + FOUR.format("cat", "none", "none", "dog")
    assert read(tmp_path, text, classes=3).classes == (0, 2, 2, 1)
    assert read(tmp_path, text, classes=2).classes == (0, -1, -1, 1)


def test_a_column_of_exactly_that_name_goes_before_others(tmp_path: Path) -> None:
    rows = "".join(f"x,{name},{number},9\n" for number, name in enumerate(NAMES))
    assert read(tmp_path, f"File,file,label,Label\n{rows}").classes == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "given",
    [
        [0, 2.0, None, 1],
        [0, 2, math.nan, 1],
        [0, "2", -1, "1.0e0"],
        torch.tensor([0, 2, -1, 1]),
        np.array([0, 2, np.nan, 1]),
        pl.Series([0, 2, None, 1]),
        ["cat", "rat", None, "dog"],
        dict(zip(NAMES, [False, 2, "NA", True], strict=True)),
        {NAMES[0]: 0, NAMES[1]: np.int64(2), NAMES[3]: torch.tensor(1)},
    ],
)
def test_from_python(given: Any) -> None:
    labels = given_labels(given, NAMES, 3)
    assert labels.classes == (0, 2, -1, 1)
    words = {0: "cat", 1: "dog", 2: "rat"} if "cat" in list(given) else {}
    assert labels.names == words
    assert labels.described == "3 classes; 1 of 4 images has no label, the first dogs/a.png"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([0, 1], "2 labels for 4 images"),
        ([0, 1, 2, "cat"], "class 'cat' of dogs/c.png is not a whole number"),
        ([0, 1, 2, 5], "class 5 of dogs/c.png is outside the model's classes, 0 to 2"),
        ([0, None, -1, 0], "all images have class 0; accuracy needs"),
        ([None] * 4, "no image has a class"),
        ({"other.png": 1}, "no image has a class"),
        (torch.eye(4), "the label of cats/a.png is a list; give the number or the name"),
        (7, "labels cannot come from a int"),
        (torch.tensor(7), "labels cannot come from a Tensor"),
    ],
)
def test_wrong_labels_from_python(given: Any, said: str) -> None:
    with pytest.raises(PadscopeError, match=said):
        given_labels(given, NAMES, 3)


def test_names_in_sorted_order(tmp_path: Path) -> None:
    rows = "".join(f"{name},{name.split('/')[0]}\n" for name in NAMES)
    for classes in (2, None):
        labels = read(tmp_path, f"file,label\n{rows}", classes)
        assert labels.classes == (0, 0, 1, 1)
        assert labels.names == {0: "cats", 1: "dogs"}


def test_names_as_the_model_numbers_them(tmp_path: Path) -> None:
    rows = "".join(f"{name},{name.split('/')[0].upper()}\n" for name in NAMES)
    known = {"dogs": 17, "cats": 40, "cows": 2}
    labels = read(tmp_path, f"file,label\n{rows}", 50, known=known)
    assert labels.classes == (40, 40, 17, 17)
    assert labels.names == {17: "DOGS", 40: "CATS"}


def test_a_name_that_stands_for_two_classes_is_not_guessed(tmp_path: Path) -> None:
    rows = "".join(f"{name},{name.split('/')[0]}\n" for name in NAMES)
    known = {"dogs": 17, "Cats": 40, "cats": 2}
    with pytest.raises(PadscopeError, match=r"'cats' of cats/a.png is not a class of the model"):
        read(tmp_path, f"file,label\n{rows}", 50, known=known)


def test_folders() -> None:
    labels = read_labels("folders", NAMES, 2)
    assert labels.classes == (0, 0, 1, 1)
    assert labels.names == {0: "cats", 1: "dogs"}
    assert labels.described == "2 classes by their folders"


def test_folders_of_which_no_image_was_drawn(tmp_path: Path) -> None:
    """As torchvision's ImageFolder numbers them, which looks at all folders."""
    for folder in ("cats", "cows", "dogs", ".cache"):
        (tmp_path / folder).mkdir()
    labels = read_labels("folders", NAMES, 3, root=tmp_path)
    assert labels.classes == (0, 0, 2, 2)
    assert labels.names == {0: "cats", 1: "cows", 2: "dogs"}
    nested = [f"{tmp_path.name}/{name}" for name in NAMES]
    assert read_labels("folders", nested, 3, root=tmp_path.parent) == labels


def test_folders_that_the_model_knows() -> None:
    known = {"cats": 281, "dogs": 151}
    assert read_labels("folders", NAMES, 1000, known=known).classes == (281, 281, 151, 151)


def test_images_beside_the_folders() -> None:
    labels = read_labels("folders", (*NAMES, "z.png"), 2)
    assert labels.classes == (0, 0, 1, 1, -1)
    assert labels.described.endswith("1 of 5 images has no label, the first z.png")


@given(numbers=st.lists(st.integers(0, 6), min_size=2, max_size=40), seed=st.integers(0, 99))
def test_any_order_of_lines(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], seed: int
) -> None:
    if len(set(numbers)) == 1:
        numbers = [*numbers, numbers[0] + 1]
    names = [f"{place % 3}/{place}.jpg" for place in range(len(numbers))]
    order = np.random.default_rng(seed).permutation(len(numbers))
    lines = [f"{names[place]},{numbers[place]}" for place in order]
    path = write(tmp_path_factory.mktemp("labels"), "\n".join(["image,target", *lines]))
    assert read_labels(path, names, 8).of(range(len(numbers))).tolist() == numbers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "are empty"),
        ("file,class\n", "are empty"),
        ("file,class\n,\n", "are empty"),
        (
            "name,class\nx,1\n",
            r"no column file \(or filename, image, path\); there are name, class",
        ),
        ("file,kind\nx,1\n", r"no column class_index \(or label, class, target\)"),
        ("file,class\nx,1,2,3\n", "are not a CSV file in UTF-8"),
        ("file,class\n" + FOUR.format(0, 1, 2, 5), "class 5 of dogs/c.png is outside .* 0 to 4"),
        ("file,class\n" + FOUR.format(0, 1, -1, 3), "class -1 of dogs/a.png is outside"),
        ("file,class\n" + FOUR.format(3, 3, 3, 3), "all images have class 3, by labels.csv"),
        (
            "file,class\n" + FOUR.format(0, 1, 2, 3) + "cats/b.png,4\n",
            "gives cats/b.png two classes, 1 and 4",
        ),
        (
            "file,class\ncats/b.png,1\nz.png,2\n",
            "3 of 4 images have no label, the first cats/a.png",
        ),
        (
            "file,class\n" + FOUR.format("x", "y", "x", "z"),
            "3 names of classes, and the model has 5",
        ),
        (
            "file,class\n" + FOUR.format(0, 11, "cat", 3),
            "class 'cat' of dogs/a.png is not a whole number, while 0 of cats/a.png is",
        ),
        (
            "file,class\n" + FOUR.format(0, 1, 2.5, 3),
            "class '2.5' of dogs/a.png is not a whole number",
        ),
        ("file,class\n" + FOUR.format(0, 1, "1e999", 3), "class '1e999' of dogs/a.png is not a"),
        ("file,class\n" + FOUR.format("NA", "", "nan", "-"), "no image has a class"),
        ("File,file,file,class\n", r"2 columns file \(file, file\); keep one"),
        ("File,FILE,class\n", r"2 columns file \(File, FILE\); keep one"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PadscopeError, match=said):
        read(tmp_path, text, classes=5)


def test_duplicates_that_agree(tmp_path: Path) -> None:
    text = "file,class\n" + FOUR.format(0, 1, 2, 3) + "cats/b.png,1.0\n"
    assert read(tmp_path, text).classes == (0, 1, 2, 3)


def test_files_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(PadscopeError, match=r"cannot read the labels .*nowhere.csv: No such file"):
        read_labels(tmp_path / "nowhere.csv", NAMES, None)
    with pytest.raises(PadscopeError, match="Is a directory"):
        read_labels(tmp_path, NAMES, None)
    (tmp_path / "latin.csv").write_bytes("file,class\nä.png,1\n".encode("latin-1"))
    with pytest.raises(PadscopeError, match="are not a CSV file in UTF-8"):
        read_labels(tmp_path / "latin.csv", NAMES, None)


def test_wrong_folders() -> None:
    with pytest.raises(PadscopeError, match="are not in folders of their own"):
        read_labels("folders", ("a.png", "b.png"), None)
    with pytest.raises(PadscopeError, match="2 names of classes, and the model has 10"):
        read_labels("folders", NAMES, 10)
    with pytest.raises(PadscopeError, match="all images have class 0, by their folders"):
        read_labels("folders", NAMES[:2], None)
