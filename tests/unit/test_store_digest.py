"""The digest of a store."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from lmac_sandbox.inside.store_digest import StoreDigest, content_digest, store_digest

FILES = st.dictionaries(st.text("abc/é", min_size=1, max_size=8), st.binary(max_size=20), max_size=12)


def test_the_empty_store_has_the_digest_of_its_empty_buckets() -> None:
    assert store_digest({}) == hashlib.sha256(bytes(32 * 256)).hexdigest()


def test_one_file_is_in_the_bucket_of_its_path() -> None:
    line = f"{hashlib.sha256(b'x').hexdigest()} a.py\n".encode()
    buckets = [bytes(32)] * 256
    buckets[hashlib.sha256(b"a.py").digest()[0]] = hashlib.sha256(line).digest()

    assert store_digest({"a.py": b"x"}) == hashlib.sha256(b"".join(buckets)).hexdigest()


@given(FILES, st.randoms())
def test_the_digest_ignores_the_order_of_writes(files: dict[str, bytes], random: object) -> None:
    assert store_digest(dict(reversed(files.items()))) == store_digest(files)


@given(FILES, FILES)
def test_a_digest_kept_up_to_date_is_that_of_the_files(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    digest = StoreDigest()
    for path, content in before.items():
        digest.put(path, content_digest(content))
    digest.hexdigest()
    for path in before.keys() - after.keys():
        digest.remove(path)
    for path, content in after.items():
        digest.put(path, content_digest(content))

    assert digest.hexdigest() == store_digest(after)


@given(FILES, FILES)
def test_different_stores_have_different_digests(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (store_digest(one) == store_digest(other)) == (one == other)
