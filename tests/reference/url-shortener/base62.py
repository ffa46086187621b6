"""Numbers in base 62: reference solution of the task `url-shortener`."""

import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


def encode(number: int) -> str:
    """Raises ValueError for a negative number."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    digits = ALPHABET[number % 62]
    while number := number // 62:
        digits = ALPHABET[number % 62] + digits
    return digits


def decode(text: str) -> int:
    """Raises ValueError for an empty text and for a foreign character."""
    if not text:
        raise ValueError("an empty text is no number")
    number = 0
    for character in text:
        number = number * 62 + ALPHABET.index(character)
    return number
