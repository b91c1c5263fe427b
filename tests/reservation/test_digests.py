"""What a store remembers of a jti."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jti_replay.reservation.digests import DIGEST_SIZE, jti_digest, short_digest

any_text = st.text(alphabet=st.characters(exclude_categories=()), max_size=12)
tricky_text = st.text(alphabet="0123:\0\\ab\u00e9\udc80", max_size=6)


@given(any_text, any_text)
@example("", "a" * 1_000_000)
@example("\ud83d\ude00", "\udc80\0")
def test_a_digest_is_sixteen_bytes_whatever_it_is_of(namespace: str, jti: str) -> None:
    assert len(jti_digest(namespace, jti)) == DIGEST_SIZE == 16
    assert jti_digest(namespace, jti) == jti_digest(namespace, jti)


@given(tricky_text | any_text, tricky_text | any_text, tricky_text | any_text, tricky_text)
def test_two_pairs_never_have_one_digest(a: str, b: str, c: str, d: str) -> None:
    pairs = {
        (a, b),
        (c, d),
        (a + c, b),
        (a, c + b),
        (a + b, c),
        (c, a + b),
        (b, a),
        ("", a + b),
    }
    assert len({jti_digest(*pair) for pair in pairs}) == len(pairs)


@given(tricky_text, st.data())
def test_moving_a_part_of_the_jti_into_the_namespace_gives_another_digest(
    text: str, data: st.DataObject
) -> None:
    cuts = st.integers(0, len(text))
    one, other = data.draw(cuts), data.draw(cuts)
    digests = {jti_digest(text[:cut], text[cut:]) for cut in (one, other)}
    assert len(digests) == len({one, other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "A"),
        ("\u00df", "ss"),
        (unicodedata.normalize("NFC", "\u00e9"), unicodedata.normalize("NFD", "\u00e9")),
        ("\u212b", "\u00c5"),
        ("\U0001f600", "\ud83d\ude00"),
        ("\udc80", "\udc81"),
        ("\udc80", "?"),
        ("a", "a\0"),
        ("a", "a "),
    ],
)
def test_a_jti_is_neither_folded_nor_normalised(one: str, other: str) -> None:
    assert jti_digest("", one) != jti_digest("", other)
    assert jti_digest(one, "a") != jti_digest(other, "a")


def test_the_digest_stays_the_same_from_version_to_version() -> None:
    """Or else what was seen before a rolling upgrade would be accepted once more."""
    digest = jti_digest("https://issuer.example", "4f1g23a12aa")
    assert digest.hex() == "030fba0a627bf65ae9a5660bea4a533e"


def test_the_short_form_is_the_first_half_in_hexadecimal() -> None:
    digest = jti_digest("", "a")
    assert short_digest(digest) == digest.hex()[:16]
