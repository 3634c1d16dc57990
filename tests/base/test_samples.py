"""Samples as text: the same samples always give the same octets."""

import csv
import json

import pytest

from halfopen.base.samples import Sample, as_objects, as_table

SAMPLES = [
    Sample(1_000_000_000, "client:49152>server:80", "cwnd", 14480.0),
    Sample(1_000_000_001, "a-b>b", "srtt", 0.1),
    Sample(1_000_000_002, 'say "hi", bob', "queue\npackets", -3),
]


def test_a_table_has_a_header_and_a_line_for_each_sample() -> None:
    lines = list(as_table(SAMPLES[:2]))
    assert lines == [
        "when,subject,name,value\n",
        "1000000000,client:49152>server:80,cwnd,14480\n",
        "1000000001,a-b>b,srtt,0.1\n",
    ]


def test_a_table_can_be_read_by_any_reader_of_csv() -> None:
    rows = list(csv.reader(as_table(SAMPLES), strict=True))[1:]
    assert [Sample(int(when), subject, name, float(value)) for when, subject, name, value in rows] == SAMPLES


def test_objects_are_a_line_each() -> None:
    lines = list(as_objects(SAMPLES))
    assert lines[0] == '{"when": 1000000000, "subject": "client:49152>server:80", "name": "cwnd", "value": 14480}\n'
    assert [Sample(**json.loads(line)) for line in lines] == SAMPLES


def test_a_sample_does_not_change() -> None:
    with pytest.raises(AttributeError):
        SAMPLES[0].value = 1  # type: ignore[misc]  # the point of the test
