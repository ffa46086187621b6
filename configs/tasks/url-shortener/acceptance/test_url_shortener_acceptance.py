"""Acceptance of the task `url-shortener`: each test names the requirement that it judges.

Modules are imported inside the tests, so that a missing module or name fails only the tests that use it.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""

URL = "https://example.org/a/long/path?query=1#part"


def new_shortener(first_id: int = 1) -> Any:
    from shortener import Shortener

    return Shortener(first_id=first_id)


def new_link(code: str, expires_at: float | None = None) -> Any:
    from link_store import Link

    return Link(code, URL, 5.0, expires_at)


def store_of(*codes: str) -> Any:
    from link_store import LinkStore

    store = LinkStore()
    for code in codes:
        store.add(new_link(code))
    return store


def test_requirement_1_the_alphabet_is_digits_then_capitals_then_small_letters() -> None:
    from base62 import ALPHABET

    assert ALPHABET == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_requirement_2_a_number_is_encoded_without_leading_zeros() -> None:
    from base62 import encode

    codes = {0: "0", 9: "9", 10: "A", 61: "z", 62: "10", 3843: "zz", 3844: "100"}

    assert {number: encode(number) for number in codes} == codes


def test_requirement_2_a_negative_number_is_refused() -> None:
    from base62 import encode

    with pytest.raises(REFUSAL):
        encode(-1)


def test_requirement_3_a_code_is_decoded_to_its_number() -> None:
    from base62 import decode

    numbers = {"0": 0, "z": 61, "10": 62, "zz": 3843, "1Aa": 4500}

    assert {code: decode(code) for code in numbers} == numbers


@pytest.mark.parametrize("text", ["", "a-b", "1 2", "é"])
def test_requirement_3_an_empty_or_foreign_text_is_refused(text: str) -> None:
    from base62 import decode

    with pytest.raises(REFUSAL):
        decode(text)


@pytest.mark.parametrize("name", ["InvalidUrl", "InvalidAlias", "AliasTaken"])
def test_requirement_4_a_wrong_argument_is_a_value_error(name: str) -> None:
    import link_store

    with pytest.raises(REFUSAL):
        raise getattr(link_store, name)


@pytest.mark.parametrize("name", ["LinkNotFound", "LinkExpired"])
def test_requirement_4_a_link_that_is_not_there_is_a_lookup_error(name: str) -> None:
    import link_store

    with pytest.raises(LookupError):
        raise getattr(link_store, name)


def test_requirement_5_a_link_has_its_fields_in_order_and_its_defaults() -> None:
    from link_store import Link

    link = Link("abc", URL, 5.0)

    assert (link.code, link.url, link.created_at, link.expires_at, link.clicks) == ("abc", URL, 5.0, None, 0)
    assert (Link("abc", URL, 5.0, 9.0, 3).expires_at, Link("abc", URL, 5.0, 9.0, 3).clicks) == (9.0, 3)


def test_requirement_6_a_link_expires_exactly_at_its_time_or_never() -> None:
    link = new_link("abc", expires_at=10.0)

    assert link.is_expired(9.9) is False
    assert link.is_expired(10.0) is True
    assert new_link("abc").is_expired(1e12) is False


def test_requirement_7_a_stored_code_is_not_added_twice() -> None:
    from link_store import AliasTaken, Link

    store = store_of("abc")

    with pytest.raises(AliasTaken):
        store.add(Link("abc", "https://example.org/other", 6.0))
    assert (len(store), store.get("abc").url) == (1, URL)


def test_requirement_8_an_unknown_code_can_be_neither_read_nor_removed() -> None:
    from link_store import LinkNotFound

    store = store_of("abc")
    assert store.get("abc").code == "abc"
    assert store.remove("abc") is None

    with pytest.raises(LinkNotFound):
        store.get("abc")
    with pytest.raises(LinkNotFound):
        store.remove("abc")


def test_requirement_9_the_store_lists_its_links_in_the_order_of_adding() -> None:
    store = store_of("zebra", "ant", "mole")

    assert [link.code for link in store.all()] == ["zebra", "ant", "mole"]
    assert ("ant" in store, "bee" in store, len(store)) == (True, False, 3)


@pytest.mark.parametrize("url", [URL, "http://example.org", "https://localhost:8080/x"])
def test_requirement_10_a_web_address_is_returned_without_surrounding_white_space(url: str) -> None:
    from shortener import validate_url

    assert validate_url(url) == url
    assert validate_url(f"  {url}\n") == url


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org", "javascript:alert(1)", "http://", "https://", "http:///path"],
)
def test_requirement_10_a_wrong_scheme_or_a_missing_host_is_refused(url: str) -> None:
    from link_store import InvalidUrl
    from shortener import validate_url

    with pytest.raises(InvalidUrl):
        validate_url(url)


def test_requirement_10_inner_white_space_and_a_too_long_url_are_refused() -> None:
    from link_store import InvalidUrl
    from shortener import validate_url

    longest = "https://example.org/".ljust(2000, "a")

    assert validate_url(longest) == longest
    with pytest.raises(InvalidUrl):
        validate_url(longest + "a")
    with pytest.raises(InvalidUrl):
        validate_url("https://example.org/a b")


@pytest.mark.parametrize("alias", ["abc", "My-page_2", "a" * 30])
def test_requirement_11_a_right_alias_is_returned(alias: str) -> None:
    from shortener import validate_alias

    assert validate_alias(alias) == alias


@pytest.mark.parametrize("alias", ["", "ab", "a" * 31, "a b c", "page/1", "café", "abc\n"])
def test_requirement_11_a_wrong_alias_is_refused(alias: str) -> None:
    from link_store import InvalidAlias
    from shortener import validate_alias

    with pytest.raises(InvalidAlias):
        validate_alias(alias)


def test_requirement_12_shorten_refuses_what_is_no_url_and_keeps_the_rest() -> None:
    from link_store import InvalidUrl

    links = new_shortener()

    with pytest.raises(InvalidUrl):
        links.shorten("not a url")
    assert links.resolve(links.shorten(f" {URL} ", now=7.0), now=8.0) == URL


def test_requirement_13_each_code_uses_the_next_number() -> None:
    links = new_shortener(first_id=60)

    assert [links.shorten(URL) for _ in range(4)] == ["y", "z", "10", "11"]


def test_requirement_13_a_number_whose_code_is_an_alias_is_left_out() -> None:
    links = new_shortener(first_id=3844)
    links.shorten(URL, alias="100")

    assert [links.shorten(URL), links.shorten(URL)] == ["101", "102"]


def test_requirement_13_the_number_of_a_deleted_link_is_not_used_again() -> None:
    links = new_shortener()
    links.shorten(URL)
    links.delete("1")

    assert links.shorten(URL) == "2"


def test_requirement_14_an_alias_is_the_code_and_uses_no_number() -> None:
    links = new_shortener()

    assert links.shorten(URL, alias="my-page") == "my-page"
    assert links.resolve("my-page") == URL
    assert links.shorten(URL) == "1"


def test_requirement_14_a_wrong_alias_and_an_alias_in_use_are_refused() -> None:
    from link_store import AliasTaken, InvalidAlias

    links = new_shortener()
    links.shorten(URL, alias="my-page", now=0.0, expires_in=10)

    with pytest.raises(InvalidAlias):
        links.shorten(URL, alias="no spaces")
    with pytest.raises(AliasTaken):
        links.shorten("https://example.org/other", alias="my-page", now=100.0)
    assert links.resolve("my-page", now=5.0) == URL


def test_requirement_15_the_time_of_expiry_is_now_and_the_given_seconds() -> None:
    from link_store import LinkExpired

    links = new_shortener()
    short, endless = links.shorten(URL, now=100.0, expires_in=30), links.shorten(URL, now=100.0)

    assert [links.resolve(short, now=129.0), links.resolve(endless, now=1e9)] == [URL, URL]
    with pytest.raises(LinkExpired):
        links.resolve(short, now=130.0)


@pytest.mark.parametrize("expires_in", [0, -1])
def test_requirement_15_an_expiry_of_zero_or_below_is_refused(expires_in: float) -> None:
    links = new_shortener()

    with pytest.raises(REFUSAL):
        links.shorten(URL, expires_in=expires_in)


def test_requirement_16_a_refused_call_stores_nothing_and_uses_no_number() -> None:
    links = new_shortener()
    refused: list[dict[str, Any]] = [
        {"url": "nothing"},
        {"url": URL, "expires_in": 0},
        {"url": URL, "alias": "?"},
    ]

    for arguments in refused:
        with pytest.raises(REFUSAL):
            links.shorten(**arguments)

    assert links.total_clicks() == 0
    assert links.shorten(URL) == "1"


def test_requirement_17_resolve_returns_the_url_and_counts_one_click() -> None:
    links = new_shortener()
    code = links.shorten(URL)

    assert [links.resolve(code), links.resolve(code, now=5.0)] == [URL, URL]
    assert links.stats(code)["clicks"] == 2


def test_requirement_17_unknown_and_expired_links_do_not_resolve_and_count_no_click() -> None:
    from link_store import LinkExpired, LinkNotFound

    links = new_shortener()
    code = links.shorten(URL, now=100.0, expires_in=30)
    links.resolve(code, now=129.0)

    with pytest.raises(LinkExpired):
        links.resolve(code, now=130.0)
    with pytest.raises(LinkNotFound):
        links.resolve("unknown")
    assert links.stats(code)["clicks"] == 1


def test_requirement_18_stats_tell_everything_and_count_no_click() -> None:
    links = new_shortener()
    code = links.shorten(URL, alias="my-page", now=1.0, expires_in=2)

    expected = {"code": "my-page", "url": URL, "clicks": 0, "created_at": 1.0, "expires_at": 3.0}

    assert [links.stats(code), links.stats(code)] == [expected, expected]


def test_requirement_18_stats_of_an_unknown_code_are_refused() -> None:
    from link_store import LinkNotFound

    links = new_shortener()

    with pytest.raises(LinkNotFound):
        links.stats("unknown")


def test_requirement_19_most_clicks_come_first_and_equal_clicks_by_code() -> None:
    links = new_shortener()
    for alias, clicks in (("zebra", 1), ("mole", 3), ("ant", 1), ("bee", 0)):
        links.shorten(URL, alias=alias)
        for _ in range(clicks):
            links.resolve(alias)

    ranked = [("mole", 3), ("ant", 1), ("zebra", 1), ("bee", 0)]

    assert [tuple(pair) for pair in links.top()] == ranked
    assert [tuple(pair) for pair in links.top(limit=2)] == ranked[:2]


def test_requirement_19_ten_links_are_listed_unless_a_limit_is_given() -> None:
    links = new_shortener()
    for _ in range(12):
        links.shorten(URL)

    assert (len(links.top()), len(links.top(limit=20))) == (10, 12)


def test_requirement_20_totals_count_expired_links_too() -> None:
    links = new_shortener()
    first, second = links.shorten(URL), links.shorten(URL, now=0.0, expires_in=10)
    for code in (first, first, second):
        links.resolve(code, now=1.0)

    assert (links.total_clicks(), len(links)) == (3, 2)


def test_requirement_21_a_deleted_link_is_unknown() -> None:
    from link_store import LinkNotFound

    links = new_shortener()
    code = links.shorten(URL)
    assert links.delete(code) is None

    with pytest.raises(LinkNotFound):
        links.resolve(code)
    with pytest.raises(LinkNotFound):
        links.delete(code)


def test_requirement_22_purge_removes_the_expired_links_and_counts_them() -> None:
    from link_store import LinkNotFound

    links = new_shortener()
    codes = [links.shorten(URL, now=0.0, expires_in=seconds) for seconds in (5, 10, 11, None)]

    assert links.purge(10.0) == 2
    assert len(links) == 2
    assert links.purge(10.0) == 0
    with pytest.raises(LinkNotFound):
        links.resolve(codes[0])
