"""Fixtures for the examples: each is started as its docstring says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pytest

from tests.conftest import StartProcess
from tests.processes import Process, find_free_port


class StartExample(Protocol):
    def __call__(self, folder: str, **env: str) -> Process: ...


@pytest.fixture
def start_example(start_process: StartProcess) -> StartExample:
    """``start_example("01_echo")``: ready when its port is open."""

    def start(folder: str, **env: str) -> Process:
        port = find_free_port()
        variables: Mapping[str, str] = {"PORT": str(port), **env}
        return start_process([f"examples/{folder}/app.py"], port, env=variables)

    return start
