"""Acceptance of the task `lru-cache`: each test names the requirement that it judges.

Time stands still unless a test moves its clock. The module is imported inside the tests, so that a
module that cannot be imported fails tests and never the collection.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""


class Clock:
    """Starts far from zero, so that an entry stored without its start time shows."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def new_cache(capacity: int, clock: Clock, ttl_seconds: float | None = None) -> Any:
    from lru_cache import LRUCache

    return LRUCache(capacity, ttl_seconds=ttl_seconds, clock=clock)


def test_requirement_1_a_new_cache_is_empty_and_keeps_its_capacity(clock: Clock) -> None:
    cache = new_cache(1, clock)

    assert cache.get("a") is None
    cache.put("a", 1)
    cache.put("b", 2)
    assert (cache.get("a"), cache.get("b")) == (None, 2)


@pytest.mark.parametrize("capacity", [0, -1])
def test_requirement_1_a_capacity_below_one_is_refused(capacity: int, clock: Clock) -> None:
    from lru_cache import LRUCache

    with pytest.raises(REFUSAL):
        LRUCache(capacity, clock=clock)


def test_requirement_2_entries_never_expire_without_a_lifetime(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)

    clock.now_seconds += 1e9

    assert cache.get("a") == 1


@pytest.mark.parametrize("ttl_seconds", [0, -5])
def test_requirement_2_a_lifetime_of_zero_or_below_is_refused(ttl_seconds: float, clock: Clock) -> None:
    from lru_cache import LRUCache

    with pytest.raises(REFUSAL):
        LRUCache(2, ttl_seconds=ttl_seconds, clock=clock)


def test_requirement_3_the_clock_argument_may_be_left_out() -> None:
    from lru_cache import LRUCache

    cache = LRUCache(2, ttl_seconds=3600)
    cache.put("a", 1)

    assert cache.get("a") == 1


def test_requirement_4_putting_a_key_again_replaces_its_value_and_renews_its_lifetime(clock: Clock) -> None:
    cache = new_cache(2, clock, ttl_seconds=10)
    assert cache.put("a", 1) is None
    clock.now_seconds += 8

    cache.put("a", 2)
    clock.now_seconds += 8

    assert (cache.get("a"), len(cache)) == (2, 1)


def test_requirement_5_an_entry_may_have_a_lifetime_of_its_own(clock: Clock) -> None:
    cache = new_cache(3, clock, ttl_seconds=10)
    cache.put("short", 1, ttl_seconds=2)
    cache.put("long", 2, ttl_seconds=30)
    cache.put("usual", 3)

    clock.now_seconds += 5
    assert (cache.get("short"), cache.get("long"), cache.get("usual")) == (None, 2, 3)
    clock.now_seconds += 10
    assert (cache.get("long"), cache.get("usual")) == (2, None)


@pytest.mark.parametrize("ttl_seconds", [0, -5])
def test_requirement_5_a_refused_lifetime_leaves_the_cache_unchanged(
    ttl_seconds: float, clock: Clock
) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)
    cache.put("b", 2)

    with pytest.raises(REFUSAL):
        cache.put("a", 3, ttl_seconds=ttl_seconds)
    with pytest.raises(REFUSAL):
        cache.put("c", 3, ttl_seconds=ttl_seconds)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, 2, None)


def test_requirement_6_an_entry_expires_exactly_at_the_end_of_its_lifetime(clock: Clock) -> None:
    cache = new_cache(2, clock, ttl_seconds=10)
    cache.put("a", 1)

    clock.now_seconds += 9.5
    assert cache.get("a") == 1
    clock.now_seconds += 0.5
    assert cache.get("a") is None


def test_requirement_6_every_method_takes_an_expired_entry_for_absent(clock: Clock) -> None:
    cache = new_cache(2, clock, ttl_seconds=10)
    cache.put("a", 1)

    clock.now_seconds += 11

    assert cache.get("a", "gone") == "gone"
    assert "a" not in cache
    assert (len(cache), cache.keys()) == (0, [])


def test_requirement_7_get_returns_the_default_for_an_absent_key_alone(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("nothing", None)

    assert cache.get("missing") is None
    assert cache.get("missing", 7) == 7
    assert cache.get("nothing", 7) is None


def test_requirement_8_a_key_that_was_read_is_not_the_next_to_be_dropped(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)
    cache.put("b", 2)

    cache.get("a")
    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)


def test_requirement_8_a_key_that_was_put_again_is_not_the_next_to_be_dropped(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)
    cache.put("b", 2)

    cache.put("a", 4)
    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (4, None, 3)


def test_requirement_8_get_does_not_extend_a_lifetime(clock: Clock) -> None:
    cache = new_cache(2, clock, ttl_seconds=10)
    cache.put("a", 1)
    clock.now_seconds += 6
    assert cache.get("a") == 1

    clock.now_seconds += 6

    assert cache.get("a") is None


def test_requirement_9_a_full_cache_drops_the_least_recently_used_entry(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)
    cache.put("b", 2)

    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (None, 2, 3)


def test_requirement_9_expired_entries_make_room_before_a_living_one_is_dropped(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("old", 1)
    cache.put("short", 2, ttl_seconds=5)

    clock.now_seconds += 6
    cache.put("new", 3)

    assert (cache.get("old"), cache.get("short"), cache.get("new")) == (1, None, 3)


def test_requirement_9_replacing_a_value_in_a_full_cache_drops_nothing(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)
    cache.put("b", 2)

    cache.put("b", 3)

    assert (cache.get("a"), cache.get("b")) == (1, 3)


def test_requirement_10_delete_says_whether_there_was_an_entry(clock: Clock) -> None:
    cache = new_cache(2, clock, ttl_seconds=10)
    cache.put("a", 1)

    assert cache.delete("a") is True
    assert cache.delete("a") is False
    assert cache.get("a") is None


def test_requirement_10_deleting_an_expired_entry_returns_false(clock: Clock) -> None:
    cache = new_cache(2, clock, ttl_seconds=10)
    cache.put("a", 1)

    clock.now_seconds += 10

    assert cache.delete("a") is False


def test_requirement_11_the_length_counts_living_entries_only(clock: Clock) -> None:
    cache = new_cache(3, clock)
    cache.put("a", 1)
    cache.put("b", 2, ttl_seconds=5)
    assert len(cache) == 2

    clock.now_seconds += 5

    assert len(cache) == 1


def test_requirement_12_asking_whether_a_key_is_present_is_no_use_of_it(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)
    cache.put("b", 2)

    assert "a" in cache
    assert "c" not in cache
    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (None, 2, 3)


def test_requirement_13_keys_come_from_the_least_to_the_most_recently_used(clock: Clock) -> None:
    cache = new_cache(3, clock)
    for key in ("a", "b", "c"):
        cache.put(key, key)

    assert [cache.keys(), cache.keys()] == [["a", "b", "c"]] * 2
    cache.get("a")
    assert cache.keys() == ["b", "c", "a"]


def test_requirement_14_clear_removes_everything_and_the_cache_goes_on(clock: Clock) -> None:
    cache = new_cache(2, clock)
    cache.put("a", 1)

    assert cache.clear() is None
    assert cache.get("a") is None
    cache.put("b", 2)
    assert cache.get("b") == 2
