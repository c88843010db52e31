"""What the server listens at."""

import asyncio
import socket

from textsr.serving.server import listen


def test_an_answer_is_sent_at_once_on_a_kept_connection() -> None:
    """Without TCP_NODELAY its body would wait for the client to acknowledge its headers."""

    async def accepted() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            told.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen("127.0.0.1", 0)
        async with await asyncio.start_server(handle, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            without_delay = await told
            writer.close()
        return without_delay

    assert asyncio.run(accepted()) == 1
