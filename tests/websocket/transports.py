"""Which transports the tests of a module run on. Without a word: "fast" and "tornado".

pytestmark = EVERY_TRANSPORT
"""

from __future__ import annotations

import pytest

# "uvloop" is "fast" on uvloop's loop.
EVERY_TRANSPORT = pytest.mark.parametrize("transport", ["fast", "tornado", "uvloop"], indirect=True)
# "deflate" is with compression agreed on, as far as the handshake is a ``raw_socket``'s.
EVERY_FRAMING = pytest.mark.parametrize("transport", ["fast", "tornado", "uvloop", "deflate"], indirect=True)
ANY_TRANSPORT = pytest.mark.parametrize("transport", ["auto"], indirect=True)
