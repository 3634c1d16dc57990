from halfopen.stack.token_bucket import TokenBucket


def test_a_bucket_fills_up_to_its_burst() -> None:
    bucket = TokenBucket(10, 5)
    assert [bucket.take(0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(20) for _ in range(3)] == [True, True, False]
    assert sum(bucket.take(10_000) for _ in range(20)) == 5
