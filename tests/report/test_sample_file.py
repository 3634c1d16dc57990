import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfopen.base.errors import ConfigError
from halfopen.base.samples import Sample, as_objects, as_table
from halfopen.report.sample_file import read_samples

SAMPLES = st.lists(
    st.builds(
        Sample,
        st.integers(0, 1 << 62),
        st.sampled_from(("client:49152>server:80", "a-b>b", 'odd, "one"')),
        st.sampled_from(("cwnd", "srtt")),
        st.floats(allow_nan=False, allow_infinity=False),
    )
)


@given(SAMPLES)
def test_both_forms_give_back_what_was_written(samples: list[Sample]) -> None:
    assert read_samples(as_objects(samples)) == samples
    assert read_samples(as_table(samples)) == samples


def test_blank_lines_and_other_columns_do_no_harm() -> None:
    assert read_samples(["when, subject, name, value, unit", "", "5,a-b>b,queue_packets,3,packets"]) == [
        Sample(5, "a-b>b", "queue_packets", 3)
    ]
    assert read_samples([]) == []


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (['{"when": 1}'], "x:1: 'subject' is missing"),
        (['{"when": 1, "subject": "a", "name": "b", "value": 1}', "{"], "x:2: not JSON"),
        (['{"when": 1, "subject": "a", "name": "b", "value": 1}', "[]"], "x:2: expected an object"),
        (["when,subject,name"], "x:1: no column 'value'"),
        (["when,subject,name,value", "", "soon,a,b,1"], "x:3: expected whole nanoseconds"),
        (["when,subject,name,value", "1,a,b,nan"], "x:2: 'value' is not finite"),
        (["when,subject,name,value", "1,a"], "x:2: 'name' is missing"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(lines: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        read_samples(lines, "x")
