from aft.core import append_jsonl, read_jsonl


def test_rows_are_read_in_the_order_in_which_they_were_written(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    assert read_jsonl(path) == []
    append_jsonl(path, {"n": 1, "text": "ünï\n"})
    append_jsonl(path, {"n": 2})
    assert read_jsonl(path) == [{"n": 1, "text": "ünï\n"}, {"n": 2}]
    assert len(path.read_bytes().splitlines()) == 2


def test_cut_off_line_is_skipped_and_not_appended_to(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_jsonl(path, {"n": 1})
    append_jsonl(path, {"n": 2})
    path.write_bytes(path.read_bytes()[:-4])
    assert read_jsonl(path) == [{"n": 1}]
    append_jsonl(path, {"n": 3})
    assert read_jsonl(path) == [{"n": 1}, {"n": 3}]


def test_complete_line_without_a_line_break_is_kept(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n": 1}')
    append_jsonl(path, {"n": 2})
    assert read_jsonl(path) == [{"n": 1}, {"n": 2}]


def test_lines_that_are_not_objects_are_skipped(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('[1]\n"text"\nnot json\n\n{"n": 1}\n')
    assert read_jsonl(path) == [{"n": 1}]
