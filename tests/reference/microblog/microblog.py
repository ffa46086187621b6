"""A blog of short posts: reference solution of the task `microblog`."""

import re
from collections import Counter

LONGEST_TEXT = 280


class Microblog:
    """Users, their posts, and who follows and likes what."""

    def __init__(self) -> None:
        self._following: dict[str, set[str]] = {}
        self._posts: dict[int, dict[str, object]] = {}
        self._likes: dict[int, set[str]] = {}
        self._last_id = 0

    def add_user(self, name: str) -> None:
        """Raises ValueError for a wrong or taken name."""
        if not re.fullmatch(r"[A-Za-z0-9_]{1,15}", name) or name in self._following:
            raise ValueError(f"{name!r} is no name, or taken")
        self._following[name] = set()

    def users(self) -> list[str]:
        return sorted(self._following)

    def post(self, author: str, text: str, now: float = 0.0) -> int:
        """Raises KeyError for an unknown author, ValueError for a wrong text."""
        self._demand(author)
        trimmed = text.strip()
        if not trimmed or len(trimmed) > LONGEST_TEXT:
            raise ValueError(f"a text has 1 to {LONGEST_TEXT} characters")
        self._last_id += 1
        self._posts[self._last_id] = {"author": author, "text": trimmed, "created_at": now}
        self._likes[self._last_id] = set()
        return self._last_id

    def get(self, post_id: int) -> dict[str, object]:
        return {"id": post_id, **self._posts[post_id], "likes": len(self._likes[post_id])}

    def delete(self, name: str, post_id: int) -> None:
        """Raises PermissionError for anybody but the author."""
        if self._posts[post_id]["author"] != name:
            raise PermissionError(f"post {post_id} is not by {name}")
        del self._posts[post_id], self._likes[post_id]

    def follow(self, name: str, other: str) -> None:
        self._demand(name, other)
        if name == other:
            raise ValueError("nobody follows themselves")
        self._following[name].add(other)

    def unfollow(self, name: str, other: str) -> None:
        self._demand(name, other)
        self._following[name].discard(other)

    def followers(self, name: str) -> list[str]:
        self._demand(name)
        return sorted(user for user, followed in self._following.items() if name in followed)

    def following(self, name: str) -> list[str]:
        self._demand(name)
        return sorted(self._following[name])

    def like(self, name: str, post_id: int) -> None:
        self._demand(name)
        self._likes[post_id].add(name)

    def unlike(self, name: str, post_id: int) -> None:
        self._demand(name)
        self._likes[post_id].discard(name)

    def timeline(self, name: str, limit: int = 10) -> list[int]:
        self._demand(name)
        authors = self._following[name] | {name}
        return self._newest(lambda post: post["author"] in authors)[:limit]

    def tagged(self, tag: str) -> list[int]:
        return self._newest(lambda post: tag.lower() in _tags(str(post["text"])))

    def mentions(self, name: str) -> list[int]:
        return self._newest(lambda post: name in re.findall(r"@(\w+)", str(post["text"])))

    def trending(self, limit: int = 3) -> list[tuple[str, int]]:
        counts = Counter(tag for post in self._posts.values() for tag in _tags(str(post["text"])))
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def _newest(self, holds) -> list[int]:  # type: ignore[no-untyped-def]
        return sorted((number for number, post in self._posts.items() if holds(post)), reverse=True)

    def _demand(self, *names: str) -> None:
        for name in names:
            if name not in self._following:
                raise KeyError(name)


def _tags(text: str) -> set[str]:
    return {tag.lower() for tag in re.findall(r"#(\w+)", text)}
