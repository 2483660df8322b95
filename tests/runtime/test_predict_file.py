"""Predictions for files, row by row."""

import csv
import io
import json
import tracemalloc

import pytest
from PIL import Image

from aft.errors import DataError, UnknownColumnError, UsageError
from aft.runtime import Answered, predict_file
from tests.predictors import Lengths, Sides

COLUMNS = {"text": "text", "id": "id"}


def rows_of(path):
    """The rows of a written file."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_row_has_an_answer_in_its_order(tmp_path, suffix):
    data = tmp_path / "data.csv"
    data.write_bytes(
        b'id,text,more\na,short,1\nb,rather long,2\nc,  ,3\nd,one cell too few\ne,caf\xe9 au lait,4\nf,fine,5\n\ng,"with\nnewline",6\n'
    )
    out = tmp_path / f"out{suffix}"
    done = predict_file(Lengths(), data, out, COLUMNS)
    assert done == Answered(4, 3, "row c: the text is empty")
    rows = rows_of(out)
    assert [row["id"] for row in rows] == list("abcdefg")
    assert [row["label"] or None for row in rows] == ["short", "long", None, None, None, "short", "long"]
    assert [bool(row.get("error")) for row in rows] == [False, False, True, True, True, False, False]
    assert "3 cells" in rows[3]["error"] or "has 2 cells, and the header 3" in rows[3]["error"]
    assert "surrogate" in rows[4]["error"] or "UTF-8" in rows[4]["error"]
    with pytest.raises(UsageError, match="existing files are kept"):
        predict_file(Lengths(), data, out, COLUMNS)
    assert predict_file(Lengths(), data, out, COLUMNS, overwrite=True).predicted == 4


def test_strange_ids_and_long_texts(tmp_path):
    data = tmp_path / "data.csv"
    data.write_bytes(b"id,text\ncaf\xe9,abc\nlong," + b"x" * 300_000 + b"\n")
    assert predict_file(Lengths(), data, tmp_path / "out.csv", COLUMNS).predicted == 2
    assert [row["id"] for row in rows_of(tmp_path / "out.csv")] == ["caf\\udce9", "long"]
    lines = tmp_path / "data.jsonl"
    lines.write_text('{"id": "\\ud800", "text": "abc"}\n')
    assert predict_file(Lengths(), lines, tmp_path / "out.jsonl", COLUMNS).predicted == 1
    assert rows_of(tmp_path / "out.jsonl")[0]["id"] == "\\ud800"
    lines.write_text('nothing\n{"id": 2, "txt": "abc"}\n')
    with pytest.raises(UnknownColumnError, match="has no column 'text'"):
        predict_file(Lengths(), lines, tmp_path / "other.jsonl", COLUMNS)


def test_json_lines_and_parquet_are_read(tmp_path):
    lines = tmp_path / "data.jsonl"
    lines.write_text(
        '{"id": 1, "text": "abc"}\nnothing\n{"id": 3}\n[]\n{"id": 5, "text": 7}\n{"id": 6, "text": "abcdefgh"}\n'
    )
    out = tmp_path / "out.jsonl"
    assert predict_file(Lengths(), lines, out, COLUMNS) == Answered(
        2, 4, rows_of(out) and f"row 2: {rows_of(out)[1]['error']}"
    )
    assert [row["label"] for row in rows_of(out)] == ["short", None, None, None, None, "long"]
    assert "is not JSON" in rows_of(out)[1]["error"]
    assert rows_of(out)[2]["error"] == "the text is missing"
    assert rows_of(out)[3]["error"] == "the line is not a JSON object"
    assert rows_of(out)[4]["error"] == "the text is of the type int"
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"text": ["abc", None, "abcdefgh"], "id": ["x", "y", "z"]}), tmp_path / "data.parquet")
    assert predict_file(Lengths(), tmp_path / "data.parquet", tmp_path / "p.csv", COLUMNS).predicted == 2
    assert [row["id"] for row in rows_of(tmp_path / "p.csv")] == ["x", "y", "z"]


def test_images_are_read_from_paths_and_bytes(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (9, 3)).save(tmp_path / "in" / "wide.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"nothing")
    (tmp_path / "secret.png").write_bytes((tmp_path / "in" / "wide.png").read_bytes())
    (tmp_path / "in" / "data.csv").write_text('file\nwide.png\nbroken.png\nmissing.png\n../secret.png\n""\n')
    done = predict_file(Sides(), tmp_path / "in" / "data.csv", tmp_path / "out.csv", {"image": "file"})
    assert (done.predicted, done.failed) == (1, 4)
    rows = rows_of(tmp_path / "out.csv")
    assert [row["id"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[0]["label"] == "long"
    assert rows[3]["error"] == "the path of the image leads out of the table's folder"
    assert all(str(tmp_path / "in") not in row["error"] or "missing" in row["error"] for row in rows)
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    Image.new("RGB", (3, 9)).save(buffer, "PNG")
    parquet.write_table(pa.table({"image": [{"bytes": buffer.getvalue(), "path": None}]}), tmp_path / "images.parquet")
    assert predict_file(Sides(), tmp_path / "images.parquet", tmp_path / "b.csv", {"image": "image"}).predicted == 1
    assert rows_of(tmp_path / "b.csv")[0]["label"] == "short"


def test_memory_does_not_grow_with_the_file(tmp_path):
    # The smaller file is ten chunks long, so that chunks are read, predicted and written at the same time in both.
    peaks = []
    for count in (20_000, 60_000):
        data = tmp_path / f"{count}.csv"
        with data.open("w") as file:
            file.write("id,text\n")
            file.writelines(f"{n},text number {n} of many\n" for n in range(count))
        tracemalloc.start()
        assert predict_file(Lengths(), data, tmp_path / f"out-{count}.csv", COLUMNS).predicted == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_nothing_is_written_where_something_is_wrong(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("id,text\n1,abc\n")
    out = tmp_path / "out.csv"
    for arguments, error, message in (
        ((tmp_path / "none.csv", out, COLUMNS), DataError, "there is no file"),
        ((tmp_path / "data.xlsx", out, COLUMNS), DataError, "read from a .csv, .tsv, .jsonl or .parquet file"),
        ((data, out, {"text": "txt"}), UnknownColumnError, "has no column 'txt'; did you mean 'text'"),
        ((data, out, {}), UsageError, "received none for text=; name it"),
        ((data, tmp_path / "out.xlsx", COLUMNS), UsageError, "predictions are written as"),
    ):
        with pytest.raises(error, match=message):
            predict_file(Lengths(), *arguments)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="is empty"):
        predict_file(Lengths(), tmp_path / "empty.csv", out, COLUMNS)
    before = data.read_bytes()
    with pytest.raises(UsageError, match="predictions have a file of their own"):
        predict_file(Lengths(), data, data, COLUMNS, overwrite=True)
    assert data.read_bytes() == before
    with pytest.raises(UsageError, match="the output's folder must exist"):
        predict_file(Lengths(), data, tmp_path / "missing" / "out.csv", COLUMNS)
    assert not out.exists()
    data.write_text("id,text\n")
    assert predict_file(Lengths(), data, out, COLUMNS) == Answered(0, 0, None)
    assert out.read_text() == "id,label,probability of long,probability of short,error\n"
