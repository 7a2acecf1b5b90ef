"""Stops: a reader asks one process to stop what another one answers."""

import asyncio
import logging
from collections.abc import Callable
from uuid import UUID

from channels.layers import get_channel_layer

from documents.outages import first_line

logger = logging.getLogger(__name__)

GROUP = "turns"
AGAIN = 2.0  # seconds after which a process tries again to listen


async def tell(turn: UUID) -> None:
    """Not sure to be heard: whoever asked looks whether it has ended."""
    try:
        await get_channel_layer().group_send(GROUP, {"type": "stop", "turn": str(turn)})
    except Exception as error:  # of Redis, of its connections, of channels_redis
        logger.warning("A stop could not be told: %s", first_line(error))


async def listen(stop: Callable[[UUID], None]) -> None:
    """For as long as the process lives."""
    layer = get_channel_layer()
    while True:
        try:
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
            while True:
                stop(UUID((await layer.receive(channel))["turn"]))
        except Exception as error:
            logger.warning("Stops are not heard for a while: %s", first_line(error))
            await asyncio.sleep(AGAIN)
