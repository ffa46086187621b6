"""Acceptance of the task `chat`: each test names the requirement that it judges.

The module is imported inside the tests, so that one that cannot be imported fails tests and never the
collection.
"""

from typing import Any

import pytest

REFUSAL = ValueError
"""The task states the type alone, so there is no message to match."""


def room_of(*guests: str) -> Any:
    """A chat with the room `tea`, owned by `ada`."""
    from chat import Chat

    chat = Chat()
    chat.create_room("tea", "ada")
    for guest in guests:
        chat.join("tea", guest)
    return chat


def texts(chat: Any) -> list[str]:
    return [message["text"] for message in chat.messages("tea")]


def test_requirement_1_a_room_begins_with_its_owner() -> None:
    from chat import Chat

    chat = Chat()

    assert chat.rooms() == []
    assert chat.create_room("tea", "ada") is None
    assert chat.members("tea") == ["ada"]


def test_requirement_1_a_room_is_made_once() -> None:
    chat = room_of()

    with pytest.raises(REFUSAL):
        chat.create_room("tea", "bob")
    assert chat.members("tea") == ["ada"]


@pytest.mark.parametrize(("room", "owner"), [("", "ada"), ("  ", "ada"), ("tea", ""), ("tea", " \t")])
def test_requirement_2_a_blank_room_or_owner_is_refused(room: str, owner: str) -> None:
    from chat import Chat

    chat = Chat()

    with pytest.raises(REFUSAL):
        chat.create_room(room, owner)
    assert chat.rooms() == []


def test_requirement_3_rooms_are_in_alphabetical_order() -> None:
    chat = room_of()
    chat.create_room("zoo", "bob")
    chat.create_room("art", "bob")

    assert chat.rooms() == ["art", "tea", "zoo"]


def test_requirement_4_joining_twice_counts_once() -> None:
    chat = room_of()

    assert chat.join("tea", "bob") is None
    chat.join("tea", "bob")
    assert chat.members("tea") == ["ada", "bob"]


def test_requirement_5_a_member_leaves_once() -> None:
    chat = room_of("bob")

    assert chat.leave("tea", "bob") is None
    assert chat.members("tea") == ["ada"]
    with pytest.raises(KeyError):
        chat.leave("tea", "bob")


def test_requirement_6_members_are_in_alphabetical_order() -> None:
    assert room_of("cy", "bob").members("tea") == ["ada", "bob", "cy"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("join", ("bob",)),
        ("leave", ("bob",)),
        ("members", ()),
        ("send", ("ada", "hello")),
        ("messages", ()),
        ("edit", (1, "ada", "hello")),
        ("delete", (1, "ada")),
        ("unread", ("ada",)),
        ("mark_read", ("ada",)),
        ("kick", ("ada", "bob")),
        ("search", ("hello",)),
    ],
)
def test_requirement_7_an_unknown_room_is_refused(method: str, arguments: tuple[Any, ...]) -> None:
    chat = room_of()

    with pytest.raises(KeyError):
        getattr(chat, method)("zoo", *arguments)


def test_requirement_8_each_room_counts_its_messages() -> None:
    chat = room_of("bob")
    chat.create_room("zoo", "ada")

    assert [chat.send("tea", "ada", "a"), chat.send("tea", "bob", "b"), chat.send("zoo", "ada", "c")] == [
        1,
        2,
        1,
    ]


def test_requirement_8_a_number_is_never_used_again() -> None:
    chat = room_of()
    chat.send("tea", "ada", "a")
    chat.delete("tea", 1, "ada")

    assert chat.send("tea", "ada", "b") == 2


def test_requirement_8_a_stranger_sends_nothing() -> None:
    chat = room_of()

    with pytest.raises(PermissionError):
        chat.send("tea", "bob", "a")
    assert texts(chat) == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_requirement_8_a_blank_text_is_refused(text: str) -> None:
    chat = room_of()

    with pytest.raises(REFUSAL):
        chat.send("tea", "ada", text)
    assert chat.send("tea", "ada", "a") == 1


def test_requirement_9_messages_come_oldest_first_and_in_full() -> None:
    chat = room_of("bob")
    chat.send("tea", "ada", "a", now=1.0)
    chat.send("tea", "bob", "b", now=2.0)

    assert chat.messages("tea") == [
        {"number": 1, "user": "ada", "text": "a", "sent_at": 1.0},
        {"number": 2, "user": "bob", "text": "b", "sent_at": 2.0},
    ]


def test_requirement_9_the_last_messages_are_told() -> None:
    chat = room_of()
    for number in range(60):
        chat.send("tea", "ada", f"text {number}")

    assert [message["number"] for message in chat.messages("tea", limit=2)] == [59, 60]
    assert len(chat.messages("tea")) == 50


def test_requirement_10_an_author_edits_a_message() -> None:
    chat = room_of("bob")
    chat.send("tea", "bob", "a", now=1.0)

    assert chat.edit("tea", 1, "bob", "b") is None
    assert chat.messages("tea") == [{"number": 1, "user": "bob", "text": "b", "sent_at": 1.0}]


def test_requirement_10_nobody_else_edits_it() -> None:
    chat = room_of("bob")
    chat.send("tea", "bob", "a")

    with pytest.raises(PermissionError):
        chat.edit("tea", 1, "ada", "b")
    with pytest.raises(KeyError):
        chat.edit("tea", 2, "bob", "b")
    assert texts(chat) == ["a"]


def test_requirement_11_author_and_owner_delete_a_message() -> None:
    chat = room_of("bob")
    chat.send("tea", "bob", "a")
    chat.send("tea", "bob", "b")

    assert chat.delete("tea", 1, "bob") is None
    chat.delete("tea", 2, "ada")

    assert texts(chat) == []


def test_requirement_11_nobody_else_deletes_it() -> None:
    chat = room_of("bob", "cy")
    chat.send("tea", "bob", "a")

    with pytest.raises(PermissionError):
        chat.delete("tea", 1, "cy")
    with pytest.raises(KeyError):
        chat.delete("tea", 2, "ada")
    assert texts(chat) == ["a"]


def test_requirement_12_messages_of_others_are_unread_until_they_are_marked() -> None:
    chat = room_of("bob")
    for user in ("ada", "bob", "ada"):
        chat.send("tea", user, "a")

    assert (chat.unread("tea", "ada"), chat.unread("tea", "bob")) == (1, 2)
    assert chat.mark_read("tea", "bob") is None
    assert chat.unread("tea", "bob") == 0
    chat.send("tea", "ada", "b")
    assert chat.unread("tea", "bob") == 1


def test_requirement_12_a_deleted_message_is_not_unread() -> None:
    chat = room_of("bob")
    chat.send("tea", "ada", "a")
    chat.send("tea", "ada", "b")
    chat.delete("tea", 1, "ada")

    assert chat.unread("tea", "bob") == 1


def test_requirement_13_a_kicked_member_does_not_come_back() -> None:
    chat = room_of("bob")

    assert chat.kick("tea", "ada", "bob") is None
    assert chat.members("tea") == ["ada"]
    with pytest.raises(PermissionError):
        chat.join("tea", "bob")


def test_requirement_13_only_the_owner_kicks() -> None:
    chat = room_of("bob", "cy")

    with pytest.raises(PermissionError):
        chat.kick("tea", "bob", "cy")
    assert chat.members("tea") == ["ada", "bob", "cy"]


def test_requirement_14_a_word_is_found_whatever_its_capitals() -> None:
    chat = room_of()
    for text in ("Hello tea", "none", "say HELLO"):
        chat.send("tea", "ada", text)

    assert chat.search("tea", "hello") == [1, 3]
    assert chat.search("tea", "absent") == []
