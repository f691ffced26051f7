"""The MongoDB store: its set-up, its indexes, what lies in the database, and its timeouts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from rpc_sessions import ConfigError, Session, StoreUnavailable
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.testing import a_key, a_record
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import over_http, over_socket, put, session_server
from tests.stores.mongo_process import MongoProcess

NOWHERE = "mongodb://127.0.0.1:1"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "uri="),
        ({"uri": NOWHERE, "client": lambda: None}, "uri="),
        ({"client": MongoClient}, "AsyncMongoClient"),
        ({"client": partial(MongoClient, NOWHERE)}, "AsyncMongoClient"),
        ({"client": "mongodb://localhost"}, "AsyncMongoClient"),
        ({"client": object()}, "AsyncMongoClient"),
        ({"uri": NOWHERE, "databse": "app"}, "databse"),
        ({"uri": ""}, "uri="),
        ({"uri": "localhost:27017"}, "mongodb://"),
        ({"uri": "mongodb://localhost:port"}, "uri="),
        ({"uri": "mongodb://a:b@c@d/app"}, "uri="),
    ],
)
def test_a_wrong_set_up_is_a_clear_error(arguments: dict[str, Any], sentence: str, make_server: MakeServer) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make_server({}).session.store.use("mongodb", **arguments)


def test_a_synchronous_client_is_refused(make_server: MakeServer) -> None:
    with MongoClient[Any](NOWHERE, connect=False) as client, pytest.raises(ConfigError, match="would block"):
        make_server({}).session.store.use("mongodb", client=client)


@pytest.mark.gen_test
async def test_a_factory_of_synchronous_clients_is_refused_too() -> None:
    made: list[MongoClient[Any]] = []

    def make() -> Any:
        made.append(MongoClient(NOWHERE, connect=False))
        return made[0]

    with pytest.raises(ConfigError, match="would block"):
        await MongoStore(client=make).load(a_key())
    made[0].close()


def test_the_class_of_a_client_and_a_partial_of_it_are_factories(mongo_uri: str, mongo_database: str) -> None:
    async def use(client: Any) -> None:
        store = MongoStore(client=client, database=mongo_database)
        assert store.forks
        assert await store.load(a_key()) is None
        await store.close()

    class Client(AsyncMongoClient[Any]):
        def __init__(self) -> None:
            super().__init__(mongo_uri)

    asyncio.run(use(Client))
    asyncio.run(use(partial(AsyncMongoClient, mongo_uri)))


@pytest.mark.gen_test
async def test_a_client_that_is_ready_does_not_fork() -> None:
    client = AsyncMongoClient[Any](NOWHERE)
    assert not MongoStore(client=client).forks
    assert MongoStore(NOWHERE).forks
    await client.close()


@pytest.mark.gen_test
async def test_a_client_of_ones_own_is_used_after_close_and_no_other_is_made(
    mongo_uri: str, mongo_database: str
) -> None:
    client = AsyncMongoClient[Any](mongo_uri)
    store = MongoStore(client=client, database=mongo_database)
    key, record = a_key(), a_record()
    await store.insert(key, record)
    await store.close()
    assert (await store.load(key) or record).token == record.token
    await client.close()


@pytest.mark.gen_test
async def test_the_indexes_exist_once_a_session_does(mongo_uri: str, mongo_database: str) -> None:
    store = MongoStore(mongo_uri, database=mongo_database, collection="s")
    await store.insert(a_key(), a_record())
    await store.insert(a_key(), a_record())
    with MongoClient[Any](mongo_uri) as client:
        indexes = client[mongo_database]["s"].index_information()
    assert indexes["expires_1"]["expireAfterSeconds"] == 0
    assert [index["key"] for index in indexes.values()] == [[("_id", 1)], [("expires", 1)], [("user_id", 1)]]
    await store.close()


@pytest.mark.gen_test
async def test_the_database_itself_sweeps_expired_sessions(mongo_uri: str, mongo_database: str) -> None:
    if "TEST_MONGO_URI" in os.environ:
        pytest.skip("a mongod sweeps once a minute only")
    store = MongoStore(mongo_uri, database=mongo_database)
    kept = a_key()
    await store.insert(kept, a_record())
    assert await store.insert(a_key(), a_record(lives=0.1)) is True
    with MongoClient[Any](mongo_uri) as client:
        sessions = client[mongo_database]["sessions"]
        while sessions.count_documents({}) > 1:  # noqa: ASYNC110 (the database does not call back)
            await asyncio.sleep(0.1)
        assert sessions.find_one({})["_id"] == kept  # type: ignore[index]  # there is one
    await store.close()


@pytest.mark.gen_test
async def test_the_id_of_a_session_is_nowhere_in_the_database(
    make_server: MakeServer, mongo_uri: str, mongo_database: str
) -> None:
    async def regenerated(session: Session) -> str:
        await session.regenerate()
        return session.id

    ss = session_server(make_server)
    ss.session.store.use("mongodb", uri=mongo_uri, database=mongo_database)
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(cart={"tea": 2}))
        ids = [browser.id]
        await over_http(browser, lambda session: session.set_user_id("ada"))
        ids.append(browser.id)
        async with browser.socket() as socket:
            ids.append(await over_socket(socket, ss, regenerated))
            await browser.take_ticket(socket)
    with MongoClient[Any](mongo_uri, tz_aware=True) as client:
        documents = list(client[mongo_database]["sessions"].find())
    assert len(set(ids)) == 3
    assert not [id for id in ids if str(id) in str(documents)]
    documents = [document for document in documents if MOVED not in document["data"]]
    assert len(documents) == 1
    document = documents[0]
    assert document.keys() == {"_id", "data", "created", "expires", "user_id", "token"}
    assert (len(document["_id"]), document["user_id"]) == (64, "ada")
    assert json.loads(document["data"])["cart"] == {"tea": 2}
    assert document["created"] <= datetime.now(UTC) < document["expires"]


@pytest.mark.gen_test
async def test_a_session_larger_than_a_document_is_an_error_of_the_session_not_of_the_store(
    mongo_uri: str, mongo_database: str
) -> None:
    store = MongoStore(mongo_uri, database=mongo_database)
    huge = a_record('{"a":"' + "x" * 16_800_000 + '"}')
    key, record = a_key(), a_record()
    with pytest.raises(ValueError, match="larger"):
        await store.insert(key, huge)
    await store.insert(key, record)
    with pytest.raises(ValueError, match="larger"):
        await store.replace(key, huge, record)
    assert (await store.load(key) or huge).data == record.data
    await store.close()


@pytest.mark.gen_test
async def test_reads_go_to_the_primary_whatever_the_uri_prefers(mongo_uri: str, mongo_database: str) -> None:
    address, _, options = mongo_uri.partition("?")
    address = address if address.count("/") > 2 else address + "/"
    preferring = "&".join(filter(None, [options, "readPreference=secondary", "timeoutMS=2000"]))
    store = MongoStore(f"{address}?{preferring}", database=mongo_database)
    key = a_key()
    await store.insert(key, a_record(user_id="ada"))
    assert await store.load(key)
    assert len(await store.find_by_user("ada")) == 1
    await store.close()


class Commands(CommandListener):
    """What a driver sends: the write concerns, by command."""

    def __init__(self) -> None:
        self.concerns: dict[str, Any] = {}

    def started(self, event: CommandStartedEvent) -> None:
        self.concerns[event.command_name] = event.command.get("writeConcern")

    def succeeded(self, event: CommandSucceededEvent) -> None: ...
    def failed(self, event: CommandFailedEvent) -> None: ...


@pytest.mark.parametrize("driver", [AsyncMongoClient, AsyncIOMotorClient])
@pytest.mark.gen_test
async def test_a_write_is_acknowledged_when_a_majority_has_it_in_its_journal(
    driver: Any, mongo_uri: str, mongo_database: str
) -> None:
    """Whatever the uri says."""
    sent = Commands()
    store = MongoStore(
        client=lambda: driver(mongo_uri, w=1, journal=False, event_listeners=[sent]), database=mongo_database
    )
    key, record, changed = a_key(), a_record(), a_record('{"n":2}')
    await store.insert(key, record)
    for write in (
        store.insert(key, record),
        store.replace(key, changed, record),
        store.touch(key, time.time() + 90),
        store.delete(key),
        store.gc(time.time()),
    ):
        await write
    writes = ("insert", "update", "findAndModify", "delete", "createIndexes")
    assert [sent.concerns.pop(name) for name in writes] == [{"w": "majority", "j": True}] * 5
    assert not any(sent.concerns.values())
    await store.close()


async def seconds_until_unavailable(store: MongoStore) -> float:
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.load(a_key())
    return time.monotonic() - begun


@pytest.mark.gen_test
async def test_a_server_that_is_away_is_noticed_within_5_seconds_or_as_the_uri_says(
    mongo_process: MongoProcess,
) -> None:
    """Away: nobody listens. Frozen: it takes the call, and never answers."""
    patient, hasty, frozen = MongoStore(NOWHERE), MongoStore(f"{NOWHERE}/?serverSelectionTimeoutMS=300"), None
    mongo_process.start()
    frozen = MongoStore(mongo_process.uri)
    await frozen.load(a_key())
    mongo_process.send(signal.SIGSTOP)
    waits = await asyncio.gather(*(seconds_until_unavailable(store) for store in (patient, hasty, frozen)))
    mongo_process.send(signal.SIGCONT)
    assert await frozen.load(a_key()) is None  # and is used again
    assert 4.5 < waits[0] < 15  # it would be half a minute, or for ever
    assert waits[1] < 4
    assert 4.5 < waits[2] < 15
    for store in (patient, hasty, frozen):
        await store.close()


@pytest.mark.parametrize("layout", ["native", "express"])
@pytest.mark.gen_test
async def test_what_is_no_text_is_no_query(layout: str, mongo_uri: str, mongo_database: str) -> None:
    store, key, record = MongoStore(mongo_uri, database=mongo_database, layout=layout), a_key(), a_record(user_id="ada")
    await store.insert(key, record)
    query: Any = {"$gt": ""}
    assert await store.find_by_user(query) == []
    for call in (
        store.load(query),
        store.insert(query, record),
        store.replace(query, record, record),
        store.touch(query, time.time() + 60),
        store.delete(query),
    ):
        with pytest.raises(TypeError, match="a key is a string"):
            await call
    assert [found for found, _ in await store.find_by_user("ada")] == [key]
    await store.close()
