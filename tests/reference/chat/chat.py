"""Rooms with members and messages: reference solution of the task `chat`."""

from dataclasses import dataclass, field


@dataclass
class Message:
    """One message of a room."""

    number: int
    user: str
    text: str
    sent_at: float


@dataclass
class Room:
    """Its owner, who is in it, who may not come back, and what was said."""

    owner: str
    members: set[str]
    kicked: set[str] = field(default_factory=set)
    messages: dict[int, Message] = field(default_factory=dict)
    last_number: int = 0
    read: dict[str, int] = field(default_factory=dict)


class Chat:
    """All rooms."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def create_room(self, room: str, owner: str) -> None:
        """Raises ValueError for a blank word or a room that is there."""
        if not room.strip() or not owner.strip() or room in self._rooms:
            raise ValueError(f"no room {room!r} for {owner!r}")
        self._rooms[room] = Room(owner, {owner})

    def rooms(self) -> list[str]:
        return sorted(self._rooms)

    def join(self, room: str, user: str) -> None:
        there = self._rooms[room]
        if user in there.kicked:
            raise PermissionError(f"{user} was kicked")
        there.members.add(user)

    def leave(self, room: str, user: str) -> None:
        self._rooms[room].members.remove(user)

    def members(self, room: str) -> list[str]:
        return sorted(self._rooms[room].members)

    def send(self, room: str, user: str, text: str, now: float = 0.0) -> int:
        there = self._rooms[room]
        if user not in there.members:
            raise PermissionError(f"{user} is no member")
        if not text.strip():
            raise ValueError("a text holds more than white space")
        there.last_number += 1
        there.messages[there.last_number] = Message(there.last_number, user, text, now)
        return there.last_number

    def messages(self, room: str, limit: int = 50) -> list[dict[str, object]]:
        held = list(self._rooms[room].messages.values())
        return [dict(vars(message)) for message in held[-limit:]]

    def edit(self, room: str, number: int, user: str, text: str) -> None:
        message = self._rooms[room].messages[number]
        if user != message.user:
            raise PermissionError(f"message {number} is not by {user}")
        message.text = text

    def delete(self, room: str, number: int, user: str) -> None:
        there = self._rooms[room]
        if user not in (there.messages[number].user, there.owner):
            raise PermissionError(f"message {number} is not by {user}")
        del there.messages[number]

    def unread(self, room: str, user: str) -> int:
        there = self._rooms[room]
        last = there.read.get(user, 0)
        return sum(message.user != user and message.number > last for message in there.messages.values())

    def mark_read(self, room: str, user: str) -> None:
        there = self._rooms[room]
        there.read[user] = there.last_number

    def kick(self, room: str, owner: str, user: str) -> None:
        there = self._rooms[room]
        if owner != there.owner:
            raise PermissionError(f"{owner} does not own {room}")
        there.members.discard(user)
        there.kicked.add(user)

    def search(self, room: str, word: str) -> list[int]:
        messages = self._rooms[room].messages.values()
        return sorted(message.number for message in messages if word.lower() in message.text.lower())
