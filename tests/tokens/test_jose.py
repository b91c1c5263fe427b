"""The base64url of a token is read as PyJWT reads it, only quicker."""

from __future__ import annotations

import jwt
from hypothesis import example, given
from hypothesis import strategies as st

from jti_replay.tokens.parsing import QuickJWS

ALPHABET = "ABCDwxyz0189-_"

segments = (
    st.text(ALPHABET, max_size=12).map(str.encode)
    | st.builds(bytes.__add__, st.text(ALPHABET, max_size=9).map(str.encode), st.just(b"="))
    | st.text(ALPHABET + "=+/ \n.", max_size=9).map(str.encode)
    | st.binary(max_size=9)
)


def read(jws: type[jwt.PyJWS], segment: bytes) -> bytes | str:
    try:
        return jws._decode_base64url_segment(segment, "payload")
    except jwt.DecodeError as error:
        return str(error)


@given(segments)
@example(b"")
@example(b"QQ")
@example(b"QQ==")
@example(b"QQ=")
@example(b"QR")  # Its last bits are no part of any byte: another text for the same one.
@example(b"Q")
@example(b"=")
@example(b"====")
@example(b"QUE=")
@example(b"QUFB====")
@example(b"Q=Q=")
@example(b"+/+/")
@example(b"-_-_")
def test_it_reads_what_pyjwt_reads_and_refuses_what_it_refuses(segment: bytes) -> None:
    assert read(QuickJWS, segment) == read(jwt.PyJWS, segment)
