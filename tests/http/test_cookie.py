"""The session cookie: its format, its attributes, its secrets."""

from __future__ import annotations

import pytest

from rpc_sessions.session.cookie import new_id, read, sign, unsign

OLD, NEW, OTHER = "the old secret of all", "the new secret of all", "somebody else's secret"


def test_the_cookie_is_the_one_express_writes() -> None:
    value = "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU"
    assert sign("abc", "keyboard cat") == value
    assert unsign(value, ["keyboard cat"]) == "abc"
    assert unsign("s:abc.BpxCrWRpvZMh/wk/djl34N+m+VQEU7K/5WenLwJCgFU", ["keyboard cat"]) == "abc"
    assert unsign(value, ["keyboard dog", "keyboard cat"]) == "abc"
    assert unsign(value, ["keyboard dog"]) is None
    assert unsign(value, []) is None


def test_ids_are_256_bits_and_never_the_same() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(id) == 43 for id in ids)


ID = "A" * 32
GOOD = sign(ID, NEW)


@pytest.mark.parametrize(
    "value",
    [
        "", ID, f"s%3A{ID}", f"s%3A{ID}.", f"s%3A.{GOOD.split('.')[1]}",
        GOOD[:-1], GOOD + "A", GOOD + "=", GOOD + "%3D", GOOD.lower(), GOOD.replace("A", "B", 1),
        GOOD.removeprefix("s%3A"), "j" + GOOD[1:], GOOD.replace(".", ""),
        sign(ID, OTHER), sign("A" * 15, NEW), sign("A" * 129, NEW), sign("../../etc/passwd/secret", NEW),
        sign(ID + "\x00", NEW), sign(ID + "\n", NEW), sign("é" * 32, NEW), sign("A" * 20 + "$" + "A" * 20, NEW),
        sign("A" * 20 + " " + "A" * 20, NEW), GOOD + "x" * 2000, "s%3A%ff%fe.%00", "%", "\ud800", "s:\udfff.\udfff",
    ],
)  # fmt: skip
def test_what_is_no_signed_id_is_none(value: str) -> None:
    assert read(f"connect.sid={value}", "connect.sid", [NEW, OLD]) is None


@pytest.mark.parametrize(
    "header",
    [
        f"connect.sid={GOOD}", f"a=b; connect.sid={GOOD}; c=d", f"connect.sid={GOOD};x", f'connect.sid="{GOOD}"',
        f"  connect.sid  =  {GOOD}  ", f"a;b;;=;connect.sid={GOOD}", f"connect.sid=; connect.sid={GOOD}",
        f"connect.sid=s%3Aforged.abc; connect.sid={GOOD}", f"connect.sid={sign('B' * 32, OTHER)}; connect.sid={GOOD}",
        f"connect.sid={GOOD}; connect.sid={sign('B' * 32, NEW)}",
    ],
)  # fmt: skip
def test_the_first_valid_cookie_of_the_name_counts(header: str) -> None:
    assert read(header, "connect.sid", [OLD, NEW]) == ID


@pytest.mark.parametrize("header", [f"Connect.sid={GOOD}", f"xconnect.sid={GOOD}", f"connect.sid.x={GOOD}", "", ";"])
def test_another_name_is_another_cookie(header: str) -> None:
    assert read(header, "connect.sid", [NEW]) is None
