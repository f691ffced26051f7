"""``layout="express"`` in MongoDB: both forms of a session, BSON's types, and the index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace as with_changes
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection

from rpc_sessions import ConfigError, StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.testing import a_key, a_record
from tests.apps import MakeServer
from tests.stores.express_raw import ID

COOKIE: dict[str, Any] = {
    "originalMaxAge": 60_000,
    "expires": "2030-01-01T00:00:00.000Z",
    "httpOnly": True,
    "path": "/",
}
DATED = COOKIE | {"expires": datetime(2030, 1, 1, tzinfo=UTC), "secure": None}
WHEN = datetime(2026, 11, 21, 0, 45, 12, 181_000, UTC)


@pytest.fixture
def sessions(mongo_uri: str, mongo_database: str) -> Iterator[Collection[dict[str, Any]]]:
    """The collection, from outside."""
    with MongoClient[dict[str, Any]](mongo_uri, tz_aware=True) as client:
        yield client[mongo_database]["sessions"]


def soon() -> datetime:
    return datetime.fromtimestamp(time.time() + 60, UTC)


@pytest.mark.parametrize("stringify", [True, False])
@pytest.mark.parametrize("session", ['{"cookie":{"originalMaxAge":60000},"a":1}', {"cookie": DATED, "a": 1}])
@pytest.mark.gen_test
async def test_both_forms_are_read_and_the_one_that_is_set_is_written(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]], stringify: bool, session: Any
) -> None:
    store = MongoStore(mongo_uri, database=mongo_database, layout="express", stringify=stringify)
    sessions.insert_one({"_id": ID, "session": session, "expires": soon(), "lastModified": WHEN})
    loaded = await store.load(ID)
    assert loaded
    assert merge.unpack(loaded.data)["a"] == 1
    assert await store.replace(ID, with_changes(loaded, data='{"a":2}', token="a"), loaded) is True
    found = sessions.find_one({"_id": ID})
    assert found
    assert isinstance(found["session"], str) is stringify
    assert found["lastModified"] == WHEN  # connect-mongo's touchAfter
    if not stringify:
        assert isinstance(found["session"]["cookie"]["expires"], datetime)
    await store.close()


@pytest.mark.gen_test
async def test_values_that_stay_keep_the_types_of_bson(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]]
) -> None:
    id = ObjectId("0123456789abcdef01234567")
    theirs = {"when": WHEN, "long": Int64(5), "price": Decimal128("1.50"), "list": [{"id": id}], "raw": b"x", "f": 5.0}
    session = {"cookie": DATED, **theirs, "userId": id, "nan": float("nan"), "big": 2.0**60}
    sessions.insert_one({"_id": ID, "session": session, "expires": soon()})
    store = MongoStore(mongo_uri, database=mongo_database, layout="express", stringify=False)
    loaded = await store.load(ID)
    assert loaded
    assert loaded.user_id == str(id)
    values = merge.unpack(loaded.data)
    assert values["when"] == "2026-11-21T00:45:12.181Z"
    assert (values["long"], values["f"], values["nan"], values["big"]) == (5, 5, None, 2.0**60)
    assert values["list"] == [{"id": str(id)}]
    assert await store.replace(ID, with_changes(loaded, data=merge.pack(values | {"f": 6}), token="a"), loaded) is True
    found = sessions.find_one({"_id": ID})
    assert found
    assert {name: found["session"][name] for name in (*theirs, "userId")} == theirs | {"f": 6, "userId": id}
    assert isinstance(found["session"]["long"], Int64)
    assert await store.replace(ID, with_changes(loaded, token="b"), with_changes(loaded, token="a")) is False
    loaded = await store.load(ID)
    assert loaded
    assert await store.replace(ID, with_changes(loaded, token="b"), loaded) is True
    await store.close()


@pytest.mark.gen_test
async def test_numbers_are_stored_as_node_stores_them(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]]
) -> None:
    store = MongoStore(mongo_uri, database=mongo_database, layout="express", stringify=False)
    await store.insert(ID, a_record('{"small":2147483647,"large":2147483648,"most":9007199254740992,"yes":true}'))
    found = sessions.find_one({"_id": ID})
    assert found
    types = {name: type(found["session"][name]) for name in ("small", "large", "most", "yes")}
    assert types == {"small": int, "large": float, "most": float, "yes": bool}
    await store.close()


@pytest.mark.parametrize("data", ['{"a\\u0000b":1}', '{"a":[{"\\u0000":1}]}'])
@pytest.mark.gen_test
async def test_keys_that_bson_cannot_hold_are_refused(mongo_uri: str, mongo_database: str, data: str) -> None:
    store, key, record = (
        MongoStore(mongo_uri, database=mongo_database, layout="express", stringify=False),
        a_key(),
        a_record(),
    )
    with pytest.raises(ValueError, match=r"session\['a.*zero byte"):
        await store.insert(key, a_record(data))
    await store.insert(key, record)
    with pytest.raises(ValueError, match="zero byte"):
        await store.replace(key, a_record(data), record)
    assert merge.unpack((await store.load(key) or record).data)["n"] == 1
    await store.close()


@pytest.mark.parametrize("session", [None, 5, [], b"{}", True])
@pytest.mark.gen_test
async def test_a_document_of_another_shape_is_left_as_it_is(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]], session: Any
) -> None:
    store = MongoStore(mongo_uri, database=mongo_database, layout="express")
    sessions.insert_one({"_id": ID, "session": session, "expires": soon()})
    for call in (store.load(ID), store.replace(ID, a_record(), a_record())):
        with pytest.raises(StoreUnavailable):
            await call
    assert await store.insert(ID, a_record()) is False
    assert await store.find_by_user("ada") == []
    assert (sessions.find_one({"_id": ID}) or {})["session"] == session
    await store.close()


@pytest.mark.gen_test
async def test_a_session_that_never_expires_is_read(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]]
) -> None:
    store = MongoStore(mongo_uri, database=mongo_database, layout="express")
    sessions.insert_one({"_id": ID, "session": merge.pack({"cookie": {**COOKIE}, "a": 1})})
    sessions.insert_one({"_id": ID[::-1], "session": merge.pack({"cookie": {**COOKIE}}), "expires": None})
    loaded = await store.load(ID)
    assert loaded
    assert 30 < loaded.expires - time.time() <= 60
    assert await store.load(ID[::-1]) is None  # nor does connect-mongo find it
    assert [key async for key in store.keys()] == [ID]  # noqa: SIM118 (it is no dict)
    assert await store.touch(ID, time.time() + 90) is True
    assert await store.replace(ID, with_changes(loaded, token="a"), loaded) is True
    assert await store.delete(ID) is True
    await store.close()


@pytest.mark.parametrize("options", [{"expireAfterSeconds": 0}, {"expireAfterSeconds": 0, "background": True}, {}])
@pytest.mark.gen_test
async def test_an_index_that_is_there_is_left_alone(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]], options: dict[str, Any]
) -> None:
    sessions.create_index("expires", **options)
    before = sessions.index_information()
    store = MongoStore(mongo_uri, database=mongo_database, layout="express")
    assert await store.insert(a_key(), a_record()) is True
    assert sessions.index_information() == before
    await store.close()


@pytest.mark.gen_test
async def test_the_index_is_that_of_connect_mongo(
    mongo_uri: str, mongo_database: str, sessions: Collection[dict[str, Any]]
) -> None:
    store = MongoStore(mongo_uri, database=mongo_database, layout="express")
    await store.insert(a_key(), a_record())
    indexes = sessions.index_information()
    assert indexes.keys() == {"_id_", "expires_1"}
    assert indexes["expires_1"]["expireAfterSeconds"] == 0
    await store.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layout": "connect-mongo"}, '"native" or "express"'),
        ({"stringify": False}, r'stringify= is an option of layout="express"'),
        ({"ttl": 60}, r'ttl= is an option of layout="express"'),
        ({"layout": "express", "ttl": 10**12}, "ttl="),
        ({"layout": "express", "prefix": "sess:"}, "prefix"),
    ],
)
def test_a_wrong_set_up_is_a_clear_error(options: dict[str, object], says: str, make_server: MakeServer) -> None:
    with pytest.raises(ConfigError, match=says):
        make_server({}).session.store.use("mongodb", uri="mongodb://localhost", **options)
