"""The databases that sessions are read from, and their drivers' own reads."""

import asyncio
import os
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop


class Database(ABC):
    """How to start one, where it is, and how to read from it without this library."""

    title: str

    @abstractmethod
    def command(self, port: int, folder: str) -> list[str]:
        """What starts it."""

    @abstractmethod
    def url(self, port: int) -> str:
        """What the store is given."""

    @abstractmethod
    async def open(self, url: str) -> Callable[[], Awaitable[object]]:
        """A function that reads one record, as the driver does it."""

    @abstractmethod
    def look(self, url: str) -> list[str]:
        """All that is stored: two looks are alike if nothing was written between them."""


class Redis(Database):
    title = "redis (GET)"

    def command(self, port: int, folder: str) -> list[str]:
        return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"

    async def open(self, url: str) -> Callable[[], Awaitable[object]]:
        from redis.asyncio import Redis

        client = Redis.from_url(url)
        await client.set("bare", '{"n":1}')
        return lambda: client.get("bare")

    def look(self, url: str) -> list[str]:
        from redis import Redis

        with Redis.from_url(url) as client:
            names = sorted(client.scan_iter(match="rpc_sessions:*", _type="hash"))
            return [f"{name!r} {client.hgetall(name)} {client.pexpiretime(name)}" for name in names]


class MongoDB(Database):
    title = "mongodb (find_one)"

    def command(self, port: int, folder: str) -> list[str]:
        program = shutil.which("secantusd-py") or str(Path(sys.executable).parent / "secantusd-py")
        return [program, "--port", str(port), "--storage-path", folder, "--standalone"]

    def url(self, port: int) -> str:
        return f"mongodb://127.0.0.1:{port}"

    async def open(self, url: str) -> Callable[[], Awaitable[object]]:
        from pymongo import AsyncMongoClient

        collection = AsyncMongoClient[dict[str, object]](url)["app"]["bare"]
        await collection.replace_one({"_id": "bare"}, {"_id": "bare", "data": '{"n":1}'}, upsert=True)
        return lambda: collection.find_one({"_id": "bare"})

    def look(self, url: str) -> list[str]:
        from pymongo import MongoClient

        with MongoClient[dict[str, object]](url) as client:
            return sorted(map(str, client["app"]["sessions"].find()))


DATABASES: dict[str, Database] = {"redis": Redis(), "mongodb": MongoDB()}


async def read_for(name: str, url: str, connections: int, seconds: float) -> float:
    """Reads a second of so many loops side by side."""
    read = await DATABASES[name].open(url)
    count, end = 0, time.perf_counter() + seconds

    async def loop() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await read()
            count += 1

    await asyncio.gather(*(loop() for _ in range(connections)))
    return count / seconds


if __name__ == "__main__":  # LOOP NAME URL CONNECTIONS SECONDS
    run = uvloop.run if sys.argv[1] == "uvloop" else asyncio.run
    rate = run(read_for(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
    print(rate)
    sys.stdout.flush()
    os._exit(0)  # the drivers' connections end with the process
