"""Reads that are asked for at about the same time share a round trip, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson.codec_options import TypeDecoder, TypeRegistry
from bson.decimal128 import Decimal128
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from rpc_sessions import Record, StoreUnavailable
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.testing import a_key, a_record
from tests.conftest import allow_unclosed
from tests.stores.proxy import Proxy


class Finds(CommandListener):
    """Counts what the driver asks for."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: CommandStartedEvent) -> None:
        self.count += event.command_name == "find"

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...


class Refuses(TypeDecoder):
    """In the place of bytes that are damaged: the server of the tests takes none."""

    bson_type = Decimal128

    def transform_bson(self, value: object) -> object:
        raise ValueError("damaged")


@pytest.mark.parametrize("driver", [AsyncMongoClient, AsyncIOMotorClient])
@pytest.mark.gen_test
async def test_each_gets_its_own_with_few_round_trips(driver: Any, mongo_uri: str, mongo_database: str) -> None:
    finds = Finds()
    store = MongoStore(client=lambda: driver(mongo_uri, event_listeners=[finds]), database=mongo_database)
    keys = [a_key() for _ in range(250)]
    for n, key in enumerate(keys[::2]):
        await store.insert(key, a_record(data=f'{{"n":{n}}}'))
    records = await asyncio.gather(*(store.load(key) for key in [*keys, keys[0]]))
    assert [record and record.data for record in records[:-1:2]] == [f'{{"n":{n}}}' for n in range(125)]
    assert set(records[1::2]) == {None}
    assert records[-1] == records[0]
    assert finds.count <= 4
    await store.close()


@pytest.mark.gen_test
async def test_a_read_sees_every_write_before_it_while_others_are_under_way(
    mongo_uri: str, mongo_database: str
) -> None:
    store, keys = MongoStore(mongo_uri, database=mongo_database), [a_key() for _ in range(20)]

    async def write_and_read(key: str) -> None:
        record = a_record(data='{"n":0}')
        await store.insert(key, record)
        for n in range(1, 6):
            changed = a_record(data=f'{{"n":{n}}}')
            assert await store.replace(key, changed, record)
            found = await store.load(key)
            assert found is not None
            assert found.data == changed.data
            record = changed

    await asyncio.gather(*(write_and_read(key) for key in keys))
    await store.close()


@pytest.mark.gen_test
async def test_one_that_is_cancelled_takes_nothing_from_the_others(mongo_uri: str, mongo_database: str) -> None:
    store, keys = MongoStore(mongo_uri, database=mongo_database), [a_key() for _ in range(9)]
    for key in keys:
        await store.insert(key, a_record())
    for turns in range(4):
        reads = [asyncio.ensure_future(store.load(key)) for key in keys]
        for _ in range(turns):
            await asyncio.sleep(0)
        for read in reads[::2]:
            read.cancel()
        assert all([await read for read in reads[1::2]])
    await store.close()


@pytest.mark.gen_test
async def test_one_that_cannot_be_decoded_takes_nothing_from_the_others(mongo_uri: str, mongo_database: str) -> None:
    registry = TypeRegistry([Refuses()])
    store = MongoStore(client=lambda: AsyncMongoClient(mongo_uri, type_registry=registry), database=mongo_database)
    keys, bad = [a_key() for _ in range(9)], a_key()
    for key in keys:
        await store.insert(key, a_record())
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client[mongo_database]["sessions"].insert_one({"_id": bad, "what": Decimal128("1")})
    *good, broken = await asyncio.gather(*(store.load(key) for key in [*keys, bad]), return_exceptions=True)
    assert all(good)
    assert not any(isinstance(record, BaseException) for record in good)
    assert isinstance(broken, StoreUnavailable)
    await store.close()


@pytest.mark.parametrize("layout", ["native", "express"])
@pytest.mark.gen_test
async def test_bytes_that_are_damaged_take_nothing_from_the_others(
    layout: str, mongo_uri: str, mongo_database: str, pytestconfig: pytest.Config
) -> None:
    """In layout express a document is decoded when it is looked at, which is after the driver has read it."""
    host, port = mongo_uri.removeprefix("mongodb://").rstrip("/").split(":")
    async with Proxy(int(port), host) as proxy:
        allow_unclosed(pytestconfig, proxy.port)
        uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        store = MongoStore(uri, database=mongo_database, layout=layout)
        keys, bad = [a_key() for _ in range(9)], a_key()
        for key in keys:
            await store.insert(key, a_record(user_id="ada"))
        await store.insert(bad, a_record('{"tea":"oolong"}', user_id="eve"))
        proxy.damage(b"oolong")
        *good, broken = await asyncio.gather(*(store.load(key) for key in [*keys, bad]), return_exceptions=True)
        assert [isinstance(record, Record) for record in good] == [True] * 9, good
        assert isinstance(broken, StoreUnavailable)
        with pytest.raises(StoreUnavailable, match="cannot be read"):
            await store.load(bad)
        assert {key for key, _ in await store.find_by_user("ada")} == set(keys)
        await store.close()
