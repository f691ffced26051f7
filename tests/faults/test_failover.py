"""MongoDB fails over, or loses its majority: calls are refused meanwhile, and what was acknowledged is there after.

The server answers as a primary that steps down does: https://github.com/mongodb/specifications, "failCommand".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, cast

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient
from pymongo.errors import OperationFailure

from rpc_sessions import Session, StoreUnavailable
from rpc_sessions.session.stores.mongodb import MongoStore
from tests.apps import MakeServer, Site, serving
from tests.faults.ways import ADA, everywhere, log_in, refused, refused_everywhere, same_id, ways
from tests.http.browser import Browser
from tests.logs import Logs
from tests.requirements import missing
from tests.session.steps import look, over_http, over_socket, put, session_server

WRITES = ("insert", "update", "findAndModify", "delete")
READS = ("find",)
Fault = Mapping[str, object]
# The codes: https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
NOT_PRIMARY = {"errorCode": 10107}
STEPPED_DOWN = {"errorCode": 189}
SHUTTING_DOWN = {"errorCode": 91}
HANGS_UP = {"closeConnection": True}
TOO_LATE = {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}
NO_MAJORITY = {"writeConcernError": {"code": 100, "errmsg": "Not enough data-bearing nodes"}}
APPLIED_AND_STEPPED_DOWN = {
    "writeConcernError": {"code": 189, "errmsg": "operation was interrupted"},
    "errorLabels": ["RetryableWriteError"],
}
REFUSED: dict[str, Fault] = {
    "not primary": NOT_PRIMARY,
    "stepped down": STEPPED_DOWN,
    "shutting down": SHUTTING_DOWN,
    "hangs up": HANGS_UP,
}
UNSURE: dict[str, Fault] = {"too late": TOO_LATE, "no majority": NO_MAJORITY}
# A driver asks again when the server's state changes. This one does not change: so it asks often.
OPTIONS: dict[str, Any] = {"heartbeatFrequencyMS": 500, "serverMonitoringMode": "poll"}
HASTY, PATIENT = 1500, 15_000  # milliseconds for the driver to try again


class Mongo(NamedTuple):
    """What makes the store, and what makes its server fail it. app: the name of the client, and of the database."""

    make: Callable[..., Any]
    uri: str
    app: str

    def store(self, patience: int) -> MongoStore:
        """The store; patience: in milliseconds."""
        options = {**OPTIONS, "timeoutMS": patience, "serverSelectionTimeoutMS": patience}
        return MongoStore(client=lambda: self.make(self.uri, appName=self.app, **options), database=self.app)

    async def fails(
        self, fault: Fault, commands: tuple[str, ...] = WRITES, times: int | None = None, skip: int = 0
    ) -> None:
        """For so many commands, after so many that succeed; None: until ``recovers``."""
        mode: object = "alwaysOn" if times is None else {"times": times, "skip": skip}
        await self._set(mode, {"failCommands": commands, "appName": self.app, **fault})

    async def recovers(self) -> None:
        await self._set("off", {})

    async def _set(self, mode: object, data: Mapping[str, object]) -> None:
        async with AsyncMongoClient[Any](self.uri) as client:
            await client.admin.command("configureFailPoint", "failCommand", mode=mode, data=dict(data))


@pytest.fixture(params=[AsyncMongoClient, AsyncIOMotorClient], ids=["pymongo", "motor"])
def mongo(request: pytest.FixtureRequest, mongo_uri: str, mongo_database: str) -> Mongo:
    with MongoClient[Any](mongo_uri) as client:
        try:
            client.admin.command("configureFailPoint", "failCommand", mode="off")
        except OperationFailure:
            missing("a MongoDB that fails on demand", "start it with --setParameter enableTestCommands=1")
    return Mongo(request.param, mongo_uri, mongo_database)


@asynccontextmanager
async def ada(make_server: MakeServer, mongo: Mongo, patience: int = HASTY) -> AsyncIterator[tuple[Site, Browser]]:
    """A site, and a browser that is logged in."""
    async with serving(session_server(make_server, mongo.store(patience))) as site:
        browser = Browser(site)
        await over_http(browser, log_in)
        yield site, browser
    await mongo.recovers()


def add(session: Session) -> None:
    session["tally"] = cast(int, session.get("tally", 0)) + 1


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.gen_test
async def test_while_there_is_no_primary(make_server: MakeServer, mongo: Mongo, logs: Logs, fault: Fault) -> None:
    """Writes are refused; so are reads, where the driver reads from a primary only."""
    async with ada(make_server, mongo) as (site, browser), browser.socket() as socket:
        cookie = browser.cookie
        await mongo.fails(fault)
        await refused_everywhere(browser, socket, put(after=1))
        await mongo.fails(fault, READS)
        await refused_everywhere(browser, socket, look)
        await mongo.recovers()
        while (await browser.get("/readyz")).code != 200:  # noqa: ASYNC110 (as a load balancer does)
            await asyncio.sleep(0.05)
        assert await everywhere(browser, socket, look) == [ADA] * 3
        await over_socket(socket, site.ss, put(after=1))
        assert await over_http(browser, look) == ("ada", {"cart": {"tea": 2}, "after": 1})
        assert same_id(browser.cookie, cookie)
    logs.take("503 (GET|POST)")


@pytest.mark.parametrize("fault", [*REFUSED.values(), APPLIED_AND_STEPPED_DOWN], ids=[*REFUSED.keys(), "applied"])
@pytest.mark.gen_test
async def test_an_election_that_is_short_is_not_noticed(
    make_server: MakeServer, mongo: Mongo, logs: Logs, fault: Fault
) -> None:
    """The driver asks again, by itself; what was applied the first time does not count twice."""
    async with ada(make_server, mongo, PATIENT) as (site, browser), browser.socket() as socket:
        await mongo.fails(fault, times=1)
        await over_socket(socket, site.ss, lambda session: session.mutate(add))
        await mongo.fails(fault, READS, times=1)
        assert await over_http(browser, look) == ("ada", {"cart": {"tea": 2}, "tally": 1})
        await mongo.fails(fault, times=1)
        await over_http(browser, lambda session: session.regenerate())
        assert await over_socket(socket, site.ss, look) == ("ada", {"cart": {"tea": 2}, "tally": 1})


@pytest.mark.parametrize("fault", UNSURE.values(), ids=UNSURE.keys())
@pytest.mark.gen_test
async def test_a_write_that_only_a_minority_has(
    make_server: MakeServer, mongo: Mongo, logs: Logs, fault: Fault
) -> None:
    """It is applied and may yet be rolled back: the caller is told, and saving again doubles nothing."""

    async def save_again(session: Session) -> None:
        session["list"] = [1, 2]
        await mongo.fails(fault)
        with pytest.raises(StoreUnavailable):
            await session.save()
        assert session.changed
        session["more"] = True
        await mongo.recovers()
        await session.save()
        assert not session.changed

    async def clear_all_but_the_cart(session: Session) -> None:
        del session["list"], session["more"]
        await session.save()

    async with ada(make_server, mongo) as (_, browser), browser.socket() as socket:
        for do in ways(browser, socket):
            await do(save_again)
            assert await do(look) == ("ada", {"cart": {"tea": 2}, "list": [1, 2], "more": True})
            await do(clear_all_but_the_cart)
        for number, do in enumerate(ways(browser, socket), 1):
            await mongo.fails(fault)
            await refused(do, lambda session: session.mutate(add))
            await mongo.recovers()
            assert await do(lambda session: session["tally"]) == number
    logs.take("503 (GET|POST)")


@pytest.mark.parametrize("fault", UNSURE.values(), ids=UNSURE.keys())
@pytest.mark.parametrize("skip", range(4))
@pytest.mark.gen_test
async def test_a_log_in_that_only_a_minority_has(
    make_server: MakeServer, mongo: Mongo, logs: Logs, fault: Fault, skip: int
) -> None:
    """Whichever of its writes is the one that nobody confirms."""

    async def log_in_again(session: Session) -> None:
        await mongo.fails(fault, times=1, skip=skip)
        await session.set_user_id("eve")

    async with ada(make_server, mongo) as (site, browser):
        async with browser.socket() as socket:
            with suppress(StoreUnavailable):
                await over_http(browser, log_in_again)
            await mongo.recovers()
            user_id, values = await over_http(browser, look)
            assert user_id in ("ada", "eve")
            assert values == ADA[1]
            assert await over_socket(socket, site.ss, look) == (user_id, values)
        async with browser.socket() as another:
            assert await over_socket(another, site.ss, look) == (user_id, values)
    with suppress(AssertionError):
        logs.take("503 (GET|POST)")


@pytest.mark.gen_test
async def test_a_log_out_is_refused_or_lasts(make_server: MakeServer, mongo: Mongo, logs: Logs) -> None:
    async with ada(make_server, mongo) as (_, browser):
        for fault, found in ((NOT_PRIMARY, ADA), (TOO_LATE, (None, {}))):
            await mongo.fails(fault)
            await refused(lambda step: over_http(browser, step), lambda session: session.destroy())
            await mongo.recovers()
            assert await over_http(browser, look) == found
    logs.take("503 (GET|POST)")


@pytest.mark.gen_test
async def test_the_primary_really_steps_down(make_server: MakeServer, mongo: Mongo, logs: Logs) -> None:
    async with ada(make_server, mongo) as (site, browser), browser.socket() as socket:
        async with AsyncMongoClient[Any](mongo.uri) as client:
            try:
                # Long beside HASTY: the last of the three ways may begin late, and has to find no primary either.
                await client.admin.command("replSetStepDown", 12, force=True)
            except OperationFailure:
                pytest.skip("this MongoDB is no replica set")
        await refused_everywhere(browser, socket, put(after=1))
        while (await browser.get("/readyz")).code != 200:  # noqa: ASYNC110 (as a load balancer does)
            await asyncio.sleep(0.05)
        await over_socket(socket, site.ss, put(after=1))
        assert await everywhere(browser, socket, look) == [("ada", {"cart": {"tea": 2}, "after": 1})] * 3
    logs.take("503 (GET|POST)")
