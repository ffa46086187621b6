"""Acceptance of the task `microblog`: each test names the requirement that it judges.

The module is imported inside the tests, so that one that cannot be imported fails tests and never the
collection.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""


def blog_of(*names: str) -> Any:
    from microblog import Microblog

    blog = Microblog()
    for name in names:
        blog.add_user(name)
    return blog


def test_requirement_1_a_new_user_is_added_once() -> None:
    blog = blog_of()

    assert blog.users() == []
    assert blog.add_user("ada") is None
    with pytest.raises(REFUSAL):
        blog.add_user("ada")
    assert blog.users() == ["ada"]


@pytest.mark.parametrize("name", ["", "a b", "a-b", "é", "a" * 16])
def test_requirement_2_a_wrong_name_is_refused(name: str) -> None:
    blog = blog_of()

    with pytest.raises(REFUSAL):
        blog.add_user(name)
    assert blog.users() == []


@pytest.mark.parametrize("name", ["a", "A_1", "a" * 15])
def test_requirement_2_a_right_name_is_taken(name: str) -> None:
    assert blog_of(name).users() == [name]


def test_requirement_3_users_are_in_alphabetical_order() -> None:
    assert blog_of("cy", "ada", "bob").users() == ["ada", "bob", "cy"]


def test_requirement_4_posts_are_numbered_from_one() -> None:
    blog = blog_of("ada", "bob")

    assert [blog.post("ada", "one"), blog.post("bob", "two"), blog.post("ada", "three")] == [1, 2, 3]


def test_requirement_4_an_id_is_never_used_again() -> None:
    blog = blog_of("ada")
    blog.post("ada", "one")
    blog.delete("ada", 1)

    assert blog.post("ada", "two") == 2


def test_requirement_4_an_unknown_author_is_refused() -> None:
    blog = blog_of("ada")

    with pytest.raises(KeyError):
        blog.post("bob", "one")


def test_requirement_5_white_space_around_the_text_is_removed() -> None:
    blog = blog_of("ada")

    blog.post("ada", "  one two \n")

    assert blog.get(1)["text"] == "one two"


@pytest.mark.parametrize("text", ["", " \n ", "x" * 281])
def test_requirement_5_an_empty_or_long_text_uses_no_id(text: str) -> None:
    blog = blog_of("ada")

    with pytest.raises(REFUSAL):
        blog.post("ada", text)
    assert blog.post("ada", " " + "x" * 280 + " ") == 1


def test_requirement_6_a_post_is_told_in_full() -> None:
    blog = blog_of("ada")
    blog.post("ada", "one", now=5.0)

    assert blog.get(1) == {"id": 1, "author": "ada", "text": "one", "created_at": 5.0, "likes": 0}


def test_requirement_6_an_unknown_post_is_refused() -> None:
    blog = blog_of("ada")

    with pytest.raises(KeyError):
        blog.get(1)


def test_requirement_7_an_author_deletes_a_post() -> None:
    blog = blog_of("ada")
    blog.post("ada", "one")

    assert blog.delete("ada", 1) is None
    with pytest.raises(KeyError):
        blog.get(1)


def test_requirement_7_nobody_else_deletes_it() -> None:
    blog = blog_of("ada", "bob")
    blog.post("ada", "one")

    with pytest.raises(PermissionError):
        blog.delete("bob", 1)
    assert blog.get(1)["text"] == "one"
    with pytest.raises(KeyError):
        blog.delete("ada", 2)


def test_requirement_8_following_twice_counts_once() -> None:
    blog = blog_of("ada", "bob")

    assert blog.follow("ada", "bob") is None
    blog.follow("ada", "bob")
    assert blog.followers("bob") == ["ada"]


def test_requirement_8_nobody_follows_themselves_or_a_stranger() -> None:
    blog = blog_of("ada")

    with pytest.raises(REFUSAL):
        blog.follow("ada", "ada")
    with pytest.raises(KeyError):
        blog.follow("ada", "bob")


def test_requirement_9_following_ends() -> None:
    blog = blog_of("ada", "bob")
    blog.follow("ada", "bob")

    assert blog.unfollow("ada", "bob") is None
    blog.unfollow("ada", "bob")
    assert blog.following("ada") == []


def test_requirement_10_both_sides_are_listed_in_order() -> None:
    blog = blog_of("ada", "bob", "cy")
    blog.follow("cy", "ada")
    blog.follow("bob", "ada")
    blog.follow("cy", "bob")

    assert blog.followers("ada") == ["bob", "cy"]
    assert blog.following("cy") == ["ada", "bob"]


def test_requirement_11_each_user_likes_a_post_once() -> None:
    blog = blog_of("ada", "bob")
    blog.post("ada", "one")

    blog.like("ada", 1)
    blog.like("bob", 1)
    blog.like("bob", 1)

    assert blog.get(1)["likes"] == 2


def test_requirement_11_a_like_is_taken_back_once() -> None:
    blog = blog_of("ada", "bob")
    blog.post("ada", "one")
    blog.like("ada", 1)
    blog.like("bob", 1)

    blog.unlike("bob", 1)
    blog.unlike("bob", 1)

    assert blog.get(1)["likes"] == 1


def test_requirement_11_a_stranger_and_an_unknown_post_are_refused() -> None:
    blog = blog_of("ada")
    blog.post("ada", "one")

    with pytest.raises(KeyError):
        blog.like("bob", 1)
    with pytest.raises(KeyError):
        blog.like("ada", 2)


def test_requirement_12_a_timeline_holds_own_and_followed_posts_newest_first() -> None:
    blog = blog_of("ada", "bob", "cy")
    for author in ("bob", "ada", "cy", "bob"):
        blog.post(author, "text")
    blog.follow("ada", "bob")

    assert blog.timeline("ada") == [4, 2, 1]
    assert blog.timeline("cy") == [3]


def test_requirement_12_a_timeline_ends_at_its_limit() -> None:
    blog = blog_of("ada")
    for _ in range(12):
        blog.post("ada", "text")

    assert blog.timeline("ada", limit=2) == [12, 11]
    assert len(blog.timeline("ada")) == 10


def test_requirement_13_a_tag_is_found_whatever_its_capitals() -> None:
    blog = blog_of("ada")
    for text in ("#Cat", "a #cat, b", "none", "#CAT #dog"):
        blog.post("ada", text)

    assert blog.tagged("cat") == [4, 2, 1]
    assert blog.tagged("DOG") == [4]


def test_requirement_13_a_tag_is_not_found_in_a_longer_one() -> None:
    blog = blog_of("ada")
    blog.post("ada", "#cats and cat")

    assert blog.tagged("cat") == []


def test_requirement_14_a_mention_is_a_whole_word() -> None:
    blog = blog_of("ada", "bob")
    for text in ("@ada hello", "@adam hello", "ada", "to @ada."):
        blog.post("bob", text)

    assert blog.mentions("ada") == [4, 1]


def test_requirement_15_trending_tags_are_counted_by_posts() -> None:
    blog = blog_of("ada")
    for text in ("#b #B", "#a #c", "#c", "#d"):
        blog.post("ada", text)

    assert blog.trending() == [("c", 2), ("a", 1), ("b", 1)]
    assert blog.trending(limit=1) == [("c", 2)]
