"""Parquet and Arrow files are read as pyarrow reads them, by their ends alone; CSV and JSON by their beginnings."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

from mediatypes.files.reading import LIMITS, Limits, Malformed, TooMuch, Unsupported
from mediatypes.files.samples import SAMPLE
from tests.mediatypes.files.seeds import TABLE, arrow, parquet
from tests.mediatypes.files.sources import Bytes, OnDisk, read, values


def fields(schema: pa.Schema) -> list[dict[str, str]]:
    return [{"name": field.name, "type": str(field.type)} for field in schema]


# Parquet


def test_a_parquet_files_footer_is_what_pyarrow_reports() -> None:
    content = parquet(TABLE, row_group_size=2)
    footer = pyarrow.parquet.ParquetFile(io.BytesIO(content)).metadata
    reading = read("data/train.parquet", content)
    found = values(reading.facts)
    assert found["rows"] == footer.num_rows == 3
    assert found["features"] == fields(footer.schema.to_arrow_schema())
    assert reading.raw["row_groups"] == footer.num_row_groups == 2
    assert [group["rows"] for group in reading.raw["groups"]] == [2, 1]
    assert reading.raw["created_by"] == footer.created_by
    assert reading.raw["compression"] == "snappy"


def test_metadata_that_is_json_is_kept_as_such_and_the_schema_not_twice() -> None:
    table = TABLE.replace_schema_metadata(
        {"pandas": json.dumps({"index_columns": ["id"]}), "note": "by hand", "blob": b"\xff\x00"}
    )
    metadata = read("a.parquet", parquet(table)).raw["metadata"]
    assert metadata == {"pandas": {"index_columns": ["id"]}, "note": "by hand", "blob": {"bytes": 2}}


def test_a_large_parquet_file_costs_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    whole = parquet(pa.table({"number": list(range(1000))}))
    length = int.from_bytes(whole[-8:-4], "little")
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.seek(20 << 30)
        file.write(whole[-8 - length :])
    source = OnDisk(path)
    assert values(read("large.parquet", source).facts)["rows"] == 1000
    assert source.taken < 200_000


def test_a_wide_parquet_files_footer_is_read_whole() -> None:
    table = pa.table({f"column {number}": [number] for number in range(3000)})
    reading = read("wide.parquet", parquet(table))
    assert reading.raw["columns"] == 3000
    assert len(values(reading.facts)["features"]) == 1000  # type: ignore[arg-type]


def test_an_encrypted_parquet_file_is_unsupported() -> None:
    with pytest.raises(Unsupported, match="encrypted"):
        read("secret.parquet", b"PARE" + bytes(20) + (8).to_bytes(4, "little") + b"PARE")


def test_a_parquet_footer_beyond_the_limits_is_refused_unread() -> None:
    source = Bytes(b"PAR1" + bytes(20) + (0xFFFFFFF0).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(TooMuch, match="footer of 4294967280 bytes"):
        read("huge.parquet", source)
    assert source.taken < 100


def test_what_the_source_refuses_is_what_the_caller_learns() -> None:
    class Dear(Bytes):
        def read(self, start: int, stop: int) -> bytes:
            if self.reads >= 2:
                raise TooMuch("is dear")
            return super().read(start, stop)

    with pytest.raises(TooMuch, match="is dear"):
        read("a.parquet", Dear(parquet(TABLE)))


def test_a_source_that_fails_is_no_malformed_file() -> None:
    class Broken(Bytes):
        def read(self, start: int, stop: int) -> bytes:
            if self.reads >= 2:
                raise ConnectionResetError("storage is gone")
            return super().read(start, stop)

    for name, content in (("a.parquet", parquet(TABLE)), ("a.arrow", arrow(TABLE, 2, is_file=False))):
        with pytest.raises(ConnectionResetError):
            read(name, Broken(content))


# Arrow


@pytest.mark.parametrize("is_file", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_an_arrow_files_rows_are_counted_without_its_columns(is_file: bool, batch: int) -> None:
    content = arrow(TABLE, batch, is_file=is_file)
    opened = (pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream)(io.BytesIO(content))
    reading = read("data.arrow", content)
    assert values(reading.facts) == {"features": fields(opened.schema), "rows": opened.read_all().num_rows}
    assert reading.raw["batches"] == -(-3 // batch)
    assert reading.raw["packing"] == ("file" if is_file else "stream")


def test_a_large_arrow_stream_costs_what_says_how_long_its_batches_are() -> None:
    table = pa.table({"number": pa.array(range(500_000), pa.int64())})
    source = Bytes(arrow(table, 50_000, is_file=False))
    assert values(read("data.arrow", source).facts)["rows"] == 500_000
    assert source.size > 4_000_000
    assert source.taken < 30_000


def test_rows_of_very_many_batches_stay_untold() -> None:
    reading = read("data.arrow", arrow(pa.table({"number": list(range(3000))}), 1, is_file=True))
    assert "rows" not in values(reading.facts)
    assert "features" in values(reading.facts)


def test_an_arrow_message_beyond_the_limits_is_refused() -> None:
    head = b"ARROW1\0\0" + b"\xff\xff\xff\xff" + (1 << 30).to_bytes(4, "little")
    with pytest.raises(TooMuch, match="1073741824 bytes of metadata"):
        read("data.arrow", head + bytes(100) + b"ARROW1")


# CSV


def test_a_small_csv_files_columns_types_and_rows_are_told() -> None:
    content = b"id,name,score,when,ok\n1,a,0.5,2024-01-02,true\n2,,1,2024-01-03T04:05:06Z,false\n"
    reading = read("data.csv", content)
    assert values(reading.facts) == {
        "rows": 2,
        "features": [
            {"name": "id", "type": "int64"},
            {"name": "name", "type": "string"},
            {"name": "score", "type": "float64"},
            {"name": "when", "type": "timestamp"},
            {"name": "ok", "type": "bool"},
        ],
    }
    assert reading.raw["delimiter"] == ","


@pytest.mark.parametrize(
    ("path", "content", "delimiter"),
    [
        ("a.tsv", b"x\ty\n1\t2\n", "\t"),
        ("a.csv", b"x;y\n1,5;2\n", ";"),
        ("a.csv", b"x|y|z\na, b|c|d\n", "|"),
        ("a.csv", b'x,y\n"a;b;c",2\n"line\nbreak",3\n', ","),
    ],
)
def test_the_delimiter_is_the_one_that_splits_evenly(path: str, content: bytes, delimiter: str) -> None:
    reading = read(path, content)
    assert reading.raw["delimiter"] == delimiter
    assert reading.raw["columns"][:2] == ["x", "y"]


def test_a_csv_file_without_header_has_numbered_columns() -> None:
    reading = read("a.csv", b"1,a\n2,b\n")
    assert reading.raw["header"] is False
    assert values(reading.facts)["features"] == [
        {"name": "column_0", "type": "int64"},
        {"name": "column_1", "type": "string"},
    ]
    assert values(reading.facts)["rows"] == 2


def test_a_long_csv_file_is_sampled_and_its_rows_stay_untold() -> None:
    source = Bytes(b"number,text\n" + b"".join(b"%d,word\n" % number for number in range(300_000)))
    reading = read("a.csv", source)
    assert "rows" not in values(reading.facts)
    assert values(reading.facts)["features"] == [
        {"name": "number", "type": "int64"},
        {"name": "text", "type": "string"},
    ]
    assert source.taken <= SAMPLE + 4096


def test_an_empty_csv_file_has_no_rows() -> None:
    assert read("a.csv", b"").raw == {"rows": 0}


def test_a_csv_file_of_a_spreadsheet_in_latin_1_is_read() -> None:
    assert read("a.csv", "größe;name\n1;ä\n".encode("latin-1")).raw["columns"] == ["größe", "name"]


# JSON


def test_json_lines_have_the_fields_of_all_their_records() -> None:
    content = b'{"a": 1, "b": [1, 2]}\n\n{"a": 1.5, "c": {"d": null}}\n{"a": null, "b": []}'
    assert values(read("train.jsonl", content).facts) == {
        "rows": 3,
        "features": [
            {"name": "a", "type": "float64"},
            {"name": "b", "type": "list<int64>"},
            {"name": "c", "type": "struct"},
        ],
    }


def test_long_json_lines_are_sampled_up_to_the_last_whole_line() -> None:
    source = Bytes(b"".join(b'{"number": %d, "text": "word"}\n' % number for number in range(100_000)))
    found = values(read("train.jsonl", source).facts)
    assert found == {"features": [{"name": "number", "type": "int64"}, {"name": "text", "type": "string"}]}
    assert source.taken <= SAMPLE + 4096


def test_a_json_list_of_records_is_a_table() -> None:
    found = values(read("train.json", b'[{"q": "a"}, {"q": "b", "q2": true}]').facts)
    assert found == {"rows": 2, "features": [{"name": "q", "type": "string"}, {"name": "q2", "type": "bool"}]}


def test_a_long_json_list_is_sampled() -> None:
    content = json.dumps([{"number": number, "text": "word" * 10} for number in range(100_000)]).encode()
    source = Bytes(content)
    assert source.size > 4 << 20
    found = values(read("train.json", source).facts)
    assert found == {"features": [{"name": "number", "type": "int64"}, {"name": "text", "type": "string"}]}
    assert source.taken <= SAMPLE + 4096


def test_a_broken_line_is_malformed_with_the_reason() -> None:
    with pytest.raises(Malformed, match="is not JSON"):
        read("train.jsonl", b'{"a": 1}\n{"a": \n')


def test_limits_bound_what_is_sampled() -> None:
    source = Bytes(b"a,b\n" + b"1,2\n" * 10_000)
    read("a.csv", source, Limits(header=10_000))
    assert source.taken <= 10_000 + 4096
    assert LIMITS.header > 10_000
